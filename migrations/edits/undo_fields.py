"""What a migration keeps aside in a record, so that it can be taken back byte for byte: how it is named. Pure.

Each value that a migration to version n removed or changed stays in the hash, as the stored field
``_b{n}.{step}.{field}``; a field that was absent leaves ``_b{n}-{step}.{field}``, empty. A record that got another life
span keeps in ``_b{n}.{step}.``, which is of no field, when it ended and when it ends now: milliseconds since 1970, -1
never. One stored field a value, because Redis keeps a hash of short fields in a quarter of the memory of one that has a
single long field.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["UndoField", "field_of", "undo_fields_of", "undo_name"]

_PRESENT, _ABSENT = ".", "-"
_STEP: Final = re.compile(r"[0-9]{1,9}")
_ALL_NAMES: Final = 4096
_KEPT: Final = re.compile(r"_b[0-9]+[.-][0-9]+\.")


@dataclass(frozen=True)
class UndoField:
    """A field as it was before a step.

    Attributes:
        stored_as: Name of the stored field that keeps it.
        step: Place of the step in its migration; one past the last is the stamp's own entry.
        name: The field; "" for the life span of the record.
        was_absent: Whether the record had no such field.
    """

    stored_as: str
    step: int
    name: str
    was_absent: bool


def undo_name(version: int, step: int, name: str, *, was_absent: bool) -> str:
    """Name the stored field that keeps ``name`` as it was before a step of the migration to ``version``."""
    return f"_b{version}{_ABSENT if was_absent else _PRESENT}{step}.{name}"


def undo_fields_of(version: int, stored: Iterable[str]) -> list[UndoField]:
    """Find what the migration to ``version`` kept among the stored fields of a record."""
    start = f"_b{version}"
    found: list[UndoField] = []
    for name in stored:
        if name.startswith(start):
            entry = _undo_field(version, name)
            if entry is not None:
                found.append(entry)
    return found


def field_of(stored_as: str) -> str:
    """Give the field that a stored field keeps as it was before a step; any other is its own."""
    kept = _KEPT.match(stored_as)
    return stored_as if kept is None else stored_as[kept.end() :]


@lru_cache(maxsize=_ALL_NAMES)
def _undo_field(version: int, stored_as: str) -> UndoField | None:
    rest = stored_as[len(f"_b{version}") :]
    step, dot, name = rest[1:].partition(".")
    if rest[:1] not in (_PRESENT, _ABSENT) or not dot or _STEP.fullmatch(step) is None:
        return None  # of version 12 where 1 was asked for, or somebody else's
    return UndoField(stored_as, int(step), name, rest[0] == _ABSENT)
