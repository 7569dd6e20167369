"""Retrying: records in quarantine, one by one: bring them where the database is, or delete them."""

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
_TRIES: Final = 8  # of a record that somebody writes between our read and its end
_STRAY: Final = (
    "no model of the migration files has such a key; 'quarantine drop' forgets it, and leaves what lies there alone"
)


def retry_records(
    lease: Lease, namespace: str, chain: Chain, entries: Sequence[QuarantinedRecord]
) -> RoundTrips[dict[str, str | None]]:
    """Try records again; those that are through, or gone, leave the quarantine, each at once.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        chain: Of the app.
        entries: Which.

    Returns:
        By key, why a record still cannot be rewritten; "" where it is through, None where it is gone.

    Raises:
        IncompleteError: A run of this app stopped half-way; it has to be finished first.
        LockedError: The lease is somebody else's by now.
        ServerRefusedError: This user may not call a command that a script needs; nothing was written.
    """
    state = yield from StateStore(namespace, chain.app).read()
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run stopped half-way; finish it with 'migrate' first")
    position = len(as_squashed(chain, state.ledger))
    places = [(entry.key, place_of(chain, entry.key)) for entry in entries]
    known = [found for _, found in places if found is not None]
    moves = [move for lineage, keys in known if (move := _move_of(lineage, keys, position)) is not None]
    commands = commands_of((lineage.route for lineage, _ in known), moves)
    yield from refuse_missing_rights(lease, namespace, commands)
    quarantine, done = Quarantine(namespace, chain.app), dict[str, str | None]()
    for key, found in places:
        reason = _STRAY if found is None else (yield from _retry(lease, *found, position, key))
        if not reason:
            yield from quarantine.change(lease.key, lease.epoch, (), [key])
        done[key] = reason
        yield from lease.kept()
    return done


def drop_record(
    lease: Lease, namespace: str, chain: Chain, entry: QuarantinedRecord, tell: Callable[[Mapping[str, bytes]], None]
) -> RoundTrips[bool]:
    """Delete a record, its place in the index, and its entry.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        chain: Of the app.
        entry: Which.
        tell: Called with all that the record holds, before it is deleted, so that whoever dies in between lost nothing;
            once more if somebody changed it meanwhile.

    Returns:
        Whether a record was to be deleted. What an entry names that no model has ever owned is none: anybody can write
        an entry, with the key of a ledger in it. Only the entry goes.

    Raises:
        ConflictError: Others write it all the time; it is left alone.
        LockedError: The lease is somebody else's by now.
        MigrationError: It left the quarantine meanwhile; it is left alone.
        WrongKeyTypeError: What lies at the key is no hash; it is left alone.
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
                f"{entry.key} left the quarantine meanwhile, so it is whole; nothing of it was deleted"
            )
        record = yield from record_of(entry.key)
        pairs: list[Argument] = [one for pair in record.items() for one in pair]
        tell(record)
        command = _DROP.command([lease.key, quarantine.key, raw, index], [lease.epoch, *pairs])
        [reply] = check((yield from call(_DROP, [command])))
        unfenced(reply)
        if reply == b"TYPE":
            raise WrongKeyTypeError(entry.key)
        yield from lease.kept()
        if reply == b"OK":
            return True
    raise ConflictError(
        entry.key, "is written by others all the time; nothing was deleted, try again when it is calmer"
    )


def record_of(key: str) -> RoundTrips[dict[str, bytes]]:
    """Read what a record holds; nothing where it is gone.

    Raises:
        WrongKeyTypeError: It is no hash.
    """
    [reply] = yield [("HGETALL", bytes_of(key))]
    if isinstance(reply, Exception) and str(reply).startswith("WRONGTYPE"):
        raise WrongKeyTypeError(key)
    return hash_of(check([reply])[0])


def secrecy_of(chain: Chain, key: str) -> Callable[[str, bytes], bool] | None:
    """Give what says which stored fields of a record must not be shown; None where no model of the files has, or had,
    such a key."""
    found = place_of(chain, key)
    return None if found is None else found[0].conceals


def place_of(chain: Chain, key: str) -> tuple[Lineage, KeySpace] | None:
    """Give whose record a key is, and where it lies; None where no model of the files has, or had, such keys."""
    for lineage in lineages_of(chain):
        for model in lineage.schemas.values():
            if model.keys.owns(key):
                return lineage, model.keys
    return None


def _move_of(lineage: Lineage, keys: KeySpace, position: int) -> RenameKeysPass | None:
    """Give what brings a record under the keys that it is to have at a position; None where it has them."""
    after, is_remade = lineage.at(position), bool(lineage.remade)
    return RenameKeysPass(lineage.route, keys, after, is_remade) if is_remade or keys != after.keys else None


def _retry(lease: Lease, lineage: Lineage, keys: KeySpace, position: int, key: str) -> RoundTrips[str | None]:
    fence, after = Fence(lease.key, lease.epoch, None), lineage.at(position)
    raw = bytes_of(key)
    outcome: Outcome = yield from rewrite_here(fence, lineage.route, after.version, [raw], _AT_ONCE)
    move = _move_of(lineage, keys, position)
    if not outcome.failures and not outcome.contested and not outcome.gone and move is not None:
        outcome = yield from move_records(fence, move, [raw])
    if outcome.failures:
        return outcome.failures[0].reason
    if outcome.contested:
        return "it is written by others all the time; try again when it is calmer"
    return None if outcome.gone else ""
