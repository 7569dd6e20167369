"""Whether two values are the same: equal, and of the same types all through. Pure.

Equality alone takes ``True`` for ``1`` and ``1`` for ``1.0``, an hour in Rome for the hour before it in London, and no
NaN for another; a value that is written and read back must be told from such a neighbour.
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


def is_same(one: object, other: object) -> bool:
    """Tell whether two values are the same; an object that nothing compares is the same as one that holds the same."""
    kind = type(one)
    if kind is not type(other):
        return False
    return one == other if kind in _PLAIN else _comparer(cast(Hashable, kind))(one, other)


def to_plain(value: object) -> object:
    """Give a value with every text, number and container in it of the plain type below its own.

    A StrEnum becomes its text, a named tuple a tuple: all that is left of them where a field says ``Any``.
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


def _is_equal(one: object, other: object) -> bool:
    return bool(one == other)


def _same_object(one: object, other: object) -> bool:
    names = _attribute_names(one)
    return one is other or (bool(names) and names == _attribute_names(other) and _has_same(one, other, names))


def _same_float(one: float, other: float) -> bool:
    return repr(one) == repr(other)  # tells 0.0 from -0.0, and finds NaN in NaN


def _same_complex(one: complex, other: complex) -> bool:
    return repr(one.real) == repr(other.real) and repr(one.imag) == repr(other.imag)


def _same_moment(one: datetime, other: datetime) -> bool:
    # Moments of two zones are never equal where an hour occurs twice, so the clocks are compared, and the offsets.
    return (
        one.replace(tzinfo=None, fold=0) == other.replace(tzinfo=None, fold=0) and one.utcoffset() == other.utcoffset()
    )


def _same_time(one: time, other: time) -> bool:
    return one.isoformat() == other.isoformat() and (one.tzinfo is None) is (other.tzinfo is None)


def _same_items(one: Collection[object], other: Collection[object]) -> bool:
    return len(one) == len(other) and all(map(is_same, one, other))


def _same_deque(one: "deque[object]", other: "deque[object]") -> bool:
    return one.maxlen == other.maxlen and _same_items(one, other)


def _same_mapping(one: Mapping[object, object], other: Mapping[object, object]) -> bool:
    if len(one) != len(other):
        return False
    if all(type(key) is str for key in one) and all(type(key) is str for key in other):
        return all(key in other and is_same(value, other[key]) for key, value in one.items())
    return _same_members([*one.items()], [*other.items()])


def _same_members(one: Collection[object], other: Collection[object]) -> bool:
    """Compare without regard to order; looking up by hash would take True for 1, and not find NaN."""
    if len(one) != len(other):
        return False
    left: dict[object, list[object]] = {}
    for member in other:
        left.setdefault(_bucket_of(member), []).append(member)
    return all(_remove_same(left.get(_bucket_of(member), []), member) for member in one)


def _bucket_of(member: object) -> object:
    """Give what same members have in common, and few others, so that few need comparing."""
    kind = type(member)
    if isinstance(member, tuple):
        return (kind, *map(_bucket_of, cast("tuple[object, ...]", member)))
    return (kind, member) if kind in _PLAIN else (kind, _BUCKETS[kind](member)) if kind in _BUCKETS else kind


def _remove_same(members: list[object], wanted: object) -> bool:
    place = next((place for place, member in enumerate(members) if is_same(member, wanted)), None)
    if place is not None:
        del members[place]
    return place is not None


def _same_model(one: BaseModel, other: BaseModel) -> bool:
    kind = type(one)
    if kind.__eq__ is not BaseModel.__eq__:
        return bool(one == other)
    # Private attributes are not stored: they are the business of the process.
    return _has_same(one, other, kind.model_fields) and is_same(one.model_extra, other.model_extra)


def _has_same(one: object, other: object, names: Collection[str]) -> bool:
    return all(is_same(getattr(one, name, None), getattr(other, name, None)) for name in names)


def _attribute_names(one: object) -> set[str]:
    """Give the names of all that an object holds."""
    names: set[str] = set(getattr(one, "__dict__", ()))
    for cls in type(one).__mro__:
        slots: str | Collection[str] = getattr(cls, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            names.add(f"_{cls.__name__.lstrip('_')}{name}" if is_private else name)
    return {name for name in names if not name.endswith("__") and hasattr(one, name)}


def _same_secret(one: "Secret[object]", other: "Secret[object]") -> bool:
    return is_same(one.get_secret_value(), other.get_secret_value())


def _is_identical(one: object, other: object) -> bool:
    return one is other


_PLAIN: Final = frozenset({str, int, bool, bytes, type(None)})
# What same values of a type have in common; without it a set of ten thousand moments would be compared pair by pair.
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
