"""Purging: take out of the records what migrations kept aside for their way back, when that is not wanted any more.

The ledger says so before the first record is touched, so that no run ever takes back what it could not restore. A purge
that was killed is finished by the same call.
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
_LOOK_S: Final = 0.1  # how often the pace is asked while it holds


@dataclass
class Purged:
    """What was taken out, or would be.

    Attributes:
        records: How many records had any of it.
        fields: How many stored fields that is.
        bytes: Of their names and values.
    """

    records: int = 0
    fields: int = 0
    bytes: int = 0


def position_to_purge(chain: Chain, state: State, target: int | None) -> int:
    """Give the position up to which migrations lose their way back.

    Args:
        chain: The files.
        state: The database.
        target: The position that is meant; None for that of the database.

    Raises:
        DriftError: The database holds what the files do not say.
        IncompleteError: A run did not end.
        MigrationError: Some of these migrations are not applied.
    """
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run of migrate is under way, or stopped half-way; finish it first")
    start = make_plan(chain, state, chain.head_position).start
    if target is not None and target > start:
        link = chain.migrations[target - 1]
        raise MigrationError(f"{chain.app}: {link.name} is not applied, so it keeps nothing; purge up to another one")
    return start if target is None else target


def purge(
    lease: Lease | None,
    shelf: StateStore,
    chain: Chain,
    target: int | None,
    *,
    pace: Callable[[], ThrottleState],
    report: Callable[[Progress], None],
) -> RoundTrips[Purged]:
    """Take out of every record what migrations up to a position keep aside.

    Args:
        lease: Held by this process; None only to look, and write nothing.
        shelf: Bookkeeping of the app.
        chain: The files.
        target: The last position that loses its way back; None for that of the database.
        pace: Gives the pace of the moment.
        report: Called after every script.

    Keys:
        Marks entries of the ledger, adds to the history, and deletes the fields ``_b1.…`` to ``_bN.…`` of records.

    Cost:
        For each place where a model's records are or were a SCAN of the database, and a script for each batch.

    Raises:
        LockedError: The lease is somebody else's by now.
        MigrationError: As ``position_to_purge``.
        ServerRefusedError: This user may not call a command that the scripts need; nothing was written.
    """
    state = yield from shelf.read()
    position = position_to_purge(chain, state, target)
    if lease is not None:
        yield from refuse_missing_rights(lease, shelf.namespace, (*_COMMANDS, *OF_THE_END))
        yield from _mark(lease, shelf, chain, state, position)
    purged = Purged()
    for lineage in lineages_of(chain):
        if min(lineage.schemas) > position:
            continue
        version = lineage.at(position).version
        spaces = {model.keys.start: model.keys for model in lineage.schemas.values()}
        for keys in spaces.values():
            yield from _walk(lease, RewritePass(lineage.route, keys, version, version), purged, pace, report)
    return purged


def _mark(lease: Lease, shelf: StateStore, chain: Chain, state: State, position: int) -> RoundTrips[None]:
    ids = {id for link in chain.migrations[:position] for id in link.ids}
    marked = [replace(one, is_purged=True) for id, one in state.ledger.items() if id in ids and not one.is_purged]
    if marked:
        events = [event_of(EventKind.PURGED, one, lease.epoch) for one in marked]
        snapshot = state.snapshot or chain.snapshots[make_plan(chain, state, chain.head_position).start]
        yield from shelf.finish(lease.key, lease.epoch, marked, (), snapshot, events)


def _walk(
    lease: Lease | None,
    work: RewritePass,
    purged: Purged,
    pace: Callable[[], ThrottleState],
    report: Callable[[Progress], None],
) -> RoundTrips[None]:
    total, seen, cursor = (yield from index_size(work.keys)), 0, ""
    while cursor != "0":
        cursor, keys = yield from scan(cursor or "0", work.keys)
        while keys:
            now = yield from _allowed(lease, pace)
            some, keys = keys[: now.batch_size], keys[now.batch_size :]
            began = time.monotonic()
            yield from _purge_some(lease, work.target, some, purged)
            seen += len(some)
            report(Progress(work.label, seen, purged.records, max(total, seen), str(now) if now.reason else ""))
            yield Sleep(min(now.rest * (time.monotonic() - began), 1.0))
            yield from _kept(lease)


def _kept(lease: Lease | None) -> RoundTrips[None]:
    if lease is not None:
        yield from lease.kept()


def _allowed(lease: Lease | None, pace: Callable[[], ThrottleState]) -> RoundTrips[ThrottleState]:
    """Wait while somebody paused the run; a full memory is no reason to wait for what frees some."""
    now = pace()
    while lease is not None and now.is_paused:
        yield Sleep(_LOOK_S)
        yield from lease.kept()
        now = pace()
    return now


def _purge_some(lease: Lease | None, version: int, keys: Sequence[bytes], purged: Purged) -> RoundTrips[None]:
    key, epoch = (keys[0], "") if lease is None else (lease.key, lease.epoch)
    command = _SCRIPT.command([key, *keys], [epoch, version])
    [reply] = check((yield from call(_SCRIPT, [command])))
    records, fields, size = cast("list[int]", unfenced(reply))
    purged.records += records
    purged.fields += fields
    purged.bytes += size
