"""HTTP errors: the status and the text of the answer to each of our errors, without secrets.

The router answers its own routes; ``install_error_handlers`` does it for all routes of an application.
"""

import logging
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from fastapi import FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from ...errors import (
    ConflictError,
    DataError,
    EncodeError,
    InvalidPrimaryKeyError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    ServerError,
    ServerUnreachableError,
)
from ...model.model import Model
from ...records.read import NOT_A_SORTED_SET

__all__ = [
    "MAPPED",
    "ErrorAnswer",
    "Place",
    "conflict",
    "error_answer",
    "install_error_handlers",
    "invalid",
    "invalid_places",
    "not_found",
    "one_line",
    "translate_errors",
    "unprocessable",
]

Place = tuple[int | str, ...]  # of a mistake in a request, as FastAPI names it: ("path", "item_id")
MAPPED: Final = (DataError, ServerError)  # classes that "error_answer" takes
_RETRY_S: Final = 5
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class ErrorAnswer:
    """The answer to a request that failed with one of our errors.

    Attributes:
        status: 404, 409, 422 or 503.
        detail: One line without keys, values and addresses; for 422 the mistakes, in FastAPI's form.
        headers: ``Retry-After`` if the same request may succeed later.
    """

    status: int
    detail: str | list[dict[str, Any]]
    headers: dict[str, str] = field(default_factory=dict[str, str])


def error_answer(exc: RedisModelsError, *, model: str = "", key_place: Place = ("path",)) -> ErrorAnswer:
    """Give the answer to one of our errors. If an operator must act, its text goes to the log.

    Args:
        exc: One of the classes in ``MAPPED``.
        model: Name of the model, if it is known.
        key_place: Where the request contains the primary key.
    """
    name = model or getattr(exc, "model", "") or "The record"
    if isinstance(exc, NotFoundError):
        return ErrorAnswer(404, f"{name} not found")
    if isinstance(exc, EncodeError):
        return ErrorAnswer(422, [_mistake(("body", exc.field), exc.reason)])
    if isinstance(exc, InvalidPrimaryKeyError):
        return ErrorAnswer(422, [_mistake(key_place, f"the primary key {exc.reason}")])
    if isinstance(exc, ConflictError) and NOT_A_SORTED_SET not in exc.reason:
        return ErrorAnswer(
            409, f"{name} exists already, or was changed by another client meanwhile; read it and try again"
        )
    _LOG.error("%s: %s", name, one_line(str(exc)))
    return _server_answer(exc, name)


def _server_answer(exc: RedisModelsError, name: str) -> ErrorAnswer:
    """Give the answer to an error that the request did not cause."""
    later = {"Retry-After": str(_RETRY_S)}
    if isinstance(exc, RecordTooNewError):
        return ErrorAnswer(503, f"{name} is of a newer version of this application; try again later", later)
    if isinstance(exc, RecordTooOldError):
        return ErrorAnswer(503, f"{name} is of an older version of this application; try again later", later)
    if isinstance(exc, ConflictError):
        return ErrorAnswer(503, f"{name} cannot be found or stored now, because the index of its table is damaged")
    if isinstance(exc, ServerUnreachableError) and exc.is_left_open:
        return ErrorAnswer(
            503,
            "The database did not answer; the change may have been made. Read the record, then try again",
        )
    if isinstance(exc, ServerError):
        return ErrorAnswer(503, "The database cannot answer now; try again later", later)
    return ErrorAnswer(409, f"{name} cannot be read as it is stored")


@contextmanager
def translate_errors(schema: type[Model], key_place: Place) -> Generator[None]:
    """Translate our errors in the block into errors of FastAPI.

    Args:
        schema: The model.
        key_place: Where the request contains the primary key.

    Raises:
        HTTPException: 404, 409 or 503.
        RequestValidationError: 422, in FastAPI's form.
    """
    try:
        yield
    except MAPPED as exc:
        answer = error_answer(exc, model=schema.__name__, key_place=key_place)
        if isinstance(answer.detail, list):
            raise RequestValidationError(answer.detail) from exc
        raise HTTPException(answer.status, answer.detail, answer.headers or None) from exc
    except RecursionError as exc:
        raise unprocessable(("body",), "is nested too deeply") from exc


def one_line(text: str) -> str:
    """Give a text for the log: one line, with control characters escaped, because values in Redis may contain them."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def not_found(schema: type[Model]) -> HTTPException:
    """Give the answer for a record that does not exist."""
    return HTTPException(404, f"{schema.__name__} not found")


def conflict(schema: type[Model], reason: str) -> HTTPException:
    """Give the answer for a record that is not as the request expects."""
    return HTTPException(409, f"{schema.__name__} {reason}")


def unprocessable(place: Place, reason: str) -> RequestValidationError:
    """Give the answer to one wrong value, which it does not repeat."""
    return RequestValidationError([_mistake(place, reason)])


def invalid_places(places: Sequence[Place], reason: str) -> RequestValidationError:
    """Give the answer to a body with one mistake in several places."""
    return RequestValidationError([_mistake(place, reason) for place in places])


def invalid(error: ValidationError, body: object) -> RequestValidationError:
    """Give the answer that FastAPI itself would give to a body with these mistakes.

    The values that it repeats come from the body, because what was validated may contain stored values that clients
    must not see.
    """
    found = [_with_body_value(dict(mistake), body) for mistake in error.errors(include_url=False)]
    return RequestValidationError(found, body=body)


def _with_body_value(mistake: dict[str, Any], body: object) -> dict[str, Any]:
    mistake.pop("input", None)
    place: Place = mistake["loc"]
    value: Any = body
    is_there = isinstance(body, dict)
    for part in place if mistake["type"] != "missing" else place[:-1]:
        try:
            value = value[part]
        except (LookupError, TypeError):
            is_there = False
            break
    return {**mistake, "loc": ("body", *place), **({"input": value} if is_there else {})}


def _mistake(place: Place, reason: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": place, "msg": reason}


Handler = Callable[[Request, Exception], Awaitable[Response]]


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer our errors with a fitting status in place of 500.

    ========================================================  ======  =================================================
    ``NotFoundError``                                         404
    ``ConflictError``                                         409     exists already, or was changed meanwhile
    ``DecodeError``, ``WrongKeyTypeError``                    409     cannot be read as it is stored; logged
    ``InvalidPrimaryKeyError``, ``EncodeError``               422     in the form of FastAPI
    ``RecordTooNewError``, ``RecordTooOldError``              503     ``Retry-After``; logged
    ``ServerError``: unreachable, refused, busy, out of       503     ``Retry-After``, unless the outcome of a write is
    memory                                                            not known; logged
    ========================================================  ======  =================================================

    The answers do not contain keys, values or addresses; these are in the log. ``ConfigurationError`` and its
    subclasses stay 500, because they are mistakes of the application. Handlers that the application adds for these
    classes or for subclasses, before or after, are kept.

    Args:
        app: The application. Routes of ``CRUDRouter`` answer like this without it.
    """
    for kind in MAPPED:
        app.exception_handlers.setdefault(kind, cast(Handler, _answer))


async def _answer(request: Request, exc: RedisModelsError) -> Response:
    answer = error_answer(exc)
    return JSONResponse({"detail": jsonable_encoder(answer.detail)}, answer.status, answer.headers)
