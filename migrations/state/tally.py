"""Tally: what a verification found in the records of one model, in the form that receipts store. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["Kind", "Tally", "Verdict"]


_SHOWN: Final = 5  # verdicts of one kind that are stored to be shown; all are counted


class Kind(Enum):
    """Kinds of findings. A problem contradicts the model; a note may be intended."""

    TYPE = "type"  # the key does not hold a hash
    OLDER = "older"  # its stamp is of an earlier version
    NEWER = "newer"  # its stamp is of a later version
    STAMP = "stamp"  # its stamp is not a version
    UNREADABLE = "unreadable"  # the model refuses it
    KEY = "key"  # its key does not match its primary key
    TORN = "torn"  # it has a field of another version than its stamp
    ASIDE = "aside"  # it has an undo field of a migration that its stamp does not include
    INDEX = "index"  # the key of the index holds something else
    UNINDEXED = "unindexed"  # the index lacks it
    MISPLACED = "misplaced"  # the index has it out of order
    DANGLING = "dangling"  # the index has a key without a record, although records of the model do not expire
    FOREIGN = "foreign"  # the index has a key of another model
    LEFT = "left"  # it has a key of an earlier version of the model
    QUARANTINE = "quarantine"  # a migration could not rewrite it
    UNDECLARED = "undeclared"  # it has a field that the model does not have
    ABSENT = "absent"  # it lacks a field, and is read with the default
    ENDLESS = "endless"  # records of the model have a TTL, and it has none
    ENDED = "ended"  # the index has a key whose record expired

    @property
    def is_note(self) -> bool:
        """Whether it may be intended."""
        return self in (Kind.UNDECLARED, Kind.ABSENT, Kind.ENDLESS, Kind.ENDED)


_OF_QUARANTINE: Final = frozenset([Kind.OLDER, Kind.UNREADABLE, Kind.LEFT])  # quarantined records have these, too


@dataclass(frozen=True)
class Verdict:
    """One finding.

    Attributes:
        kind: What was found.
        key: Of the record.
        reason: Details, for people.
    """

    kind: Kind
    key: str
    reason: str


@dataclass
class Tally:
    """What was found in the records of one model. Grows while they are read.

    Attributes:
        records: How many were read; the few that SCAN gives twice count twice.
        ending: How many of these have a TTL.
        counts: How many findings, by kind.
        shown: The first verdicts of each kind.
        repaired: Entries of the index that were repaired.
        in_quarantine: Keys of records that are in quarantine, which explains other findings about them.
    """

    records: int = 0
    ending: int = 0
    counts: dict[Kind, int] = field(default_factory=dict[Kind, int])
    shown: list[Verdict] = field(default_factory=list[Verdict])
    repaired: int = 0
    in_quarantine: set[str] = field(default_factory=set[str])

    def note(self, verdict: Verdict) -> None:
        """Count a verdict, and store the first of each kind; skip those that quarantine explains."""
        if verdict.kind is Kind.QUARANTINE:
            self.in_quarantine.add(verdict.key)
        elif verdict.kind in _OF_QUARANTINE and verdict.key in self.in_quarantine:
            return
        self.counts[verdict.kind] = self.counts.get(verdict.kind, 0) + 1
        if self.counts[verdict.kind] <= _SHOWN:
            self.shown.append(verdict)

    @property
    def problems(self) -> dict[str, int]:
        """How many problems there are, by kind."""
        return {kind.value: count for kind, count in self.counts.items() if not kind.is_note}

    @property
    def notes(self) -> dict[str, int]:
        """How many notes there are, by kind."""
        return {kind.value: count for kind, count in self.counts.items() if kind.is_note}

    @property
    def document(self) -> dict[str, object]:
        """The tally as JSON."""
        return {
            "records": self.records,
            "ending": self.ending,
            "repaired": self.repaired,
            "problems": self.problems,
            "notes": self.notes,
            "shown": [
                {"kind": verdict.kind.value, "key": verdict.key, "reason": verdict.reason} for verdict in self.shown
            ],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Tally":
        """Read what ``document`` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            found = {**document["problems"], **document["notes"]}
            counts = {Kind(kind): _count(count) for kind, count in found.items()}
            shown = [Verdict(Kind(item["kind"]), str(item["key"]), str(item["reason"])) for item in document["shown"]]
            records, ending, repaired = (_count(document[name]) for name in ("records", "ending", "repaired"))
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"not a tally: {exc!r:.60}") from exc
        return cls(records, ending, counts, shown, repaired)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.60} is not a count")
    return value
