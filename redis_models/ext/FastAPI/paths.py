"""Paths of single records: any text may be a primary key, and no path of one record is ever the path of all."""

from typing import ClassVar, Final
from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

__all__ = ["EmptyKeyRoute", "KeyRoute"]

_SLASH: Final = b"%2f"


class KeyRoute(APIRoute):
    """A route with a primary key in its path, in which ``%2F`` is a part of the key.

    Servers hand on paths that are decoded already, where ``a%2Fb`` and ``a/b`` are the same; the raw path tells.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        veiled, veil = _veiled(scope)
        match, child = super().matches(veiled)
        if veil and "path_params" in child:
            child["path_params"] = {name: _unveiled(value, veil) for name, value in child["path_params"].items()}
        return match, child


class EmptyKeyRoute(APIRoute):
    """A route for paths of a record without a key, made of slashes only; says nothing of other methods than its own.

    Without it a client's ``DELETE /item/`` with a key that happens to be empty is redirected to ``DELETE /item``.
    """

    PATH: ClassVar[str] = "/{slashes:path}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        is_empty = match == Match.FULL and not child["path_params"]["slashes"].strip("/")
        return (match, child) if is_empty else (Match.NONE, {})


def _veiled(scope: Scope) -> tuple[Scope, str]:
    """Give the scope with each escaped slash behind a character that the path does not have; and that, or ""."""
    path, raw = str(scope.get("path", "")), scope.get("raw_path")
    if not isinstance(raw, bytes) or _SLASH not in raw.lower() or unquote(raw.decode("latin-1")) != path:
        return scope, ""
    veil = next(char for char in map(chr, range(0xE000, 0xF8FF)) if char not in path)
    escaped = raw.decode("latin-1").replace("%2F", veil).replace("%2f", veil)
    return {**scope, "path": unquote(escaped)}, veil


def _unveiled(value: object, veil: str) -> object:
    return value.replace(veil, "/") if isinstance(value, str) else value
