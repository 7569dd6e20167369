"""A way back that stopped is given up: what it took back already is brought again to where the ledger is."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models.migrations import AddField, AlterKeys, CreateModel
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.operations import Operation

_CREATED = CreateModel("A", {"id": "str", "x": "str"}, "id", "a")


@pytest.mark.parametrize(
    "operation", [AddField("A", "y", "str", fill="0"), AlterKeys("A", table="b")], ids=["in place", "moved"]
)
def test_a_way_back_that_is_given_up_leaves_no_record_behind(
    database: Any, chain: Callable[..., Chain], dying: Callable[[int], Any], operation: Operation
) -> None:
    links = chain(({"A": 1}, [_CREATED]), ({"A": 2}, [operation]))
    died = 0
    while True:
        database.client.flushall()
        for number in range(30):
            database.put(f"a:{number}", _v="1", id=str(number), x="1")
        database.migrate(links)
        there = database.dump()
        try:
            database.migrate(links, 1, dying(died))
            break
        except KeyboardInterrupt:
            pass
        died += 1

        database.migrate(links, 2)

        assert database.dump() == there, died
    assert died > 8
