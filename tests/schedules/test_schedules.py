"""Drawn schedules: whoever goes next, nothing is lost, and nothing is called done before it is.

``SCHEDULES`` says how many of each seed; ``make test-schedules`` follows 500 of three.
"""

from typing import Any

import pytest

from .drawing import HOW_MANY, explore


@pytest.mark.parametrize("number", [1])
def test_whoever_goes_next_nothing_is_lost(follow: Any, number: int) -> None:
    explore(follow, HOW_MANY, number=number)
