"""TTLs of keys and of fields stay with what they belong to, whichever way a record is rewritten."""

from typing import cast

import pytest
import redis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations.edits.steps import Drop, Expire, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server

from .rewriting import KEY, LEASE, conversion, drawn_records, drawn_steps, on_paper, path_of, put, stored


@pytest.mark.needs_command("HPEXPIRETIME")
def test_a_converted_field_keeps_its_ttl_and_a_renamed_field_does_not_inherit_one(
    leased: tuple[redis.Redis, SyncClient],
) -> None:
    client, exchange = leased
    twist = conversion("a", {b"x": b"y", b"z": b"z"}, {}, [b"x", b"z"], leaves_others=False)
    upgrade_path = path_of([twist, Move("b", "c"), Expire("shorten", 10**12)])
    for key, raw in ((b"m:1", "x"), (b"m:2", "z")):
        client.hset(key, mapping={"a": raw, "b": "same", "c": "same", "_v": "1"})
        exchange.exchange([("HPEXPIREAT", key, 3_000_000_000_001, "FIELDS", 1, name) for name in ("a", "c")])
        exchange.exchange([("PEXPIREAT", key, 2_500_000_000_000)])

        run(exchange, rewrite_in_server(Fence(LEASE, 7, True), compile_program(upgrade_path, 2), 2, [key], 100))

        ends = exchange.exchange([("HPEXPIRETIME", key, "FIELDS", 3, "a", "c", "_v"), ("PEXPIRETIME", key)])
        assert ends == [[3_000_000_000_001, -1, -1], 2_500_000_000_000]
    assert client.hmget("m:1", "a", "c", "_b2.0.a") == [b"y", b"same", b"x"]


@pytest.mark.needs_command("HPEXPIRETIME")
@pytest.mark.parametrize("is_in_server", [True, False])
def test_an_undo_field_keeps_its_ttl_and_comes_back_with_it(
    leased: tuple[redis.Redis, SyncClient], is_in_server: bool
) -> None:
    client, exchange = leased
    fence = Fence(LEASE, 7, True)
    upgrade_path = path_of([Drop("a", b"back"), Move("b", "c")], [Drop("c"), Put("a", b"new")])
    client.hset("m:1", mapping={"a": "1", "b": "2", "c": "3", "d": "4", "_v": "1"})
    names = ("a", "b", "c", "d")
    lives = [3_000_000_000_001, 3_000_000_000_002, 3_000_000_000_003, -1]
    exchange.exchange(
        [("HPEXPIREAT", "m:1", ms, "FIELDS", 1, name) for name, ms in zip(names, lives[:3], strict=False)]
    )

    if is_in_server:
        run(exchange, rewrite_in_server(fence, compile_program(upgrade_path, 3), 3, [KEY], 100))
    else:
        run(exchange, rewrite_here(fence, upgrade_path, 3, [KEY], 100))

    fields = ("_b2.0.a", "_b2.1.c", "_b3.0.c", "a")
    assert exchange.exchange([("HPEXPIRETIME", KEY, "FIELDS", 4, *fields)]) == [
        [3_000_000_000_001, 3_000_000_000_003, 3_000_000_000_002, -1]
    ]
    run(exchange, rewrite_here(fence, upgrade_path, 1, [KEY], 100))
    assert exchange.exchange([("HPEXPIRETIME", KEY, "FIELDS", 4, *names)]) == [lives]
    assert stored(client) == {"a": b"1", "b": b"2", "c": b"3", "d": b"4", "_v": b"1"}


@pytest.mark.needs_command("HPEXPIRETIME")
@given(version_steps=st.lists(st.lists(drawn_steps, max_size=4), min_size=1, max_size=3), record=drawn_records)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ttls_of_fields_are_the_same_by_lua_and_python_and_come_back(
    leased: tuple[redis.Redis, SyncClient], version_steps: list[list[Step]], record: dict[str, bytes]
) -> None:
    client, exchange = leased
    fence, upgrade_path, target = Fence(LEASE, 7, True), path_of(*version_steps), len(version_steps) + 1
    before = {**record, "_v": b"1"}
    assume(record and on_paper(upgrade_path, before, target) is not None)
    for key in (b"m:1", b"m:2"):
        put(client, before, key)
        for number, name in enumerate(record):
            exchange.exchange([("HPEXPIREAT", key, 3_000_000_000_000 + number, "FIELDS", 1, name)])
    lives = _lives(client, b"m:1")

    run(exchange, rewrite_in_server(fence, compile_program(upgrade_path, target), target, [b"m:1"], 100))
    run(exchange, rewrite_here(fence, upgrade_path, target, [b"m:2"], 100))

    assert _lives(client, b"m:1") == _lives(client, b"m:2")
    run(exchange, rewrite_here(fence, upgrade_path, 1, [b"m:1", b"m:2"], 100))
    assert _lives(client, b"m:1") == lives == _lives(client, b"m:2")


def _lives(client: redis.Redis, key: bytes) -> dict[str, int]:
    names = sorted(stored(client, key))
    [ends] = SyncClient(client, "test").exchange([("HPEXPIRETIME", key, "FIELDS", len(names), *names)])
    return dict(zip(names, cast("list[int]", ends), strict=True))
