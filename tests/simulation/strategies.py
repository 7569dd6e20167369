"""Schedules as hypothesis draws them, so that one which fails is shrunk to a short one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .replay import Choice, Drawn
from .world import POINTS

_SHORTEST, _LONGEST = 20, 60  # choices
# Positions that are asked for one after the other, the simplest first.
_GOALS: Final = ((3,), (3, 1, 3), (2, 3), (3, 2, 1, 3), (2, 1, 3))
_TIMES: Final = (1, 1, 2, 3, 4, 6, 10, 16, 30)


class _Part(NamedTuple):
    action: str
    times: Sequence[int] = _TIMES
    which: Sequence[int] = range(16)


# How often each action is drawn; "rest", which is nothing, is what shrinking puts in its place.
_PLAIN: Final[Mapping[str, int]] = {
    "rest": 1, "new 1": 3, "new 2": 3, "old 3": 3, "reader": 1, "lazy": 1, "watcher": 1, "runner A": 6, "runner B": 3,
    "cut": 2, "lose": 1, "part": 2, "kill": 1, "lapse": 1, "tick": 1, "flush": 1, "restart": 1, "end": 1, "turn": 1,
    "up to": 1, "late": 1, "deliver": 1,
}  # fmt: skip
_BIASES: Final[Mapping[str, Mapping[str, int]]] = {
    "plain": {},
    "zombies": {"runner A": 8, "runner B": 8, "lapse": 6, "up to": 8, "new 2": 1, "reader": 0},
    "deaths": {"kill": 6, "restart": 4, "flush": 2, "lapse": 4, "runner B": 5, "old 3": 5, "reader": 0},
    "broken lines": {"cut": 8, "lose": 3, "late": 3, "deliver": 2, "runner A": 8},
    "late copies": {"late": 8, "deliver": 8, "runner A": 8, "lapse": 3, "kill": 2},
    "rollback": {"turn": 4, "runner A": 12, "old 3": 5, "tick": 2},
    "ends": {"end": 8, "runner A": 12, "new 2": 1},
    "bad records": {"spoil": 6, "mend": 2, "runner A": 12, "turn": 2},
    "full memory": {"fill": 6, "runner A": 12, "lazy": 3, "turn": 2},
}


def _up_to(*points: str) -> _Part:
    return _Part("up to", which=[POINTS.index(point) for point in points])


# Scenes, played again and again: what befalls a run in this order, so that it meets what the protocol is for.
_SCENES: Final[Mapping[str, Sequence[_Part]]] = {
    "restarts": (
        _up_to("SCAN 0"),
        _Part("old 4", (1, 3, 3, 4)),
        _Part("runner A", (3, 6, 8, 10)),
        _Part("restart"),
    ),
    "late deaths": (
        _Part("runner A", (16, 30)),
        _up_to("SCAN 0"),
        _Part("tick"),
        _Part("runner A", (2, 3, 4)),
        _Part("kill", which=(0,)),
        _Part("old 4", (1, 3, 3)),
        _Part("lapse"),
        _Part("runner B", (16, 30)),
    ),
    "usurpers": (_up_to(*POINTS), _Part("lapse"), _Part("runner B"), _Part("runner A")),
    "late entries": (_up_to("finish"), _Part("lapse"), _Part("runner B", (1, 3, 6)), _Part("runner A", (1,))),
    "late notes": (
        _Part("spoil"),
        _up_to("quarantine"),
        _Part("lapse"),
        _Part("runner B", (1, 3, 6)),
        _Part("runner A", (1,)),
    ),
    "purges": (
        _Part("runner A", (30,)),
        _Part("purger", (3, 6, 10)),
        _Part("old 3", (1, 2, 3)),
        _Part("lapse"),
        _Part("purger 2", (1, 3, 6)),
        _Part("new 1", (1, 3)),
        _Part("purger", (1, 2)),
    ),
    "hiccups": (_Part("new 1", (1, 2, 3)), _Part("cut", which=(0, 1, 11, 12)), _Part("runner A")),
    "second copies": (
        _Part("new 1", (1, 2, 3)),
        _Part("cut", which=(0, 11)),
        _Part("new 2", (2, 3, 4), (5, 13)),
        _Part("new 1", (1, 2)),
    ),
    "second deletions": (
        _Part("old 4", (1, 2)),
        _Part("cut", which=(3, 14)),
        _Part("old 3", (1, 2, 3), (5, 13)),
        _Part("old 4", (1, 2)),
    ),
    "late copies of one": (
        _Part("new 1", (1, 2, 3), range(4)),
        _Part("late", which=(0, 11)),
        _Part("new 1", (1, 2, 3, 4), range(4)),
        _Part("deliver"),
    ),
    "late copies of runs": (
        _up_to(*POINTS),
        _Part("late", which=(7,)),
        _Part("old 3", (1, 2, 3), (3, 7, 11, 15)),
        _Part("runner A", (0, 1, 2)),
        _Part("deliver"),
    ),
    "last moments": (_up_to("replace", "rewrite"), _Part("end"), _Part("runner A", (1, 2, 10))),
    "full moments": (
        _up_to("replace", "rewrite"),
        _Part("fill"),
        _Part("runner A", (1,)),
        _Part("fill"),
        _Part("runner A", (1, 2)),
    ),
    "races": (
        _up_to("replace", "rewrite"),
        _Part("new 1", (2, 3, 4), (3, 7, 11, 15)),
        _Part("runner A", (1, 2, 10)),
    ),
    "last races": (
        _up_to("SCAN 0"),
        _Part("old 4", (1, 3)),
        _up_to("replace"),
        _Part("old 3", (1, 2, 3), (3, 7, 11, 15)),
        _Part("runner A", (1, 2)),
    ),
    "slow runs": (
        _Part("new 1", (4, 6, 10)),
        _Part("old 3", (2, 4, 6)),
        _Part("new 2", (4, 6, 10)),
        _Part("lazy", (1, 3, 4)),
        _Part("runner A", (1, 2, 3)),
    ),
    "torn reads": (
        _Part("runner B", (2,)),
        _Part("part", which=(0,)),
        _Part("lapse"),
        _up_to("finish"),
        _Part("runner A", (1, 2)),
        _Part("runner B", (3, 30)),
    ),
    "quarrels": (
        _Part("new 1", (1,), range(3)),
        _Part("new 2", (1, 2, 3), (5, 13)),
        _Part("new 1", (1, 2)),
    ),
    "pauses": (
        _Part("runner A"),
        _Part("pause"),
        _Part("runner A"),
        _Part("old 3"),
        _Part("kill"),
        _Part("pause"),
        _Part("runner B"),
    ),
}


BIASES: Final = (*_BIASES, *_SCENES)


def schedules(bias: str) -> st.SearchStrategy[Drawn]:
    """Draw goals and a schedule."""
    goals = st.sampled_from(_GOALS)
    if bias in _SCENES:
        scenes = st.lists(st.tuples(*map(_choices, _SCENES[bias])), min_size=_SHORTEST // 4, max_size=_LONGEST // 4)
        return st.tuples(goals, scenes.map(lambda drawn: [step for each in drawn for step in each]))
    weights = {**_PLAIN, **_BIASES[bias]}
    choice = st.sampled_from([action for action, weight in weights.items() for _ in range(weight)]).flatmap(_any_choice)
    return st.tuples(goals, st.lists(choice, min_size=_SHORTEST, max_size=_LONGEST))


def _choices(part: _Part) -> st.SearchStrategy[Choice]:
    return st.builds(Choice, st.just(part.action), st.sampled_from(part.times), st.sampled_from(part.which))


def _any_choice(action: str) -> st.SearchStrategy[Choice]:
    return _choices(_Part(action))


def explore(
    follow: Callable[..., Any],
    count: int,
    *,
    number: int,
    bias: str,
    shrinks: bool = True,
    draw: Callable[[str], st.SearchStrategy[Drawn]] | None = None,
) -> None:
    """Follow so many schedules; the first that fails is shrunk, and raised.

    Args:
        follow: What follows one.
        count: How many.
        number: Seed; the same one gives the same schedules.
        bias: What happens oftener than usually; one of ``BIASES``.
        shrinks: Whether to look for a shorter one that fails.
        draw: Draws them, unless they are schedules of the shop.
    """
    phases = [Phase.generate, *([Phase.shrink] if shrinks else [])]

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=phases, report_multiple_bugs=False, print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given((draw or schedules)(bias))
    def every_schedule(drawn: Drawn) -> None:
        follow(*drawn)

    every_schedule()
