"""A user who lacks a right that a script needs is told so by name, before any record is touched."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import ServerRefusedError
from redis_models.migrations import AlterKeys, AlterTTL, CreateModel, RenameField
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.preflight import OF_THE_END, commands_of, refuse_missing_rights
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.maintenance.retry import retry_records
from redis_models.migrations.operations import Operation
from redis_models.migrations.planner.plan import make_plan
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server
from redis_models.migrations.state.entries import State
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.quarantine import QuarantinedRecord

_OPERATIONS: dict[str, Operation] = {
    "rename a field": RenameField("Customer", "name", "full_name"),
    "change TTLs": AlterTTL("Customer", None, 1000, policy="all"),
    "move": AlterKeys("Customer", table="client"),
}


@pytest.fixture
def links(chain: Callable[..., Chain]) -> Callable[..., Chain]:
    """Give what makes a chain of a first migration, and one for each thing that is done then."""

    def make(*done: str) -> Chain:
        create = CreateModel("Customer", {"id": "str", "name": "str"}, "id", "customer")
        steps = [({"Customer": version}, [_OPERATIONS[what]]) for version, what in enumerate(done, 2)]
        return chain(({"Customer": 1}, [create]), *steps)

    return make


@pytest.fixture
def without(database: Any, server: Any) -> Iterator[Callable[[str], SyncClient]]:
    """Give what makes a client of a user who may call everything but some commands."""

    def make(denied: str) -> SyncClient:
        permissions = [f"-{word}" for word in denied.split()]
        database.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", *permissions)
        return SyncClient(server.client(username="bob", password="pw"), "test")

    yield make
    database.client.execute_command("ACL", "DELUSER", "bob")


def _fill(database: Any) -> None:
    for number in range(3):
        database.put(f"customer:{number}", id=str(number), name="Ann")
        database.client.execute_command("HPEXPIRE", f"customer:{number}", 3_000_000, "FIELDS", 1, "name")


@pytest.mark.parametrize(
    ("what", "denied"),
    [
        ("rename a field", "hdel"),
        ("rename a field", "hpexpireat"),
        ("rename a field", "rpush"),
        ("change TTLs", "pexpireat"),
        ("change TTLs", "persist"),
        ("move", "zadd"),
        ("move", "rename"),
        ("move", "zrem"),
    ],
)
def test_a_lacking_right_is_named_with_its_cure_before_anything_is_written(
    database: Any, links: Callable[..., Chain], without: Callable[[str], SyncClient], what: str, denied: str
) -> None:
    _fill(database)
    before = database.dump()
    bob = without(denied)

    with pytest.raises(
        ServerRefusedError, match=rf"denies {denied.upper()} .*Grant it with 'ACL SETUSER NAME \+{denied}'"
    ):
        database.migrate(links(what), exchange=bob)

    assert database.dump() == before
    assert not database.client.exists("redis_models:{default}:journal:shop")
    database.client.execute_command("ACL", "SETUSER", "bob", f"+{denied}")
    database.client.delete("redis_models:{default}:lease")
    database.migrate(links(what), exchange=bob)
    assert all(record[0][b"_v"] == b"2" for key, record in database.dump().items() if not key.endswith("__index"))


def test_all_missing_permissions_are_named_at_once(
    database: Any, links: Callable[..., Chain], without: Callable[[str], SyncClient]
) -> None:
    with pytest.raises(ServerRefusedError, match=r"denies RENAME, ZREM .*\+rename \+zrem'"):
        database.migrate(links("move"), exchange=without("zrem rename"))


@pytest.mark.parametrize(
    ("what", "denied"), [("rename a field", "rename pexpireat persist zadd zrem"), ("move", "pexpireat persist")]
)
def test_a_right_that_no_script_of_the_run_needs_is_not_asked_for(
    database: Any, links: Callable[..., Chain], without: Callable[[str], SyncClient], what: str, denied: str
) -> None:
    _fill(database)

    database.migrate(links(what), exchange=without(denied))

    keys = database.client.keys("c*:[0-9]")
    assert [database.client.hget(key, "_v") for key in keys] == [b"2"] * 3


def test_the_look_changes_nothing_and_is_one_round_trip(
    database: Any, links: Callable[..., Chain], watched: Callable[..., Any]
) -> None:
    _fill(database)
    exchanges: list[None] = []
    plan = make_plan(links(*_OPERATIONS), State({}, None, None), 4)
    commands = commands_of((rewrite_pass.path for rewrite_pass in plan.passes), plan.moves)
    with hold_lease(database.exchange, "default", life_s=10) as lease:
        before = {key: database.client.dump(key) for key in database.client.keys("*")}
        database.client.script_flush()

        run(
            watched(lambda: exchanges.append(None)),
            refuse_missing_rights(lease, "default", (*commands, *OF_THE_END)),
        )

        assert {key: database.client.dump(key) for key in database.client.keys("*")} == before
    assert len(exchanges) == 1
    assert {"HPEXPIREAT", "PEXPIREAT", "RENAME", "RPUSH"} < {*commands, *OF_THE_END}


def test_a_record_is_not_tried_again_by_who_lacks_a_right(
    database: Any, links: Callable[..., Chain], without: Callable[[str], SyncClient]
) -> None:
    database.migrate(links("rename a field"))
    _fill(database)
    before, bob = database.dump(), without("hdel")
    entry = QuarantinedRecord("customer:1", "Customer", "Customer", 2, "it could not be rewritten", "")

    with (
        hold_lease(database.exchange, "default", life_s=10) as lease,
        pytest.raises(ServerRefusedError, match="denies HDEL"),
    ):
        run(bob, retry_records(lease, "default", links("rename a field"), [entry]))

    assert database.dump() == before


@pytest.mark.parametrize("is_in_server", [True, False])
def test_a_denied_read_says_nothing_about_the_record(
    database: Any, links: Callable[..., Chain], without: Callable[[str], SyncClient], is_in_server: bool
) -> None:
    _fill(database)
    bob, fence = without("hmget"), Fence("redis_models:{default}:lease", 7, True)
    database.client.hset(fence.lease_key, "epoch", 7)
    [rewrite_pass] = make_plan(links("rename a field"), State({}, None, None), 2).passes
    program = compile_program(rewrite_pass.path, 2)

    with pytest.raises(ServerRefusedError, match="denies HMGET, nothing of it was executed"):
        if is_in_server:
            run(bob, rewrite_in_server(fence, program, 2, [b"customer:1"], 10))
        else:
            run(bob, rewrite_here(fence, rewrite_pass.path, 2, [b"customer:1"], 10))
