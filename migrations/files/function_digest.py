"""Digests of functions by their source, and values spelled in the same way in each process. It reads files of modules.

A function is more than its own lines: what it was made with (defaults, captured values, arguments of a ``partial``),
and the constants and functions of its module that it names.
"""

import ast
import functools
import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from types import FunctionType
from typing import Any, Final, cast

from .source_edit import outline

__all__ = ["OURS", "source_digest", "told_alike"]

OURS: Final = ("pydantic", "pydantic_core", "redis_models", "annotated_types", "typing", "typing_extensions", "enum")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_PLAIN: Final = (str, bytes, int, float, complex, bool, Decimal, type(None), re.Pattern, Enum)
_HELD: Final = (tuple, list, set, frozenset, dict)
_DEPTH: Final = 4  # functions that call functions
_DEEP: Final = 8  # values in values


def source_digest(function: object) -> str:
    """Return a digest of a function, without comments and docstring; "" if its source is not available."""
    told = [*_told(function, 0, set())]
    return hashlib.sha256(repr(told).encode("utf-8", "surrogatepass")).hexdigest()[:12] if any(told) else ""


def told_alike(value: object, depth: int = 0) -> str:
    """Spell a value in the same way in each process, down to some depth."""
    if depth > _DEEP:
        return "..."
    if isinstance(value, re.Pattern):
        return repr(cast("re.Pattern[str]", value).pattern)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        told = sorted(f"{told_alike(name, depth + 1)}: {told_alike(one, depth + 1)}" for name, one in pairs)
        return f"{{{', '.join(told)}}}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(told_alike(one, depth + 1) for one in cast('set[object]', value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(told_alike(one, depth + 1) for one in cast('list[object]', value))}]"
    if callable(value):
        is_ours = str(getattr(value, "__module__", "")).partition(".")[0] in OURS
        return str(getattr(value, "__qualname__", "")) if is_ours else source_digest(value)
    return _ADDRESS.sub("", repr(value))


def _told(function: object, depth: int, seen: set[int]) -> Iterator[object]:
    if isinstance(function, functools.partial):
        made = cast("functools.partial[object]", function)
        yield told_alike(made.args), told_alike(made.keywords)
        yield from _told(made.func, depth, seen)
        return
    function = getattr(function, "__func__", function)
    with suppress(ValueError):  # it wraps itself
        function = inspect.unwrap(cast(Any, function))
    if not isinstance(function, FunctionType):
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(call, FunctionType):  # a callable object: its state and its __call__
            yield told_alike(getattr(function, "__dict__", {}))
            yield from _told(call, depth, seen)
        return
    if id(function) in seen or depth > _DEPTH:
        return
    seen.add(id(function))
    yield _outline_of(function)
    yield told_alike(function.__defaults__), told_alike(function.__kwdefaults__)
    yield from _named(function, depth, seen)


def _named(function: FunctionType, depth: int, seen: set[int]) -> Iterator[object]:
    """Return captured values, and the constants and functions of its package that a function uses."""
    try:
        held = inspect.getclosurevars(function)
    except ValueError:  # a captured variable has no value yet
        return
    package = function.__module__.partition(".")[0]
    for name, value in sorted([*held.nonlocals.items(), *held.globals.items()], key=lambda pair: pair[0]):
        if _is_plain(cast(object, value)):
            yield name, told_alike(cast(object, value))
        elif isinstance(value, (FunctionType, functools.partial)):
            inner: FunctionType = getattr(cast(Any, value), "func", cast(Any, value))
            if inner.__module__.partition(".")[0] == package:
                yield from _told(cast(object, value), depth + 1, seen)


def _is_plain(value: object, depth: int = 0) -> bool:
    if isinstance(value, _HELD):
        parts = [*cast("list[object]", value)]
        parts += cast("dict[object, object]", value).values() if isinstance(value, dict) else ()
        return depth <= _DEEP and all(_is_plain(one, depth + 1) for one in parts)
    return isinstance(value, _PLAIN)


def _outline_of(function: FunctionType) -> object:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""  # a shell, or a lambda within a line
    if function.__name__ == "<lambda>":  # its line has other code too
        return [outline(one) for one in ast.walk(tree) if isinstance(one, ast.Lambda)]
    return outline(tree)
