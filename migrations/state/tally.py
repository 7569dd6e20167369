"""Tally: what a verification found in the records of one model, as receipts store it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["Kind", "Tally", "Verdict"]


_SHOWN: Final = 5  # verdicts of one kind that are kept to be shown; all are counted


class Kind(Enum):
    """What may be found. Problems keep a record from being what its model says; notes may be meant."""

    TYPE = "type"  # the key holds another type than a hash
    OLDER = "older"  # its stamp is of an earlier version
    NEWER = "newer"  # its stamp is of a later version
    STAMP = "stamp"  # its stamp is not a version
    UNREADABLE = "unreadable"  # its model refuses it
    KEY = "key"  # it lies under another key than its primary key says
    TORN = "torn"  # it has a field of another version than its stamp says
    ASIDE = "aside"  # it has undo fields that do not belong to its version
    INDEX = "index"  # what lies at the index is none
    UNINDEXED = "unindexed"  # the index lacks it
    MISPLACED = "misplaced"  # the index has it out of its order
    DANGLING = "dangling"  # the index has a key where no record is, though none of its model ends by itself
    FOREIGN = "foreign"  # the index has a key that is none of its model's
    LEFT = "left"  # it lies under a key that its model had before
    QUARANTINE = "quarantine"  # a migration could not rewrite it
    UNDECLARED = "undeclared"  # it has a field that the model does not have
    ABSENT = "absent"  # it lacks a field, and reads as if it had the default
    ENDLESS = "endless"  # records of its model have a TTL, and it has none
    ENDED = "ended"  # the index has a key where no record is any more, as where records end by themselves

    @property
    def is_note(self) -> bool:
        """Whether it may be meant."""
        return self in (Kind.UNDECLARED, Kind.ABSENT, Kind.ENDLESS, Kind.ENDED)


_OF_QUARANTINE: Final = frozenset([Kind.OLDER, Kind.UNREADABLE, Kind.LEFT])  # what such records are, too


@dataclass(frozen=True)
class Verdict:
    """Something that was found.

    Attributes:
        kind: What.
        key: Where.
        reason: What exactly, for people.
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
        counts: How much was found, by kind.
        shown: The first verdicts of each kind.
        repaired: Entries of the index that were put right.
        in_quarantine: Keys of records that are counted as being in quarantine, which is why they are as they are.
    """

    records: int = 0
    ending: int = 0
    counts: dict[Kind, int] = field(default_factory=dict[Kind, int])
    shown: list[Verdict] = field(default_factory=list[Verdict])
    repaired: int = 0
    in_quarantine: set[str] = field(default_factory=set[str])

    def note(self, verdict: Verdict) -> None:
        """Count a verdict, and keep it if it is one of the first of its kind; not what quarantine is the reason of."""
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
        """How much there is that may be meant, by kind."""
        return {kind.value: count for kind, count in self.counts.items() if kind.is_note}

    @property
    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "records": self.records,
            "ending": self.ending,
            "repaired": self.repaired,
            "problems": self.problems,
            "notes": self.notes,
            "shown": [{"kind": one.kind.value, "key": one.key, "reason": one.reason} for one in self.shown],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Tally":
        """Read what ``document`` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            counts = {Kind(kind): _count(one) for kind, one in {**document["problems"], **document["notes"]}.items()}
            shown = [Verdict(Kind(one["kind"]), str(one["key"]), str(one["reason"])) for one in document["shown"]]
            records, ending, repaired = (_count(document[name]) for name in ("records", "ending", "repaired"))
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError(f"no tally: {exc!r:.60}") from exc
        return cls(records, ending, counts, shown, repaired)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r:.60} is not a count")
    return value
