"""Records in quarantine stay under the keys that they had, and stop neither the move of the others nor a later run."""

from collections.abc import Callable
from typing import Any

import pytest

from redis_models.migrations import AlterField, AlterKeys, CreateModel
from redis_models.migrations.chain.chain import Chain

_QUARANTINE = "redis_models:{default}:quarantine:shop"


@pytest.mark.parametrize("alteration", [{"table": "client"}, {"primary_key": "code"}], ids=str)
def test_a_record_that_cannot_be_rewritten_rests_while_the_others_move(
    database: Any, chain: Callable[..., Chain], alteration: dict[str, str]
) -> None:
    fields = {"id": "str", "code": "str", "n": "str"}
    links = chain(
        ({"Customer": 1}, [CreateModel("Customer", fields, "id", "customer")]),
        ({"Customer": 2}, [AlterField("Customer", "n", "str", "int"), AlterKeys("Customer", **alteration)]),
    )
    for number in range(12):
        database.put(f"customer:{number}", id=str(number), code=f"k{number}", n="7")
    database.client.hset("customer:3", "n", "many")

    moved = database.migrate(links, most_errors=1)

    assert moved == 11
    assert database.client.hkeys(_QUARANTINE) == [b"customer:3"]
    assert database.client.hgetall("customer:3") == {b"id": b"3", b"code": b"k3", b"n": b"many"}


def test_a_quarantined_record_is_not_foreign_under_its_old_key(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    links = chain(
        ({"Customer": 1}, [CreateModel("Customer", {"id": "str"}, "id", "customer")]),
        ({"Customer": 2}, [AlterKeys("Customer", table="client")]),
    )
    database.put("customer:1", id="1", _v="1")
    database.migrate(links)

    def be_in_the_way() -> None:
        if database.client.hget("client:1", "_v") == b"1":
            database.client.set("customer:1", "in the way", nx=True)

    database.migrate(links, 1, exchange=watched(be_in_the_way), most_errors=2)
    assert database.client.hkeys(_QUARANTINE) == [b"client:1"]

    database.client.delete("customer:1")
    database.migrate(links)
    assert database.client.hget("client:1", "_v") == b"2"
    assert not database.client.exists(_QUARANTINE)
