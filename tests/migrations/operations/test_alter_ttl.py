"""AlterTTL changes the TTLs of records as its policy says, in the server and by Python, and back."""

import time
from typing import cast

import pytest
import redis

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import SchemaError
from redis_models.migrations import AlterTTL
from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep, make_version_step
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.edits.steps import Compute
from redis_models.migrations.files.renderer import render, suggest_name
from redis_models.migrations.keyspace.results import Fence
from redis_models.migrations.operations import Operation, Risk
from redis_models.migrations.rewriter.compare_and_set import rewrite_here
from redis_models.migrations.rewriter.program import compile_program
from redis_models.migrations.rewriter.server_side import rewrite_in_server
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema, Snapshot

_FENCE = Fence("the-lease", 7, False)
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_SLACK_MS = 20_000  # what a busy machine may need between two looks at the clock
_NEVER = -1


def _snapshot(ttl: int | None) -> Snapshot:
    return Snapshot((ModelSchema("M", 1, "id", "", ":", "m", (FieldSchema("id", "str"),), ttl),))


def _path(*operations: AlterTTL) -> UpgradePath:
    """A way on which each operation is a migration of its own."""
    before, version_steps = _snapshot(operations[0].old), list[VersionStep]()
    for version, operation in enumerate(operations, 2):
        version_steps.append(make_version_step("M", before, [operation], version))
        after = operation.apply(before).model("M")
        before = Snapshot((ModelSchema("M", version, "id", "", ":", "m", after.fields, after.ttl),))
    return UpgradePath("M", tuple(version_steps), 1)


def _by_python(upgrade_path: UpgradePath) -> UpgradePath:
    """The same way, with a step that needs Python."""
    marked = Compute("mark", lambda draft: None, None, lambda name, first, other: False, may_do_nothing=True)
    version_steps = (VersionStep(step.older, step.newer, (*step.steps, marked)) for step in upgrade_path.version_steps)
    return UpgradePath("M", tuple(version_steps), 1)


class Table:
    """Records of one model, brought up and back."""

    def __init__(self, client: redis.Redis, *, is_in_server: bool) -> None:
        self.client = client
        self.exchange = SyncClient(client, "test")
        self.is_in_server = is_in_server
        client.hset("the-lease", "epoch", 7)

    def add(self, key: str, ends_ms: int) -> None:
        self.client.hset(key, mapping={"id": "1", "_v": "1"})
        if ends_ms != _NEVER:
            self.client.pexpireat(key, ends_ms)

    def up(self, upgrade_path: UpgradePath, *keys: str) -> None:
        target, raw = upgrade_path.versions[-1], [key.encode() for key in keys]
        if self.is_in_server:
            done = run(
                self.exchange, rewrite_in_server(_FENCE, compile_program(upgrade_path, target), target, raw, 100)
            )
        else:
            done = run(self.exchange, rewrite_here(_FENCE, _by_python(upgrade_path), target, raw, 100))
        assert (done.changed, done.failures) == (len(keys), [])

    def down(self, upgrade_path: UpgradePath, *keys: str) -> None:
        way = upgrade_path if self.is_in_server else _by_python(upgrade_path)
        run(self.exchange, rewrite_here(_FENCE, way, 1, [key.encode() for key in keys], 100))

    def ends(self, key: str) -> int:
        """When a record ends, exactly: PEXPIRETIME, which servers before 7 lack."""
        while True:
            before = self._clock_ms()
            left = int(self.client.pttl(key))
            if left < 0:
                return left
            if before == self._clock_ms():
                return before + left

    def _clock_ms(self) -> int:
        [reply] = self.exchange.exchange([("TIME",)])
        seconds, microseconds = cast("list[bytes]", reply)
        return int(seconds) * 1000 + int(microseconds) // 1000


@pytest.fixture(params=["server", "python"])
def table(request: pytest.FixtureRequest, client: redis.Redis) -> Table:
    return Table(client, is_in_server=request.param == "server")


def _now_ms() -> int:
    return int(time.time() * 1000)


def _is_about(ends: int, ms: int) -> bool:
    return abs(ends - _now_ms() - ms) < _SLACK_MS


