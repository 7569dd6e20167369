"""Schedules of the workshop, as hypothesis draws them."""

from collections.abc import Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from .replay import Choice, Drawn

_GOALS: Final = ((3,), (3, 2), (3, 1, 3), (2, 3))
_TIMES: Final = (1, 1, 2, 3, 4, 6, 10, 16)
_ANY: Final = range(16)
Part = tuple[str, Sequence[int], Sequence[int]]

_WEIGHTS: Final[Mapping[str, int]] = {
    "rest": 1, "new 1": 2, "old 3": 3, "reader": 1, "runner A": 2, "runner C": 10, "member 1": 6, "member 2": 4,
    "retrier": 1, "up to share": 3, "end work": 1, "cut": 1, "lapse": 1, "flush": 1, "restart": 1, "turn": 1,
    "spoil": 1, "mend": 1, "end": 1,
}  # fmt: skip


def _part(who: str, *times: int, which: Sequence[int] = _ANY) -> Part:
    return who, times or (1,), which


# Scenes, played again and again: what befalls a run in this order.
_SCENES: Final[Mapping[str, Sequence[Part]]] = {
    "orphans": (
        _part("up to share"),
        _part("member 1", 1, 2),
        _part("end work", which=(0,)),
        _part("lapse"),
        _part("runner A", 6, 10, 30),
        _part("turn"),
        _part("member 1", 1, 2, 6),
        _part("member 2", 1, 2, 6),
    ),
    "dead members": (
        _part("up to share"),
        _part("member 1", 1, 2),
        _part("member 2", 1, 2),
        _part("end work", which=(1, 2)),
        _part("runner C", 1, 6, 16),
    ),
    "slow members": (
        _part("up to share"),
        _part("runner C", 1, 2, 3),
        _part("old 3", 1, 3, which=(3, 7, 11)),
        _part("member 2", 1, 2, 6),
        _part("new 1", 1, 3, which=(3, 7, 11)),
        _part("runner C", 1, 2, 6),
        _part("member 1", 1, 2, 6),
    ),
    "retries": (
        _part("runner A", 6, 16, which=(1, 3)),
        _part("spoil"),
        _part("runner A", 60, 100, which=(1, 3)),
        _part("retrier", 1, 3, 8),
        _part("mend"),
        _part("retrier", 1, 3, 8),
        _part("new 1", 1, 3, which=(3, 7, 11)),
        _part("lapse"),
        _part("runner A", 1, 3, which=(1, 3)),
        _part("retrier", 1, 4),
    ),
}

BIASES: Final = ("plain", *_SCENES)


def worker_schedules(bias: str) -> st.SearchStrategy[Drawn]:
    """Draw goals and a schedule."""
    goals = st.sampled_from(_GOALS)
    if bias in _SCENES:
        scenes = st.lists(st.tuples(*map(_choices, _SCENES[bias])), min_size=3, max_size=8)
        return st.tuples(goals, scenes.map(lambda drawn: [step for each in drawn for step in each]))
    actions = st.sampled_from([action for action, weight in _WEIGHTS.items() for _ in range(weight)])
    choices = actions.flatmap(lambda action: _choices((action, _TIMES, _ANY)))
    return st.tuples(goals, st.lists(choices, min_size=15, max_size=50))


def _choices(part: Part) -> st.SearchStrategy[Choice]:
    action, times, which = part
    return st.builds(Choice, st.just(action), st.sampled_from(times), st.sampled_from(which))
