"""Schedules as text: what a failing one prints, and what reads it back."""

import ast
from collections.abc import Sequence
from typing import Final, NamedTuple

_BEFORE: Final = "To follow it again, add this to FOUND in tests/simulation/test_regressions.py:\n"


class Choice(NamedTuple):
    """One element of a schedule.

    Attributes:
        action: What happens: the name of an actor that goes on, or of something that befalls one.
        times: For how many steps an actor goes on.
        which: What it does, and whom it befalls.
    """

    action: str
    times: int
    which: int


Drawn = tuple[Sequence[int], Sequence[Choice]]  # positions in the chain that are asked for, and the schedule


def printed(goals: Sequence[int], schedule: Sequence[Choice]) -> str:
    """Give the lines that say how to follow a schedule again, without what does nothing in it."""
    actions = ", ".join(str(tuple(step)) for step in schedule if step.action != "rest")
    return f"{_BEFORE}({tuple(goals)}, [{actions}]),"


def read_back(text: str) -> Drawn:
    """Give the schedule that a violation's text tells."""
    line = text.partition(_BEFORE)[2].partition("\n")[0]
    goals, actions = ast.literal_eval(line.removesuffix(","))
    return goals, [Choice(*event) for event in actions]
