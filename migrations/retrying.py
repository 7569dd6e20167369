"""Retrying: records in quarantine, one by one: bring them where the database is, or delete them."""

from collections.abc import Sequence
from typing import Final

from redis_models.batches import Batches, call, check, hash_of, load_script
from redis_models.errors import IncompleteError, LockedError, WrongKeyTypeError
from redis_models.keys import KeySpace

from .bookkeeping import Shelf
from .chain import Chain
from .lease import Lease
from .lineage import Lineage, lineages_of
from .moving import Move, move_records
from .planning import as_squashed
from .quarantine import Quarantine, Quarantined
from .rewriting import Fence, Outcome, rewrite_here

__all__ = ["drop_records", "record_of", "retry_records"]

_DROP: Final = load_script("redis_models.migrations", "drop")
_AT_ONCE: Final = 1
_STRAY: Final = (
    "no model of the migration files has this key any more; delete the record with 'quarantine drop', or move it"
)


def retry_records(
    lease: Lease, namespace: str, chain: Chain, entries: Sequence[Quarantined]
) -> Batches[dict[str, str]]:
    """Try records again; those that are through, or gone, leave the quarantine.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        chain: Of the app.
        entries: Which.

    Returns:
        By key, why a record still cannot be rewritten; "" where it is through.

    Raises:
        IncompleteError: A run of this app stopped half-way; it has to be finished first.
        LockedError: The lease is somebody else's by now.
    """
    state = yield from Shelf(namespace, chain.app).read()
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run stopped half-way; finish it with 'migrate' first")
    position = len(as_squashed(chain, state.ledger))
    done: dict[str, str] = {}
    for entry in entries:
        found = _place_of(chain, entry.key)
        done[entry.key] = _STRAY if found is None else (yield from _retry(lease, *found, position, entry.key))
    free = [key for key, reason in done.items() if not reason]
    if free:
        yield from Quarantine(namespace, chain.app).change(lease.key, lease.epoch, (), free)
    return done


def drop_records(
    lease: Lease, namespace: str, chain: Chain, entries: Sequence[Quarantined]
) -> Batches[dict[str, dict[str, bytes]]]:
    """Delete records, their places in the index, and their entries; give what the records held.

    Raises:
        LockedError: The lease is somebody else's by now.
        WrongKeyTypeError: What lies at a key is no hash; it is left alone.
    """
    quarantine, held = Quarantine(namespace, chain.app), dict[str, dict[str, bytes]]()
    for entry in entries:
        found = _place_of(chain, entry.key)
        index = quarantine.key if found is None else found[1].index  # a key of no model is in no index
        raw = entry.key.encode("utf-8", "surrogateescape")
        command = _DROP.command([lease.key, quarantine.key, raw, index], [lease.epoch])
        [reply] = check((yield from call(_DROP, [command])))
        if reply == b"FENCED":
            raise LockedError.lost()
        if reply == b"TYPE":
            raise WrongKeyTypeError(entry.key)
        held[entry.key] = hash_of(reply)
    return held


def record_of(key: str) -> Batches[dict[str, bytes] | None]:
    """Read what lies at a key; None where it is gone or no hash."""
    [reply] = yield [("HGETALL", key.encode("utf-8", "surrogateescape"))]
    return None if isinstance(reply, Exception) else hash_of(reply) or None


def _place_of(chain: Chain, key: str) -> tuple[Lineage, KeySpace] | None:
    for lineage in lineages_of(chain):
        for model in lineage.schemas.values():
            if model.keys.owns(key):
                return lineage, model.keys
    return None


def _retry(lease: Lease, lineage: Lineage, keys: KeySpace, position: int, key: str) -> Batches[str]:
    fence, after = Fence(lease.key, lease.epoch, None), lineage.at(position)
    raw = key.encode("utf-8", "surrogateescape")
    outcome: Outcome = yield from rewrite_here(fence, lineage.route, after.version, [raw], _AT_ONCE)
    is_remade = bool(lineage.remade)
    if not outcome.failures and not outcome.contested and not outcome.gone and (is_remade or keys != after.keys):
        outcome = yield from move_records(fence, Move(lineage.route, keys, after, is_remade), [raw])
    if outcome.failures:
        return outcome.failures[0].reason
    return "it is written by others all the time; try again when it is calmer" if outcome.contested else ""
