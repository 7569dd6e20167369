"""``install_error_handlers``: answers to our errors where an application's own handlers do not catch them."""

from collections.abc import Awaitable, Callable
from typing import cast

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from ...errors import RedisModelsError
from .http_errors import MAPPED, told_of

__all__ = ["install_error_handlers"]

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install_error_handlers(app: FastAPI) -> None:
    """Let an application answer our errors in its own handlers by a status, where it would answer 500.

    ========================================================  ======  =================================================
    ``NotFoundError``                                         404
    ``ConflictError``                                         409     exists already, or was changed meanwhile
    ``DecodeError``, ``WrongKeyTypeError``                    409     cannot be read as it is stored; logged
    ``InvalidPrimaryKeyError``, ``EncodeError``               422     in the form of FastAPI
    ``RecordTooNewError``, ``RecordTooOldError``              503     ``Retry-After``; logged
    ``ServerError``: unreachable, refused, busy, out of       503     ``Retry-After``, unless the outcome of a write is
    memory                                                            not known; logged
    ========================================================  ======  =================================================

    The answers name no key, no value and no address; these are in the log. Mistakes of the application stay 500:
    ``ConfigurationError`` and its subclasses. Handlers that the application has already, for these classes or for
    narrower ones, stay; so it may add its own before or after.

    Args:
        app: The application. Routes of ``CRUDRouter`` answer alike without this.
    """
    for kind in MAPPED:
        app.exception_handlers.setdefault(kind, cast(Handler, _answer))


async def _answer(request: Request, exc: RedisModelsError) -> Response:
    told = told_of(exc)
    return JSONResponse({"detail": jsonable_encoder(told.detail)}, told.status, told.headers)
