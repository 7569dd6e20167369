"""Scripts that are written for a migration, on all records of a small world: they do what Python does."""

import itertools
import operator
import re
from collections.abc import Sequence
from typing import Any, Final

import pytest

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import RecordError
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.steps import Convert, Drop, Expire, Move, Put, Step
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program

from .scripts import all_keys

_LEASE: Final = "the-lease"
_VALUES: Final = (None, b"x", b"y", b"None", b"other")
_STAMPS: Final = (None, b"1", b"2", b"3")
_END_MS: Final = 4_000_000_000_000
_KEPT_END: Final = re.compile(rb"-?\d+ -?\d+$")


def _convert(name: str, *, leaves_others: bool = False, forgets: bool = False) -> Convert:
    """Swap ``x`` and ``y``; or make both the same, which has no way back."""
    table = {b"x": b"y", b"y": b"y" if forgets else b"x"}

    def function(raw: bytes) -> bytes:
        if raw in table:
            return table[raw]
        if not leaves_others:
            raise RecordError("", raw, "cannot be converted")
        return raw

    return Convert(name, function, function, operator.eq, inputs=[b"x", b"y"], leaves_others=leaves_others)


ROUTES: Final[dict[str, Sequence[Step]]] = {
    "nothing": [],
    "fill": [Put("a", b"new")],
    "fill a new one": [Put("c", b"new")],
    "remove": [Drop("a", None)],
    "remove, with a value for the way back": [Drop("a", b"z")],
    "rename": [Move("a", "c")],
    "rename onto another": [Move("a", "b")],
    "swap": [Move("a", "t"), Move("b", "a"), Move("t", "b")],
    "convert": [_convert("a")],
    "convert some": [_convert("a", leaves_others=True)],
    "convert without a way back": [_convert("a", forgets=True)],
    "convert some without a way back": [_convert("a", leaves_others=True, forgets=True)],
    "convert both": [_convert("a"), _convert("b", leaves_others=True)],
    "convert twice": [_convert("a"), _convert("a")],
    "convert, rename": [_convert("a"), Move("a", "c")],
    "rename, convert": [Move("a", "b"), _convert("b", forgets=True)],
    "convert, remove": [_convert("a"), Drop("a", None)],
    "remove, fill": [Drop("a", None), Put("a", b"new")],
    "rename, fill": [Move("a", "c"), Put("a", b"new")],
    "rename, remove what is gone": [Move("a", "c"), Drop("a", b"z")],
    "fill twice": [Put("c", b"x"), Put("c", b"new")],
    "fill, convert": [Put("c", b"x"), _convert("c", forgets=True)],
    "fill, remove the other": [Put("a", b"new"), Drop("b", None)],
    "end": [Expire("all", 5_000_000_000)],
    "end sooner": [Expire("shorten", 5_000_000_000)],
    "never end": [Expire("all", 0)],
    "end, rename, remove": [Expire("all", 5_000_000_000), Move("a", "c"), Drop("b", None)],
    "end twice": [Expire("all", 5_000_000_000), Expire("shorten", 2_000_000_000)],
    "many": [Put(f"f{number}", b"new") for number in range(80)] + [Drop("a", None), Move("b", "c")],
    "so many that names are not arguments": [Move(f"f{number}", f"g{number}") for number in range(160)],
}


