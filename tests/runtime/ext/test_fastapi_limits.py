"""What a request may ask for and set, and what an answer cannot carry: refused, or left out where it is stored."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, field_serializer

from redis_models import Field, Model, Store
from redis_models.errors import ConfigurationError
from redis_models.ext.FastAPI import CRUDRouter, PydanticAioredisCRUDRouter

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


class Owner(BaseModel):
    name: str
    token: str = Field(default="", exclude=True)


class Reading(Model):
    id: str = Field(primary_key=True)
    label: str = ""
    value: float = 0.0
    raw: bytes = b""
    owners: list[Owner] = Field(default_factory=list[Owner])
    margin: float = Field(default=0.5, exclude=True, alias="m")
    level: int = Field(default=1)

    @field_serializer("level")
    def _inverse(self, level: int) -> float:
        return 1 / level


class Wallet(Model):
    id: str = Field(primary_key=True)
    pin: str = Field(exclude=True)


class Scale(Model):
    model_config = ConfigDict(ser_json_inf_nan="strings")

    id: str = Field(primary_key=True)
    value: float = 0.0


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    for model in (Reading, Wallet, Scale):
        model._store = None


_JSON_ONLY = {"content-type": "application/json"}
_UNCARRIED = [
    (b'{"id": "a", "label": "\\ud83d"}', "label"),
    (b'{"id": "a", "value": NaN}', "value"),
    (b'{"id": "a", "value": -1e999}', "value"),
    (b'{"id": "a", "owners": [{"name": "\\udc00x"}]}', "owners"),
    (b'{"id": "a", "level": 0}', "level"),
]


@pytest.mark.parametrize(("body", "field"), _UNCARRIED)
async def test_what_no_answer_could_carry_is_refused_and_not_stored(
    store: Store, client: Any, serve: Serve, body: bytes, field: str
) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)
    await Reading.insert(Reading(id="b"))

    posted = await http.post("/reading", content=body, headers=_JSON_ONLY)
    put = await http.put("/reading/b", content=body.replace(b'"id": "a"', b'"id": "b"'), headers=_JSON_ONLY)

    assert [(answer.status_code, answer.json()["detail"][0]["loc"]) for answer in (posted, put)] == [
        (422, ["body", field])
    ] * 2
    assert client.zrange("reading:__index", 0, -1) == [b"reading:b"]
    assert [item["id"] for item in (await http.get("/reading")).json()] == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "\\ud800"}',
        b'{"id": "a", "value": "\\ud800"}',
        b'{"id": "a", "owners": NaN}',
        b'{"id": "a", "owners": [{"name": NaN, "\\ud800": 1}]}',
        b'{"id": "a", "label": "\xff"}',
        b"[" * 30_000,
        b'{"id": "a", "owners": ' + b"[" * 800 + b"]" * 800 + b"}",
    ],
)
async def test_a_validation_error_that_json_cannot_repeat_is_reported(
    store: Store, client: Any, serve: Serve, body: bytes
) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)

    answer = await http.post("/reading", content=body, headers=_JSON_ONLY)

    assert answer.status_code in (400, 422)
    assert client.dbsize() == 0


async def test_records_that_no_answer_could_carry_are_left_out_and_named(
    store: Store, client: Any, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)
    await Reading.insert([Reading(id=name) for name in ("a", "b", "c", "d", "e\n")])
    client.hset("reading:a", "value", "nan")
    client.hset("reading:b", "label", b"\xed\xa0\x80")
    client.hset("reading:c", "level", "0")
    client.hset("reading:e\n", "label", b"\xed\xa0\x80")

    listed, shown = await http.get("/reading"), await http.get("/reading/b")
    gone = await http.delete("/reading/b")

    assert (listed.status_code, [each["id"] for each in listed.json()]) == (200, ["d"])
    assert listed.headers["X-Unreadable-Records"] == "a,b,c,e%0A"
    assert shown.status_code == 409
    assert (gone.status_code, client.exists("reading:b")) == (204, 0)
    assert all("\n" not in record.getMessage() for record in caplog.records)


async def test_values_that_the_response_class_can_carry_are_accepted(store: Store, serve: Serve) -> None:
    class Lenient(JSONResponse):
        def render(self, content: Any) -> bytes:
            return repr(content).encode()

    app = FastAPI()
    app.include_router(CRUDRouter(Reading, store, default_response_class=Lenient))
    http = await serve(CRUDRouter(Scale, store), app=app)

    lenient = await http.post("/reading", content=b'{"id": "a", "value": NaN}', headers=_JSON_ONLY)
    scale = await http.post("/scale", content=b'{"id": "a", "value": NaN}', headers=_JSON_ONLY)

    assert (lenient.status_code, "nan" in lenient.text) == (200, True)
    assert (scale.status_code, scale.json()) in [(200, {"id": "a", "value": "NaN"}), (422, scale.json())]


async def test_a_field_that_no_answer_shows_is_not_set_from_outside(store: Store, client: Any, serve: Serve) -> None:
    app = FastAPI()
    http = await serve(CRUDRouter(Reading, store), app=app)
    await Reading.insert(Reading(id="b", m=7))

    answers = [
        await http.post("/reading", json={"id": "a", "m": 1}),
        await http.post("/reading", json={"id": "a", "margin": 1}),
        await http.post("/reading", json={"id": "a", "owners": [{"name": "x"}, {"name": "y", "token": "t"}]}),
        await http.put("/reading/b", json={"m": 1}),
        await http.put("/reading/b", json={"owners": [{"name": "y", "token": "t"}]}),
    ]
    kept = await http.put("/reading/b", json={"label": "new"})

    places = [answer.json()["detail"][0]["loc"] for answer in answers]
    assert [answer.status_code for answer in answers] == [422] * 5
    assert places[0] == ["body", "margin"]
    assert places[2] == ["body", "owners", 1, "token"]
    assert (kept.status_code, client.exists("reading:a")) == (200, 0)
    assert ((await Reading.get("b")).margin, (await Reading.get("b")).label) == (7, "new")
    for path, method in (("/reading", "post"), ("/reading/{item_id}", "put")):
        shown = app.openapi()["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
        assert "m" not in shown["properties"], path


async def test_a_field_that_no_answer_shows_may_be_declared_as_settable(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Reading, store, settable=["margin", "owners.token"]))

    answer = await http.post("/reading", json={"id": "a", "m": 2, "owners": [{"name": "x", "token": "t"}]})

    found = await Reading.get("a")
    assert (answer.status_code, found.margin, found.owners[0].token) == (200, 2, "t")


def test_a_router_that_could_create_nothing_is_refused_with_what_to_say(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"pass settable=\['pin'\], a create_schema, or create_route="):
        CRUDRouter(Wallet, store)
    with pytest.raises(ConfigurationError, match="settable names 'pen', but Wallet has no field 'pen'"):
        CRUDRouter(Wallet, store, settable=["pen"], create_route=False)

    assert CRUDRouter(Wallet, store, settable=["pin"]).routes
    assert CRUDRouter(Wallet, store, create_route=False).routes


async def test_the_answer_to_a_wrong_put_tells_nothing_of_what_is_stored(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Wallet, store, settable=["pin"]), CRUDRouter(Reading, store))
    await Reading.insert(Reading(id="a", m=0.125))

    nameless: dict[str, str] = {}
    answer = await http.put("/reading/a", json={"value": "much", "owners": [nameless]})

    assert answer.status_code == 422
    assert "0.125" not in answer.text
    assert [(error["loc"], error["input"]) for error in answer.json()["detail"]] == [
        (["body", "value"], "much"),
        (["body", "owners", 0, "name"], {}),
    ]


@pytest.mark.parametrize("query", [f"skip={2**63}", "skip=" + "9" * 5000, "skip=-1", "skip=%FF", "skip=", "skip=1e3"])
async def test_a_place_that_no_list_has_is_answered_422(store: Store, serve: Serve, query: str) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)

    assert (await http.get(f"/reading?{query}")).status_code == 422
    assert (await http.get(f"/reading?{query.replace('skip', 'limit')}")).status_code == 422


@pytest.mark.parametrize("skip", [2**63 - 1, 2**62, 10**6])
async def test_behind_the_end_of_a_list_there_is_nothing(store: Store, serve: Serve, skip: int) -> None:
    http = await serve(CRUDRouter(Reading, store))
    await Reading.insert(Reading(id="a"))

    answer = await http.get("/reading", params={"skip": skip})

    assert (answer.status_code, answer.json(), await Reading.select(skip=skip)) == (200, [], None)


async def test_a_list_is_a_page_and_says_where_the_next_one_is(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Reading, store))
    await Reading.insert([Reading(id=f"{number:04}") for number in range(1005)])

    first = await http.get("/reading")
    second = await http.get("/reading" + first.links["next"]["url"])

    assert [len(answer.json()) for answer in (first, second)] == [1000, 5]
    assert "next" not in second.links
    assert (await http.get("/reading?limit=1001")).status_code == 422


async def test_how_long_a_page_is_can_be_said(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Reading, store, paginate=2, max_limit=3))
    await Reading.insert([Reading(id=name) for name in "abcd"])

    lengths = [len((await http.get(f"/reading{query}")).json()) for query in ("", "?limit=3", "?limit=1")]

    assert lengths == [2, 3, 1]
    assert (await http.get("/reading?limit=4")).status_code == 422


@pytest.mark.parametrize("sizes", [{"paginate": 0}, {"max_limit": 0}, {"paginate": 5, "max_limit": 4}])
def test_sizes_that_are_none_are_refused(store: Store, sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be page sizes"):
        CRUDRouter(Reading, store, **sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["%ED%A0%80", "%FF", "a%C3", "x" * 4100])
async def test_an_id_that_is_not_text_or_too_long_for_a_path_is_answered_422(
    store: Store, client: Any, serve: Serve, path: str
) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)
    await Reading.insert([Reading(id="\ufffd"), Reading(id="a\ufffd")])

    answers = [await http.request(method, f"/reading/{path}", json={}) for method in ("GET", "PUT", "DELETE")]
    posted = await http.post("/reading", json={"id": "x" * 4100})

    assert [answer.status_code for answer in [*answers, posted]] == [422] * 4
    assert await Reading.count() == 2


async def test_a_nul_is_a_character_of_an_id_as_any_other(store: Store, serve: Serve) -> None:
    http = await serve(CRUDRouter(Reading, store))
    await http.post("/reading", json={"id": "a\0b"})

    assert (await http.get("/reading/a%00b")).json()["id"] == "a\0b"
    assert (await http.get("/reading/%00")).status_code == 404


async def test_where_newer_code_wrote_a_list_is_refused_rather_than_shortened(
    store: Store, client: Any, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Reading, store), CRUDRouter(Reading, prefix="lenient", leaves_newer=True))
    await Reading.insert([Reading(id="a"), Reading(id="b")])
    client.hset("reading:b", "_v", 2)

    answers = [
        await http.get("/reading"),
        await http.get("/reading/b"),
        await http.put("/reading/b", json={}),
        await http.delete("/reading/b"),
    ]
    lenient = await http.get("/lenient")

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in answers] == [(503, "5")] * 4
    assert (lenient.status_code, [item["id"] for item in lenient.json()]) == (200, ["a"])
    assert lenient.headers["X-Unreadable-Records"] == "b"
    assert client.exists("reading:b") == 1


async def test_a_key_of_another_type_is_reported_by_every_route_and_left_alone(
    store: Store, client: Any, serve: Serve
) -> None:
    http = await serve(CRUDRouter(Reading, store), raising=False)
    await Reading.insert([Reading(id="a"), Reading(id="b")])
    client.delete("reading:b")
    client.set("reading:b", "text")

    listed = await http.get("/reading")
    answers = [await http.request(method, "/reading/b", json={}) for method in ("GET", "PUT", "DELETE")]
    posted = await http.post("/reading", json={"id": "b"})

    assert (listed.status_code, [item["id"] for item in listed.json()]) == (200, ["a"])
    assert [answer.status_code for answer in [*answers, posted]] == [409] * 4
    assert client.get("reading:b") == b"text"


async def test_the_whole_table_is_deleted_only_by_routers_that_allow_it(store: Store, serve: Serve) -> None:
    app = FastAPI()
    app.include_router(CRUDRouter(Reading, store, delete_all_route=True), prefix="/told")
    app.include_router(PydanticAioredisCRUDRouter(Scale, store), prefix="/seed")  # whose default is pydantic-aioredis'
    http = await serve(CRUDRouter(Reading, store), app=app)
    await Reading.insert(Reading(id="a"))

    refused_calls = [await http.delete(path, follow_redirects=True) for path in ("/reading", "/reading/")]

    assert ([answer.status_code for answer in refused_calls], await Reading.count()) == ([405, 404], 1)
    assert "delete" not in app.openapi()["paths"]["/reading"]
    assert [(await http.delete(path)).status_code for path in ("/told/reading", "/seed/scale")] == [200, 200]
    assert await Reading.count() == 0


async def test_an_application_sees_our_mistakes_as_those_of_fastapi(store: Store, serve: Serve) -> None:
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    async def mine(request: Request, exc: RequestValidationError) -> JSONResponse:
        return JSONResponse({"mine": len(exc.errors())}, 400)

    http = await serve(CRUDRouter(Reading, store), app=app)

    answer = await http.post("/reading", content=b'{"id": "a", "label": "\\ud83d"}', headers=_JSON_ONLY)

    assert (answer.status_code, answer.json()) == (400, {"mine": 1})
