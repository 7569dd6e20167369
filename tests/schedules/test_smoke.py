import pytest
from typing import Any
from .drawing import explore
from .mutants import MUTANTS
from .truth import Violation
@pytest.mark.parametrize("number", range(1,6))
def test_x(follow: Any, monkeypatch: Any, number: int) -> None:
    import os
    name=os.environ["MUT"]
    MUTANTS[name][0](monkeypatch)
    n=[0]
    def f(*a):
        n[0]+=1
        return follow(*a)
    try:
        explore(f, 150, number=number, bias=os.environ.get("BIAS", MUTANTS[name][1]), shrinks=False)
        print("NOT", n)
    except Violation as e:
        print("CAUGHT", n, str(e)[:100])
