"""Drawn schedules: whoever goes next, nothing is lost, and nothing is called done before it is."""

import os
from typing import Any, Final

import pytest

from .drawing import explore

# "make test-schedules" follows 500 of each of three seeds.
_HOW_MANY: Final = int(os.environ.get("SCHEDULES", "40"))
_SEEDS: Final = [int(one) for one in os.environ.get("SEEDS", "1").split()]


@pytest.mark.parametrize("number", _SEEDS)
def test_whoever_goes_next_nothing_is_lost(follow: Any, number: int) -> None:
    explore(follow, _HOW_MANY, number=number)
