"""Images: what becomes of the bytes of a field through conversions whose inputs are known. Pure.

A program composes the conversions of all its version steps into one, which the server applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..edits.steps import Convert
from ..edits.stored_values import may_be_none

__all__ = ["SAME", "UndoTable", "ValueTable"]


@dataclass(frozen=True)
class ValueTable:
    """What becomes of bytes.

    Attributes:
        table: By the bytes in the record.
        leaves_others: Whether bytes in which there is no trace of a None stay. What becomes of any others that are not
            in the table only Python can tell.
    """

    table: Mapping[bytes, bytes]
    leaves_others: bool

    def of(self, raw: bytes) -> bytes | None:
        """Give the image of some bytes; None where only Python can tell."""
        if raw in self.table:
            return self.table[raw]
        return raw if self.leaves_others and not may_be_none(raw) else None

    def then(self, step: Convert) -> "tuple[ValueTable, UndoTable]":
        """Give the images after one more conversion, and what it keeps as an undo field."""
        table: dict[bytes, bytes] = {}
        undo: dict[bytes, bytes] = {}
        for raw in [*self.table, *(step.table if self.leaves_others else ())]:
            before = self.of(raw)
            known = None if before is None else step.known(before)
            if before is not None and known is not None:
                table[raw] = known[0]
                if not known[1]:
                    undo[raw] = before
        return ValueTable(table, self.leaves_others and step.leaves_others), UndoTable(undo)


@dataclass(frozen=True)
class UndoTable:
    """The undo field of a field, by the bytes in the record; none for others."""

    table: Mapping[bytes, bytes]


@dataclass(frozen=True)
class _Same(ValueTable):
    """The images before any conversion: everything is its own."""

    def of(self, raw: bytes) -> bytes | None:
        return raw


SAME: Final[ValueTable] = _Same({}, leaves_others=True)
