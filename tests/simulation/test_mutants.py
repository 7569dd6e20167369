"""Each way of breaking the protocol is caught by drawn schedules; so their silence about the real one counts."""

from typing import Any

import pytest

from .mutants import MUTANTS
from .oracle import Violation
from .strategies import explore

_MOST = 150  # schedules; most mutants are caught by one of the first ten


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_protocol_is_caught(follow: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutant = MUTANTS[name]
    mutant.breaks(monkeypatch)

    with pytest.raises(Violation, match=mutant.shows):
        explore(follow, _MOST, number=1, bias=mutant.bias, shrinks=False)
