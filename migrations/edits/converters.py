"""Converters: functions for ``AlterField(convert=...)`` that a migration file can write as literals. Pure."""

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
    """A conversion that is a value itself. What it gives back as it is, the usual conversion takes on from there."""

    @abstractmethod
    def __call__(self, value: object) -> object:
        """Convert one value."""

    @abstractmethod
    def inverse(self, old: str) -> "Converter | None":
        """Give the way back to the type ``old``, or None where the usual conversion serves."""


@dataclass(frozen=True)
class MapValues(Converter):
    """Put other values in the place of some: of members of an enum that go, for one.

    It sees values as they are stored (an enum's member is its stored value), also those in lists, sets, tuples, dicts
    and their keys, unions and nested objects. A value that it does not name stays; so does one that some enum lost,
    where another one has it still.

    Args:
        mapping: New value by old value, JSON-like.
        back: Likewise the way back. Without it, each new value that only one old value became goes back to that one,
            unless it was possible before as well.
    """

    mapping: Mapping[str | int | float | bool | None, Literal]
    back: Mapping[str | int | float | bool | None, Literal] | None = None

    def __call__(self, value: object) -> object:
        """Convert one value, or the items of a container."""
        if isinstance(value, dict):
            items = cast("Mapping[object, object]", value).items()
            made: object = {as_key(name): plain(self(one)) for name, one in items}
        elif isinstance(value, _CONTAINERS):
            made = [plain(self(one)) for one in cast("Iterable[object]", value)]
        else:
            stored = plain(value)
            return self._by_kind.get((type(stored), stored), value) if isinstance(stored, Hashable) else value
        before = plain(value)
        return (
            value if made == (before if isinstance(value, dict) else list(cast("Iterable[object]", before))) else made
        )

    def between(self, old: str, new: str) -> Callable[[object], object]:
        """Give what converts values of one type into those of another."""
        if (old, new) not in self._ways:
            self._ways[old, new] = mapped_between(old, new, self._by_kind) or self
        return self._ways[old, new]

    def inverse(self, old: str) -> "MapValues | None":
        """Give the way back; see ``back``."""
        if self.back is not None:
            return MapValues(self.back)
        possible = [value for value in _all_values(old) if value not in self.mapping]
        images = list(self.mapping.values())
        back = {
            image: one
            for one, image in self.mapping.items()
            if not isinstance(image, (list, dict)) and images.count(image) == 1 and image not in possible
        }
        return MapValues(back) if back else None

    @cached_property
    def _ways(self) -> dict[tuple[str, str], Callable[[object], object]]:
        return {}

    @cached_property
    def _by_kind(self) -> Mapping[tuple[type, object], Literal]:
        """The mapping, in which 1 is not True."""
        return {(type(one), one): new for one, new in self.mapping.items()}


@lru_cache(maxsize=1024)
def _all_values(type: str) -> tuple[Literal, ...]:
    """Give the values of all enums and literals in a type."""
    tree = parse(type)
    return tuple(value for place in enum_places(tree, tree) for value in place.held)


@dataclass(frozen=True)
class FillNone(Converter):
    """Put a value in the place of None. The way back leaves values as they are.

    Args:
        value: JSON-like.
    """

    value: Literal

    def __call__(self, value: object) -> object:
        """Convert one value."""
        return self.value if value is None else value

    def inverse(self, old: str) -> None:
        """Give None: what may be None may be a value."""


@dataclass(frozen=True)
class AttachTimezone(Converter):
    """Say in which time zone naive moments were meant; aware ones stay as they are.

    Where clocks are put back, an hour comes twice, and the first is meant (``fold=0``); where they are put forward, a
    time that no clock showed counts by the offset from before.

    Args:
        zone: Name in the tz database: ``UTC``, ``Europe/Berlin``.

    Raises:
        SchemaError: There is no such zone here.
    """

    zone: str
    _zone: zoneinfo.ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_zone", zoneinfo.ZoneInfo(self.zone))
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as exc:
            raise SchemaError(
                f"there is no time zone {self.zone!r} here; correct the name, or install the package tzdata"
            ) from exc

    def __call__(self, value: object) -> object:
        """Convert one value, or the items of a container."""
        return _each(value, self._attached)

    def _attached(self, value: datetime) -> datetime:
        return value.replace(tzinfo=self._zone) if value.tzinfo is None else value

    def inverse(self, old: str) -> "Converter":
        """Give what tells the time that a clock in the zone shows."""
        return _DetachTimezone(self._zone)


@dataclass(frozen=True)
class _DetachTimezone(Converter):
    zone: zoneinfo.ZoneInfo

    def __call__(self, value: object) -> object:
        return _each(value, self._detached)

    def _detached(self, value: datetime) -> datetime:
        return value if value.tzinfo is None else value.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def inverse(self, old: str) -> None:
        """Give None: nobody goes back twice."""


def _each(value: object, convert: Callable[[datetime], datetime]) -> object:
    """Convert instants, also those in containers; give the value itself where there is none to convert."""
    if isinstance(value, datetime):
        return convert(value)
    if isinstance(value, dict):
        items = cast("Mapping[object, object]", value).items()
        return {name: _each(one, convert) for name, one in items}
    if isinstance(value, _CONTAINERS):
        return [_each(one, convert) for one in cast("Iterable[object]", value)]
    return value
