"""The protocol, broken on purpose: switches that take out what it rests on, one at a time."""

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from redis.exceptions import OutOfMemoryError

from redis_models.client import commands, retry
from redis_models.client.abandoned import Abandoned
from redis_models.client.commands import Command, Reply, RoundTrips, Script, call
from redis_models.errors import ServerOutOfMemoryError
from redis_models.migrations.executor import key_pages, pass_runner, strategies
from redis_models.migrations.keyspace import scan as scan_module
from redis_models.migrations.keyspace import server_facts
from redis_models.migrations.keyspace.results import Outcome, PendingResult
from redis_models.migrations.maintenance import purge
from redis_models.migrations.rewriter import compare_and_set, lua_codegen, program, symbolic
from redis_models.migrations.state import lease, quarantine, store
from redis_models.records import insert, script_calls, write

Breaks = Callable[[pytest.MonkeyPatch], None]
Passing = Callable[..., RoundTrips[Any]]


@dataclass(frozen=True)
class Mutant:
    """A broken protocol.

    Attributes:
        breaks: What breaks it.
        bias: What must happen oftener than usually, so that it shows soon.
        shows: What the violation says: it must be caught for what it is.
    """

    breaks: Breaks
    bias: str
    shows: str


def _edited(module: Any, name: str, *changes: tuple[str, str]) -> Breaks:
    """Give other text to some places of a script."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        script: Script = getattr(module, name)
        source = script.source
        for old, new in changes:
            assert old in source, f"{name} has no {old!r} any more; break it elsewhere"
            source = source.replace(old, new)
        patch.setattr(module, name, Script(source, script.is_repeatable))

    return break_it


def recoded(owner: Any, name: str, old: str, new: str) -> Breaks:
    """Give other text to a place of a Python function, or of a method of a class."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        function: Any = getattr(owner, name)
        source = textwrap.dedent(inspect.getsource(function))
        assert old in source, f"{name} has no {old!r} any more; break it elsewhere"
        made: dict[str, Any] = {}
        exec(compile(source.replace(old, new), "mutant", "exec", 0x1000000), function.__globals__, made)
        patch.setattr(owner, name, made[name])

    return break_it


def _all_of(*parts: Breaks) -> Breaks:
    def break_it(patch: pytest.MonkeyPatch) -> None:
        for part in parts:
            part(patch)

    return break_it


def _checkpoint_before_data(patch: pytest.MonkeyPatch) -> None:
    scan: Passing = scan_module.scan
    scan_all: Passing = pass_runner.PassRunner._scan
    latest = ["0"]

    def scanned(*arguments: Any) -> RoundTrips[Any]:
        cursor, keys = yield from scan(*arguments)
        latest[0] = cursor
        return cursor, keys

    def scanned_all(self: Any, rewrite_pass: Any, strategy: Any, run_id: str, *rest: Any) -> RoundTrips[Any]:
        start: Passing = strategy.start

        def too_early(*arguments: Any) -> RoundTrips[Any]:
            ahead = replace(self.journal, model=rewrite_pass.label, cursor=latest[0], run_id=run_id)
            yield from self.store.save_journal(self.lease.key, self.lease.epoch, ahead)
            return (yield from start(*arguments))

        strategy.start = too_early
        return (yield from scan_all(self, rewrite_pass, strategy, run_id, *rest))

    patch.setattr(key_pages, "scan", scanned)
    patch.setattr(pass_runner.PassRunner, "_scan", scanned_all)


def _stale_cursor(patch: pytest.MonkeyPatch) -> None:
    def always_the_same() -> RoundTrips[str]:
        yield [("INFO", "server")]
        return "run1"

    patch.setattr(pass_runner, "server_run_id", always_the_same)


def _no_clean_scan(patch: pytest.MonkeyPatch) -> None:
    def once(self: Any, rewrite_pass: Any, strategy_for: Any) -> RoundTrips[Any]:
        run_id = yield from server_facts.server_run_id()
        cursor, seen = self._resumed(rewrite_pass.label, run_id)
        scan: Passing = self._scan
        return (yield from scan(rewrite_pass, strategy_for(cursor == "0"), run_id, cursor, seen, 0))

    patch.setattr(pass_runner.PassRunner, "_repeat_until_stable", once)


