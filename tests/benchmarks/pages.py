"""Pages: where tables and plots go in the documentation, between marks that stay."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from .figures import Group
from .machine import Machine
from .plots import Axis, plot
from .scale import Scale
from .table import Line, headlines_of, markdown_of

__all__ = ["write_headlines", "write_page"]

_BEGIN: Final = "<!-- written by make bench -->\n"
_END: Final = "<!-- end of what make bench writes -->\n"
_FIRST: Final = (
    ("insert, 10 fields", "redis-py"),
    ("select, 10 fields", "redis-py"),
    ("save a new object", "redis-py"),
    ("get an object", "redis-py"),
    ("migrate in the server, 3 fused operations", "client pipeline (to redis_models, the rewriting)"),
)
_PLOTS: Final = {
    "growth": (
        "Records a second, by the number of records",
        Axis("records", is_log=True),
        Axis("records a second", True),
    ),
    "latency": ("How long a live client waits while records migrate", Axis("seconds"), Axis("milliseconds", True)),
}


def write_page(page: Path, machine: Machine, scale: Scale, groups: Sequence[Group]) -> None:
    """Put all tables between the marks of a page, and the plots beside it."""
    parts = [f"{_intro(machine, scale)}\n", _headlines(groups)]
    for group in groups:
        parts.append(markdown_of(group))
        if group.case in _PLOTS and group.lines:
            title, across, up = _PLOTS[group.case]
            name = f"speed-{group.case}.svg"
            (page.parent / name).write_text(plot(title, across, up, group.lines), "utf-8")
            parts.append(f"![{title}]({name})\n")
    _put(page, "\n".join(parts))


def write_headlines(page: Path, machine: Machine, scale: Scale, groups: Sequence[Group]) -> None:
    """Put the few ratios that people ask for first between the marks of a page."""
    lines = [(title, line) for title, line in headlines_of(groups) if (title, line.name) in _FIRST]
    _put(page, f"{_intro(machine, scale)}\n{_table_of(lines)}")


def _headlines(groups: Sequence[Group]) -> str:
    return _table_of(headlines_of(groups))


def _table_of(lines: Iterable[tuple[str, Line]]) -> str:
    rows = "".join(
        f"| {title} | {line.name} | {line.ratio or line.value} | {line.promised} |\n" for title, line in lines
    )
    return f"| work | compared with | ours : it, or ours | promised |\n|---|---|--:|--:|\n{rows}"


def _intro(machine: Machine, scale: Scale) -> str:
    made = "" if scale.name == "full" else f" A {scale.name} run, which shows that it works rather than how fast it is."
    return f"Measured on {machine}.{made}\n"


def _put(page: Path, text: str) -> None:
    before, begin, rest = page.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin and end, f"{page} lacks the lines {_BEGIN!r} and {_END!r}"
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
