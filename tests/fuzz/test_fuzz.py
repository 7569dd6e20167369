"""A few inputs of each target of ``make fuzz``, always the same."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from .served import Indexes
from .targets import TARGETS

_INPUTS = {"flags": 60, "settings": 40, "type texts": 200}


@pytest.mark.parametrize("name", TARGETS)
def test_drawn_inputs_are_read_or_refused(name: str) -> None:
    target, _ = TARGETS[name]

    for number in range(_INPUTS.get(name, 400)):
        target(random.Random(f"1/{name}/{number}"))


@pytest.fixture
def indexes(server: Any, client: Any) -> Iterator[Indexes]:
    made = Indexes(server.url, client)
    yield made
    made.close()


def test_members_of_an_index_that_are_none_of_its_touch_nothing_foreign(indexes: Indexes) -> None:
    for number in range(150):
        indexes(random.Random(f"1/index/{number}"))
