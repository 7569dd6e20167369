"""Whatever a client sends and whatever others wrote into Redis: no route answers 500, and no list is taken down."""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, computed_field, model_validator

from redis_models import Field, Model, Store
from redis_models.ext.FastAPI import CRUDRouter


class Part(BaseModel):
    name: str = ""
    inner: str = Field(default="", exclude=True)
    parts: "list[Part]" = []


class Wild(Model):
    """Takes nearly anything, and shows it in ways that may fail."""

    id: str = Field(primary_key=True)
    name: str = ""
    price: float = 0.0
    amount: int = 0
    blob: bytes = b""
    anything: Any = None
    tags: list[str] = Field(default_factory=list[str])
    rates: dict[str, float] = Field(default_factory=dict[str, float])
    part: Part | None = None
    secret: str = Field(default="unset", exclude=True)

    @computed_field
    def share(self) -> float:
        return 1 / (self.amount + 7)

    @model_validator(mode="after")
    def _whole(self) -> "Wild":
        if self.name == "never":
            raise ValueError(f"{self.name} is not a name")
        return self


class Loose(Model):
    model_config = ConfigDict(extra="allow")

    number: int = Field(primary_key=True)
    secret: str = Field(default="unset", exclude=True)


class Strict(Model):
    model_config = ConfigDict(extra="forbid")

    id: bytes = Field(primary_key=True)
    price: float = Field(default=0.0, alias="cost")


MODELS: Final[Sequence[type[Model]]] = (Wild, Loose, Strict)
_PROBES: Final = ("a", "7", "\ud800", "\udcff", "é", "\0", "a/b", "", ".", "x" * 5000, "%ff", "__index", "-1", "1e3")
_IDS: Final = st.sampled_from(_PROBES) | st.text(min_size=1, max_size=4)
_TEXTS: Final = st.sampled_from(("never", "\ud800", "x\udfffy", "\0", "NaN", "1e999", "null", "")) | st.text(max_size=6)
_NUMBERS: Final = (
    st.integers() | st.floats() | st.sampled_from((float("nan"), float("inf"), 10**400, 2**63, -(2**63) - 1, -7))
)
_JSON: Final = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_FIELDS: Final = st.sampled_from(
    ("name", "price", "amount", "blob", "anything", "tags", "rates", "part", "secret", "cost", "share", "_v", "\ud800")
)
_PARTS: Final = st.fixed_dictionaries({}, optional={"name": _TEXTS, "inner": _TEXTS, "parts": _JSON})


def _body_of(ids: dict[str, Any], fields: dict[str, Any], part: dict[str, Any] | None) -> dict[str, Any]:
    return {**fields, **ids, **({} if part is None else {"part": part})}


_OBJECTS: Final = st.builds(
    _body_of,
    st.fixed_dictionaries({}, optional={"id": _IDS, "number": _NUMBERS | _IDS}),
    st.dictionaries(_FIELDS | _TEXTS, _JSON, max_size=4),
    st.none() | _PARTS,
)
_BODIES: Final = st.one_of(
    _OBJECTS.map(lambda value: json.dumps(value).encode()),
    _OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=20),
    st.sampled_from(
        (
            b'{"id":"a","anything":' + b"[" * 700 + b"]" * 700 + b"}",
            b"[" * 50_000,
            b'{"id":"a","amount":' + b"9" * 5000 + b"}",
            b'{"id":"a","price":1e999}',
            b'{"id":"a","part":{"inner":"told"}}',
            b'{"id":"a","part":{"parts":[{"inner":"told"}]}}',
            b'{"id":"a","secret":"told"}',
            b'{"number":1,"secret":"told"}',
        )
    ),
)
_NUMERALS: Final = st.sampled_from(
    ("0", "-1", "1e3", "", "9" * 30, "9" * 5000, "%FF", "1.5", str(2**63), str(2**63 - 1))
)
_QUERIES: Final = st.dictionaries(st.sampled_from(("skip", "limit", "x")), _NUMERALS, max_size=3)
_STORED: Final = st.binary(max_size=8) | st.sampled_from(
    (
        b"\xff", b"\xed\xa0\x80", b"nan", b"inf", b"None", b"[" * 3000, b'"\\ud800"', b"-7", b"9" * 5000, b"99", b"01",
        b'{"inner": 1}', b'~{"float":"nan"}',
    )
)  # fmt: skip


