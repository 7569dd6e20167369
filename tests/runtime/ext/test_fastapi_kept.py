"""What a client cannot send back, because no answer shows it or shows it otherwise, is not lost by what it sends."""

import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
import redis
from pydantic import (
    AliasGenerator,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ByteSize,
    ConfigDict,
    Json,
    PlainSerializer,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


class Lock(BaseModel):
    """A part with something that no answer shows."""

    place: str
    code: str = Field(default="0000", exclude=True)
    serial: int = Field(default=0, exclude=True)


class Safe(BaseModel):
    kind: Literal["safe"] = "safe"
    size: int
    pin: str = Field(default="", exclude=True)


class Box(BaseModel):
    kind: Literal["box"] = "box"
    size: int


class Plain(BaseModel):
    width: int


class Deep(BaseModel):
    width: int
    grain: str = Field(default="", exclude=True)


@dataclasses.dataclass
class Hinge:
    side: str
    maker: Annotated[str, Field(exclude=True)] = "none"


@pydantic_dataclass
class Bolt:
    length: int
    alloy: str = Field(default="steel", exclude=True)
    blob: Base64Bytes = Field(default=b"", exclude=True)


class Locks(RootModel[list[Lock]]):
    pass


class Badge(BaseModel):
    holder: str
    token: SecretStr = SecretStr("")


class Door(Model):
    """Holds parts in every way."""

    id: str = Field(primary_key=True)
    lock: Lock | None = None
    locks: list[Lock] = Field(default_factory=list[Lock])
    by_floor: dict[str, Lock] = Field(default_factory=dict[str, Lock])
    pair: tuple[Lock, int] | None = None
    all_of_them: Locks = Locks([])
    content: Annotated[Safe | Box, Field(discriminator="kind")] | None = None
    either: Plain | Deep | None = None
    hinge: Hinge | None = None
    bolt: Bolt | None = None
    badges: list[Badge] = Field(default_factory=list[Badge])
    secrets: list[SecretStr] = Field(default_factory=list[SecretStr])


def _lock(place: str, code: str = "0000") -> Lock:
    return Lock(place=place, code=code, serial=len(code))


class Hook(BaseModel):
    place: str
    serial: int = Field(exclude=True)  # no body makes one without it


class Wall(Model):
    id: str = Field(primary_key=True)
    hook: Hook
    hooks: list[Hook] = Field(default_factory=list[Hook])
    limits: "Bounds | None" = None


class Shade(Enum):
    DARK = "d"


class Upper(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=str.upper))

    depth: int = 0
    note: str | None = "none"

    @model_serializer(mode="wrap")
    def _without_none(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Cabinet(Model):
    """Every kind of field whose answer does not make it again."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(primary_key=True)
    password: SecretStr = SecretStr("")
    raw: SecretBytes = SecretBytes(b"")
    number: Secret[int] = Secret(0)
    card: str = ""
    cost: float = Field(default=0.0, exclude=True)
    inner: str = Field(default="i", serialization_alias="outer")
    first: int = Field(default=0, validation_alias=AliasPath("numbers", 0))
    document: Json[list[int]] = Field(default_factory=list[int])
    blob: Base64Bytes = b""
    moment: date | str = ""
    anything: Any = None
    path: Path | str = ""
    size: ByteSize = ByteSize(0)
    rounded: Annotated[Decimal, PlainSerializer(lambda value: f"{value:.1f}")] = Decimal(0)
    shade: Shade | None = None
    upper: Upper = Upper()
    last: deque[int] = Field(default_factory=lambda: deque[int](maxlen=2))
    ids: set[UUID] = Field(default_factory=set[UUID])
    when: datetime | None = None
    wait: timedelta = timedelta()
    badge: Badge | None = None

    @computed_field
    def label(self) -> str:
        return f"{self.id}!"

    @field_serializer("card")
    def _stars(self, card: str) -> str:
        return f"...{card[-4:]}"


class Sealed(Model):
    """Takes nothing that it does not know, not even what it says of itself."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(primary_key=True)
    width: int = 1
    height: int = Field(default=1, serialization_alias="tall")

    @computed_field
    def area(self) -> int:
        return self.width * self.height


class Bounds(BaseModel):
    low: int
    high: int = Field(default=100, exclude=True)

    @model_validator(mode="after")
    def _in_order(self) -> "Bounds":
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


Wall.model_rebuild()
MODELS: list[type[Model]] = [Door, Cabinet, Sealed, Wall]


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    for model in MODELS:
        model._store = None


def _full_cabinet() -> Cabinet:
    made = Cabinet(
        id="a",
        password=SecretStr("secret"),
        raw=SecretBytes(b"secret"),
        number=Secret(7),
        card="4111-2222",
        cost=3.5,
        inner="other",
        document="[1, 2]",  # type: ignore[arg-type]  # a Json is made of text
        blob=b"YWJj",
        moment=date(2020, 1, 2),
        anything=(date(2021, 1, 1), {1, 2}),
        path=Path("/x"),
        size=ByteSize(3000),
        rounded=Decimal("1.2345"),
        shade=Shade.DARK,
        upper=Upper(depth=3, note=None),
        last=deque([1, 2], maxlen=2),
        ids={UUID(int=1), UUID(int=2)},
        when=datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        wait=timedelta(seconds=90),
        badge=Badge(holder="h", token=SecretStr("t")),
        extra=date(2022, 2, 2),  # type: ignore[call-arg]
    )
    made.first = 5
    return made


def _full_door(**changed: Any) -> Door:
    return Door(
        id="a",
        lock=_lock("in", "1"),
        locks=[_lock("up", "22"), _lock("down", "333")],
        by_floor={"1": _lock("one", "4444"), "2": _lock("two", "55555")},
        pair=(_lock("p", "6"), 3),
        all_of_them=Locks([_lock("r", "77")]),
        content=Safe(size=1, pin="88"),
        either=Deep(width=1, grain="fine"),
        hinge=Hinge(side="left", maker="me"),
        bolt=Bolt(length=1, alloy="brass", blob=b"YWJj"),
        badges=[Badge(holder="x", token=SecretStr("tx")), Badge(holder="y", token=SecretStr("ty"))],
        secrets=[SecretStr("s1"), SecretStr("s2")],
    ).model_copy(update=changed)


@pytest.mark.parametrize(
    ("make", "method"),
    [
        (_full_cabinet, "PUT"),
        (_full_door, "PUT"),
        (_full_door, "POST"),
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
    ("lock", {"place": "out"}, lambda door: door.lock, _lock("out", "1")),
    (
        "locks",
        [{"place": "up"}, {"place": "cellar"}],
        lambda door: door.locks,
        [_lock("up", "22"), _lock("cellar", "333")],
    ),
    ("locks", [{"place": "down"}], lambda door: door.locks, [_lock("down", "333")]),
    ("locks", [{"place": "down"}, {"place": "up"}], lambda door: door.locks, [_lock("down", "333"), _lock("up", "22")]),
    ("locks", [], lambda door: door.locks, []),
    ("lock", None, lambda door: door.lock, None),
    (
        "by_floor",
        {"2": {"place": "zwei"}},
        lambda door: door.by_floor,
        {"2": _lock("zwei", "55555")},
    ),
    ("pair", [{"place": "q"}, 4], lambda door: door.pair, (_lock("q", "6"), 4)),
    ("all_of_them", [{"place": "s"}], lambda door: door.all_of_them, Locks([_lock("s", "77")])),
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
    ("secrets", ["**********", "s3"], lambda door: [one.get_secret_value() for one in door.secrets], ["s1", "s3"]),
]


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(("field", "value", "of", "expected"), _EDITS)
async def test_what_is_not_shown_stays_with_what_it_belongs_to(
    store: Store, serve: Serve, field: str, value: object, of: Callable[[Door], object], expected: object, method: str
) -> None:
    http = await serve(CRUDRouter(Door, store))
    await Door.insert(_full_door())
    shown = (await http.get("/door/a")).json()

    answer = await http.request(method, "/door/a" if method == "PUT" else "/door", json={**shown, field: value})

    found = await Door.get("a")
    assert answer.status_code == 200, answer.text
    assert of(found) == expected
    assert found == _full_door(**{field: getattr(found, field)})


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
async def test_where_it_cannot_be_told_what_it_belongs_to_the_request_is_refused(
    store: Store, client: redis.Redis, serve: Serve, field: str, value: object, place: list[object], method: str
) -> None:
    http = await serve(CRUDRouter(Door, store))
    await Door.insert(_full_door())
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


async def test_asterisks_are_no_secret_to_begin_with(store: Store, client: redis.Redis, serve: Serve) -> None:
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
        ("lock", {"place": "out"}, _lock("out", "1")),
        ("locks", [{"place": "up"}, {"place": "b"}], [_lock("up", "22"), _lock("b", "333")]),
        ("locks", [{"place": "up", "code": "9"}, {"place": "down"}], [_lock("up", "9"), _lock("down", "333")]),
        ("bolt", {"length": 2}, Bolt(length=2, alloy="brass", blob=b"YWJj")),
        ("secrets", ["**********", "x"], [SecretStr("s1"), SecretStr("x")]),
        ("badges", [{"holder": "y", "token": "**********"}], [Badge(holder="y", token=SecretStr("ty"))]),
    ],
)
async def test_a_body_of_ones_own_class_loses_nothing_either(
    store: Store, serve: Serve, field: str, value: object, expected: object
) -> None:
    http = await serve(CRUDRouter(Door, store, update_schema=DoorUpdate))
    await Door.insert(_full_door())

    answer = await http.put("/door/a", json={field: value})

    assert answer.status_code == 200, answer.text
    found = await Door.get("a")
    assert found.model_copy(update={field: None}) == _full_door(**{field: None})
    if field == "locks" and "code" in str(value):
        assert [lock.code for lock in found.locks] == ["9", "333"]
    else:
        assert getattr(found, field) == expected


async def test_long_lists_are_compared_in_the_time_of_their_length(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Door, store))
    many = [_lock(str(number), str(number)) for number in range(2_000)]
    await Door.insert(Door(id="a", locks=many))
    shown = [{"place": lock.place} for lock in many]

    answer = await http.put("/door/a", json={"locks": [*shown[1_000:], *shown[:999]]})

    assert answer.status_code == 200
    assert (await Door.get("a")).locks == [*many[1_000:], *many[:999]]
