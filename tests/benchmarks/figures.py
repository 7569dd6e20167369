"""Figures: what rounds come to: medians, spread, ratios to yardsticks, and whether a promise is kept. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

__all__ = ["Group", "Promise", "Series", "Spread", "by_name", "ratio_of", "spread_of"]


@dataclass(frozen=True)
class Spread:
    """The middle of some values, and the least and the greatest of them."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Promise:
    """What a series must come to.

    Attributes:
        bound: The ratio, or the value.
        is_at_most: Whether the value must not be greater; otherwise the ratio must not be less.
    """

    bound: float
    is_at_most: bool = False

    def is_kept(self, reached: float) -> bool:
        """Whether that is enough."""
        return reached <= self.bound if self.is_at_most else reached >= self.bound


@dataclass(frozen=True)
class Series:
    """What one contender came to, a value for each round.

    Attributes:
        name: The contender.
        values: Rates, or what ``unit`` says; none if it was not run.
        unit: What the values are.
        ours: For a yardstick, the name of the series of ours that is compared with it; "" for ours.
        promise: What ours promises in comparison with this; or, of ours, what its value must not exceed.
        records: How many records, or calls, one round was.
        why_not: Why there are no values.
    """

    name: str
    values: Sequence[float]
    unit: str = "/s"
    ours: str = ""
    promise: Promise | None = None
    records: int = 0
    why_not: str = ""


@dataclass(frozen=True)
class Group:
    """What a case came to.

    Attributes:
        case: Name of the case, as it is chosen.
        title: What was done.
        series: Ours and its yardsticks.
        notes: What must be known to read them.
        lines: Points of plots: by name of the line, x and y.
    """

    case: str
    title: str
    series: Sequence[Series]
    notes: Sequence[str] = ()
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict[str, list[tuple[float, float]]])


def spread_of(values: Sequence[float]) -> Spread:
    """Give the middle and the ends of values, of which there is at least one."""
    return Spread(median(values), min(values), max(values))


def ratio_of(ours: Series, yardstick: Series) -> Spread:
    """Compare round with round: what slows the machine down for a while slows both, and so goes out of the ratio."""
    return spread_of([value / other for value, other in zip(ours.values, yardstick.values, strict=True)])


def by_name(group: Group) -> dict[str, Series]:
    """Give the series of a group that have values."""
    return {line.name: line for line in group.series if line.values}
