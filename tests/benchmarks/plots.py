"""Plots as SVG: lines over a number of records, or over time; one template, two scales. Pure, but for the template.

Rendered by jinja2, which the library needs anyway. Of the plotting libraries matplotlib brings numpy and draws letters
as paths, so that a plot is 50 kB and no two runs differ legibly; pygal's plots call a script of another host.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["Axis", "plot"]

Lines = Mapping[str, Sequence[tuple[float, float]]]
_WIDTH: Final = 760
_HEIGHT: Final = 360
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 40, 20, 50  # of the frame, in pixels
_COLOURS: Final = ("#0b6e99", "#7cc0dd", "#c4532c", "#e8a98f", "#3d7d3d", "#9cc99c", "#6b4c9a", "#b9a3d6")
_LINE: Final = 18  # pixels, of the legend
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True
)


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: What it shows, with its unit.
        is_log: Whether each step is ten times the one before.
    """

    title: str
    is_log: bool = False


@dataclass(frozen=True)
class _Ruler:
    """Values of an axis, and where they lie in pixels."""

    low: float
    high: float
    first: float
    last: float
    is_log: bool

    def at(self, value: float) -> float:
        """Where a value lies."""
        low, high = self._bent(self.low), self._bent(self.high)
        share = (self._bent(value) - low) / ((high - low) or 1)
        return round(self.first + share * (self.last - self.first), 1)

    @property
    def ticks(self) -> list[float]:
        """Values that get a mark."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            return [10.0**power for power in powers if self.low <= 10.0**power <= self.high]
        step = 10 ** math.floor(math.log10((self.high - self.low) or 1))
        step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if (self.high - self.low) / (step * part) <= 8)
        return [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]

    def _bent(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.is_log else value


def plot(title: str, across: Axis, up: Axis, lines: Lines) -> str:
    """Give lines as one SVG document, readable on light and on dark pages.

    Args:
        title: Above it.
        across: The axis from left to right.
        up: The axis from bottom to top.
        lines: Points by name.
    """
    drawn = {name: points for name, points in lines.items() if points}
    xs = [x for points in drawn.values() for x, _ in points] or [1.0]
    ys = [y for points in drawn.values() for _, y in points] or [1.0]
    bottom = _HEIGHT - _BOTTOM
    ruler_x = _ruler(xs, across, _LEFT, _WIDTH - _RIGHT)
    ruler_y = _ruler(ys, up, bottom, _TOP)
    return _TEMPLATES.get_template("plot.svg.j2").render(
        title=title,
        width=_WIDTH,
        height=_HEIGHT + _LINE * ((len(drawn) + 1) // 2) + 10,
        frame={"left": _LEFT, "right": _WIDTH - _RIGHT, "top": _TOP, "bottom": bottom},
        across=across.title,
        up=up.title,
        ticks_x=[(ruler_x.at(tick), _shown(tick)) for tick in ruler_x.ticks],
        ticks_y=[(ruler_y.at(tick), _shown(tick)) for tick in ruler_y.ticks],
        lines=[
            {
                "name": name,
                "colour": _COLOURS[place % len(_COLOURS)],
                "points": [(ruler_x.at(x), ruler_y.at(y)) for x, y in points],
                "x": _LEFT + (place % 2) * (_WIDTH - _LEFT - _RIGHT) // 2,
                "y": _HEIGHT + _LINE * (place // 2),
            }
            for place, (name, points) in enumerate(drawn.items())
        ],
    )


def _ruler(values: Sequence[float], axis: Axis, first: float, last: float) -> _Ruler:
    low, high = min(values), max(values)
    if axis.is_log:
        low, high = max(low, 1e-9), max(high, 1e-9)
        return _Ruler(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)), first, last, is_log=True)
    return _Ruler(0.0, high * 1.05 or 1.0, first, last, is_log=False)


def _shown(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g} M"
    return f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"
