"""History: what was done to a database by migrations, one event after the other, for people who ask later. Pure.

No decision reads it: the ledger says what is applied.
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
    SETTLED = "settled"  # a run that had stopped was given up, or records that had come late were brought up
    FAKED = "faked"  # recorded as applied by migrate --fake, without touching a record
    UNFAKED = "unfaked"  # likewise as not applied
    PURGED = "purged"  # its undo fields were removed from the records
    STAMPED = "stamped"  # the position was recorded by stamp


@dataclass(frozen=True)
class Event:
    """One thing that was done.

    Attributes:
        what: Which.
        id, number, name: Of the migration; of the one that the position is behind where none was applied.
        at: ISO instant, UTC.
        seconds: How long it took, together with what was done in the same pass.
        records: How many records that changed.
        by: Host, process and user.
        consents: Safety rules that the user consented to on the command line.
        run: Epoch of the lease that it was done under: the same for all that one command did.
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
        """Read what ``to_json`` wrote; ValueError where it is something else."""
        return read_as(cls, text)
