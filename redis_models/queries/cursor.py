"""Cursors: the place where a page ends, as text that an application may hand to others. Pure."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from ..encoding.raw_text import bytes_of, text_of
from ..errors import CursorError
from ..indexes.planner import Plan, Scan
from .streams import Position

__all__ = ["Cursor", "cursor_of", "read_cursor"]

_MOST_LETTERS: Final = 8192  # of a cursor: four texts of 256 bytes and a primary key of 2,000 letters fit
_TABLE: Final = "*"  # in place of indexes, where the table is read
_KEYS: Final = "="  # in place of an index, where primary keys are given


@dataclass(frozen=True)
class Cursor:
    """A place in the order of a query.

    Attributes:
        digest: That of the definitions of the table's indexes.
        indexes: What is read: the index of each branch.
        is_descending: Whether they are read from their end.
        position: The last member that was given.
    """

    digest: str
    indexes: tuple[str, ...]
    is_descending: bool
    position: Position

    def __str__(self) -> str:
        rank, key = self.position
        document = [self.digest, list(self.indexes), int(self.is_descending), rank, text_of(key)]
        raw = json.dumps(document, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def names(self) -> tuple[str, ...] | None:
        """Give the names of the indexes to read; None where the table is read."""
        return None if self.indexes == (_TABLE,) else self.indexes

    def check(self, text: str, plan: Plan, digest: str) -> None:
        """Refuse a query that is not the one that the cursor is of.

        Raises:
            CursorError: It is answered in another way.
        """
        if digest != self.digest:
            raise CursorError(text, "is of the indexes that the table had before")
        if _indexes_of(plan) != self.indexes or plan.is_descending is not self.is_descending:
            raise CursorError(text, "is of another query")


def cursor_of(digest: str, plan: Plan, position: Position) -> str:
    """Give the cursor of a place in the order of a plan."""
    return str(Cursor(digest, _indexes_of(plan), plan.is_descending, position))


def read_cursor(text: str) -> Cursor:
    """Read a cursor.

    Raises:
        CursorError: It is not one.
    """
    if not isinstance(cast(object, text), str):
        raise TypeError(f"page: after must be the cursor of a page, which is text, not {text!r:.60}")
    try:
        if len(text) > _MOST_LETTERS:
            raise ValueError("it is too long")
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        document: Any = json.loads(raw)
        return _cursor(*document)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise CursorError(text, "is not readable") from None


def _cursor(digest: object, indexes: object, is_descending: object, rank: object, key: object) -> Cursor:
    if not isinstance(indexes, list) or not all(isinstance(name, str) for name in cast("list[object]", indexes)):
        raise ValueError("no indexes")
    if not (isinstance(digest, str) and is_descending in (0, 1) and type(rank) is int and isinstance(key, str)):
        raise ValueError("no place")
    return Cursor(digest, tuple(cast("Sequence[str]", indexes)), bool(is_descending), Position(rank, bytes_of(key)))


def _indexes_of(plan: Plan) -> tuple[str, ...]:
    if plan.scans is None:
        return (_TABLE,)
    return tuple(scan.index.name if isinstance(scan, Scan) else _KEYS for scan in plan.scans)
