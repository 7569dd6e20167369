"""Quarantined records, one by one: rewrite them to the version of the database, or delete them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from redis_models.client.commands import Argument, RoundTrips, call, check, hash_of, load_script
from redis_models.encoding.raw_text import bytes_of
from redis_models.errors import ConflictError, IncompleteError, MigrationError, WrongKeyTypeError
from redis_models.mapping.keys import KeySpace

from ..chain.chain import Chain
from ..chain.lineage import Lineage, lineages_of
from ..executor.preflight import commands_of, refuse_missing_rights
from ..keyspace.results import Fence, Outcome, unfenced
from ..planner.passes import RenameKeysPass
from ..planner.plan import as_squashed
from ..rewriter.compare_and_set import rewrite_here
from ..rewriter.rename_keys import move_records
from ..state.lease import Lease
from ..state.quarantine import Quarantine, QuarantinedRecord
from ..state.store import StateStore

__all__ = ["drop_record", "record_of", "retry_records", "secrecy_of"]

_DROP: Final = load_script("redis_models.migrations", "permissions", "drop_quarantined", is_repeatable=True)
_AT_ONCE: Final = 1
_TRIES: Final = 8  # of a record that other clients change between reading and deleting it
_STRAY: Final = (
    "no model of the migration files has this key; 'quarantine drop' removes the entry and leaves the key as it is"
)


def retry_records(
    lease: Lease, namespace: str, chain: Chain, entries: Sequence[QuarantinedRecord]
) -> RoundTrips[dict[str, str | None]]:
    """Retry records; those that were rewritten, or no longer exist, leave the quarantine, each at once.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        chain: Of the app.
        entries: The records.

    Returns:
        By key, why a record still cannot be rewritten; "" if it was rewritten, None if it no longer exists.

    Raises:
        IncompleteError: A run of this app is unfinished.
        LockedError: Another runner has taken over the lease.
        ServerRefusedError: This user may not call a command that a script needs; nothing was written.
    """
    state = yield from StateStore(namespace, chain.app).read()
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run is unfinished; finish it with 'migrate' first")
    position = len(as_squashed(chain, state.ledger))
    places = [(entry.key, place_of(chain, entry.key)) for entry in entries]
    known = [found for _, found in places if found is not None]
    moves = [move for lineage, keys in known if (move := _move_of(lineage, keys, position)) is not None]
    commands = commands_of((lineage.path for lineage, _ in known), moves)
    yield from refuse_missing_rights(lease, namespace, commands)
    quarantine, done = Quarantine(namespace, chain.app), dict[str, str | None]()
    for key, found in places:
        reason = _STRAY if found is None else (yield from _retry(lease, *found, position, key))
        if not reason:
            yield from quarantine.change(lease.key, lease.epoch, (), [key])
        done[key] = reason
        yield from lease.renewed_if_due()
    return done


def drop_record(
    lease: Lease, namespace: str, chain: Chain, entry: QuarantinedRecord, tell: Callable[[Mapping[str, bytes]], None]
) -> RoundTrips[bool]:
    """Delete a record, its place in the index, and its entry.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        chain: Of the app.
        entry: The record.
        tell: Called with the fields of the record before it is deleted, so that nothing is lost if the process dies;
            called again if another client changed the record in the meantime.

    Returns:
        Whether a record was deleted. If no model has, or had, such a key, only the entry is removed: any client can
        write an entry, even one with the key of a ledger.

    Raises:
        ConflictError: Other clients keep changing the record; it was not deleted.
        LockedError: Another runner has taken over the lease.
        MigrationError: It left the quarantine in the meantime; it was not deleted.
        WrongKeyTypeError: The key does not hold a hash; it was not deleted.
    """
    quarantine, found = Quarantine(namespace, chain.app), place_of(chain, entry.key)
    if found is None:
        yield from quarantine.change(lease.key, lease.epoch, (), [entry.key])
        return False
    index, raw = found[1].index, bytes_of(entry.key)
    for _ in range(_TRIES):
        [is_in] = check((yield [("HEXISTS", quarantine.key, raw)]))
        if not is_in:
            raise MigrationError(
                f"{entry.key} left the quarantine in the meantime, because it was rewritten; nothing was deleted"
            )
        record = yield from record_of(entry.key)
        pairs: list[Argument] = [part for pair in record.items() for part in pair]
        tell(record)
        command = _DROP.command([lease.key, quarantine.key, raw, index], [lease.epoch, *pairs])
        [reply] = check((yield from call(_DROP, [command])))
        unfenced(reply)
        if reply == b"TYPE":
            raise WrongKeyTypeError(entry.key)
        yield from lease.renewed_if_due()
        if reply == b"OK":
            return True
    raise ConflictError(entry.key, "is changed by other clients all the time; nothing was deleted, try again later")


def record_of(key: str) -> RoundTrips[dict[str, bytes]]:
    """Read the fields of a record; empty if it does not exist.

    Raises:
        WrongKeyTypeError: The key does not hold a hash.
    """
    [reply] = yield [("HGETALL", bytes_of(key))]
    if isinstance(reply, Exception) and str(reply).startswith("WRONGTYPE"):
        raise WrongKeyTypeError(key)
    return hash_of(check([reply])[0])


def secrecy_of(chain: Chain, key: str) -> Callable[[str, bytes], bool] | None:
    """Give a function that says which stored fields are secret; None if no model of the files has, or had, the key."""
    found = place_of(chain, key)
    return None if found is None else found[0].conceals


def place_of(chain: Chain, key: str) -> tuple[Lineage, KeySpace] | None:
    """Give the lineage and the key space of a key; None if no model of the files has, or had, such keys."""
    for lineage in lineages_of(chain):
        for model in lineage.schemas.values():
            if model.keys.owns(key):
                return lineage, model.keys
    return None


def _move_of(lineage: Lineage, keys: KeySpace, position: int) -> RenameKeysPass | None:
    """Give the pass that renames the key of a record as a position requires; None if it has the right key."""
    after, is_remade = lineage.at(position), bool(lineage.remade)
    return RenameKeysPass(lineage.path, keys, after, is_remade) if is_remade or keys != after.keys else None


def _retry(lease: Lease, lineage: Lineage, keys: KeySpace, position: int, key: str) -> RoundTrips[str | None]:
    fence, after = Fence(lease.key, lease.epoch, None, keys), lineage.at(position)
    raw = bytes_of(key)
    outcome: Outcome = yield from rewrite_here(fence, lineage.path, after.version, [raw], _AT_ONCE)
    move = _move_of(lineage, keys, position)
    if not outcome.failures and not outcome.contested and not outcome.gone and move is not None:
        outcome = yield from move_records(fence, move, [raw])
    if outcome.failures:
        return outcome.failures[0].reason
    if outcome.contested:
        return "other clients change it all the time; try again later"
    return None if outcome.gone else ""
