"""Converters: functions for ``AlterField(convert=...)`` that can be written as literals in a migration file. Pure."""

import zoneinfo
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import cast

from redis_models.errors import SchemaError

from ..schema.snapshot import Literal
from ..schema.type_tree import parse
from .enum_mapping import enum_places, mapped_between
from .nested_paths import as_key, plain

__all__ = ["AttachTimezone", "Converter", "FillNone", "MapValues"]

_CONTAINERS = (list, tuple, set, frozenset, deque)


class Converter(ABC):
    """A conversion that is a value. What it returns unchanged is converted as if there were no converter."""

    @abstractmethod
    def __call__(self, value: object) -> object:
        """Convert one value."""

    @abstractmethod
    def inverse(self, old: str) -> "Converter | None":
        """Return the reverse conversion to the type ``old``, or None if the default conversion is enough."""


@dataclass(frozen=True)
class MapValues(Converter):
    """Replace some values by others, such as removed members of an enum.

    Values are compared as they are stored: a member of an enum is its stored value. Values inside of lists, sets,
    tuples, dicts and their keys, unions and nested objects are replaced too. All other values stay. So does a value
    that one enum lost, at a place where another enum still has it.

    Args:
        mapping: New value by old value, as in JSON.
        back: The reverse mapping. Without it, a new value goes back to its old value if that is the only one, and if
            the new value was not possible before.
    """

    mapping: Mapping[str | int | float | bool | None, Literal]
    back: Mapping[str | int | float | bool | None, Literal] | None = None

    def __call__(self, value: object) -> object:
        """Convert one value, or the items of a container."""
        if isinstance(value, dict):
            items = cast("Mapping[object, object]", value).items()
            made: object = {as_key(name): plain(self(item)) for name, item in items}
        elif isinstance(value, _CONTAINERS):
            made = [plain(self(item)) for item in cast("Iterable[object]", value)]
        else:
            stored = plain(value)
            return self._by_kind.get((type(stored), stored), value) if isinstance(stored, Hashable) else value
        before = plain(value)
        return (
            value if made == (before if isinstance(value, dict) else list(cast("Iterable[object]", before))) else made
        )

    def between(self, old: str, new: str) -> Callable[[object], object]:
        """Return the function that converts values of one type to another."""
        if (old, new) not in self._functions:
            self._functions[old, new] = mapped_between(old, new, self._by_kind) or self
        return self._functions[old, new]

    def inverse(self, old: str) -> "MapValues | None":
        """Return the reverse mapping; see ``back``."""
        if self.back is not None:
            return MapValues(self.back)
        possible = [value for value in _all_values(old) if value not in self.mapping]
        images = list(self.mapping.values())
        back = {
            image: value
            for value, image in self.mapping.items()
            if not isinstance(image, (list, dict)) and images.count(image) == 1 and image not in possible
        }
        return MapValues(back) if back else None

    @cached_property
    def _functions(self) -> dict[tuple[str, str], Callable[[object], object]]:
        return {}

    @cached_property
    def _by_kind(self) -> Mapping[tuple[type, object], Literal]:
        """The mapping with the types of old values, because 1 equals True."""
        return {(type(old), old): new for old, new in self.mapping.items()}


@lru_cache(maxsize=1024)
def _all_values(type: str) -> tuple[Literal, ...]:
    """Return the values of all enums and literals in a type."""
    tree = parse(type)
    return tuple(value for place in enum_places(tree, tree) for value in place.old_values)


@dataclass(frozen=True)
class FillNone(Converter):
    """Replace None by a value. The reverse leaves values unchanged.

    Args:
        value: As in JSON.
    """

    value: Literal

    def __call__(self, value: object) -> object:
        """Convert one value."""
        return self.value if value is None else value

    def inverse(self, old: str) -> None:
        """Return None: the older type allows all values."""


@dataclass(frozen=True)
class AttachTimezone(Converter):
    """Attach a time zone to naive datetimes; aware ones stay unchanged.

    An hour that occurs twice, when clocks are put back, is the first one (``fold=0``). A time that does not exist, when
    clocks are put forward, has the offset from before.

    Args:
        zone: Name in the tz database: ``UTC``, ``Europe/Berlin``.

    Raises:
        SchemaError: The time zone is unknown.
    """

    zone: str
    _zone: zoneinfo.ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_zone", zoneinfo.ZoneInfo(self.zone))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as exc:
            raise SchemaError(
                f"unknown time zone {self.zone!r}; correct the name, or install the package tzdata"
            ) from exc

    def __call__(self, value: object) -> object:
        """Convert one value, or the items of a container."""
        return _each(value, self._attached)

    def _attached(self, value: datetime) -> datetime:
        return value.replace(tzinfo=self._zone) if value.tzinfo is None else value

    def inverse(self, old: str) -> "Converter":
        """Return the conversion to naive datetimes in the zone."""
        return _DetachTimezone(self._zone)


@dataclass(frozen=True)
class _DetachTimezone(Converter):
    zone: zoneinfo.ZoneInfo

    def __call__(self, value: object) -> object:
        return _each(value, self._detached)

    def _detached(self, value: datetime) -> datetime:
        return value if value.tzinfo is None else value.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def inverse(self, old: str) -> None:
        """Return None: it is a reverse itself."""


def _each(value: object, convert: Callable[[datetime], datetime]) -> object:
    """Convert a datetime, and those inside of containers; return other values unchanged."""
    if isinstance(value, datetime):
        return convert(value)
    if isinstance(value, dict):
        items = cast("Mapping[object, object]", value).items()
        return {name: _each(item, convert) for name, item in items}
    if isinstance(value, _CONTAINERS):
        return [_each(item, convert) for item in cast("Iterable[object]", value)]
    return value
