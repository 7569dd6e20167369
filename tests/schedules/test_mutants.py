"""Each way of breaking the protocol is caught by the schedules; so their silence about the real one means something."""

import re
from typing import Any

import pytest

from .drawing import explore
from .mutants import MUTANTS
from .truth import Violation

_MOST = 100


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_protocol_is_caught(follow: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    break_it, bias = MUTANTS[name]
    break_it(monkeypatch)

    with pytest.raises(Violation) as caught:
        explore(follow, _MOST, number=1, bias=bias, shrinks=False)

    print(str(caught.value)[:600])
