"""The protocol, broken on purpose: switches that take out what it rests on, one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from redis_models import writing
from redis_models.batches import Batches, Command, Reply, Script, call
from redis_models.migrations import bookkeeping, lease, passes, rewriting

Mutant = Callable[[pytest.MonkeyPatch], None]


def _edited(module: Any, name: str, *changes: tuple[str, str]) -> Mutant:
    """Give a mutant whose script has other text in some places."""

    def break_it(patch: pytest.MonkeyPatch) -> None:
        source: str = getattr(module, name).source
        for old, new in changes:
            assert old in source, f"{name} has no {old!r} any more; break it elsewhere"
            source = source.replace(old, new)
        patch.setattr(module, name, Script(source))

    return break_it


def _both(*mutants: Mutant) -> Mutant:
    def break_them(patch: pytest.MonkeyPatch) -> None:
        for one in mutants:
            one(patch)

    return break_them


def _checkpoint_before_data(patch: pytest.MonkeyPatch) -> None:
    scan: Any = passes._scan
    walk: Any = passes.Runner._walk
    latest = ["0"]

    def scanned(*arguments: Any) -> Batches[Any]:
        cursor, keys = yield from scan(*arguments)
        latest[0] = cursor
        return cursor, keys

    def walked(self: Any, work: Any, rewrite: Any, run_id: str, *rest: Any) -> Batches[Any]:
        def too_early(*arguments: Any) -> Batches[Any]:
            ahead = replace(self.journal, model=work.label, cursor=latest[0], run_id=run_id)
            yield from self.shelf.checkpoint(self.lease.key, self.lease.epoch, ahead)
            return (yield from rewrite(*arguments))

        return (yield from walk(self, work, too_early, run_id, *rest))

    patch.setattr(passes, "_scan", scanned)
    patch.setattr(passes.Runner, "_walk", walked)


def _stale_cursor(patch: pytest.MonkeyPatch) -> None:
    def always_the_same() -> Batches[str]:
        yield [("INFO", "server")]
        return "run1"

    patch.setattr(passes, "server_run_id", always_the_same)


def _no_clean_walk(patch: pytest.MonkeyPatch) -> None:
    def once(self: Any, work: Any, rewriter: Any) -> Batches[Any]:
        run_id = yield from passes.server_run_id()
        cursor, seen = self._resumed(work.label, run_id)
        return (yield from self._walk(work, rewriter(cursor == "0"), run_id, cursor, seen, 0))

    patch.setattr(passes.Runner, "_until_clean", once)


def _increments_sent_again(patch: pytest.MonkeyPatch) -> None:
    def repeatable(script: Script, commands: Sequence[Command], *, once: bool = False) -> Batches[list[Reply]]:
        return (yield from call(script, commands))

    patch.setattr(writing, "call", repeatable)


_FENCE: Final = ("if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end", "")

# What is broken, how, and what must happen oftener than usually, so that it shows soon.
MUTANTS: Final[dict[str, tuple[Mutant, str]]] = {
    "no compare": (_edited(rewriting, "_REPLACE", ("return same and 'A' or 'C'", "return 'A'")), "races"),
    "no fence": (
        _both(
            _edited(
                rewriting,
                "_REPLACE",
                ("if ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 'FENCED' end", ""),
            ),
            _edited(rewriting, "_REWRITE", _FENCE),
        ),
        "usurpers",
    ),
    "no fence of the journal": (_edited(bookkeeping, "_CHECKPOINT", _FENCE), "usurpers"),
    "no fence of the ledger": (_edited(bookkeeping, "_FINISH", _FENCE), "late entries"),
    "no lease": (_edited(lease, "_SCRIPT", ("tonumber(held[2]) > now", "false")), "zombies"),
    "blind patch": (_edited(writing, "_SAVE", ("if stored ~= ARGV[1] then", "if false then")), "plain"),
    "blind insert": (_edited(writing, "_WRITE", ("if stored and stored ~= version then", "if false then")), "plain"),
    "checkpoint before data": (_checkpoint_before_data, "plain"),
    "stale cursor": (_stale_cursor, "restarts"),
    "no stale-field delete": (
        _both(
            _edited(rewriting, "_REPLACE", ("for from = 1, #deletes, 4000 do", "for from = 1, 0 do")),
            _edited(rewriting, "_REWRITE", ("if #deletes > 0 then", "if false then")),
        ),
        "plain",
    ),
    "ledger without a clean walk": (_no_clean_walk, "deaths"),
    "a rewrite that resurrects": (
        _edited(
            rewriting,
            "_REWRITE",
            ("if not stamp and redis.call('EXISTS', KEYS[i]) == 0 then", "if false then"),
        ),
        "last moments",
    ),
    "a patch that resurrects": (
        _edited(writing, "_SAVE", ("if redis.call('EXISTS', KEYS[2]) == 0 then", "if false then")),
        "plain",
    ),
    "life spans lost": (
        _edited(rewriting, "_REPLACE", ("  set_end(key, ending)", "  redis.call('PERSIST', key)")),
        "plain",
    ),
    "life spans of fields lost": (
        _edited(
            rewriting, "_REPLACE", ("if ms > 0 then redis.call('HPEXPIREAT'", "if false then redis.call('HPEXPIREAT'")
        ),
        "plain",
    ),
    "increments sent again": (_increments_sent_again, "hiccups"),
}
