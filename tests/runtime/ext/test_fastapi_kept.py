"""What a client cannot send back, because no answer shows it or shows it otherwise, is not lost by what it sends."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import redis
from pydantic import (
    BaseModel,
    SecretStr,
)

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

from .hidden_parts import (
    MODELS,
    Badge,
    Bolt,
    Bounds,
    Box,
    Cabinet,
    Door,
    Hinge,
    Hook,
    Lock,
    Locks,
    Safe,
    Sealed,
    Wall,
    full_cabinet,
    full_door,
    lock_at,
)

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    for model in MODELS:
        model._store = None


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (full_cabinet, "PUT"),
        (full_door, "PUT"),
        (full_door, "POST"),
        (lambda: Sealed(id="a", width=3, height=4), "PUT"),
    ],
    ids=["cabinet", "door", "door posted", "sealed"],
)
async def test_what_was_got_and_is_sent_back_changes_nothing(
    store: Store, client: redis.Redis, serve: Serve, make: Callable[[], Model], method: str
) -> None:
    record = make()
    name = type(record).__name__.lower()
    http = await serve(CRUDRouter(type(record), store))
    await record.save()
    before = client.hgetall(f"{name}:a")
    shown = (await http.get(f"/{name}/a")).json()

    answer = await http.request(method, f"/{name}/a" if method == "PUT" else f"/{name}", json=shown)

    assert (answer.status_code, answer.json()) == (200, shown)
    assert client.hgetall(f"{name}:a") == before


_EDITS: list[tuple[str, Any, Callable[[Door], object], object]] = [
    ("lock", {"place": "out"}, lambda door: door.lock, lock_at("out", "1")),
    (
        "locks",
        [{"place": "up"}, {"place": "cellar"}],
        lambda door: door.locks,
        [lock_at("up", "22"), lock_at("cellar", "333")],
    ),
    ("locks", [{"place": "down"}], lambda door: door.locks, [lock_at("down", "333")]),
    (
        "locks",
        [{"place": "down"}, {"place": "up"}],
        lambda door: door.locks,
        [lock_at("down", "333"), lock_at("up", "22")],
    ),
    ("locks", [], lambda door: door.locks, []),
    ("lock", None, lambda door: door.lock, None),
    (
        "by_floor",
        {"2": {"place": "zwei"}},
        lambda door: door.by_floor,
        {"2": lock_at("zwei", "55555")},
    ),
    ("pair", [{"place": "q"}, 4], lambda door: door.pair, (lock_at("q", "6"), 4)),
    ("all_of_them", [{"place": "s"}], lambda door: door.all_of_them, Locks([lock_at("s", "77")])),
    ("content", {"kind": "safe", "size": 2}, lambda door: door.content, Safe(size=2, pin="88")),
    ("content", {"kind": "box", "size": 2}, lambda door: door.content, Box(size=2)),
    ("hinge", {"side": "right"}, lambda door: door.hinge, Hinge(side="right", maker="me")),
    ("bolt", {"length": 2}, lambda door: door.bolt, Bolt(length=2, alloy="brass", blob=b"YWJj")),
    (
        "badges",
        [{"holder": "y", "token": "**********"}],
        lambda door: [badge.token.get_secret_value() for badge in door.badges],
        ["ty"],
    ),
    (
        "badges",
        [{"holder": "z", "token": "**********"}, {"holder": "y", "token": "new"}],
        lambda door: [badge.token.get_secret_value() for badge in door.badges],
        ["tx", "new"],
    ),
    (
        "secrets",
        ["**********", "s3"],
        lambda door: [secret.get_secret_value() for secret in door.secrets],
        ["s1", "s3"],
    ),
]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(("field", "value", "of", "expected"), _EDITS)
async def test_what_is_not_shown_stays_with_what_it_belongs_to(
    store: Store, serve: Serve, field: str, value: object, of: Callable[[Door], object], expected: object, method: str
) -> None:
    http = await serve(CRUDRouter(Door, store))
    await Door.insert(full_door())
    shown = (await http.get("/door/a")).json()

    answer = await http.request(method, "/door/a" if method == "PUT" else "/door", json={**shown, field: value})

    found = await Door.get("a")
    assert answer.status_code == 200, answer.text
    assert of(found) == expected
    assert found == full_door(**{field: getattr(found, field)})


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("locks", [{"place": "attic"}], ["locks", 0]),
        ("locks", [{"place": "down"}, {"place": "attic"}], ["locks", 1]),
        ("locks", [{"place": "up"}, {"place": "a"}, {"place": "b"}], ["locks", 1]),
        ("either", {"width": 2}, ["either"]),
        ("badges", [{"holder": "new", "token": "**********"}], ["badges", 0, "token"]),
        ("secrets", ["**********"], ["secrets", 0]),
        ("lock", {"place": "in", "code": "9"}, ["lock", "code"]),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_an_ambiguous_request_is_refused(
    store: Store, client: redis.Redis, serve: Serve, field: str, value: object, place: list[object], method: str
) -> None:
    http = await serve(CRUDRouter(Door, store))
    await Door.insert(full_door())
    before = client.hgetall("door:a")
    shown = (await http.get("/door/a")).json()

    answer = await http.request(method, "/door/a" if method == "PUT" else "/door", json={**shown, field: value})

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", *place])
    assert client.hgetall("door:a") == before


async def test_a_part_that_no_body_could_make_can_be_changed(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Wall, store))
    await Wall.insert(Wall(id="a", hook=Hook(place="x", serial=1), hooks=[Hook(place="y", serial=2)]))

    answer = await http.put("/wall/a", json={"hook": {"place": "z"}, "hooks": [{"place": "y"}]})
    more = await http.put("/wall/a", json={"hook": {"place": "z"}, "hooks": [{"place": "y"}, {"place": "new"}]})

    assert (answer.status_code, answer.json()["hook"]) == (200, {"place": "z"})
    assert (more.status_code, more.json()["detail"][0]["loc"]) == (422, ["body", "hooks", 1, "serial"])
    found = await Wall.get("a")
    assert (found.hook, found.hooks) == (Hook(place="z", serial=1), [Hook(place="y", serial=2)])


async def test_what_is_kept_decides_with_the_rest_whether_a_part_is_valid(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Wall, store))
    await Wall.insert(Wall(id="a", hook=Hook(place="x", serial=1), limits=Bounds(low=1, high=5)))

    answer = await http.put("/wall/a", json={"hook": {"place": "x"}, "limits": {"low": 9}})

    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "limits"])
    assert (await Wall.get("a")).limits == Bounds(low=1, high=5)


async def test_asterisks_are_not_taken_for_a_hidden_secret(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Cabinet, store, overwrite=False), CRUDRouter(Door, store))

    answers = [
        await http.post("/cabinet", json={"id": "b", "password": "**********"}),
        await http.post("/cabinet", json={"id": "b", "badge": {"holder": "h", "token": "**********"}}),
        await http.post("/door", json={"id": "b", "secrets": ["x", "**********"]}),
    ]

    places = [answer.json()["detail"][0]["loc"] for answer in answers]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert places == [["body", "password"], ["body", "badge", "token"], ["body", "secrets", 1]]
    assert client.exists("cabinet:b", "door:b") == 0


class PlaceOnly(BaseModel):
    place: str


class DoorUpdate(BaseModel):
    lock: PlaceOnly | None = None
    locks: list[Lock] = Field(default_factory=list[Lock])
    bolt: Bolt | None = None
    secrets: list[SecretStr] = Field(default_factory=list[SecretStr])
    badges: list[Badge] = Field(default_factory=list[Badge])


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("lock", {"place": "out"}, lock_at("out", "1")),
        ("locks", [{"place": "up"}, {"place": "b"}], [lock_at("up", "22"), lock_at("b", "333")]),
        ("locks", [{"place": "up", "code": "9"}, {"place": "down"}], [lock_at("up", "9"), lock_at("down", "333")]),
        ("bolt", {"length": 2}, Bolt(length=2, alloy="brass", blob=b"YWJj")),
        ("secrets", ["**********", "x"], [SecretStr("s1"), SecretStr("x")]),
        ("badges", [{"holder": "y", "token": "**********"}], [Badge(holder="y", token=SecretStr("ty"))]),
    ],
)
async def test_a_body_of_ones_own_class_loses_nothing_either(
    store: Store, serve: Serve, field: str, value: object, expected: object
) -> None:
    http = await serve(CRUDRouter(Door, store, update_schema=DoorUpdate))
    await Door.insert(full_door())

    answer = await http.put("/door/a", json={field: value})

    assert answer.status_code == 200, answer.text
    found = await Door.get("a")
    assert found.model_copy(update={field: None}) == full_door(**{field: None})
    if field == "locks" and "code" in str(value):
        assert [lock.code for lock in found.locks] == ["9", "333"]
    else:
        assert getattr(found, field) == expected


async def test_long_lists_are_compared_in_the_time_of_their_length(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Door, store))
    many = [lock_at(str(number), str(number)) for number in range(2_000)]
    await Door.insert(Door(id="a", locks=many))
    shown = [{"place": lock.place} for lock in many]

    answer = await http.put("/door/a", json={"locks": [*shown[1_000:], *shown[:999]]})

    assert answer.status_code == 200
    assert (await Door.get("a")).locks == [*many[1_000:], *many[:999]]
