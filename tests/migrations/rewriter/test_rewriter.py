"""Records are rewritten the same by the server's script, by Python under compare-and-set, and on paper."""

import dataclasses
import itertools
from collections.abc import Mapping

import pytest
import redis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import LockedError
from redis_models.migrations.chain.upgrade_path import UpgradePath
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.edits.steps import Compute, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence, Outcome
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import Program, compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server

from .rewriting import (
    FENCE,
    KEY,
    LEASE,
    POOL,
    conversion,
    drawn_records,
    drawn_steps,
    drawn_tables,
    on_paper,
    path_of,
    put,
    stored,
)

Record = dict[bytes, bytes]


def _without_python(program: Program) -> Program:
    """Give the program with a way on which Python fails at every record that the server leaves to it."""
    return dataclasses.replace(program, path=UpgradePath("M", (), 99))


@given(
    version_steps=st.lists(st.lists(drawn_steps, max_size=4), min_size=1, max_size=3),
    record=drawn_records,
    is_stamped=st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_script_does_what_the_steps_say_and_the_way_back_restores_the_bytes(
    leased: tuple[redis.Redis, SyncClient], version_steps: list[list[Step]], record: dict[str, bytes], is_stamped: bool
) -> None:
    client, exchange = leased
    before = {**record, "other": b"x", **({"_v": b"1"} if is_stamped else {})}
    upgrade_path = path_of(*version_steps)
    target = len(version_steps) + 1
    expected = on_paper(upgrade_path, before, target)
    put(client, before)

    outcome = run(exchange, rewrite_in_server(FENCE, compile_program(upgrade_path, target), target, [KEY], 100))

    if expected is None:
        assert (outcome.changed, len(outcome.failures), stored(client)) == (0, 1, before)
        return
    assert outcome == Outcome(changed=1)
    assert stored(client) == expected
    assert run(exchange, rewrite_here(FENCE, upgrade_path, 1, [KEY], 100)) == Outcome(changed=1)
    assert stored(client) == before


_dense = st.lists(st.sampled_from(POOL), min_size=len(POOL), max_size=len(POOL)).map(
    lambda values: dict(zip(POOL, values, strict=True))
)
_conversions = st.builds(
    conversion, st.just("a"), _dense | drawn_tables, _dense, st.just(list(POOL)) | st.just([b"None"]), st.booleans()
)


@given(version_steps=st.lists(st.lists(_conversions, min_size=1, max_size=2), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_conversions_in_the_server_store_the_undo_fields_that_python_would(
    leased: tuple[redis.Redis, SyncClient], version_steps: list[list[Step]]
) -> None:
    client, exchange = leased
    upgrade_path = path_of(*version_steps)
    target = len(version_steps) + 1
    keys = [b"m:%d" % number for number in range(len(POOL))]
    records = {key: {"a": raw, "_v": b"1"} for key, raw in zip(keys, POOL, strict=True)}
    for key, record in records.items():
        put(client, record, key)

    run(exchange, rewrite_in_server(FENCE, compile_program(upgrade_path, target), target, keys, 100))

    assert {key: stored(client, key) for key in keys} == {
        key: on_paper(upgrade_path, record, target) or record for key, record in records.items()
    }
    run(exchange, rewrite_here(FENCE, upgrade_path, 1, keys, 100))
    assert {key: stored(client, key) for key in keys} == records


def test_composed_tables_know_what_one_alone_would_leave_to_python(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    fill = conversion("a", {b"None": b"0"}, {}, [b"None"], leaves_others=True)
    invert = conversion("b", {b"0": b"1", b"1": b"0"}, {b"0": b"1", b"1": b"0"}, [b"0", b"1"], leaves_others=False)
    program = compile_program(path_of([fill, Move("a", "b")], [invert]), 3)
    for key, raw in (("m:1", "None"), ("m:2", "1"), ("m:3", "2"), ("m:4", "null")):
        client.hset(key, mapping={"a": raw, "_v": "1"})

    outcome = run(exchange, rewrite_in_server(FENCE, _without_python(program), 3, [b"m:1", b"m:2", b"m:3", b"m:4"], 9))

    assert (outcome.changed, [failure.key for failure in outcome.failures]) == (2, ["m:3", "m:4"])
    assert client.hgetall("m:1") == {b"b": b"1", b"_v": b"3", b"_b2.0.a": b"None"}
    assert client.hgetall("m:2") == {b"b": b"0", b"_v": b"3"}
    assert client.hgetall("m:3") == {b"a": b"2", b"_v": b"1"}


def test_each_record_fares_as_its_stamp_says(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    program = compile_program(path_of([Move("a", "b")]), 2)
    stamps = {"m:there": "2", "m:older": "1", "m:newer": "9", "m:strange": "x"}
    for key, stamp in stamps.items():
        client.hset(key, mapping={"a": "x", "_v": stamp})
    client.hset("m:unstamped", "a", "x")
    client.set("m:text", "x")
    keys = [name.encode() for name in (*stamps, "m:unstamped", "m:text", "m:gone")]

    outcome = run(exchange, rewrite_in_server(FENCE, program, 2, keys, 100))

    assert (outcome.changed, outcome.skipped, outcome.gone) == (2, 1, 1)
    assert sorted(failure.key for failure in outcome.failures) == ["m:newer", "m:strange", "m:text"]
    assert client.hgetall("m:older") == {b"b": b"x", b"_v": b"2"}
    assert client.hgetall("m:there") == {b"a": b"x", b"_v": b"2"}


def test_a_constant_that_cannot_be_converted_leaves_the_records_to_python(
    leased: tuple[redis.Redis, SyncClient],
) -> None:
    client, exchange = leased
    convert = conversion("a", {b"x": b"y", b"z": b"z"}, {}, [b"x"], leaves_others=False)
    upgrade_path = path_of([Put("a", b"x"), convert], [Put("a", b"z"), convert])
    client.hset("m:1", mapping={"_v": "1"})
    client.hset("m:2", mapping={"_v": "2"})

    program = compile_program(upgrade_path, 3)
    outcome = run(exchange, rewrite_in_server(FENCE, program, 3, [b"m:1", b"m:2"], 100))

    assert (compile_program(upgrade_path, 2).versions, program.versions) == ((1,), ())
    assert outcome == Outcome(changed=2)
    assert client.hgetall("m:1") == {
        b"a": b"z", b"_v": b"3", b"_b2.1.a": b"x", b"_b3.0.a": b"y", b"_b3.1.a": b"z",
    }  # fmt: skip


@given(version_steps=st.lists(st.lists(drawn_steps, max_size=4), min_size=1, max_size=3), record=drawn_records)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_compare_and_set_does_what_the_steps_say(
    leased: tuple[redis.Redis, SyncClient], version_steps: list[list[Step]], record: dict[str, bytes]
) -> None:
    client, exchange = leased
    before = {**record, "other": b"x", "_v": b"1"}
    upgrade_path = path_of(*version_steps)
    target = len(version_steps) + 1
    expected = on_paper(upgrade_path, before, target)
    assume(expected is not None)
    put(client, before)

    assert run(exchange, rewrite_here(FENCE, upgrade_path, target, [KEY], 100)) == Outcome(changed=1)
    assert stored(client) == expected
    assert run(exchange, rewrite_here(FENCE, upgrade_path, target, [KEY], 100)) == Outcome(skipped=1)


@given(version_steps=st.lists(st.lists(drawn_steps, max_size=3), min_size=2, max_size=3), record=drawn_records)
@settings(max_examples=200, deadline=None)
def test_one_pass_over_several_versions_equals_one_pass_for_each(
    version_steps: list[list[Step]], record: dict[str, bytes]
) -> None:
    upgrade_path = path_of(*version_steps)
    fused = on_paper(upgrade_path, record, len(version_steps) + 1)
    assume(fused is not None)

    one_by_one: Mapping[str, bytes] = record
    for target in range(2, len(version_steps) + 2):
        one_by_one = upgrade_path.rewrite(one_by_one, target).fields

    assert fused == one_by_one


def test_records_of_several_versions_are_brought_up_in_one_script(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    upgrade_path = path_of([Move("a", "b")], [Put("c", b"new")])
    client.hset("m:old", "a", "1")
    client.hset("m:mid", mapping={"b": "2", "_v": "2"})
    client.hset("m:done", mapping={"b": "3", "c": "mine", "_v": "3"})
    keys = [b"m:old", b"m:mid", b"m:done", b"m:none"]

    outcome = run(exchange, rewrite_in_server(FENCE, compile_program(upgrade_path, 3), 3, keys, 100))

    assert outcome == Outcome(changed=2, skipped=1, gone=1)
    assert client.hgetall("m:old") == {b"b": b"1", b"c": b"new", b"_v": b"3", b"_b2-1._v": b""}
    assert client.hgetall("m:mid") == {b"b": b"2", b"c": b"new", b"_v": b"3"}
    assert client.hgetall("m:done") == {b"b": b"3", b"c": b"mine", b"_v": b"3"}


def test_a_runner_whose_epoch_is_over_changes_nothing(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    upgrade_path = path_of([Put("a", b"new")])
    client.hset("m:1", "a", "old")
    client.hset(LEASE, "epoch", 8)

    with pytest.raises(LockedError):
        run(exchange, rewrite_in_server(FENCE, compile_program(upgrade_path, 2), 2, [b"m:1"], 100))
    with pytest.raises(LockedError):
        run(exchange, rewrite_here(FENCE, upgrade_path, 2, [b"m:1"], 100))

    assert client.hgetall("m:1") == {b"a": b"old"}


def test_keys_that_do_not_hold_a_hash_and_unknown_stamps_are_reported_and_left_alone(
    leased: tuple[redis.Redis, SyncClient],
) -> None:
    client, exchange = leased
    upgrade_path = path_of([Put("a", b"new")])
    client.set("m:text", "x")
    client.hset("m:future", mapping={"a": "1", "_v": "9"})
    client.hset("m:ok", "a", "1")
    keys = [b"m:text", b"m:future", b"m:ok"]

    by_server = run(exchange, rewrite_in_server(FENCE, compile_program(upgrade_path, 2), 2, keys, 100))
    by_python = run(exchange, rewrite_here(FENCE, upgrade_path, 2, keys, 100))

    assert (
        [failure.key for failure in by_server.failures]
        == ["m:text", "m:future"]
        == [failure.key for failure in by_python.failures]
    )
    assert (by_server.changed, by_python.skipped) == (1, 1)
    assert (client.get("m:text"), client.hgetall("m:future")) == (b"x", {b"a": b"1", b"_v": b"9"})


def test_a_record_written_between_read_and_write_is_computed_again(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    writes = itertools.count()

    def double(draft: RecordEdit) -> None:
        if next(writes) < 2:
            client.hincrby("m:1", "n", 1)  # another client, just in time
        draft.set("n", b"%d" % (2 * int(draft.get("n") or b"0")))

    upgrade_path = path_of([Compute("double", double, None, lambda name, raw, other: False)])
    client.hset("m:1", mapping={"n": 5, "free": 0})

    assert run(exchange, rewrite_here(FENCE, upgrade_path, 2, [b"m:1"], 100)) == Outcome(changed=1)
    assert client.hget("m:1", "n") == b"14"


def test_a_write_to_a_field_that_a_function_does_not_read_is_not_a_conflict(
    leased: tuple[redis.Redis, SyncClient],
) -> None:
    client, exchange = leased

    def mark(draft: RecordEdit) -> None:
        client.hincrby("m:1", "hits", 1)
        draft.set("n", (draft.get("n") or b"") + b"!")

    upgrade_path = path_of([Compute("mark", mark, None, lambda name, raw, other: False)])
    client.hset("m:1", mapping={"n": 5, "hits": 0})

    assert run(exchange, rewrite_here(FENCE, upgrade_path, 2, [b"m:1"], 100)) == Outcome(changed=1)
    assert client.hmget("m:1", "n", "hits") == [b"5!", b"1"]


@pytest.mark.needs_command("HPEXPIRETIME")
def test_ttls_of_keys_and_fields_are_copied(leased: tuple[redis.Redis, SyncClient]) -> None:
    client, exchange = leased
    fence = Fence(LEASE, 7, True)
    by_server = path_of([Move("a", "b"), Put("c", b"new")])
    by_python = path_of([Move("a", "b"), Compute("c", set_c, None, lambda name, raw, other: False)])
    for key, upgrade_path in (("m:1", by_server), ("m:2", by_python)):
        client.hset(key, mapping={"a": "1", "c": "2", "d": "3"})
        exchange.exchange(
            [
                ("PEXPIREAT", key, 4_000_000_000_000),
                ("HPEXPIREAT", key, 3_000_000_000_001, "FIELDS", 1, "a"),
                ("HPEXPIREAT", key, 3_000_000_000_002, "FIELDS", 1, "c"),
            ]
        )

        if upgrade_path is by_server:
            run(exchange, rewrite_in_server(fence, compile_program(upgrade_path, 2), 2, [key.encode()], 100))
        else:
            run(exchange, rewrite_here(fence, upgrade_path, 2, [key.encode()], 100))

        ends = exchange.exchange([("HPEXPIRETIME", key, "FIELDS", 4, "b", "c", "d", "_v"), ("PEXPIRETIME", key)])
        assert ends == [[3_000_000_000_001, 3_000_000_000_002, -1, -1], 4_000_000_000_000]
        assert client.hmget(key, "b", "c", "a") == [b"1", b"new", None]


def set_c(draft: RecordEdit) -> None:
    draft.set("c", b"new")
