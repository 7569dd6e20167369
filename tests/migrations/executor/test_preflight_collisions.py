"""What stands in the way of new keys is told before anything is written, and nothing else is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import ConflictError, IncompleteError, ServerRefusedError, UnsafeError
from redis_models.migrations import AddField, AlterKeys, CreateModel, DeleteModel, RenameField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.preflight import Collisions, look_for_collisions
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.operations import Operation
from redis_models.migrations.planner.passes import RenameKeysPass
from redis_models.migrations.planner.plan import make_plan
from redis_models.migrations.rewriter.rename_keys import move_records
from redis_models.migrations.state.entries import State

Step = tuple[Mapping[str, int], Sequence[Operation]]
_FIELDS = {"id": "str", "name": "str"}
_CREATE: Step = ({"Customer": 1}, [CreateModel("Customer", _FIELDS, "id", "customer")])
_BY_NAME: Step = ({"Customer": 2}, [AlterKeys("Customer", primary_key="name")])


def _move_of(links: Chain) -> RenameKeysPass:
    """Give the only move of a chain that a database of none of its migrations has before it."""
    [move] = make_plan(links, State({}, None, None), links.head_position).moves
    return move


def test_a_record_that_expired_after_the_scan_is_not_a_collision(database: Any, chain: Callable[..., Chain]) -> None:
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


def test_a_key_of_another_type_is_reported_by_the_pass(database: Any, chain: Callable[..., Chain]) -> None:
    database.put("customer:1", id="1", name="Ann")
    database.client.set("customer:text", "a word")
    before = database.dump()

    with pytest.raises(IncompleteError, match="customer:text: does not hold a hash"):
        database.migrate(chain(_CREATE, _BY_NAME), 2)

    assert database.dump()["customer:text"] == before["customer:text"]


_TO_CLIENT: Step = (
    {"Customer": 2},
    [AlterKeys("Customer", table="client"), RenameField("Customer", "name", "full_name")],
)


@pytest.mark.parametrize("stamp", [{}, {"_v": "1"}, {"_v": "none"}], ids=str)
def test_a_foreign_hash_under_the_new_keys_is_reported_and_stays(
    database: Any, chain: Callable[..., Chain], stamp: dict[str, str]
) -> None:
    database.put("customer:1", id="1", name="Ann")
    database.client.hset("client:session9", mapping={"name": "of another service", **stamp})
    before = database.dump()

    with pytest.raises(UnsafeError, match=r"client:session9 has one of the new keys client:\* already"):
        database.migrate(chain(_CREATE, _TO_CLIENT))

    assert database.dump() == before


def test_records_that_another_app_deleted_are_not_taken_over(database: Any, chain: Callable[..., Chain]) -> None:
    crm = chain(
        ({"Client": 1}, [CreateModel("Client", _FIELDS, "id", "client")]), ({}, [DeleteModel("Client")]), app="crm"
    )
    database.put("client:9", id="9", name="of crm", _v="1")
    database.put("customer:1", id="1", name="Ann", _v="1")
    database.migrate(crm)

    with pytest.raises(UnsafeError, match="client:9 has one of the new keys"):
        database.migrate(chain(_CREATE, _TO_CLIENT))

    assert database.client.hget("client:9", "name") == b"of crm"


def test_what_newer_code_wrote_under_the_new_keys_is_its_record(database: Any, chain: Callable[..., Chain]) -> None:
    database.put("customer:1", id="1", name="Ann")
    database.put("client:2", id="2", full_name="Bob", _v="2")  # by code of version 2, before there was a third
    links = chain(_CREATE, _TO_CLIENT, ({"Customer": 3}, [AddField("Customer", "vip", "bool", fill=False)]))

    database.migrate(links)

    assert [database.client.hget(f"client:{number}", "_v") for number in (1, 2)] == [b"3", b"3"]


def test_records_at_keys_of_an_earlier_run_are_not_foreign(
    database: Any, chain: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    links = chain(_CREATE, _TO_CLIENT)
    database.put("customer:1", id="1", name="Ann")

    def die_when(is_reached: Callable[[], bool]) -> Any:
        def look() -> None:
            if is_reached():
                database.client.delete("redis_models:{default}:lease")
                raise KeyboardInterrupt

        return watched(look)

    with pytest.raises(KeyboardInterrupt):
        database.migrate(links, exchange=die_when(lambda: database.client.exists("client:1")))
    with pytest.raises(KeyboardInterrupt):
        database.migrate(links, 0, exchange=die_when(lambda: not database.client.hexists("client:1", "_v")))

    assert database.client.hgetall("client:1") == {b"id": b"1", b"name": b"Ann"}
    database.migrate(links)
    assert database.client.hget("client:1", "full_name") == b"Ann"


def test_records_of_two_earlier_keys_that_would_collide_are_reported_first(
    database: Any, chain: Callable[..., Chain]
) -> None:
    for number in range(5):
        database.put(f"customer:{number}", id=str(number), name="n")
    database.put("client:3", id="3", name="n", _v="2")
    before = database.dump()
    second, third = AlterKeys("Customer", table="client"), AlterKeys("Customer", table="buyer")

    with pytest.raises(UnsafeError, match=r"client:3 and customer:3 would become one, buyer:3"):
        database.migrate(chain(_CREATE, ({"Customer": 2}, [second]), ({"Customer": 3}, [third])))

    assert database.dump() == before


@pytest.mark.parametrize("place", ["customer", "client"])
def test_an_index_that_is_not_a_sorted_set_is_named_before_anything_is_written(
    database: Any, chain: Callable[..., Chain], place: str
) -> None:
    database.client.hset("customer:1", mapping={"id": "1", "name": "Ann"})
    database.client.sadd(f"{place}:__index", "x")
    index = f"{place}:__index: the index of the keys {place}:. is not a sorted set"

    with pytest.raises(ConflictError, match=index):
        database.migrate(chain(_CREATE, _TO_CLIENT))

    assert database.client.hgetall("customer:1") == {b"id": b"1", b"name": b"Ann"}


@pytest.mark.parametrize(
    ("type", "raw", "shown"),
    [
        ("str | None", "None", "None"),
        ("list[str]", '["a"]', r"\['a'\]"),
        ("bytes", '"YQ=="', "b'a'"),
        ("int", "one", "b'one', which is not a valid int"),
        ("str", "", "empty"),
    ],
)
def test_a_value_that_cannot_be_a_key_is_reported_before_anything_is_written(
    database: Any, chain: Callable[..., Chain], type: str, raw: str, shown: str
) -> None:
    database.put("customer:1", id="1", code=raw)
    before = database.dump()
    create: Step = ({"Customer": 1}, [CreateModel("Customer", {"id": "str", "code": type}, "id", "customer")])

    with pytest.raises(UnsafeError, match=f"customer:1: its code (is|holds) {shown}"):
        database.migrate(chain(create, ({"Customer": 2}, [AlterKeys("Customer", primary_key="code")])))

    assert database.dump() == before
