"""Our errors in an application's own handlers: ``install_error_handlers`` gives each its status, without secrets."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from redis_models import Field, Model, Store
from redis_models.errors import (
    ConflictError,
    DataError,
    DecodeError,
    InvalidPrimaryKeyError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerRefusedError,
    ServerUnreachableError,
    SettingsError,
)
from redis_models.ext.FastAPI import install_error_handlers

Serve = Callable[..., Awaitable[httpx.AsyncClient]]


class Note(Model):
    id: str = Field(primary_key=True)
    size: int = 0


@pytest.fixture(autouse=True)
def _unbound_after() -> Iterator[None]:
    yield
    Note._store = None


def _application() -> FastAPI:
    app = FastAPI()

    @app.get("/notes/{id}")
    async def one(id: str) -> Note:
        return await Note.get(id)

    @app.post("/notes")
    async def new(note: dict[str, Any]) -> str:
        await Note.insert(Note(**note), only="new")
        return "done"

    @app.patch("/notes/{id}")
    async def change(id: str, changes: dict[str, Any]) -> str:
        await Note.patch(id, **changes)
        return "done"

    return app


async def test_each_refusal_has_its_status(store: Store, client: Any, serve: Serve) -> None:
    store.register_model(Note)
    app = _application()
    install_error_handlers(app)
    http = await serve(app=app)
    await Note.insert([Note(id=name) for name in ("old", "bad", "newer")])
    client.hset("note:bad", "size", "hidden-value")
    client.hset("note:newer", "_v", 7)
    client.set("note:text", "x")

    found = {
        "missing": await http.get("/notes/none"),
        "there": await http.post("/notes", json={"id": "old"}),
        "empty": await http.post("/notes", json={"id": ""}),
        "type": await http.patch("/notes/old", json={"size": "much"}),
        "bad": await http.get("/notes/bad"),
        "text": await http.get("/notes/text"),
        "newer": await http.get("/notes/newer"),
    }

    assert {name: answer.status_code for name, answer in found.items()} == {
        "missing": 404,
        "there": 409,
        "empty": 422,
        "type": 422,
        "bad": 409,
        "text": 409,
        "newer": 503,
    }
    assert found["missing"].json() == {"detail": "Note not found"}
    assert found["type"].json()["detail"][0]["loc"] == ["body", "size"]
    assert found["newer"].headers["Retry-After"] == "5"
    assert not any("note:" in answer.text or "hidden-value" in answer.text for answer in found.values())


@pytest.mark.usefixtures("impatient")
async def test_an_unreachable_server_is_reported_without_its_address(
    new_server: Callable[..., Any], serve: Serve
) -> None:
    server = new_server()
    store = Store.from_url(server.url)
    store.register_model(Note)
    app = _application()
    install_error_handlers(app)
    http = await serve(app=app)
    server.kill()

    answer = await http.get("/notes/a")
    await store.aclose()

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert server.socket_path not in answer.text


def _raising(error: RedisModelsError) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def fail() -> None:
        raise error

    return app


_SECRET = "redis://:hunter2@10.0.0.1"
_ERRORS: list[tuple[RedisModelsError, int, bool]] = [
    (NotFoundError("Note", f"note:{_SECRET}"), 404, False),
    (ConflictError(_SECRET, f"changed {_SECRET}", [_SECRET]), 409, False),
    (InvalidPrimaryKeyError("Note", _SECRET, "is empty"), 422, False),
    (DecodeError(_SECRET, "size", _SECRET.encode(), _SECRET), 409, False),
    (RecordTooNewError(_SECRET, 3, 2), 503, True),
    (RecordTooOldError(_SECRET, 1, 2), 503, True),
    (ServerUnreachableError(_SECRET), 503, True),
    (ServerUnreachableError(_SECRET, True), 503, False),
    (ServerRefusedError(_SECRET), 503, True),
    (ServerBusyError(_SECRET), 503, True),
    (ServerOutOfMemoryError(_SECRET), 503, True),
]


@pytest.mark.parametrize(("error", "status", "may_retry"), _ERRORS)
async def test_no_answer_has_a_key_a_value_or_an_address(
    serve: Serve, error: RedisModelsError, status: int, may_retry: bool
) -> None:
    app = _raising(error)
    install_error_handlers(app)
    http = await serve(app=app)

    answer = await http.get("/")

    assert (answer.status_code, "Retry-After" in answer.headers) == (status, may_retry)
    assert "hunter2" not in answer.text


async def test_error_answers_that_need_attention_are_logged(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    app = _raising(DecodeError("note:a\nb", "size", b"x", "no number"))
    install_error_handlers(app)

    with caplog.at_level(logging.ERROR):
        await (await serve(app=app)).get("/")

    assert [record.getMessage() for record in caplog.records] == [
        "The record: note:a\\nb: field 'size' holds b'x': no number"
    ]


async def test_mistakes_of_the_application_stay_errors_of_the_server(serve: Serve) -> None:
    app = _raising(SettingsError(None, "is wrong"))
    install_error_handlers(app)

    with pytest.raises(SettingsError):
        await (await serve(app=app)).get("/")


async def test_handlers_of_the_application_go_first_whenever_they_were_added(serve: Serve) -> None:
    async def mine(request: Request, exc: Exception) -> JSONResponse:
        return JSONResponse("mine", 418)

    for kind in (NotFoundError, DataError):
        before, after = _raising(NotFoundError("Note", "note:a")), _raising(NotFoundError("Note", "note:a"))
        before.add_exception_handler(kind, mine)
        install_error_handlers(before)
        install_error_handlers(after)
        after.add_exception_handler(kind, mine)

        assert [(await (await serve(app=app)).get("/")).status_code for app in (before, after)] == [418, 418]


def test_every_error_about_a_record_or_the_server_has_an_answer() -> None:
    app = FastAPI()

    install_error_handlers(app)

    assert {DataError, ServerError} <= set(app.exception_handlers)
