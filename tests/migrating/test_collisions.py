"""What stands in the way of new keys is told before anything is written, and nothing else is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis_models.client import run
from redis_models.migrations import AlterKeys, CreateModel
from redis_models.migrations.bookkeeping import State
from redis_models.migrations.chain import Chain
from redis_models.migrations.moving import Collisions, Move, look_for_collisions
from redis_models.migrations.operations import Operation
from redis_models.migrations.planning import make_plan

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
