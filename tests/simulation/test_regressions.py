"""Schedules that once led to a violation, each as it was shrunk; and that the next one can be followed again."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from .mutants import MUTANTS
from .oracle import Violation
from .replay import Choice, read_back
from .strategies import explore

# What was wrong, and the line that the violation printed.
FOUND: Final[Mapping[str, Any]] = {
    "the ledger of before a run's end was read with the snapshot of after it": (
        (3,),
        [("runner B", 1, 0), ("part", 1, 0), ("lapse", 1, 0), ("up to", 1, 1), ("runner A", 3, 0), ("runner B", 3, 0)],
    ),
    "the oracle did not know a whole record in place of one that cannot be upgraded": (
        (3,),
        [("new 1", 1, 0), ("new 2", 1, 1), ("spoil", 1, 0), ("new 1", 16, 5)],
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_repaired_records_stay_repaired(follow: Any, name: str) -> None:
    goals, actions = FOUND[name]

    follow(goals, [Choice(*event) for event in actions])


def test_a_failing_schedule_is_printed_so_that_it_can_be_replayed(follow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS["no fence"]
    mutant.breaks(monkeypatch)
    with pytest.raises(Violation, match=mutant.shows) as first:
        explore(follow, 50, number=1, bias=mutant.bias, shrinks=False)

    with pytest.raises(Violation) as second:
        follow(*read_back(str(first.value)))

    assert str(second.value) == str(first.value)
