"""Names of undo fields: stored fields with which a record can be taken back byte for byte. Pure.

A migration to version n stores each value that it removes or changes in the undo field ``_b{n}.{step}.{field}``. For a
field that was absent there is an empty undo field ``_b{n}-{step}.{field}``. If the TTL of the record changes, the undo
field ``_b{n}.{step}.``, without the name of a field, has the times of expiry before and afterwards, in milliseconds
since 1970, or -1 for never. Each value has its own undo field, because a hash of short fields takes a quarter of the
memory of one with a long field.
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
_UNDO_NAME: Final = re.compile(r"_b[0-9]+[.-][0-9]+\.")


@dataclass(frozen=True)
class UndoField:
    """An undo field: the value of a field before a step.

    Attributes:
        stored_as: Its own name in the record.
        step: Index of the step in its migration; the number of steps for the stamp.
        name: The field; "" for the TTL of the record.
        was_absent: Whether the record had no such field.
    """

    stored_as: str
    step: int
    name: str
    was_absent: bool


def undo_name(version: int, step: int, name: str, *, was_absent: bool) -> str:
    """Return the name of the undo field of ``name`` for a step of the migration to ``version``."""
    return f"_b{version}{_ABSENT if was_absent else _PRESENT}{step}.{name}"


def undo_fields_of(version: int, stored: Iterable[str]) -> list[UndoField]:
    """Return the undo fields of the migration to ``version`` among the stored fields of a record."""
    start = f"_b{version}"
    found: list[UndoField] = []
    for name in stored:
        if name.startswith(start):
            entry = _undo_field(version, name)
            if entry is not None:
                found.append(entry)
    return found


def field_of(stored_as: str) -> str:
    """Return the field to which an undo field belongs; for any other stored field its own name."""
    undo = _UNDO_NAME.match(stored_as)
    return stored_as if undo is None else stored_as[undo.end() :]


@lru_cache(maxsize=_ALL_NAMES)
def _undo_field(version: int, stored_as: str) -> UndoField | None:
    rest = stored_as[len(f"_b{version}") :]
    step, dot, name = rest[1:].partition(".")
    if rest[:1] not in (_PRESENT, _ABSENT) or not dot or _STEP.fullmatch(step) is None:
        return None  # of version 12 instead of 1, or a field of another application
    return UndoField(stored_as, int(step), name, rest[0] == _ABSENT)
