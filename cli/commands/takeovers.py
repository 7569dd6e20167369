"""Takeovers: what ``adopt`` did with a table, or would do, in lines for people."""

from collections.abc import Iterator

from redis_models.migrations.maintenance.adopt import Takeover

from ..console.counting import counted

__all__ = ["problem_lines", "takeover_line"]


def takeover_line(one: Takeover, *, is_planned: bool) -> str:
    """Give the line about one table."""
    head = f"{one.model}: {counted(one.records, 'record')}"
    if one.is_nothing:
        return f"{head}, nothing to adopt"
    return f"{head}; {'would be done' if is_planned else 'done'}: {', '.join(_parts(one))}"


def problem_lines(one: Takeover) -> Iterator[str]:
    """Give a line for each record that cannot be taken over."""
    for problem in one.problems:
        yield f"  ! {problem.key}: {problem.reason}"
    if one.problem_count > len(one.problems):
        yield f"  ! and {one.problem_count - len(one.problems):,} more"


def _parts(one: Takeover) -> Iterator[str]:
    if one.is_converted:
        yield "set index made a sorted set"
    if one.is_freed:
        yield "life span taken off the index"
    if one.stamped:
        yield f"{one.stamped:,} stamped"
    if one.renamed:
        yield f"{counted(one.renamed, 'key')} renamed"
    if one.found:
        yield f"{one.found:,} found outside the index"
    if one.dropped:
        yield f"{counted(one.dropped, 'dead member')} dropped"
