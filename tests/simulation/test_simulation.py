"""Random schedules: nothing is lost, and nothing is reported as done before it is.

``SCHEDULES`` says how many of each seed, ``SEEDS`` which; ``make test-schedules`` follows 500 of each of three.
"""

import math
import os
from typing import Any, Final

import pytest

from .strategies import BIASES, explore

_A_BIAS: Final = math.ceil(int(os.environ.get("SCHEDULES", "45")) / len(BIASES))
_SEEDS: Final = [int(word) for word in os.environ.get("SEEDS", "1").split()]


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("number", _SEEDS)
def test_nothing_is_lost_in_any_schedule(follow: Any, number: int, bias: str) -> None:
    explore(follow, _A_BIAS, number=number, bias=bias)
