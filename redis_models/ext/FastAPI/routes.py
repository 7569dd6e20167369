"""Paths of single records: any text may be a primary key, and no such path is ever that of the whole table."""

import re
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from .responses import answerable

__all__ = ["AnswerableRoute", "EmptyKeyRoute", "KeyRoute", "has_path"]

_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_SLASH: Final = "%2f"


class AnswerableRoute(APIRoute):
    """A route that answers 422 to every mistake, also to one with values that an answer cannot contain."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def carrying(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as exc:
                raise answerable(exc) from exc

        return carrying


class KeyRoute(AnswerableRoute):
    """A route with a primary key in its path, in which ``%2F`` is part of the key.

    In the decoded path that servers give, ``a%2Fb`` and ``a/b`` are the same, and bytes that are not UTF-8 are lost. So
    the raw path is used.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        veiled, veil = _veil_slashes(scope)
        match, child = super().matches(veiled)
        if veil and "path_params" in child:
            child["path_params"] = {name: _unveil(value, veil) for name, value in child["path_params"].items()}
        return match, child


class EmptyKeyRoute(AnswerableRoute):
    """A route for the path of a record whose key is empty, so that it has slashes only; for its own method only.

    Without it, ``DELETE /item/`` from a client whose key happens to be empty is redirected to ``DELETE /item``.
    """

    PATH: ClassVar[str] = "/{slashes:path}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        is_empty = match == Match.FULL and not child["path_params"]["slashes"].strip("/")
        return (match, child) if is_empty else (Match.NONE, {})


def _veil_slashes(scope: Scope) -> tuple[Scope, str]:
    """Replace each escaped slash in the path by a character that it does not contain; give the scope and the character.

    Bytes that are not UTF-8 become unpaired surrogates, so that different keys stay different.
    """
    path, raw = str(scope.get("path", "")), scope.get("raw_path")
    if not isinstance(raw, bytes) or unquote(escaped := raw.decode("latin-1")) != path:
        return scope, ""
    has_slash = _SLASH in escaped.lower()
    if not has_slash and "\N{REPLACEMENT CHARACTER}" not in path:
        return scope, ""
    veil = next(char for char in map(chr, range(0xE000, 0xF8FF)) if char not in path) if has_slash else ""
    escaped = escaped.replace("%2F", veil).replace("%2f", veil)
    return {**scope, "path": unquote(escaped, errors="surrogateescape")}, veil


def _unveil(value: object, veil: str) -> object:
    return value.replace(veil, "/") if isinstance(value, str) else value


def has_path(route: BaseRoute, path: str, methods: set[str]) -> bool:
    """Whether a route has this path, with any names of parameters, and one of these methods."""
    if not isinstance(route, APIRoute) or not route.include_in_schema:
        return False
    return bool(methods.intersection(route.methods or ())) and _PARAMETER.sub("{}", route.path) == _PARAMETER.sub(
        "{}", path
    )
