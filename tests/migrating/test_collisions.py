"""What stands in the way of new keys is told before anything is written, and nothing else is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from redis_models.client import SyncClient, run
from redis_models.errors import IncompleteError, ServerRefusedError
from redis_models.migrations import AlterKeys, CreateModel
from redis_models.migrations.bookkeeping import State
from redis_models.migrations.chain import Chain
from redis_models.migrations.moving import Collisions, Move, look_for_collisions, move_records
from redis_models.migrations.operations import Operation
from redis_models.migrations.planning import make_plan
from redis_models.migrations.rewriting import Fence

Step = tuple[Mapping[str, int], Sequence[Operation]]
_FIELDS = {"id": "str", "name": "str"}
_CREATE: Step = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])
_BY_NAME: Step = ({"Customer": 2}, [AlterKeys("Customer", primary_key="name")])


def _move_of(links: Chain) -> Move:
    """Give the only move of a chain that a database of none of its migrations has before it."""
    [move] = make_plan(links, State({}, None, None), links.head_position).moves
    return move


def test_a_record_that_ended_since_the_walk_met_it_is_no_collision(
    database: Any, chain: Callable[..., Chain]
) -> None:
    database.put("customer:1", id="1", name="Ann")
    collisions = Collisions()

    run(
        database.exchange,
        look_for_collisions(_move_of(chain(_CREATE, _BY_NAME)), [b"customer:1", b"customer:ended"], collisions),
    )

    assert (collisions.found, len(collisions.digests)) == ([], 1)


@pytest.mark.parametrize("denied", ["hgetall", "hmget"])
def test_a_refusal_of_the_server_is_not_taken_for_a_key_without_a_hash(
    database: Any, chain: Callable[..., Chain], server: Any, denied: str
) -> None:
    database.put("customer:1", id="1", name="Ann", _v="2")
    move = _move_of(chain(_CREATE, _BY_NAME))
    database.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", f"-{denied}")
    bob = SyncClient(server.client(username="bob", password="pw"), "test")
    database.client.hset("redis_models:{default}:lease", "epoch", 7)
    fence = Fence("redis_models:{default}:lease", 7, None)

    try:
        with pytest.raises(ServerRefusedError, match=denied):
            run(bob, look_for_collisions(move, [b"customer:1"], Collisions()))
            run(bob, move_records(fence, move, [b"customer:1"]))
    finally:
        database.client.execute_command("ACL", "DELUSER", "bob")


def test_a_key_of_another_type_is_told_by_the_pass(database: Any, chain: Callable[..., Chain]) -> None:
    database.put("customer:1", id="1", name="Ann")
    database.client.set("customer:text", "a word")
    before = database.dump()

    with pytest.raises(IncompleteError, match="customer:text: the key holds no hash"):
        database.migrate(chain(_CREATE, _BY_NAME), 2)

    assert database.dump()["customer:text"] == before["customer:text"]
