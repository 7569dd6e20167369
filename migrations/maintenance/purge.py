"""Purge: delete the undo fields of migrations from the records, when they are no longer needed.

The ledger is marked before the first record is changed, so that no run takes back what it cannot restore. A purge that
was killed is finished by calling it again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from redis_models.client.commands import RoundTrips, Sleep, call, check, load_script
from redis_models.errors import IncompleteError, MigrationError

from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..executor.preflight import OF_THE_END, refuse_missing_rights
from ..executor.progress import Progress
from ..executor.recorder import event_of
from ..executor.throttle import ThrottleState
from ..keyspace.results import unfenced
from ..keyspace.scan import index_size, scan
from ..planner.passes import RewritePass
from ..planner.plan import make_plan
from ..state.entries import State
from ..state.history import EventKind
from ..state.lease import Lease
from ..state.store import StateStore

__all__ = ["Purged", "position_to_purge", "purge"]

_SCRIPT: Final = load_script("redis_models.migrations", "purge", is_repeatable=True)
_COMMANDS: Final = ("HKEYS", "HSTRLEN", "HDEL")  # of the script
_LOOK_S: Final = 0.1  # between two looks at the throttle while the run is paused


@dataclass
class Purged:
    """What was deleted, or would be.

    Attributes:
        records: How many records had undo fields.
        fields: How many undo fields.
        bytes: Of their names and values.
    """

    records: int = 0
    fields: int = 0
    bytes: int = 0


def position_to_purge(chain: Chain, state: State, target: int | None) -> int:
    """Give the position up to which migrations lose their undo fields.

    Args:
        chain: The files.
        state: The database.
        target: The wanted position; None for that of the database.

    Raises:
        DriftError: The database holds what the files do not say.
        IncompleteError: A run did not end.
        MigrationError: Some of these migrations are not applied.
    """
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run is active or unfinished; run 'migrate' to finish it first")
    start = make_plan(chain, state, chain.head_position).start
    if target is not None and target > start:
        migration = chain.migrations[target - 1]
        raise MigrationError(
            f"{chain.app}: {migration.name} is not applied, so it has no undo fields; give an applied migration"
        )
    return start if target is None else target


def purge(
    lease: Lease | None,
    store: StateStore,
    chain: Chain,
    target: int | None,
    *,
    pace: Callable[[], ThrottleState],
    report: Callable[[Progress], None],
) -> RoundTrips[Purged]:
    """Delete the undo fields of migrations up to a position from every record.

    Args:
        lease: Held by this process; None only to look, and write nothing.
        store: Bookkeeping of the app.
        chain: The files.
        target: The last position that loses its undo fields; None for that of the database.
        pace: Gives the current throttle.
        report: Called after every script.

    Keys:
        Marks entries of the ledger, adds to the history, and deletes the fields ``_b1.…`` to ``_bN.…`` of records.

    Cost:
        A SCAN of the database for each key space that a model has or had, and a script for each batch.

    Raises:
        LockedError: Another runner has taken over the lease.
        MigrationError: As ``position_to_purge``.
        ServerRefusedError: This user may not call a command that the scripts need; nothing was written.
    """
    state = yield from store.read()
    position = position_to_purge(chain, state, target)
    if lease is not None:
        yield from refuse_missing_rights(lease, store.namespace, (*_COMMANDS, *OF_THE_END))
        yield from _mark(lease, store, chain, state, position)
    purged = Purged()
    for lineage in lineages_of(chain):
        if min(lineage.schemas) > position:
            continue
        version = lineage.at(position).version
        spaces = {model.keys.start: model.keys for model in lineage.schemas.values()}
        for keys in spaces.values():
            yield from _scan(lease, RewritePass(lineage.path, keys, version, version), purged, pace, report)
    return purged


def _mark(lease: Lease, store: StateStore, chain: Chain, state: State, position: int) -> RoundTrips[None]:
    ids = {id for migration in chain.migrations[:position] for id in migration.ids}
    marked = [replace(entry, is_purged=True) for id, entry in state.ledger.items() if id in ids and not entry.is_purged]
    if marked:
        events = [event_of(EventKind.PURGED, entry, lease.epoch) for entry in marked]
        snapshot = state.snapshot or chain.snapshots[make_plan(chain, state, chain.head_position).start]
        yield from store.finish(lease.key, lease.epoch, marked, (), snapshot, events)


def _scan(
    lease: Lease | None,
    rewrite_pass: RewritePass,
    purged: Purged,
    pace: Callable[[], ThrottleState],
    report: Callable[[Progress], None],
) -> RoundTrips[None]:
    total, seen, cursor = (yield from index_size(rewrite_pass.keys)), 0, ""
    while cursor != "0":
        cursor, keys = yield from scan(cursor or "0", rewrite_pass.keys)
        while keys:
            now = yield from _allowed(lease, pace)
            batch, keys = keys[: now.batch_size], keys[now.batch_size :]
            began = time.monotonic()
            yield from _purge_batch(lease, rewrite_pass.target, batch, purged)
            seen += len(batch)
            report(Progress(rewrite_pass.label, seen, purged.records, max(total, seen), str(now) if now.reason else ""))
            yield Sleep(min(now.rest * (time.monotonic() - began), 1.0))
            yield from _renewed_if_due(lease)


def _renewed_if_due(lease: Lease | None) -> RoundTrips[None]:
    if lease is not None:
        yield from lease.renewed_if_due()


def _allowed(lease: Lease | None, pace: Callable[[], ThrottleState]) -> RoundTrips[ThrottleState]:
    """Wait while the run is paused; do not wait because memory is full: purging frees memory."""
    now = pace()
    while lease is not None and now.is_paused:
        yield Sleep(_LOOK_S)
        yield from lease.renewed_if_due()
        now = pace()
    return now


def _purge_batch(lease: Lease | None, version: int, keys: Sequence[bytes], purged: Purged) -> RoundTrips[None]:
    key, epoch = (keys[0], "") if lease is None else (lease.key, lease.epoch)
    command = _SCRIPT.command([key, *keys], [epoch, version])
    [reply] = check((yield from call(_SCRIPT, [command])))
    records, fields, size = cast("list[int]", unfenced(reply))
    purged.records += records
    purged.fields += fields
    purged.bytes += size
