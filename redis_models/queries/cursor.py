"""Cursors: the place where a page ends, as text that an application may hand to others. Pure."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from ..encoding.raw_text import bytes_of, text_of
from ..errors import CursorError
from ..indexes.plan import Choices, KeyScan, Plan, Scan
from .streams import Position

__all__ = ["Cursor", "cursor_of", "read_cursor"]

_MOST_LETTERS: Final = 8192  # of a cursor: four texts of 256 bytes and a primary key of 2,000 letters fit
_TABLE: Final = "*"  # in place of indexes, where the table is read
_KEYS: Final = "="  # in place of an index, where primary keys are given


@dataclass(frozen=True)
class Cursor:
    """A place in the order of a query.

    Attributes:
        text: The cursor, as applications have it.
        digest: That of the definitions of the table's indexes.
        indexes: What is read: the index of each branch.
        is_descending: Whether they are read from their end.
        position: The last member that was given.
    """

    text: str
    digest: str
    indexes: tuple[str, ...]
    is_descending: bool
    position: Position

    def narrowed(self, choices: Choices) -> Choices:
        """Give those of some choices that read what the cursor is of."""
        branches = choices.branches
        if branches is not None and len(branches) == len(self.indexes):
            branches = tuple(
                tuple(scan for scan in branch if _name_of(scan) == name)
                for branch, name in zip(branches, self.indexes, strict=True)
            )
        is_whole = branches is not None and len(branches) == len(self.indexes) and all(branches)
        walks = tuple(scan for scan in choices.walks if (scan.target.name,) == self.indexes)
        return choices._replace(branches=branches if is_whole else None, walks=walks)

    def check(self, plan: Plan | None) -> None:
        """Refuse a query that is not the one that the cursor is of.

        Raises:
            CursorError: It is answered in another way, or not at all.
        """
        is_same = plan is not None and _indexes_of(plan) == self.indexes
        if plan is None or not is_same or plan.is_descending is not self.is_descending:
            raise CursorError(self.text, "is of another query")

    def check_digest(self, digest: str) -> None:
        """Refuse a table that has other indexes by now.

        Raises:
            CursorError: It has.
        """
        if digest != self.digest:
            raise CursorError(self.text, "is of the indexes that the table had before")


def cursor_of(digest: str, plan: Plan, position: Position) -> str:
    """Give the cursor of a place in the order of a plan."""
    rank, key = position
    document = [digest, _indexes_of(plan), int(plan.is_descending), rank, text_of(key)]
    raw = json.dumps(document, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


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
        return _cursor(text, *document)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise CursorError(text, "is not readable") from None


def _cursor(text: str, digest: object, indexes: object, is_descending: object, rank: object, key: object) -> Cursor:
    if not isinstance(indexes, list) or not all(isinstance(name, str) for name in cast("list[object]", indexes)):
        raise ValueError("no indexes")
    if not (isinstance(digest, str) and is_descending in (0, 1) and type(rank) is int and isinstance(key, str)):
        raise ValueError("no place")
    return Cursor(
        text, digest, tuple(cast("Sequence[str]", indexes)), bool(is_descending), Position(rank, bytes_of(key))
    )


def _indexes_of(plan: Plan) -> tuple[str, ...]:
    if plan.scans is None:
        return (_TABLE,)
    return tuple(map(_name_of, plan.scans))


def _name_of(scan: Scan | KeyScan) -> str:
    return scan.target.name if isinstance(scan, Scan) else _KEYS
