"""Each command taken away in turn from who calls a script of migrations: it changes a record whole, or not at all."""

from collections.abc import Callable
from typing import Final

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.commands import Script
from redis_models.client.drivers import run
from redis_models.errors import RecordError, ServerRefusedError
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.steps import Convert, Drop, Expire, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.maintenance import adopt, purge, repair, retry, verify
from redis_models.migrations.rewriter import rename_keys
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server
from redis_models.migrations.state import lease, quarantine, store

from .permission_world import LEASE_KEY, World


def _path(*steps: Step) -> UpgradePath:
    return UpgradePath("M", (VersionStep(1, 2, steps),), 1)


def _shout(raw: bytes) -> bytes:
    if not raw.islower():
        raise RecordError("", raw, "is loud")
    return raw.upper()


_CONVERT: Final = Convert("name", _shout, bytes.lower, bytes.__eq__, inputs=[b"ann", b"bob"])
_STEPS: Final[dict[str, tuple[Step, ...]]] = {
    "rename": (Move("name", "full_name"),),
    "rename onto a stray": (Move("name", "stray"),),
    "swap": (Move("name", "spare"), Move("size", "name"), Move("spare", "size")),
    "fill": (Put("currency", b"EUR"),),
    "fill over a stray": (Put("stray", b"EUR"),),
    "drop": (Drop("name"),),
    "drop with a way back": (Drop("nothing", b"none"),),
    "convert": (_CONVERT,),
    "convert and rename": (_CONVERT, Move("name", "full_name")),
    "TTL": (Expire("all", 600_000),),
    "TTL, jitter": (Expire("jitter", 600_000),),
    "TTL, shorten": (Expire("shorten", 600_000),),
    "for ever": (Expire("all", 0),),
    "rename and for ever": (Move("name", "full_name"), Expire("all", 0)),
    "rename and TTL": (Drop("size"), Move("name", "full_name"), Expire("all", 600_000)),
}
_RECORDS: Final = ("usual", "unstamped", "fields end", "stray")


def _fill_records(kind: str, stamp: int = 1) -> Callable[[World], None]:
    def fill(world: World) -> None:
        for number in range(3):
            fields: dict[str, str | int] = {"id": number, "name": "ann", "size": 5, "_v": stamp}
            if kind == "unstamped":
                del fields["_v"]
            if kind == "large":  # an encoding that allows TTLs of fields
                fields["note"] = "x" * 100
            if kind == "stray":
                fields |= {"stray": "old", "full_name": "older"}
            ending = ("name", "size") if kind == "fields end" else ("stray",) if kind == "stray" else ()
            world.put(f"m:{number}", fields, *ending)

    return fill


def _rewrite(upgrade_path: UpgradePath, target: int, *, is_in_server: bool) -> Callable[[World], object]:
    def act(world: World) -> None:
        fence, keys = Fence(LEASE_KEY, 7, world.has_field_lives), [b"m:0", b"m:1", b"m:2"]
        driver = SyncClient(world.bob, "test")
        if is_in_server:
            outcome = run(driver, rewrite_in_server(fence, compile_program(upgrade_path, target), target, keys, 100))
        else:
            outcome = run(driver, rewrite_here(fence, upgrade_path, target, keys, 100))
        if outcome.refusal is not None:
            raise outcome.refusal

    return act


@pytest.mark.parametrize("is_in_server", [True, False], ids=["in the server", "by Python"])
@pytest.mark.parametrize("kind", _RECORDS)
@pytest.mark.parametrize("what", _STEPS)
def test_a_record_is_rewritten_whole_or_not_at_all(world: World, what: str, kind: str, is_in_server: bool) -> None:
    act = _rewrite(_path(*_STEPS[what]), 2, is_in_server=is_in_server)

    missed = world.try_without(_fill_records(kind), act)

    assert "HSET" in missed


@pytest.mark.parametrize("kind", _RECORDS)
@pytest.mark.parametrize("what", _STEPS)
def test_a_record_is_taken_back_whole_or_not_at_all(world: World, what: str, kind: str) -> None:
    upgrade_path = _path(*_STEPS[what])

    def fill(world: World) -> None:
        _fill_records(kind)(world)
        world.allow()
        _rewrite(upgrade_path, 2, is_in_server=False)(world)

    missed = world.try_without(fill, _rewrite(upgrade_path, 1, is_in_server=False))

    assert missed


_INDEX, _NEW_INDEX = "m:__index", "n:__index"


def _fill_index(world: World) -> None:
    _fill_records("usual")(world)
    world.client.zadd(_INDEX, {f"m:{number}": 0 for number in range(3)})


def _fill_index_to_repair(world: World) -> None:
    _fill_records("usual")(world)
    world.client.zadd(_INDEX, {"m:gone": 0, "m:1": 5})


