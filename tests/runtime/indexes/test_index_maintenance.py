"""Indexes change in the same script as their record, under every verb, also by code that does not declare them."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Store
from redis_models.errors import UniqueError

from .index_check import differences
from .ships import INDEXES, OlderShip, Ship, bound, try_to_write


@pytest.fixture(autouse=True)
def _table(store: Store, server: Any) -> Iterator[None]:
    with bound(store, OlderShip):
        yield


@pytest.mark.parametrize("seed", range(20))
def test_after_any_writes_of_any_code_the_indexes_hold_what_the_records_hold(client: Any, seed: int) -> None:
    draw = random.Random(seed)
    for step in range(100):
        if step == 20:
            for key in client.keys("ship:s*"):
                client.hset(key, "plate", "None")  # before the build, so that no two are the same
            assert Ship.sync.build_indexes() == INDEXES
            assert differences(client, Ship.__mapper__.keys) == []
        error = try_to_write(draw, draw.choice((Ship, OlderShip)))
        assert step >= 20 or not isinstance(error, UniqueError)
    assert differences(client, Ship.__mapper__.keys) == []
    plates = [plate for key in client.keys("ship:s*") if (plate := client.hget(key, "plate")) != b"None"]
    assert len(plates) == len(set(plates))
