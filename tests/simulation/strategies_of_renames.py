"""Schedules of the depot, as hypothesis draws them."""

from collections.abc import Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from .depot import POINTS
from .replay import Choice, Drawn

_GOALS: Final = ((2,), (3,), (3, 1), (2, 3), (3, 2, 3), (3, 1, 3))
_TIMES: Final = (1, 1, 2, 3, 4, 6, 10, 16, 30)
_ANY: Final = range(14)
Part = tuple[str, Sequence[int], Sequence[int]]

_WEIGHTS: Final[Mapping[str, int]] = {
    "rest": 1, "new": 3, "mid": 2, "old": 4, "runner A": 8, "runner B": 3, "retrier": 1, "up to": 3, "cut": 2,
    "kill": 1, "lapse": 1, "flush": 1, "restart": 1, "turn": 1, "recode": 2, "spoil": 1, "mend": 1, "bare": 1,
}  # fmt: skip


def _up_to(*points: str) -> Part:
    return "up to", (1,), [POINTS.index(point) for point in points]


def _goes(who: str, *times: int, which: Sequence[int] = _ANY) -> Part:
    return who, times or (1,), which


# Scenes, played again and again: what befalls a run in this order.
_SCENES: Final[Mapping[str, Sequence[Part]]] = {
    "recoded in between": (_up_to("HMGET pack"), _goes("runner A", 1, 2), _goes("recode"), _goes("runner A", 1, 2, 6)),
    "made anew in between": (_up_to("move"), _goes("bare"), _goes("runner A", 1, 2, 6)),
    "usurpers": (_up_to("move", "HMGET pack"), _goes("lapse"), _goes("runner B", 1, 3, 10), _goes("runner A", 1, 2)),
    "clashes": (_up_to("move"), _goes("new", 2, 3, 4, which=(1, 3, 5, 7)), _goes("runner A", 1, 2, 6)),
    "cut moves": (_up_to("move"), _goes("cut", which=(0, 2)), _goes("old", 1, 3), _goes("runner A", 1, 2, 10)),
    "recoded twice": (
        _up_to("HMGET pack"),
        _goes("runner A", 1, 2),
        _goes("recode"),
        _up_to("SCAN 0"),
        _up_to("HMGET pack"),
        _goes("runner A", 1, 2),
        _goes("recode"),
        _goes("runner A", 1, 2, 30),
    ),
    "quarantined": (
        _up_to("rewrite", "move", "HMGET pack"),
        _goes("spoil"),
        _goes("runner A", 100, which=(1, 3)),
        _goes("recode"),
        _goes("mend"),
        _goes("retrier", 2, 4, 10),
        _goes("recode"),
        _goes("lapse"),
        _goes("runner B", 1, 3, which=(1, 3)),
        _goes("retrier", 1, 4),
    ),
    "deleted in between": (
        _up_to("move", "HMGET pack"),
        _goes("old", 1, 2, 3, which=(1, 3, 5)),
        _goes("mid", 1, 2, 3, which=(1, 3, 5)),
        _goes("runner A", 1, 2),
    ),
}


BIASES: Final = ("plain", *_SCENES)


def moving_schedules(bias: str) -> st.SearchStrategy[Drawn]:
    """Draw goals and a schedule."""
    goals = st.sampled_from(_GOALS)
    if bias in _SCENES:
        parts = st.tuples(*map(_choices, _SCENES[bias]))
        scenes = st.lists(parts, min_size=3, max_size=10)
        return st.tuples(goals, scenes.map(lambda drawn: [step for each in drawn for step in each]))
    actions = st.sampled_from([action for action, weight in _WEIGHTS.items() for _ in range(weight)])
    return st.tuples(
        goals, st.lists(actions.flatmap(lambda action: _choices((action, _TIMES, _ANY))), min_size=15, max_size=50)
    )


def _choices(part: Part) -> st.SearchStrategy[Choice]:
    action, times, which = part
    return st.builds(Choice, st.just(action), st.sampled_from(times), st.sampled_from(which))
