"""Whether two values are the same: equal, and of the same types at every depth. Pure.

Plain equality is too loose to check that a value reads back: ``True == 1 == 1.0``, an hour in Rome equals the hour
before it in London, and NaN does not equal itself.
"""

import dataclasses
import enum
import functools
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PosixPath, PurePosixPath
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

__all__ = ["is_same", "to_plain"]


def is_same(value: object, other: object) -> bool:
    """Tell whether two values are the same. Objects without ``__eq__`` are compared by their attributes."""
    kind = type(value)
    if kind is not type(other):
        return False
    return value == other if kind in _PLAIN else _comparer(cast(Hashable, kind))(value, other)


def to_plain(value: object) -> object:
    """Convert every text, number and container in a value to its plain base type.

    A StrEnum becomes its text, a named tuple a tuple: a field of type ``Any`` reads nothing more back.
    """
    if type(value) in _PLAIN:
        return value
    for base, made in _PLAIN_BASES:
        if isinstance(value, base):
            return made(value)
    return value


@functools.lru_cache(maxsize=1024)
def _comparer(kind: Hashable) -> Callable[[Any, Any], bool]:
    cls = cast("type[object]", kind)
    for base, compare in _COMPARERS:
        if issubclass(cls, base):
            return compare
    if dataclasses.is_dataclass(cls):
        return functools.partial(_has_same, names=[field.name for field in dataclasses.fields(cls)])
    return _same_object if cls.__eq__ is object.__eq__ else _is_equal


def _is_equal(value: object, other: object) -> bool:
    return bool(value == other)


def _same_object(value: object, other: object) -> bool:
    names = _attribute_names(value)
    return value is other or (bool(names) and names == _attribute_names(other) and _has_same(value, other, names))


def _same_float(value: float, other: float) -> bool:
    return repr(value) == repr(other)  # tells 0.0 from -0.0, and finds NaN in NaN


def _same_complex(value: complex, other: complex) -> bool:
    return repr(value.real) == repr(other.real) and repr(value.imag) == repr(other.imag)


def _same_moment(value: datetime, other: datetime) -> bool:
    # ``==`` is False for two zones where an hour occurs twice, so the clock times and the offsets are compared.
    return (
        value.replace(tzinfo=None, fold=0) == other.replace(tzinfo=None, fold=0)
        and value.utcoffset() == other.utcoffset()
    )


def _same_time(value: time, other: time) -> bool:
    return value.isoformat() == other.isoformat() and (value.tzinfo is None) is (other.tzinfo is None)


def _same_items(value: Collection[object], other: Collection[object]) -> bool:
    return len(value) == len(other) and all(map(is_same, value, other))


def _same_deque(value: "deque[object]", other: "deque[object]") -> bool:
    return value.maxlen == other.maxlen and _same_items(value, other)


def _same_mapping(value: Mapping[object, object], other: Mapping[object, object]) -> bool:
    if len(value) != len(other):
        return False
    if all(type(key) is str for key in value) and all(type(key) is str for key in other):
        return all(key in other and is_same(member, other[key]) for key, member in value.items())
    return _same_members([*value.items()], [*other.items()])


def _same_members(value: Collection[object], other: Collection[object]) -> bool:
    """Compare in any order. A lookup by hash would take True for 1, and would not find NaN."""
    if len(value) != len(other):
        return False
    candidates: dict[object, list[object]] = {}
    for member in other:
        candidates.setdefault(_bucket_of(member), []).append(member)
    return all(_remove_same(candidates.get(_bucket_of(member), []), member) for member in value)


def _bucket_of(member: object) -> object:
    """Give a hashable that same members share, and few others do, so that few pairs are compared."""
    kind = type(member)
    if isinstance(member, tuple):
        return (kind, *map(_bucket_of, cast("tuple[object, ...]", member)))
    return (kind, member) if kind in _PLAIN else (kind, _BUCKETS[kind](member)) if kind in _BUCKETS else kind


def _remove_same(members: list[object], wanted: object) -> bool:
    position = next((position for position, member in enumerate(members) if is_same(member, wanted)), None)
    if position is not None:
        del members[position]
    return position is not None


def _same_model(value: BaseModel, other: BaseModel) -> bool:
    kind = type(value)
    if kind.__eq__ is not BaseModel.__eq__:
        return bool(value == other)
    # Private attributes are not stored.
    return _has_same(value, other, kind.model_fields) and is_same(value.model_extra, other.model_extra)


def _has_same(value: object, other: object, names: Collection[str]) -> bool:
    return all(is_same(getattr(value, name, None), getattr(other, name, None)) for name in names)


def _attribute_names(value: object) -> set[str]:
    """Give the names of all attributes of an object, those in slots included."""
    names: set[str] = set(getattr(value, "__dict__", ()))
    for cls in type(value).__mro__:
        slots: str | Collection[str] = getattr(cls, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            names.add(f"_{cls.__name__.lstrip('_')}{name}" if is_private else name)
    return {name for name in names if not name.endswith("__") and hasattr(value, name)}


def _same_secret(value: "Secret[object]", other: "Secret[object]") -> bool:
    return is_same(value.get_secret_value(), other.get_secret_value())


def _is_identical(value: object, other: object) -> bool:
    return value is other


_PLAIN: Final = frozenset({str, int, bool, bytes, type(None)})
# A hashable that same values of a type share; without it a set of 10,000 datetimes would be compared pair by pair.
_BUCKETS: Final[dict[type, Callable[[Any], Hashable]]] = {
    **dict.fromkeys((float, complex), repr),
    **dict.fromkeys((date, timedelta, UUID, Fraction), lambda value: value),
    **dict.fromkeys((IPv4Address, IPv4Network, IPv6Address, IPv6Network, PurePosixPath, PosixPath), str),
    Decimal: Decimal.as_tuple,
    datetime: lambda value: value.replace(tzinfo=None, fold=0),
    time: time.isoformat,
}
_COMPARERS: Final[tuple[tuple[type, Callable[[Any, Any], bool]], ...]] = (
    (enum.Flag, lambda one, other: one.value == other.value),
    (enum.Enum, _is_identical),
    (float, _same_float),
    (Decimal, lambda one, other: one.as_tuple() == other.as_tuple()),
    (complex, _same_complex),
    (datetime, _same_moment),
    (time, _same_time),
    (list, _same_items),
    (tuple, _same_items),
    (deque, _same_deque),
    (set, _same_members),
    (frozenset, _same_members),
    (dict, _same_mapping),
    (BaseModel, _same_model),
    (Secret, _same_secret),
    (SecretBytes, _same_secret),
    (SecretStr, _same_secret),
)
_PLAIN_BASES: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (list, lambda value: [to_plain(member) for member in value]),
    (tuple, lambda value: tuple(to_plain(member) for member in value)),
    (set, lambda value: {to_plain(member) for member in value}),
    (frozenset, lambda value: frozenset(to_plain(member) for member in value)),
    (dict, lambda value: {to_plain(key): to_plain(member) for key, member in value.items()}),
)
