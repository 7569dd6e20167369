"""Bodies of the generated routes: what the documentation says of them, and types that are easily lost on the way."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from enum import Enum
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID, uuid4

import httpx
import pytest
import redis
from fastapi import FastAPI
from pydantic import (
    AliasChoices,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Json,
    SecretStr,
    StringConstraints,
    computed_field,
    model_validator,
)

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


class Color(Enum):
    RED = "r"


class Node(BaseModel):
    name: str
    children: "list[Node]" = []


class Thing(Model):
    """Every kind of field that a copy of the class could get wrong."""

    id: UUID = Field(primary_key=True, default_factory=uuid4)
    size: int = Field(ge=1, le=10)
    label: str = Field(alias="name", max_length=5)
    due: date | None = None
    color: Color = Color.RED
    node: Node | None = None
    either: int | str = 0
    matrix: list[list[float]] = Field(default_factory=list[list[float]])
    by_name: dict[str, int] = Field(default_factory=dict[str, int])
    flag: bool = Field(default=False, validation_alias=AliasChoices("flag", "is_flagged"))

    @computed_field
    def double(self) -> int:
        return 2 * self.size


class Account(Model):
    """Has a field that no answer shows."""

    id: str = Field(primary_key=True)
    owner: str
    password: SecretStr = Field(exclude=True, alias="pass")


class Shaped(Model):
    """Types that make their values from something else, and must not do so twice."""

    id: str = Field(primary_key=True)
    document: Json[list[int]] = Field(default_factory=list[int])
    blob: Base64Bytes = Field(default=b"", exclude=True)


class Open(Model):
    model_config = ConfigDict(extra="allow")

    id: str = Field(primary_key=True)


class Closed(Model):
    model_config = ConfigDict(extra="forbid")

    key: str = Field(primary_key=True, alias="id")
    size: int = Field(alias="n")
    hidden: int = Field(default=0, alias="h", exclude=True)


class Watched(Model):
    """Lets another client act while a new state of it is validated: between reading and writing."""

    id: str = Field(primary_key=True)
    size: int = 0
    hidden: str = Field(default="", exclude=True)
    between: ClassVar[list[Callable[[], object]]] = []

    @model_validator(mode="after")
    def _act(self) -> "Watched":
        if Watched.between:
            Watched.between.pop(0)()
        return self


class Coded(Model):
    """A primary key that is made regular, and is strict."""

    code: Annotated[str, StringConstraints(to_lower=True, pattern="^[A-Za-z]+$", strict=True)] = Field(primary_key=True)


class Counted(Model):
    number: int = Field(primary_key=True, strict=True, ge=1)


MODELS: list[type[Model]] = [Thing, Account, Shaped, Open, Closed, Watched, Coded, Counted]


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    for model in MODELS:
        model._store = None
    Watched.between.clear()


def _at_next_put(act: Callable[[], object]) -> None:
    """Act once the record is read: the first validation is that of the load, the second that of the body."""
    Watched.between[:] = [lambda: None, act]


def _body(app: FastAPI, method: str, path: str) -> dict[str, Any]:
    document = app.openapi()
    shown = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in shown:
        shown = document["components"]["schemas"][shown["$ref"].rpartition("/")[2]]
    return cast("dict[str, Any]", shown)


def test_the_documentation_of_a_post_has_every_field_as_it_is_declared(store: Store) -> None:
    app = FastAPI()
    app.include_router(CRUDRouter(Thing, store))

    shown = _body(app, "post", "/thing")

    fields = shown["properties"]
    assert set(fields) == {"id", "size", "name", "due", "color", "node", "either", "matrix", "by_name", "flag"}
    assert set(shown["required"]) == {"size", "name"}
    assert (fields["id"]["format"], fields["size"]["maximum"], fields["name"]["maxLength"]) == ("uuid", 10, 5)
    assert fields["matrix"]["items"] == {"type": "array", "items": {"type": "number"}}
    assert [variant.get("type") for variant in fields["due"]["anyOf"]] == ["string", "null"]


def test_the_documentation_of_a_put_requires_no_primary_key_and_nothing_unseen(store: Store) -> None:
    app = FastAPI()
    app.include_router(CRUDRouter(Thing, store))
    app.include_router(CRUDRouter(Account, store, settable=["password"]))
    app.include_router(CRUDRouter(Closed, store))

    thing, account, closed = (_body(app, "put", f"/{name}/{{item_id}}") for name in ("thing", "account", "closed"))

    assert (thing["title"], set(thing["required"])) == ("ThingUpdate", {"size", "name"})
    assert set(thing["properties"]) == set(_body(app, "post", "/thing")["properties"])
    assert account["required"] == ["owner"]
    assert (set(account["properties"]), closed["required"]) == ({"id", "owner", "pass"}, ["n"])
    node = thing["properties"]["node"]["anyOf"][0]["$ref"].rpartition("/")[2]
    assert set(app.openapi()["components"]["schemas"][node]["properties"]) == {"name", "children"}


def test_what_a_put_refuses_by_the_router_is_documented(store: Store) -> None:
    app = FastAPI()
    app.include_router(CRUDRouter(Thing, store))

    paths = app.openapi()["paths"]

    assert set(paths) == {"/thing", "/thing/{item_id}"}
    assert paths["/thing/{item_id}"]["put"]["responses"]["404"] == {"description": "Thing not found"}
    assert paths["/thing/{item_id}"]["get"]["parameters"][0]["schema"]["format"] == "uuid"


async def test_every_kind_of_field_goes_in_and_comes_out(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Thing, store))
    whole: dict[str, object] = {
        "size": 3,
        "name": "n",
        "due": "2020-01-02",
        "color": "r",
        "node": {"name": "a", "children": [{"name": "b", "children": []}]},
        "either": "7",
        "matrix": [[1.5], []],
        "by_name": {"a": 1},
    }

    posted = (await http.post("/thing", json={**whole, "is_flagged": True})).json()
    put = await http.put(f"/thing/{posted['id']}", json={**whole, "size": 4})

    assert posted == {**whole, "id": posted["id"], "flag": True, "double": 6}
    assert put.json() == {**whole, "id": posted["id"], "size": 4, "flag": False, "double": 8}
    assert (await http.get("/thing")).json() == [put.json()]
    assert (await Thing.get(posted["id"])).due == date(2020, 1, 2)


async def test_an_id_in_a_path_is_made_as_the_primary_key_is(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Coded, store), CRUDRouter(Counted, store))
    await http.post("/coded", json={"code": "ABC"})
    await http.post("/counted", json={"number": 7})

    assert (await http.get("/coded/aBc")).json() == {"code": "abc"}
    assert (await http.put("/coded/ABC", json={"code": "aBC"})).status_code == 200
    assert (await http.get("/coded/1")).status_code == 422
    assert (await http.get("/counted/7")).json() == {"number": 7}
    assert (await http.get("/counted/0")).status_code == 422


async def test_what_no_answer_shows_is_stored_and_kept_by_a_put_that_does_not_name_it(
    store: Store, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Account, store, settable=["password"]))

    posted = await http.post("/account", json={"id": "a", "owner": "o", "pass": "secret"})
    kept = await http.put("/account/a", json={"owner": "p"})
    first = (await Account.get("a")).password.get_secret_value()
    await http.put("/account/a", json={"owner": "p", "pass": "other"})

    assert posted.json() == {"id": "a", "owner": "o"}
    assert kept.json() == {"id": "a", "owner": "p"}
    assert first == "secret"
    assert (await Account.get("a")).password.get_secret_value() == "other"


async def test_what_is_made_from_something_else_is_made_once(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Shaped, store, settable=["blob"]))

    posted = await http.post("/shaped", json={"id": "a", "document": "[1]", "blob": "YWJjZA=="})
    put = await http.put("/shaped/a", json={"document": "[2]"})

    assert posted.json() == {"id": "a", "document": [1]}
    assert put.json() == {"id": "a", "document": [2]}
    assert (await Shaped.get("a")).blob == b"abcd"


async def test_a_model_that_allows_extra_fields_takes_and_replaces_them(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Open, store))

    posted = await http.post("/open", json={"id": "a", "x": [1], "y": None})
    put = await http.put("/open/a", json={"z": "text"})

    assert posted.json() == {"id": "a", "x": [1], "y": None}
    assert put.json() == {"id": "a", "z": "text"}
    assert (await http.get("/open/a")).json() == put.json()


async def test_a_model_that_forbids_extra_fields_gets_none_of_ours(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Closed, store, settable=["hidden"]))

    await http.post("/closed", json={"id": "a", "n": 1, "h": 5})
    put = await http.put("/closed/a", json={"id": "a", "n": 2, "h": 6})
    wrong = await http.put("/closed/a", json={"n": 2, "stranger": 1})

    assert (put.status_code, put.json()) == (200, {"id": "a", "n": 2})
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["body", "stranger"]
    assert (await Closed.get("a")).hidden == 6


async def test_a_put_keeps_what_another_client_wrote_to_hidden_fields(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Watched, store))
    await Watched.insert(Watched(id="a", hidden="old"))
    _at_next_put(lambda: client.hset("watched:a", "hidden", "new"))

    answer = await http.put("/watched/a", json={"size": 5})

    found = await Watched.get("a")
    assert (answer.status_code, found.size, found.hidden) == (200, 5, "new")


async def test_a_put_stores_the_whole_body_when_another_client_wrote_in_between(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Watched, store))
    await Watched.insert(Watched(id="a", size=5))
    _at_next_put(lambda: client.hset("watched:a", "size", 9))

    answer = await http.put("/watched/a", json={"size": 5})

    assert (answer.status_code, (await Watched.get("a")).size) == (200, 5)


async def test_a_put_brings_back_nothing_that_was_deleted_meanwhile(
    store: Store, client: redis.Redis, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Watched, store))
    await Watched.insert(Watched(id="a"))
    _at_next_put(lambda: client.delete("watched:a"))

    answer = await http.put("/watched/a", json={"size": 5})

    assert (answer.status_code, client.exists("watched:a")) == (404, 0)


async def test_a_put_gives_up_when_others_never_stop_writing(store: Store, client: redis.Redis, serve: Serve) -> None:
    http = await serve(CRUDRouter(Watched, store))
    await Watched.insert(Watched(id="a"))

    Watched.between[:] = [lambda: client.hincrby("watched:a", "size", 1)] * 100
    answer = await http.put("/watched/a", json={"size": -1})

    Watched.between.clear()
    assert answer.status_code == 409
    assert (await Watched.get("a")).size > 0
