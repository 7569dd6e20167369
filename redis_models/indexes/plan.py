"""The plan of a query: which members of which indexes are read, and the choices that it was taken from. Pure."""

from typing import Final, NamedTuple

from .conditions import AllOf, Condition, Order
from .definitions import Part

__all__ = [
    "EVERYTHING",
    "MOST_BRANCHES",
    "MOST_RANGES",
    "AnyScan",
    "Choices",
    "KeyScan",
    "Plan",
    "Range",
    "Scan",
    "UsableIndex",
]

MOST_RANGES: Final = 100  # of one index for one branch
MOST_BRANCHES: Final = 8  # of ``|``, each with its own index
EVERYTHING: Final = AllOf(())  # the condition that every record meets


class UsableIndex(NamedTuple):
    """An index as this code reads it.

    Attributes:
        name: Its name.
        parts: What it is made of in records of this code's version, with the kinds of this code's types.
        is_unique: Whether each entry is of one record at most.
    """

    name: str
    parts: tuple[Part, ...]
    is_unique: bool


class Range(NamedTuple):
    """Members of an index that lie together.

    Attributes:
        first: Where it begins; included.
        end: Where it ends; excluded.
        skip: How many bytes to leave out of its members for their order to be the wanted one.
        rank: Ranges of a lower rank are read first, whatever their members.
    """

    first: bytes
    end: bytes
    skip: int = 0
    rank: int = 0


class Scan(NamedTuple):
    """How one index finds the records of one branch.

    Attributes:
        target: The index.
        ranges: Its ranges, in ascending order within a rank.
        served: What the ranges were made of.
        left: What they do not say in full, so that each record is judged by it.
        condition: The branch: all that its records meet.
        order_start: How many parts to leave out of members for their order to be the one that is wanted; None where no
            such order is in the index.
        is_descending: Whether the index is read from its end.
        most: How many records it finds at most, or None.
    """

    target: UsableIndex
    ranges: tuple[Range, ...]
    served: tuple[Condition, ...]
    left: tuple[Condition, ...]
    condition: Condition
    order_start: int | None
    is_descending: bool = False
    most: int | None = None

    @property
    def order_parts(self) -> tuple[Part, ...]:
        """The parts that members are sorted by."""
        return self.target.parts[self.order_start or 0 :]


class KeyScan(NamedTuple):
    """The records of one branch, which names their primary keys.

    Attributes:
        values: The primary keys.
        condition: The branch.
    """

    values: tuple[object, ...]
    condition: Condition


AnyScan = Scan | KeyScan


class Choices(NamedTuple):
    """Every way to find the records of a query by indexes.

    Attributes:
        condition: The condition.
        orders: The order that is wanted.
        branches: For each branch of ``|`` the scans that find its records; None where one of them has none.
        walks: Scans of whole indexes in the wanted order, which find every record.
        is_served: Whether indexes serve the condition, or none is needed: then whole indexes may be read.
    """

    condition: Condition
    orders: tuple[Order, ...]
    branches: tuple[tuple[AnyScan, ...], ...] | None
    walks: tuple[Scan, ...]
    is_served: bool

    @property
    def scans(self) -> tuple[AnyScan, ...]:
        """All scans, in one line; ``decide`` takes their counts in this order."""
        return (*(scan for branch in self.branches or () for scan in branch), *self.walks)

    @property
    def is_everything(self) -> bool:
        """Whether every record is wanted."""
        return self.condition == EVERYTHING


class Plan(NamedTuple):
    """How a query is answered.

    Attributes:
        condition: What every record of the answer meets.
        orders: The order that is wanted.
        scans: One for each branch of ``|``; None to read the whole table.
        is_sorted: Whether what is read comes in the wanted order; otherwise it is sorted in memory.
    """

    condition: Condition
    orders: tuple[Order, ...]
    scans: tuple[AnyScan, ...] | None
    is_sorted: bool

    @property
    def is_descending(self) -> bool:
        """Whether indexes are read from their end."""
        return any(isinstance(scan, Scan) and scan.is_descending for scan in self.scans or ())
