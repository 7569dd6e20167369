"""The page that lists all faults names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]
_ROWS = re.findall(r"(?m)^\| (\d+) \|.*\| ([^|]*) \|$", (_TESTS.parent / "docs/reference/fault-matrix.md").read_text())


def test_every_fault_has_its_row() -> None:
    assert [int(number) for number, _ in _ROWS] == list(range(1, 46))


@pytest.mark.parametrize(("number", "tests"), _ROWS, ids=[number for number, _ in _ROWS])
def test_a_fault_has_tests_that_there_are(number: str, tests: str) -> None:
    if tests.startswith("not built: "):
        return
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)

    assert named
    for file, name in named:
        functions = [
            node for node in ast.walk(ast.parse((_TESTS / file).read_text("utf-8"))) if hasattr(node, "decorator_list")
        ]
        assert name in {getattr(node, "name", "") for node in functions}, f"row {number} names {file}::{name}"
