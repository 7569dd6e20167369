"""Schedules as hypothesis draws them, so that one which fails is shrunk to a short one."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .world import POINTS, Choice

Drawn = tuple[Sequence[int], Sequence[Choice]]
HOW_MANY: Final = int(os.environ.get("SCHEDULES", "60"))
# Positions that are asked for one after the other, the simplest first.
_GOALS: Final = ((3,), (3, 1, 3), (2, 3), (3, 2, 1, 3), (2, 1, 3))
_TIMES: Final = (1, 1, 2, 3, 4, 6, 10, 16, 30)
_LENGTHS: Final = (20, 60)
# How often each deed is drawn; "rest", which is nothing, is what shrinking puts in its place.
_PLAIN: Final[Mapping[str, int]] = {
    "rest": 1, "new 1": 3, "new 2": 3, "old 3": 3, "reader": 1, "runner A": 6, "runner B": 3, "cut": 2, "lose": 1,
    "kill": 1, "lapse": 1, "tick": 1, "flush": 1, "restart": 1, "end": 1, "turn": 1, "up to": 1,
}  # fmt: skip
_BIASES: Final[Mapping[str, Mapping[str, int]]] = {
    "plain": {},
    "zombies": {"runner A": 8, "runner B": 8, "lapse": 6, "up to": 8, "new 2": 1, "reader": 0},
    "deaths": {"kill": 6, "restart": 4, "flush": 2, "lapse": 4, "runner B": 5, "old 3": 5, "reader": 0},
    "broken lines": {"cut": 8, "lose": 3, "runner A": 8},
    "rollback": {"turn": 4, "runner A": 12, "old 3": 5, "tick": 2},
    "ends": {"end": 8, "runner A": 12, "new 2": 1},
    "close": {"runner A": 9, "old 3": 9, "new 2": 1, "reader": 0},
}
_CLOSE: Final = frozenset(("broken lines", "close", "ends"))
_SHORT: Final = 3  # steps of a runner, where others are to come between any two of them


# What befalls a run in this order, so that it meets what it rests on: deed, its times, for whom; drawn where empty.
_DIRECTED: Final[Mapping[str, Sequence[tuple[str, Sequence[int], Sequence[int]]]]] = {
    "restarts": (
        ("up to", (), (POINTS.index("SCAN 0"),)), ("old 4", (1, 3, 3, 4), ()), ("runner A", (3, 6, 8, 10), ()),
        ("restart", (), ()),
    ),
    "usurpers": (("up to", (), range(8)), ("lapse", (), ()), ("runner B", (), ()), ("runner A", (), ())),
    "late entries": (
        ("up to", (), (POINTS.index("finish"),)), ("lapse", (), ()), ("runner B", (1, 3, 6), ()), ("runner A", (1,), ()),
    ),
    "hiccups": (("new 1", (1, 2, 3), ()), ("cut", (), (0, 1, 8, 9)), ("runner A", (), ())),
    "last moments": (
        ("up to", (), (POINTS.index("replace"), POINTS.index("rewrite"))), ("end", (), ()), ("runner A", (1, 2, 10), ()),
    ),
    "races": (
        ("up to", (), (POINTS.index("replace"), POINTS.index("rewrite"))), ("new 1", (2, 3, 4), (3, 7, 11, 15)),
        ("runner A", (1, 2, 10), ()),
    ),
}  # fmt: skip


def schedules(bias: str | None = None) -> st.SearchStrategy[Drawn]:
    """Draw goals and a schedule, of one bias or of any."""
    if bias is None:
        biases = [*_BIASES, *_DIRECTED]
        return st.sampled_from(biases).flatmap(schedules)
    least, most = _LENGTHS
    if bias in _DIRECTED:
        scene = st.tuples(*(_choices([deed], times, which) for deed, times, which in _DIRECTED[bias]))
        scenes = st.lists(scene, min_size=least // 4, max_size=most // 4)
        return st.tuples(st.sampled_from(_GOALS), scenes.map(lambda some: [one for each in some for one in each]))
    weights = {**_PLAIN, **_BIASES[bias]}
    choice = _choices([deed for deed, weight in weights.items() for _ in range(weight)])
    if bias in _CLOSE:
        choice = choice.map(_shortened)
    return st.tuples(st.sampled_from(_GOALS), st.lists(choice, min_size=least, max_size=most))


def _choices(deeds: Sequence[str], times: Sequence[int] = (), which: Sequence[int] = ()) -> st.SearchStrategy[Choice]:
    return st.builds(
        Choice, st.sampled_from(deeds), st.sampled_from(times or _TIMES), st.sampled_from(which or range(16))
    )


def _shortened(choice: Choice) -> Choice:
    return choice._replace(times=min(choice.times, _SHORT)) if choice.deed.startswith("runner") else choice


def explore(
    follow: Callable[..., Any], count: int, *, number: int, bias: str | None = None, shrinks: bool = True
) -> None:
    """Follow so many schedules; the first that fails is shrunk, and raised.

    Args:
        follow: What follows one.
        count: How many.
        number: Seed; the same one gives the same schedules.
        bias: What happens oftener than usually.
        shrinks: Whether to look for a shorter one that fails.
    """
    phases = [Phase.generate, *([Phase.shrink] if shrinks else [])]

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=phases, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(schedules(bias))
    def every_schedule(drawn: Drawn) -> None:
        follow(*drawn)

    every_schedule()
