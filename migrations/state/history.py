"""History: each event of a database's migrations, for people to read. Pure.

The engine does not decide by it: the ledger says which migrations are applied.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from .integrity import read_as

__all__ = ["Event", "EventKind"]


class EventKind(StrEnum):
    """What was done."""

    APPLIED = "applied"
    UNAPPLIED = "unapplied"
    SETTLED = "settled"  # a stopped run was given up, or records that older code wrote later were migrated
    FAKED = "faked"  # recorded as applied by migrate --fake, without touching a record
    UNFAKED = "unfaked"  # likewise as not applied
    PURGED = "purged"  # its undo fields were deleted
    STAMPED = "stamped"  # the position was recorded by stamp


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        what: Its ``EventKind``.
        id, number, name: Of the migration; if none was applied, of the last migration before the position.
        at: ISO instant, UTC.
        seconds: How long the run took.
        records: How many records the run changed.
        by: Host, process and user.
        consents: Safety rules that the user consented to on the command line.
        run: Epoch of the lease; the same for all events of one command.
    """

    what: str
    id: str
    number: int
    name: str
    at: str
    seconds: float
    records: int
    by: str
    run: int
    consents: Sequence[str] = ()

    def to_json(self) -> str:
        """Give the text that is stored in Redis."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: bytes) -> "Event":
        """Read what ``to_json`` wrote; raise ValueError for anything else."""
        return read_as(cls, text)