def test_all_gives_every_record_the_ttl_and_back_restores_it_to_the_millisecond(table: Table) -> None:
    old = {"m:1": _now_ms() + 5 * _DAY_MS + 123, "m:2": _now_ms() + _HOUR_MS // 2 + 7, "m:3": _NEVER}
    upgrade_path = _path(AlterTTL("M", None, 3600, "all"))
    for key, ends in old.items():
        table.add(key, ends)

    table.up(upgrade_path, *old)

    assert all(_is_about(table.ends(key), _HOUR_MS) for key in old)
    assert table.client.hget("m:3", "_b2.0.") == b"-1 %d" % table.ends("m:3")
    table.down(upgrade_path, *old)
    assert {key: table.ends(key) for key in old} == old
    assert table.client.hgetall("m:1") == {b"id": b"1", b"_v": b"1"}


def test_shorten_never_lengthens(table: Table) -> None:
    soon, late = _now_ms() + _HOUR_MS // 2, _now_ms() + 5 * _DAY_MS
    upgrade_path = _path(AlterTTL("M", 86400, 3600, "shorten"))
    for key, ends in (("m:soon", soon), ("m:late", late), ("m:never", _NEVER)):
        table.add(key, ends)

    table.up(upgrade_path, "m:soon", "m:late", "m:never")

    assert table.ends("m:soon") == soon
    assert _is_about(table.ends("m:late"), _HOUR_MS) and _is_about(table.ends("m:never"), _HOUR_MS)
    assert table.client.hgetall("m:soon") == {b"id": b"1", b"_v": b"2"}
    table.down(upgrade_path, "m:soon", "m:late", "m:never")
    assert [table.ends(key) for key in ("m:soon", "m:late", "m:never")] == [soon, late, _NEVER]


def test_jitter_spreads_expiry_over_the_later_half_and_depends_on_the_key(table: Table) -> None:
    keys = [f"m:{number}" for number in range(40)]
    for key in keys:
        table.add(key, _NEVER)

    table.up(_path(AlterTTL("M", None, 86400, "jitter")), *keys)

    left = [table.ends(key) - _now_ms() for key in keys]
    assert all(_DAY_MS // 2 - _SLACK_MS < ms <= _DAY_MS for ms in left)
    assert max(left) - min(left) > _DAY_MS // 4
    first = left[0]
    table.add("m:0", _NEVER)
    table.up(_path(AlterTTL("M", None, 86400, "jitter")), "m:0")
    assert abs(table.ends("m:0") - _now_ms() - first) < _SLACK_MS


def test_all_without_a_ttl_persists_every_record(table: Table) -> None:
    ends = _now_ms() + _DAY_MS
    upgrade_path = _path(AlterTTL("M", 3600, None, "all"))
    table.add("m:1", ends)

    table.up(upgrade_path, "m:1")

    assert table.ends("m:1") == _NEVER
    table.down(upgrade_path, "m:1")
    assert table.ends("m:1") == ends


def test_going_back_leaves_a_ttl_alone_that_was_set_later(table: Table) -> None:
    mine = _now_ms() + 2 * _DAY_MS
    upgrade_path = _path(AlterTTL("M", None, 3600, "all"))
    for key in ("m:1", "m:2"):
        table.add(key, _NEVER)
    table.up(upgrade_path, "m:1", "m:2")
    table.client.pexpireat("m:1", mine)
    table.client.persist("m:2")

    table.down(upgrade_path, "m:1", "m:2")

    assert (table.ends("m:1"), table.ends("m:2")) == (mine, _NEVER)


def test_going_back_deletes_no_record_whose_old_ttl_is_over(table: Table) -> None:
    upgrade_path = _path(AlterTTL("M", 1, 3600, "all"))
    table.add("m:1", _now_ms() + _HOUR_MS)
    table.up(upgrade_path, "m:1")
    set_ms = table.ends("m:1")
    table.client.hset("m:1", "_b2.0.", f"{_now_ms() - 1} {set_ms}")  # it is later now

    table.down(upgrade_path, "m:1")

    assert table.ends("m:1") == set_ms


def test_going_back_over_an_expired_ttl_restores_the_one_before_it(table: Table) -> None:
    upgrade_path = _path(AlterTTL("M", None, 60, "all"), AlterTTL("M", 60, 3600, "all"))
    table.add("m:1", _NEVER)
    table.up(upgrade_path, "m:1")
    set_ms, over_ms = table.ends("m:1"), _now_ms() - 1
    table.client.hset("m:1", mapping={"_b2.0.": f"-1 {over_ms}", "_b3.0.": f"{over_ms} {set_ms}"})  # it is later now

    table.down(upgrade_path, "m:1")

    assert table.ends("m:1") == _NEVER


def test_several_changes_are_made_in_one_step_and_taken_back_in_one(table: Table) -> None:
    old = _now_ms() + 9 * _DAY_MS
    upgrade_path = _path(
        AlterTTL("M", None, 86400, "shorten"), AlterTTL("M", 86400, None, "all"), AlterTTL("M", None, 3600, "all")
    )
    table.add("m:1", old)

    table.up(upgrade_path, "m:1")

    assert _is_about(table.ends("m:1"), _HOUR_MS)
    table.down(upgrade_path, "m:1")
    assert table.ends("m:1") == old


def test_running_again_changes_no_ttl(table: Table) -> None:
    upgrade_path = _path(AlterTTL("M", None, 3600, "all"))
    table.add("m:1", _NEVER)
    table.up(upgrade_path, "m:1")
    table.client.pexpireat("m:1", _now_ms() + _DAY_MS)
    ends = table.ends("m:1")

    again = run(table.exchange, rewrite_here(_FENCE, upgrade_path, 2, [b"m:1"], 100))

    assert (again.skipped, table.ends("m:1")) == (1, ends)


def test_a_ttl_set_between_read_and_write_is_restored(client: redis.Redis) -> None:
    table, mine = Table(client, is_in_server=False), _now_ms() + 3 * _DAY_MS

    def expire(draft: RecordEdit) -> None:
        client.pexpireat("m:1", mine)

    [version_step] = _path(AlterTTL("M", None, 3600, "all")).version_steps
    late = Compute("late", expire, None, lambda name, first, other: False, may_do_nothing=True)
    table.add("m:1", _NEVER)

    run(
        table.exchange,
        rewrite_here(_FENCE, UpgradePath("M", (VersionStep(1, 2, (*version_step.steps, late)),), 1), 2, [b"m:1"], 100),
    )

    assert _is_about(table.ends("m:1"), _HOUR_MS)
    table.down(UpgradePath("M", (version_step,), 1), "m:1")
    assert table.ends("m:1") == mine


def test_in_memory_nothing_ends() -> None:
    draft = _path(AlterTTL("M", None, 3600, "all")).rewrite({"id": b"1", "_v": b"1"}, 2)

    assert draft.fields == {"id": b"1", "_v": b"2"}


def test_new_only_changes_the_schema_alone() -> None:
    operation = AlterTTL("M", None, 3600)
    before = _snapshot(None)
    after = operation.apply(before)

    assert after.model("M").ttl == 3600
    assert (operation.is_state_only, operation.risk) == (True, Risk.NONE)
    assert list(operation.steps(before.model("M"), after.model("M"))) == []


def test_changed_ttls_of_records_are_a_risk_that_the_plan_names() -> None:
    operation = AlterTTL("M", 60, 3600, "jitter")

    assert (operation.is_state_only, operation.risk, operation.is_destructive) == (False, Risk.EXPIRES, False)
    assert operation.describe() == "Alter TTL of M from 60 s to 3600 s (all records, spread)"
    assert "unless" in operation.describe_reverse()


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        (AlterTTL("M", 60, 3600), "is none here, not 60 s; correct the file"),
        (AlterTTL("M", None, 0), "new is 0; it is a whole number of seconds from 1"),
        (AlterTTL("M", None, 10**13), "new is 10000000000000"),
        (AlterTTL("M", None, True), "new is True"),
        (AlterTTL("M", None, None, "shorten"), "policy 'shorten' needs a TTL"),
        (AlterTTL("M", None, 60, "later"), "policy is 'later'; it is one of new-only, all, shorten, jitter"),
    ],
)
def test_an_impossible_ttl_is_refused(operation: Operation, complaint: str) -> None:
    with pytest.raises(SchemaError, match=complaint):
        operation.apply(_snapshot(None))


def test_it_is_written_with_the_names_of_its_numbers() -> None:
    operation = AlterTTL("M", None, 3600, "all")

    assert 'migrations.AlterTTL("M", old=None, new=3600, policy="all")' in render("a", None, {"M": 2}, [operation])
    assert suggest_name([operation], {"M": 2}, is_first=False) == "alter_ttl_m"
