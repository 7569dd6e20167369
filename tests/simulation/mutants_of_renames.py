"""Moves, broken on purpose; see ``mutants``."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from redis_models.client.commands import RoundTrips
from redis_models.migrations.executor import pass_runner
from redis_models.migrations.keyspace.results import Outcome
from redis_models.migrations.maintenance import retry
from redis_models.migrations.rewriter import rename_keys
from redis_models.migrations.state import quarantine

from .mutants import Mutant, _edited, recoded

_RECORD: Final = "the record u"


def _put_elsewhere_is_done(patch: pytest.MonkeyPatch) -> None:
    """A runner counts records as done that another client wrote at another version after the pass."""
    count: Callable[..., None] = rename_keys._count

    def careless(outcome: Outcome, key: bytes, target: bytes, letter: str) -> None:
        count(outcome, key, target, "G" if letter == rename_keys.RenameResult.OTHER_VERSION else letter)

    patch.setattr(rename_keys, "_count", careless)


def _retried_without_a_move(patch: pytest.MonkeyPatch) -> None:
    """``quarantine retry`` brings records to their version, and leaves them under the keys of another."""

    def nowhere(*_: object) -> None:
        return None

    patch.setattr(retry, "_move_of", nowhere)


def _all_let_out(patch: pytest.MonkeyPatch) -> None:
    """A whole scan lets out of quarantine what it could not rewrite, too."""
    release: Callable[..., RoundTrips[None]] = quarantine.QuarantinePolicy.release

    def careless(self: Any, lease: Any, keys: Any, failing: object) -> RoundTrips[None]:
        return release(self, lease, keys, ())

    patch.setattr(quarantine.QuarantinePolicy, "release", careless)


MUTANTS: Final[Mapping[str, Mutant]] = {
    "no comparison of the field": Mutant(
        _edited(
            rename_keys, "_MOVE", ("if held and redis.call('HGET', source, field) ~= held then return 'C' end", "")
        ),
        "recoded in between",
        _RECORD,
    ),
    "no fence of a move": Mutant(
        _edited(
            rename_keys,
            "_MOVE",
            ("if redis.call('HGET', KEYS[first], 'epoch') ~= ARGV[1] then return 'FENCED' end", ""),
        ),
        "usurpers",
        "without a lease, changed",
    ),
    "records of any version are moved": Mutant(
        _edited(
            rename_keys,
            "_MOVE",
            ("then return 'V' end", "then end"),
        ),
        "made anew in between",
        _RECORD,
    ),
    "what lies at the new key is overwritten": Mutant(
        _edited(rename_keys, "_MOVE", ("if redis.call('EXISTS', target) == 1 then return 'X' end", "")),
        "clashes",
        _RECORD,
    ),
    "moved records that the index lacks": Mutant(
        _edited(rename_keys, "_MOVE", ("redis.call('ZADD', new_index, 0, target)", "")), "plain", "is not in the index"
    ),
    "records put elsewhere are taken as done": Mutant(
        _put_elsewhere_is_done, "made anew in between", "says that all is at"
    ),
    "contested moves are taken as done": Mutant(
        recoded(pass_runner.PassRunner, "_repeat_until_stable", " and scan.contested == 0", ""),
        "made anew in between",
        "says that all is at",
    ),
    "retried records are not moved": Mutant(_retried_without_a_move, "quarantined", "out of quarantine"),
    "records that cannot be moved are let out": Mutant(_all_let_out, "quarantined", "out of quarantine|says that"),
}
