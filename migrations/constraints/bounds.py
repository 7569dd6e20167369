"""Checks of decoded values by the constraints in ``constraints.json``. Pure.

Each constraint is the text of an annotation, so that it can be checked without the class.
"""

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, cast

from pydantic_core import SchemaValidator, ValidationError, core_schema

from ..schema.historical_values import HistoricalAlias, HistoricalObject, document_of

__all__ = ["allows", "is_checkable", "values_at"]

_Check = Callable[[Any], bool]
_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "ge": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "le": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
    "max_length": lambda value, bound: len(value) <= bound,
    "min_length": lambda value, bound: len(value) >= bound,
}
_OF_TEXT: Final = {"str_max_length": "max_length", "str_min_length": "min_length"}
_DECIMAL: Final = re.compile(r"Decimal\('([^']{1,400})'\)")
_MOMENT: Final = re.compile(r"datetime\.(date|datetime|time|timedelta)\(([\w=, ]*)\)")
_MOMENTS: Final[Mapping[str, Callable[..., object]]] = {
    "date": date, "datetime": datetime, "time": time, "timedelta": timedelta,
}  # fmt: skip
_STEP: Final = re.compile(r"\[\]|\{\}|\|[^.\[{|]*|[^.\[{|]+")


def is_checkable(name: str, text: str) -> bool:
    """Whether a constraint can be checked without the code of the model."""
    return _check_of(name, text) is not None


def allows(name: str, text: str, value: object) -> bool:
    """Whether a value meets a constraint; True if the constraint does not apply to it.

    Args:
        name: Name of the constraint, such as ``max_length``.
        text: Its argument, such as ``"5"``.
        value: The decoded value.
    """
    check = _check_of(name, text)
    if value is None or check is None:
        return True
    try:
        return check(value)
    except (TypeError, ValueError, ArithmeticError, InvalidOperation):
        return True  # it belongs to another member of a union or another item of a tuple


def values_at(value: object, path: str) -> Iterator[object]:
    """Return the values at a path of ``files/acceptance``: ``.key``, ``[]`` for items, ``{}`` for keys, ``|Member``."""
    yield from _values(value, _STEP.findall(path))


def _values(value: object, steps: Sequence[str]) -> Iterator[object]:
    value = value.root if isinstance(value, HistoricalAlias) else value
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        items = value.values() if isinstance(value, dict) else value
        if isinstance(items, (list, tuple, set, frozenset)) or isinstance(value, dict) or hasattr(items, "maxlen"):
            for item in cast("Sequence[object]", items):
                yield from _values(item, rest)
    elif step == "{}":
        for key in value if isinstance(value, dict) else ():
            yield from _values(cast(object, key), rest)
    elif step.startswith("|"):
        if isinstance(value, HistoricalObject) or type(value).__name__ == step[1:]:
            yield from _values(value, rest)
    elif isinstance(value, HistoricalObject):
        document = document_of(value)
        if step in document:
            yield from _values(document[step], rest)


@lru_cache(maxsize=1024)
def _check_of(name: str, text: str) -> _Check | None:
    """Return the check of a constraint; None if only the code can check it."""
    if name in _OF_TEXT:
        inner = _check_of(_OF_TEXT[name], text)
        return None if inner is None else lambda value: not isinstance(value, str) or inner(value)
    if name == "pattern":
        return _pattern(text)
    if name == "allow_inf_nan":
        return lambda value: text != "False" or math.isfinite(value)
    bound = _bound(text)
    if bound is None:
        return None
    if name == "multiple_of":
        return lambda value: _is_multiple(value, bound)
    compare = _COMPARED.get(name)
    return None if compare is None else lambda value: compare(value, bound)


def _is_multiple(value: Any, of: Any) -> bool:
    rest = abs(value % of)
    return bool(min(rest, abs(of) - rest) <= (abs(value) / 1e9 if isinstance(value, float) else 0))


def _pattern(text: str) -> _Check | None:
    try:
        pattern: object = ast.literal_eval(text)
        found = SchemaValidator(core_schema.str_schema(pattern=str(pattern)))
    except Exception:  # pydantic's engine refuses the pattern; the code may use another engine
        return None

    def check(value: object) -> bool:
        with suppress(ValidationError):
            found.validate_python(value)
            return True
        return not isinstance(value, str)

    return check


def _bound(text: str) -> Any:
    """Parse a bound: a number, a date or a time."""
    decimal, moment = _DECIMAL.fullmatch(text), _MOMENT.fullmatch(text)
    try:
        if decimal is not None:
            return Decimal(decimal[1])
        if moment is not None:
            return _moment(moment[1], moment[2])
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, ArithmeticError):
        return None
    return value if isinstance(value, (int, float)) else None


def _moment(kind: str, arguments: str) -> object:
    parts = [part.strip() for part in arguments.split(",") if part.strip()]
    named = dict(part.split("=") for part in parts if "=" in part)
    return _MOMENTS[kind](*(int(part) for part in parts if "=" not in part), **{k: int(v) for k, v in named.items()})