class Requests:
    """Clients of an application, and another client that writes into its Redis. Used by one test alone."""

    def __init__(self, store: Store, client: Any) -> None:
        self.client, self.has_newer = client, False
        self._loop = asyncio.new_event_loop()
        self._store = store
        app = FastAPI()
        for model in MODELS:
            app.include_router(CRUDRouter(model, store, delete_all_route=True))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def close(self) -> None:
        self._wait(self._http.aclose())
        self._wait(self._store.aclose())
        self._loop.close()

    def send(
        self, method: str, model: type[Model], id: str | None, query: dict[str, str], body: bytes
    ) -> httpx.Response:
        path = "" if id is None else "/" + quote(id, safe="", errors="surrogatepass").replace(".", "%2E")
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        url = f"/{model.__name__.lower()}{path}{'?' if asked else ''}{asked}"
        headers = {"content-type": "application/json"}
        request = self._http.build_request(
            method, "/", content=body if method in ("POST", "PUT") else b"", headers=headers
        )
        request.url = httpx.URL("http://test").copy_with(raw_path=url.encode())
        answer: httpx.Response = self._wait(self._http.send(request))
        return answer

    def write(self, model: type[Model], id: bytes, name: bytes, raw: bytes, kind: str) -> None:
        """Write something into Redis, as any other client could."""
        key = model.__name__.lower().encode() + b":" + id
        if kind == "hash":
            self.client.delete(key)
            self.client.hset(key, mapping={b"id": id, b"number": b"7", name: raw})
        elif kind == "string":
            self.client.set(key, raw)
        elif self.client.type(key) == b"hash":
            self.client.hset(key, name, raw)
        self.client.zadd(model.get_table_index_key(), {key: 0})
        self.has_newer |= name == b"_v"

    def lists(self) -> list[httpx.Response]:
        return [self.send("GET", model, None, {}, b"") for model in MODELS]

    def _wait(self, awaitable: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(awaitable)


@pytest.fixture
def requests(store: Store, client: Any) -> Iterator[Requests]:
    made = Requests(store, client)
    yield made
    made.close()
    for model in MODELS:
        model._store = None


_ACTIONS: Final = st.one_of(
    st.tuples(
        st.just("request"),
        st.sampled_from(("GET", "POST", "POST", "PUT", "DELETE")),
        st.sampled_from(MODELS),
        st.none() | _IDS,
        _QUERIES,
        _BODIES,
    ),
    st.tuples(
        st.just("write"),
        st.sampled_from(MODELS),
        st.sampled_from((b"a", b"7", b"\xff", b"x\ny", b"\0")),
        st.sampled_from((b"name", b"price", b"amount", b"blob", b"tags", b"part", b"_v", b"\xff", b"_b2.1.x", b"id")),
        _STORED,
        st.sampled_from(("hash", "field", "string")),
    ),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(_ACTIONS, min_size=1, max_size=6))
def test_no_request_and_no_stored_value_takes_a_list_down(
    requests: Requests, actions: Sequence[tuple[Any, ...]]
) -> None:
    requests.client.flushall()
    requests.has_newer = False
    allowed = {200, 204, 307, 400, 404, 405, 409, 422}

    for what, *arguments in actions:
        if what == "write":
            requests.write(*arguments)
            continue
        answer = requests.send(*arguments)
        assert answer.status_code in allowed | ({503} if requests.has_newer else set()), answer.text
        method, model, id = arguments[:3]
        if method == "POST" and id is None and answer.status_code == 200:
            made = answer.json()
            again = requests.send("GET", model, str(made[model.get_primary_key_field()]), {}, b"")
            assert (again.status_code, again.json()) == (200, made)

    for listed in requests.lists():
        assert listed.status_code == 200 or (listed.status_code == 503 and requests.has_newer), listed.text
    assert not any(b"told" in b" ".join(requests.client.hvals(key)) for key in requests.client.scan_iter(_type="hash"))
