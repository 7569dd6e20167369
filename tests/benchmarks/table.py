"""Tables: what groups of series come to, for a terminal and for the documentation. Pure, but for printing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from .figures import Group, Series, Spread, by_name, ratio_of, spread_of

__all__ = ["Line", "headlines_of", "lines_of", "markdown_of", "print_group"]

_HEAD: Final = ("", "records", "median", "spread", "ours : it", "spread", "promised", "")


@dataclass(frozen=True)
class Line:
    """One line of a table, as text.

    Attributes:
        name: The contender.
        records: How many records, or calls, a round was.
        value: Median, with its unit.
        spread: Least and greatest value.
        ratio: Median of ours to this, round by round.
        ratios: Least and greatest of these.
        promised: What ours promises.
        is_kept: Whether it keeps that; None where nothing is promised.
    """

    name: str
    records: str = ""
    value: str = ""
    spread: str = ""
    ratio: str = ""
    ratios: str = ""
    promised: str = ""
    is_kept: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the columns."""
        kept = {None: "", True: "kept", False: "MISSED"}[self.is_kept]
        return (
            self.name, self.records, self.value, self.spread, self.ratio, self.ratios, self.promised, kept
        )  # fmt: skip


def lines_of(group: Group) -> list[Line]:
    """Give the lines of a group."""
    present = by_name(group)
    return [_line(line, present) for line in group.series]


def _line(series: Series, present: dict[str, Series]) -> Line:
    if not series.values:
        return Line(series.name, value=series.why_not)
    middle = spread_of(series.values)
    records = f"{series.records:,}" if series.records else ""
    ratio, ours = None, present.get(series.ours)
    if ours is not None:
        ratio = ratio_of(ours, series)
    promised, is_kept = "", None
    if series.promise is not None and series.promise.is_at_most:
        promised, is_kept = f"<= {series.promise.bound:g} {series.unit}", series.promise.is_kept(middle.median)
    elif series.promise is not None and ratio is not None:
        promised, is_kept = f">= {series.promise.bound:g}", series.promise.is_kept(ratio.median)
    return Line(
        f"{series.name} (to {series.ours})" if _is_ambiguous(series) else series.name,
        records,
        _number(middle.median, series.unit),
        _ends(middle, series.unit) if len(series.values) > 1 else "",
        f"{ratio.median:.2f}" if ratio else "",
        f"{ratio.low:.2f} - {ratio.high:.2f}" if ratio and len(series.values) > 1 else "",
        promised,
        is_kept,
    )


def _is_ambiguous(series: Series) -> bool:
    """Whether it is not plain which series of ours a yardstick is compared with."""
    return ", the " in series.ours


def headlines_of(groups: Sequence[Group]) -> Iterator[tuple[str, Line]]:
    """Give what is promised, with the title of its group, in the order of the groups."""
    for group in groups:
        for line in lines_of(group):
            if line.is_kept is not None:
                yield group.title, line


def print_group(console: Console, group: Group) -> None:
    """Print one group."""
    shown = Table(*_HEAD, title=group.title, title_justify="left", title_style="bold")
    for column in shown.columns[1:]:
        column.justify = "right"
    for line in lines_of(group):
        style = {None: None, True: "green", False: "red"}[line.is_kept]
        shown.add_row(*line.cells, style=style)
    console.print(shown)


def markdown_of(group: Group) -> str:
    """Give one group as a section of a page."""
    rows = "".join(f"| {' | '.join(line.cells)} |\n" for line in lines_of(group))
    notes = "".join(f"\n{note}\n" for note in group.notes)
    head = f"| {' | '.join(_HEAD)} |\n|---|{'--:|' * (len(_HEAD) - 2)}---|\n"
    return f"### {group.title[0].upper()}{group.title[1:]}\n\n{head}{rows}{notes}"


def _number(value: float, unit: str) -> str:
    shown = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{shown}{unit}" if unit == "/s" else f"{shown} {unit}"


def _ends(spread: Spread, unit: str) -> str:
    return f"{_number(spread.low, unit)} - {_number(spread.high, unit)}"