def _fill_old_table(world: World) -> None:
    _fill_records("unstamped")(world)
    world.client.sadd("left", "m:0", "m:1", "m:gone")
    world.client.zadd(_INDEX, {"m:gone": 0, "m:0": 0})


def _fill_set(world: World) -> None:
    world.client.sadd(_INDEX, "m:0")
    world.client.pexpire(_INDEX, 5_000_000)
    world.client.zadd("filling", {"m:0": 0})


def _fill_books(world: World) -> None:
    world.client.hset("ledger", mapping={"a": "1", "b": "2"})
    world.client.hset("journal", mapping={"witness": "w", "target": "2"})
    world.client.set("snapshot", "before")
    world.client.rpush("history", "first")
    world.client.hset("quarantine", mapping={"m:0": "why", "m:1": "why"})


def _fill_quarantine(world: World) -> None:
    _fill_index(world)
    _fill_books(world)


def _fill_repairable(world: World) -> None:
    _fill_records("fields end")(world)
    _fill_books(world)


def _fill_kept(world: World) -> None:
    for number in range(3):
        world.put(f"m:{number}", {"id": number, "_v": 2, "_b2.0.name": "ann", "_b2-1.x": ""})


def _script(module: object, name: str) -> Script:
    found: Script = getattr(module, name)
    return found


_RENAMED: Final = [f"{_NEW_INDEX}", f"{_NEW_INDEX}:_definitions", LEASE_KEY, _INDEX, f"{_INDEX}:_definitions"]
_BOOKS: Final = [LEASE_KEY, "ledger", "snapshot", "journal", "history"]
_SEEN: Final = ["id", 0, "name", "ann", "size", 5, "_v", 1]
_OTHERS: Final[dict[str, tuple[Callable[[World], None], Callable[[World], object]]]] = {
    "move": (
        _fill_index,
        lambda world: world.call(
            _script(rename_keys, "_MOVE"),
            [*_RENAMED, "m:0", "n:0", "m:1", "n:1"],
            [7, "", 1, 1, "", len("m:")],
        ),
    ),
    "forget what is gone": (
        _fill_index_to_repair,
        lambda world: world.call(
            _script(rename_keys, "_MOVE"),
            [*_RENAMED, "m:gone", "n:gone"],
            [7, "", 1, 1, "", len("m:")],
        ),
    ),
    "mend an index": (
        _fill_index_to_repair,
        lambda world: world.call(_script(verify, "_INDEX"), [_INDEX, "m:0", "m:gone", "m:1"], ["1"]),
    ),
    "adopt": (
        _fill_old_table,
        lambda world: world.call(
            _script(adopt, "_ADOPT"),
            [_INDEX, f"{_INDEX}:_definitions", LEASE_KEY, "left", "m:0", "m:new"],
            [7, "id", "take", "0"],
        ),
    ),
    "adopt one that keeps its key": (
        _fill_old_table,
        lambda world: world.call(
            _script(adopt, "_ADOPT"),
            [_INDEX, f"{_INDEX}:_definitions", LEASE_KEY, "left", "m:1", "m:1"],
            [7, "id", "take", "1"],
        ),
    ),
    "adopt a member": (
        _fill_old_table,
        lambda world: world.call(
            _script(adopt, "_ADOPT"),
            [_INDEX, f"{_INDEX}:_definitions", LEASE_KEY, "left", "m:1", "m:1"],
            [7, "id", "index", "1"],
        ),
    ),
    "adopt what is gone": (
        _fill_old_table,
        lambda world: world.call(
            _script(adopt, "_ADOPT"),
            [_INDEX, f"{_INDEX}:_definitions", LEASE_KEY, "left", "m:gone", "m:gone"],
            [7, "id", "drop", ""],
        ),
    ),
    "fill anew": (
        _fill_set,
        lambda world: world.call(_script(adopt, "_FILL"), [LEASE_KEY, "filling"], [7, "1", "m:1", "m:2"]),
    ),
    "swap": (
        _fill_set,
        lambda world: world.call(_script(adopt, "_SWAP"), [LEASE_KEY, _INDEX, "filling", "left"], [7]),
    ),
    "finish": (
        _fill_books,
        lambda world: world.call(
            _script(store, "_FINISH"), _BOOKS, [7, "after", 2, 1, "witness", "w", 1, "c", "3", 1, "event", "a"]
        ),
    ),
    "finish without changes of the ledger": (
        _fill_books,
        lambda world: world.call(_script(store, "_FINISH"), _BOOKS, [7, "after", 2, 0, 0, 1, "event"]),
    ),
    "mend what does not end": (
        _fill_quarantine,
        lambda world: world.call(
            _script(repair, "_REPAIR"),
            [LEASE_KEY, "quarantine", "m:0"],
            [7, 1, "name", "1", "ann", "name", "bob"],
        ),
    ),
    "mend an index that lacks one": (
        _fill_records("usual"),
        lambda world: world.call(_script(verify, "_INDEX"), [_INDEX, "m:0"], ["1"]),
    ),
    "checkpoint": (
        _fill_books,
        lambda world: world.call(_script(store, "_CHECKPOINT"), [LEASE_KEY, "journal"], [7, "target", "3"]),
    ),
    "note and forget": (
        _fill_books,
        lambda world: world.call(
            _script(quarantine, "_SCRIPT"),
            [LEASE_KEY, "quarantine"],
            [7, 2, "m:2", "why", "m:3", "why", "m:0", "m:1"],
        ),
    ),
    "note": (
        _fill_books,
        lambda world: world.call(_script(quarantine, "_SCRIPT"), [LEASE_KEY, "quarantine"], [7, 1, "m:2", "why"]),
    ),
    "forget": (
        _fill_books,
        lambda world: world.call(_script(quarantine, "_SCRIPT"), [LEASE_KEY, "quarantine"], [7, 0, "m:0"]),
    ),
    "drop": (
        _fill_quarantine,
        lambda world: world.call(_script(retry, "_DROP"), [LEASE_KEY, "quarantine", "m:0", _INDEX], [7, *_SEEN]),
    ),
    "mend": (
        _fill_repairable,
        lambda world: world.call(
            _script(repair, "_REPAIR"),
            [LEASE_KEY, "quarantine", "m:0"],
            [7, 1, "name", "1", "ann", "name", "bob", "size", 7],
        ),
    ),
    "purge": (
        _fill_kept,
        lambda world: world.call(_script(purge, "_SCRIPT"), [LEASE_KEY, "m:0", "m:1", "m:2"], [7, 2]),
    ),
    "give the lease back": (
        _fill_books,
        lambda world: world.call(_script(lease, "_SCRIPT"), [LEASE_KEY], ["release", 7]),
    ),
}