def _bookkeeping_read_once(patch: pytest.MonkeyPatch) -> None:
    read: Passing = store.StateStore.read

    def read_once(self: Any) -> RoundTrips[Any]:
        reading = read(self)
        sizes = yield next(reading)
        batch = reading.send(sizes)
        replies = yield batch[: len(batch) // 2]
        try:
            reading.send(replies * 2)
        except StopIteration as end:
            return end.value

    patch.setattr(store.StateStore, "read", read_once)


def _sent_again(is_so: Callable[[Command], bool]) -> Breaks:
    """Writes are sent again, although they may have been executed."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        known = commands.is_repeatable

        def careless(batch: Sequence[Command]) -> bool:
            return known(batch) or any(map(is_so, batch))

        patch.setattr(retry, "is_repeatable", careless)

    return break_it


def _calls(*scripts: Script) -> Callable[[Command], bool]:
    return lambda command: command[0] == "EVALSHA" and command[1] in {script.sha for script in scripts}


def _nothing_abandoned(patch: pytest.MonkeyPatch) -> None:
    """Who gives up a connection forgets it."""

    def forget(*_: object) -> None: ...

    patch.setattr(Abandoned, "note", forget)


def _refusals_passed_over(patch: pytest.MonkeyPatch) -> None:
    """A runner takes records that the server had no room for as done."""
    local_strategy: Callable[..., Any] = strategies.local_strategy

    def careless(*arguments: Any, **options: Any) -> Any:
        strategy = local_strategy(*arguments, **options)
        start: Passing = strategy.start

        def started(*batch: Any) -> RoundTrips[PendingResult]:
            try:
                pending: PendingResult = yield from start(*batch)
                return PendingResult.completed((yield from pending.wait()))
            except ServerOutOfMemoryError:
                return PendingResult.completed(Outcome())

        strategy.start = started
        return strategy

    patch.setattr(pass_runner, "local_strategy", careless)


def _refusals_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """A write that the server had no room for is told as done."""

    def careless(script: Script, commands: Sequence[Command], *, once: bool = False) -> RoundTrips[list[Reply]]:
        replies = yield from call(script, commands, once=once)
        is_save = script is write._SAVE
        return [0 if is_save and isinstance(reply, OutOfMemoryError) else reply for reply in replies]

    patch.setattr(script_calls, "call", careless)


def _no_undo_fields(patch: pytest.MonkeyPatch) -> None:
    """The server's scripts keep nothing of what they overwrite and remove."""
    run_of: Callable[..., symbolic.Run] = symbolic.run_of

    def careless(steps: Any) -> symbolic.Run:
        return replace(run_of(steps), undo_writes=[])

    patch.setattr(program, "run_of", careless)


def _stale_fields_left(patch: pytest.MonkeyPatch) -> None:
    """The server's scripts leave the fields there that they should remove."""
    script_of: Callable[..., Script] = lua_codegen.lua_of

    def careless(runs: Any) -> Script:
        return Script(script_of(runs).source.replace("redis.call('HDEL', key", "type(key"), is_repeatable=True)

    patch.setattr(program, "lua_of", careless)


def _bad_records_not_noted(patch: pytest.MonkeyPatch) -> None:
    """A runner skips records that it cannot rewrite, and does not report them."""

    def taken(*_: Any) -> RoundTrips[None]:
        yield from ()

    patch.setattr(quarantine.QuarantinePolicy, "take", taken)


_FENCE: Final = ("if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end", "")
_FENCE_OF_RECORDS: Final = (_FENCE[0].replace("KEYS[1]", "KEYS[first]"), "")
_FENCE_OF_RECORDS_IF_ANY: Final = (_FENCE_OF_RECORDS[0].replace("if ", "if ARGV[1] ~= '' and ", 1), "")
_FENCE_IF_ANY: Final = (_FENCE[0].replace("if ", "if ARGV[1] ~= '' and ", 1), "")
_RECORD: Final = r"\w+:\d+ is "
_NOT_THERE: Final = "says that all is at"

MUTANTS: Final[Mapping[str, Mutant]] = {
    "no compare": Mutant(
        _edited(compare_and_set, "_REPLACE", ("letter = is_unchanged(values, at) and 'A' or 'C'", "letter = 'A'")),
        "last races",
        _RECORD,
    ),
    "no fence": Mutant(
        _all_of(
            _edited(compare_and_set, "_REPLACE", _FENCE_OF_RECORDS_IF_ANY),
            _edited(lua_codegen, "_FRAME", _FENCE_OF_RECORDS),
        ),
        "usurpers",
        "without a lease, changed records",
    ),
    "no fence of the journal": Mutant(
        _edited(store, "_CHECKPOINT", _FENCE), "usurpers", "without a lease, changed the journal"
    ),
    "no fence of the ledger": Mutant(
        _edited(store, "_FINISH", _FENCE), "late entries", "without a lease, changed the ledger"
    ),
    "bookkeeping read once": Mutant(_bookkeeping_read_once, "torn reads", "fails without a reason: DriftError"),
    "no fence of the quarantine": Mutant(
        _edited(quarantine, "_SCRIPT", _FENCE), "late notes", "without a lease, changed the quarantine"
    ),
    "bad records not noted": Mutant(_bad_records_not_noted, "late notes", "the journal is at|" + _NOT_THERE),
    "no fence of a purge": Mutant(
        _edited(purge, "_SCRIPT", _FENCE_IF_ANY), "purges", "without a lease, changed records"
    ),
    "no lease": Mutant(_edited(lease, "_SCRIPT", ("tonumber(held[2]) > now", "false")), "zombies", "took the lease"),
    "an epoch given twice": Mutant(
        _edited(lease, "_SCRIPT", ("tonumber(epoch) + 1, clock[1] * 1000000 + clock[2]", "tonumber(epoch), clock[1]")),
        "usurpers",
        "epoch of another runner",
    ),
    "lease of another runner released": Mutant(
        _edited(lease, "_SCRIPT", ("if epoch ~= ARGV[2] then", "if epoch ~= ARGV[2] and ARGV[1] == 'renew' then")),
        "usurpers",
        "without a lease, changed the lease",
    ),
    "blind patch": Mutant(
        _edited(write, "_SAVE", ("if stored ~= ARGV[1] then", "if false then")), "slow runs", _RECORD
    ),
    "blind insert": Mutant(
        _all_of(
            _edited(insert, "_WRITE", ("if stored and stored ~= version then", "if false then")),
            _edited(insert, "_PUT", ("if stored ~= version then", "if false then")),
        ),
        "slow runs",
        _RECORD,
    ),
    "blind increment": Mutant(
        _edited(write, "_INCREMENT", ("if stored ~= ARGV[1] then", "if false then")), "slow runs", _RECORD
    ),
    "careless save": Mutant(
        _edited(write, "_SAVE", ("redis.call('HGET', record, ARGV[i]) ~= ARGV[i + 1]", "false")), "quarrels", _RECORD
    ),
    "a create that overwrites": Mutant(
        _all_of(
            _edited(insert, "_WRITE", ("if stored and mode == 'new' then", "if false then")),
            _edited(insert, "_PUT", ("if mode == 'new' then", "if false then")),
        ),
        "slow runs",
        _RECORD,
    ),
    "records that the index lacks": Mutant(
        _all_of(
            _edited(insert, "_WRITE", ("redis.call('ZADD', KEYS[1], 0, KEYS[i])", "1")),
            _edited(insert, "_PUT", ("pcall('ZADD', index, 0, key)", "1")),
        ),
        "slow runs",
        "not in the index",
    ),
    "no undo fields": Mutant(_no_undo_fields, "rollback", _RECORD),
    "a scan that was gone on with counts as a whole one": Mutant(
        recoded(pass_runner.PassRunner, "_repeat_until_stable", 'is_whole = cursor == "0" and ', "is_whole = "),
        "late deaths",
        _NOT_THERE,
    ),
    "a restart within a scan is not noticed": Mutant(
        recoded(pass_runner.PassRunner, "_repeat_until_stable", " and run_id == (yield from server_run_id())", ""),
        "restarts",
        _NOT_THERE,
    ),
    "records are refused, and the run goes on": Mutant(
        recoded(quarantine.QuarantinePolicy, "take", "    if refused:", "    if False:"), "bad records", _NOT_THERE
    ),
    "what fails is let out of quarantine": Mutant(
        recoded(quarantine.QuarantinePolicy, "release", "key not in failing and ", ""), "bad records", _NOT_THERE
    ),
    "checkpoint before data": Mutant(_checkpoint_before_data, "plain", "the journal is at"),
    "stale cursor": Mutant(_stale_cursor, "restarts", _NOT_THERE),
    "ledger without a clean scan": Mutant(_no_clean_scan, "restarts", _NOT_THERE),
    "contested records given up": Mutant(
        _edited(compare_and_set, "_REPLACE", ("'A' or 'C'", "'A' or 'S'")), "last races", _NOT_THERE
    ),
    "no stale-field delete": Mutant(
        _all_of(
            _edited(compare_and_set, "_REPLACE", ("for i = 1, #removals do", "for i = 1, 0 do")), _stale_fields_left
        ),
        "plain",
        _RECORD,
    ),
    "a rewrite that resurrects": Mutant(
        _edited(lua_codegen, "_FRAME", ("if not stamp and redis.call('EXISTS', key) == 0 then return 'G' end", "")),
        "last moments",
        _RECORD,
    ),
    "a patch that resurrects": Mutant(
        _edited(write, "_SAVE", ("if redis.call('EXISTS', record) == 0 then", "if false then")), "slow runs", _RECORD
    ),
    "TTLs lost": Mutant(
        _edited(compare_and_set, "_REPLACE", ("  set_end(key, ending)\n", "  call('PERSIST', key)\n")),
        "plain",
        _RECORD,
    ),
    "TTLs of fields lost": Mutant(
        _edited(
            compare_and_set, "_REPLACE", ("if ends[i] > 0 then call('HPEXPIREAT'", "if false then call('HPEXPIREAT'")
        ),
        "plain",
        _RECORD,
    ),
    "records passed over that there was no room for": Mutant(
        _refusals_passed_over, "full moments", "the journal is at"
    ),
    "writes acknowledged that there was no room for": Mutant(_refusals_acknowledged, "full memory", "was never seen"),
    "increments sent again": Mutant(_sent_again(_calls(write._INCREMENT)), "second copies", _RECORD),
    "saves sent again": Mutant(_sent_again(_calls(write._SAVE)), "second copies", _RECORD),
    "inserts sent again": Mutant(_sent_again(_calls(insert._PUT, insert._WRITE)), "second copies", _RECORD),
    "deletions sent again": Mutant(_sent_again(_calls(write._DELETE)), "second deletions", _RECORD),
    "abandoned connections not ended": Mutant(_nothing_abandoned, "late copies of one", _RECORD),
}
