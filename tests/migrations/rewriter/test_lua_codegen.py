"""Generated scripts rewrite a record completely or not at all, however large or strange it is."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import RecordError, ServerRefusedError
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.steps import Convert, Drop, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence, Outcome
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server

_LEASE: Final = "the-lease"
_KEY: Final = b"m:1"
# What Lua, its patterns and long comments, or Python's formats could take for something of their own.
_STRANGE: Final = (
    "'", '"', "\\", "\n", "\r", "\0", "]]", "--[[ what the programs are ]]", "%1", "$1", "{0}", "\udcff", "é", "1", "",
)  # fmt: skip
_names: Final = (
    st.lists(st.sampled_from(_STRANGE), min_size=1, max_size=3).map("".join).filter(lambda raw: raw[:2] != "_v")
)
_bytes: Final = st.sampled_from(_STRANGE).map(lambda raw: raw.encode("utf-8", "surrogateescape")) | st.binary(
    max_size=4
)


def _path(*steps: Step) -> UpgradePath:
    return UpgradePath("M", (VersionStep(1, 2, steps),), 1)


def _rewritten(driver: SyncClient, upgrade_path: UpgradePath, *, has_field_lives: bool = False) -> Outcome:
    fence = Fence(_LEASE, 7, has_field_lives)
    return run(driver, rewrite_in_server(fence, compile_program(upgrade_path, 2), 2, [_KEY], 100))


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _put(client: redis.Redis, record: Mapping[str, bytes]) -> None:
    client.delete(_KEY)
    client.hset(_KEY, mapping={_raw(name): raw for name, raw in record.items()})


def _stored(client: redis.Redis) -> dict[str, bytes]:
    found: Any = client.hgetall(_KEY)
    return {name.decode("utf-8", "surrogateescape"): raw for name, raw in found.items()}


@pytest.fixture
def driver(client: redis.Redis) -> SyncClient:
    client.hset(_LEASE, "epoch", 7)
    return SyncClient(client, "test")


@pytest.mark.needs_command("HPEXPIRETIME")
def test_a_server_without_field_ttl_commands_leaves_the_record_whole(
    server: Any, client: Any, driver: SyncClient
) -> None:
    client.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all", "-hpexpiretime")
    record = {"a": b"1", "c": b"2", "_v": b"1"}
    _put(client, record)
    client.execute_command("HPEXPIREAT", _KEY, 4_000_000_000_000, "FIELDS", 1, "a")

    with server.client(username="bob", password="pw") as bob, pytest.raises(ServerRefusedError, match="hpexpiretime"):
        _rewritten(SyncClient(bob, "test"), _path(Move("a", "b"), Put("c", b"new")), has_field_lives=True)

    client.execute_command("ACL", "DELUSER", "bob")
    assert _stored(client) == record


_MANY: Final[dict[str, Callable[[int], Step]]] = {
    "fill": lambda number: Put(f"f{number}", b"new"),
    "rename": lambda number: Move(f"f{number}", f"g{number}"),
    "remove": lambda number: Drop(f"f{number}", None),
    "remove, with a value for the way back": lambda number: Drop(f"f{number}", b"x"),
}


@pytest.mark.parametrize("count", [300, 2100, 3900])
@pytest.mark.parametrize("step", _MANY)
def test_many_fields_are_changed_by_lua_and_by_python(
    client: redis.Redis, driver: SyncClient, step: str, count: int
) -> None:
    upgrade_path = _path(*(_MANY[step](number) for number in range(count)))
    record = {f"f{number}": b"%d" % number for number in range(count)} | {"_v": b"1"}
    _put(client, record)

    outcome = _rewritten(driver, upgrade_path)

    assert outcome == Outcome(changed=1)
    assert _stored(client) == upgrade_path.rewrite(record, 2).fields


def _swapped(name: str, letter: bytes, other: bytes) -> Convert:
    table = {letter: other, other: letter}

    def function(raw: bytes) -> bytes:
        if raw not in table:
            raise RecordError("", raw, "cannot be converted")
        return table[raw]

    return Convert(name, function, function, operator.eq, inputs=[letter, other])


_steps: Final = st.one_of(
    st.builds(_swapped, _names, _bytes, _bytes),
    st.lists(_names, min_size=2, max_size=2, unique=True).map(lambda two: Move(*two)),
    st.builds(Put, _names, _bytes),
    st.builds(Drop, _names, st.none() | _bytes),
)


@given(steps=st.lists(_steps, min_size=1, max_size=4), data=st.data(), is_stamped=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_and_bytes_of_every_kind_are_written_as_they_are(
    client: redis.Redis, driver: SyncClient, steps: list[Step], data: Any, is_stamped: bool
) -> None:
    upgrade_path = _path(*steps)
    named = sorted({name for step in steps for name in _fields_of(step)})
    # What a conversion does not know is refused by Python as well; whether it may be is not what is tested.
    known = {step.name: sorted(step.inputs or ()) for step in steps if isinstance(step, Convert)}
    record = data.draw(
        st.fixed_dictionaries({}, optional={name: st.sampled_from(known.get(name) or [b"x", b"\0"]) for name in named})
    )
    if is_stamped:
        record = {**record, "_v": b"1"}
    if not record:
        return
    _put(client, record)

    outcome = _rewritten(driver, upgrade_path)

    if outcome.changed:
        assert _stored(client) == upgrade_path.rewrite(record, 2).fields
    else:
        assert outcome.failures
        assert _stored(client) == record


def _fields_of(step: Step) -> set[str]:
    return (
        {step.old, step.new}
        if isinstance(step, Move)
        else {step.name}
        if isinstance(step, (Convert, Put, Drop))
        else set()
    )