@pytest.mark.parametrize("what", _OTHERS)
def test_every_other_script_is_whole_or_nothing(world: World, what: str) -> None:
    fill, act = _OTHERS[what]

    assert world.try_without(fill, act)


@pytest.mark.parametrize(
    ("what", "denied"),
    [
        ("note", "hdel"), ("forget", "hset"), ("adopt one that keeps its key", "rename"), ("adopt a member", "hsetnx"),
        ("forget what is gone", "rename"), ("forget what is gone", "zadd"), ("checkpoint", "hdel"),
        ("finish without changes of the ledger", "hset"), ("finish without changes of the ledger", "hdel"),
        ("mend what does not end", "hpexpireat"), ("mend an index that lacks one", "zrem"),
    ],
)  # fmt: skip
def test_a_right_that_is_not_needed_is_not_asked_for(world: World, what: str, denied: str) -> None:
    fill, act = _OTHERS[what]

    assert denied.upper() not in world.try_without(fill, act)


@pytest.mark.parametrize(
    ("what", "kind", "denied"),
    [
        ("fill", "usual", "hdel"), ("fill", "unstamped", "hdel"), ("fill", "fields end", "hdel"),
        ("drop with a way back", "usual", "hdel"), ("drop with a way back", "unstamped", "hdel"),
        ("rename", "unstamped", "hpexpireat"), ("fill over a stray", "usual", "hpexpireat"),
        ("TTL", "usual", "persist"), ("for ever", "usual", "pexpireat"), ("rename", "unstamped", "pexpireat"),
        ("rename", "large", "hpexpiretime"), ("rename", "stray", "hpexpireat"), ("convert", "stray", "hpexpireat"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_in_server", [True, False], ids=["in the server", "by Python"])
def test_an_undo_is_not_overwritten_by_a_script_that_rewrites_records(
    world: World, what: str, kind: str, denied: str, is_in_server: bool
) -> None:
    act = _rewrite(_path(*_STEPS[what]), 2, is_in_server=is_in_server)

    assert denied.upper() not in world.try_without(_fill_records(kind), act)


def test_a_script_that_was_refused_goes_on_when_the_right_is_there(world: World) -> None:
    act = _rewrite(_path(Move("name", "full_name")), 2, is_in_server=True)
    _fill_records("fields end")(world)
    world.client.hset(LEASE_KEY, "epoch", 7)
    world.allow("-hdel")
    with pytest.raises(ServerRefusedError, match=r"denies HDEL, .*'ACL SETUSER NAME \+hdel'"):
        act(world)

    world.allow()
    act(world)

    assert world.client.hgetall("m:0") == {b"id": b"0", b"full_name": b"ann", b"size": b"5", b"_v": b"2"}
    if world.has_field_lives:
        assert world.client.execute_command("HPTTL", "m:0", "FIELDS", 1, "full_name")[0] > 3_000_000
