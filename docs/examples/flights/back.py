"""After the way back to version 1: compare every byte with what was there before, and look for foreign keys."""

from collections.abc import Iterable, Mapping
from typing import Final

import raw
from source import Row, pieces
from traffic import Acknowledged

__all__ = ["differences_to"]

# Version 1 calls these otherwise; it has no status.
_OLD_NAMES: Final = {"destination": "dest", "arr_delay": "arr_delay"}


def differences_to(
    before: Mapping[str, raw.Print], after: Mapping[str, raw.Print], count: int, acknowledged: Acknowledged
) -> list[str]:
    """Give a line for every record that is not as it was, but for what live clients were promised since.

    Args:
        before: Prints taken before the first change.
        after: Prints taken now.
        count: How many flights there were.
        acknowledged: What live clients did meanwhile.
    """
    edited = dict(_edited(count, acknowledged))
    found: list[str] = []
    for id, print in before.items():
        wanted = raw.Print(edited.get(id, print.digest), acknowledged.increments.get(id, 0))
        here = after.get(id)
        if (here is None) != (id in acknowledged.deleted):
            found.append(f"{raw.key_of(id)} is {'gone' if here is None else 'back'}")
        elif here is not None and here != wanted:
            what = "its bytes" if here.digest != wanted.digest else f"{here.views} views instead of {wanted.views}"
            found.append(f"{raw.key_of(id)} is not as it was: {what}")
    return found


def _edited(count: int, acknowledged: Acknowledged) -> Iterable[tuple[str, bytes]]:
    """Give the digest that each edited flight must have: the live client's values in the text of version 1."""
    for piece in pieces(count):
        for row in piece.rows():
            if row["id"] in acknowledged.edits:
                yield row["id"], raw.print_of(_record(row, acknowledged.edits[row["id"]])).digest


def _record(row: Row, changes: Mapping[str, object]) -> raw.Record:
    renamed = {_OLD_NAMES[name]: str(value) for name, value in changes.items() if name in _OLD_NAMES}
    record = {**row, **renamed, "_v": "1", "views": "0"}
    return {name.encode(): text.encode() for name, text in record.items()}