class World:
    """All records of two fields, with and without TTLs, and how they are rewritten."""

    def __init__(self, client: Any, *, has_lives: bool) -> None:
        self.client, self.has_lives = client, has_lives
        self.records = {
            b"m:%d" % number: {
                name: raw for name, raw in ((b"a", a), (b"b", b), (b"_v", stamp), (b"id", b"i")) if raw is not None
            }
            for number, (a, b, stamp) in enumerate(itertools.product(_VALUES, _VALUES, _STAMPS))
        }

    def fill(self) -> None:
        self.client.flushall()
        self.client.hset(_LEASE, "epoch", 7)
        pipeline = self.client.pipeline(transaction=False)
        for number, (key, record) in enumerate(self.records.items()):
            pipeline.hset(key, mapping=record)
            if number % 3 == 0:
                pipeline.pexpireat(key, _END_MS)
            if self.has_lives and (number // 4) % 2:
                pipeline.execute_command("HPEXPIREAT", key, _END_MS, "FIELDS", 2, "a", "b")
        pipeline.execute()

    def state(self, since_ms: int) -> dict[bytes, object]:
        """Give all that lies there; ends that were set by now as roughly how long after ``since_ms``."""

        def of(ends: int) -> int:
            return ends if ends < 0 or ends == _END_MS else round((ends - since_ms) / 1_000_000)

        found: dict[bytes, object] = {}
        for key in self.records:
            fields = self.client.hgetall(key)
            names = sorted(fields)
            for name, raw in fields.items():
                if _KEPT_END.match(raw):
                    fields[name] = b" ".join(b"%d" % of(int(word)) for word in raw.split())
            ends: Any = (
                self.client.execute_command("HPEXPIRETIME", key, "FIELDS", len(names), *names) if self.has_lives else []
            )
            found[key] = fields, ends, of(self.client.execute_command("PEXPIRETIME", key))
        return found

    def now_ms(self) -> int:
        seconds, microseconds = self.client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _is_known(steps: Sequence[Step], record: dict[bytes, bytes]) -> bool:
    """Whether the tables of a migration know all bytes of a record."""
    where = {b"a": b"a", b"b": b"b"}
    for step in steps:
        if isinstance(step, Move) and step.old.encode() in where:
            where = {name: place for name, place in where.items() if name != step.new.encode()}
            where[step.new.encode()] = where.pop(step.old.encode())
        if isinstance(step, (Put, Drop)):
            where.pop(step.name.encode(), None)
        if isinstance(step, Convert):
            raw = record.get(where.get(step.name.encode(), b""))
            if raw is not None and raw not in (b"x", b"y") and (not step.leaves_others or raw == b"None"):
                return False
    return True


def _letter(steps: Sequence[Step], record: dict[bytes, bytes]) -> str:
    stamp = record.get(b"_v", b"1")
    return "S" if stamp == b"2" else "A" if stamp == b"1" and _is_known(steps, record) else "V"


@pytest.fixture(
    params=[False, pytest.param(True, marks=pytest.mark.needs_command("HPEXPIRETIME"))], ids=["", "fields end"]
)  # fmt: skip
def world(request: pytest.FixtureRequest, client: Any) -> World:
    return World(client, has_lives=request.param)


@pytest.mark.needs_command("PEXPIRETIME")
@pytest.mark.parametrize("name", ROUTES)
def test_the_server_does_what_python_does_and_leaves_to_it_what_no_table_knows(world: World, name: str) -> None:
    steps = ROUTES[name]
    upgrade_path = UpgradePath("M", (VersionStep(1, 2, tuple(steps)),), 1)
    script = compile_program(upgrade_path, 2).script
    world.fill()
    before, began = world.state(0), world.now_ms()

    keys = all_keys(script, [_LEASE, *world.records])
    reply = world.client.eval(script.source, len(keys), *keys, 7, 2, "1" * world.has_lives)

    found = world.state(began)
    letters = dict(zip(world.records, reply.decode(), strict=True))
    assert letters == {key: _letter(steps, record) for key, record in world.records.items()}
    world.fill()
    began = world.now_ms()
    run(
        SyncClient(world.client, "test"),
        rewrite_here(Fence(_LEASE, 7, world.has_lives), upgrade_path, 2, list(world.records), 100),
    )
    expected = world.state(began)
    for key, letter in letters.items():
        assert found[key] == (expected if letter == "A" else before)[key], (key, letter, world.records[key])


@pytest.mark.parametrize("epoch", [6, ""])
def test_nothing_is_written_under_another_epoch(world: World, epoch: Any) -> None:
    script = compile_program(UpgradePath("M", (VersionStep(1, 2, (Put("a", b"new"),)),), 1), 2).script
    world.fill()
    before = {key: world.client.dump(key) for key in world.records}

    assert world.client.eval(script.source, 4, *all_keys(script, [_LEASE, "m:1"]), epoch, 2, "") == b"FENCED"
    assert {key: world.client.dump(key) for key in world.records} == before


def test_what_is_gone_or_no_hash_has_its_letter_among_others(client: Any) -> None:
    script = compile_program(UpgradePath("M", (VersionStep(1, 2, (Put("a", b"new"),)),), 1), 2).script
    client.hset(_LEASE, "epoch", 7)
    client.hset("m:1", mapping={"_v": 1, "a": "x"})
    client.hset("m:2", mapping={"a": "x"})
    client.set("m:text", "text")

    keys = ["m:1", "m:gone", "m:2", "m:text"]
    assert client.eval(script.source, 7, *all_keys(script, [_LEASE, *keys]), 7, 2, "") == b"AGAT"
    assert client.get("m:text") == b"text" and not client.exists("m:gone")


def test_what_has_no_stamp_is_left_to_python_where_no_program_is_for_the_first_version(client: Any) -> None:
    script = compile_program(UpgradePath("M", (VersionStep(2, 3, (Put("a", b"new"),)),), 2), 3).script
    client.hset(_LEASE, "epoch", 7)
    client.hset("m:1", mapping={"a": "x"})
    client.hset("m:2", mapping={"_v": 2, "a": "x"})

    assert client.eval(script.source, 5, *all_keys(script, [_LEASE, "m:1", "m:2"]), 7, 3, "") == b"VA"
    assert client.hgetall("m:1") == {b"a": b"x"}
