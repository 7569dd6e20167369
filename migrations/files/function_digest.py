"""Digests of functions by their source, and texts of values that are the same in each process. It reads source files.

A digest also covers defaults, captured values, arguments of a ``partial``, and the constants and functions of the
module that the function uses.
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

__all__ = ["OURS", "source_digest", "stable_text"]

OURS: Final = ("pydantic", "pydantic_core", "redis_models", "annotated_types", "typing", "typing_extensions", "enum")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")
_PLAIN: Final = (str, bytes, int, float, complex, bool, Decimal, type(None), re.Pattern, Enum)
_HELD: Final = (tuple, list, set, frozenset, dict)
_DEPTH: Final = 4  # functions that call functions
_DEEP: Final = 8  # values in values


def source_digest(function: object) -> str:
    """Return a digest of a function, without comments and docstring; "" if its source is not available."""
    parts = [*_parts_of(function, 0, set())]
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12] if any(parts) else ""


def stable_text(value: object, depth: int = 0) -> str:
    """Spell a value in the same way in each process, down to some depth."""
    if depth > _DEEP:
        return "..."
    if isinstance(value, re.Pattern):
        return repr(cast("re.Pattern[str]", value).pattern)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        items = sorted(f"{stable_text(name, depth + 1)}: {stable_text(item, depth + 1)}" for name, item in pairs)
        return f"{{{', '.join(items)}}}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(stable_text(item, depth + 1) for item in cast('set[object]', value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(stable_text(item, depth + 1) for item in cast('list[object]', value))}]"
    if callable(value):
        is_ours = str(getattr(value, "__module__", "")).partition(".")[0] in OURS
        return str(getattr(value, "__qualname__", "")) if is_ours else source_digest(value)
    return _ADDRESS.sub("", repr(value))


def _parts_of(function: object, depth: int, seen: set[int]) -> Iterator[object]:
    if isinstance(function, functools.partial):
        made = cast("functools.partial[object]", function)
        yield stable_text(made.args), stable_text(made.keywords)
        yield from _parts_of(made.func, depth, seen)
        return
    function = getattr(function, "__func__", function)
    with suppress(ValueError):  # a function that wraps itself
        function = inspect.unwrap(cast(Any, function))
    if not isinstance(function, FunctionType):
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(call, FunctionType):  # a callable object: its state and its __call__
            yield stable_text(getattr(function, "__dict__", {}))
            yield from _parts_of(call, depth, seen)
        return
    if id(function) in seen or depth > _DEPTH:
        return
    seen.add(id(function))
    yield _outline_of(function)
    yield stable_text(function.__defaults__), stable_text(function.__kwdefaults__)
    yield from _named(function, depth, seen)


def _named(function: FunctionType, depth: int, seen: set[int]) -> Iterator[object]:
    """Return captured values, and the constants and functions of its package that a function uses."""
    try:
        captured = inspect.getclosurevars(function)
    except ValueError:  # a captured variable has no value yet
        return
    package = function.__module__.partition(".")[0]
    for name, value in sorted([*captured.nonlocals.items(), *captured.globals.items()], key=lambda pair: pair[0]):
        if _is_plain(cast(object, value)):
            yield name, stable_text(cast(object, value))
        elif isinstance(value, (FunctionType, functools.partial)):
            inner: FunctionType = getattr(cast(Any, value), "func", cast(Any, value))
            if inner.__module__.partition(".")[0] == package:
                yield from _parts_of(cast(object, value), depth + 1, seen)


def _is_plain(value: object, depth: int = 0) -> bool:
    if isinstance(value, _HELD):
        parts = [*cast("list[object]", value)]
        parts += cast("dict[object, object]", value).values() if isinstance(value, dict) else ()
        return depth <= _DEEP and all(_is_plain(part, depth + 1) for part in parts)
    return isinstance(value, _PLAIN)


def _outline_of(function: FunctionType) -> object:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""  # a shell, or a lambda within a line
    if function.__name__ == "<lambda>":  # its line has other code too
        return [outline(node) for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return outline(tree)
