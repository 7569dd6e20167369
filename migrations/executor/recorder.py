"""Recording: what the ledger and the history get, from a run or without one.

``fake`` and ``stamp`` say where a database is and touch no record: ``fake`` when a project begins to use migrations, or
accepts an edited file; ``stamp`` works with any bookkeeping, even if it cannot be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import DriftError, MigrationError, UnsafeError

from ..chain.chain import Chain
from ..chain.loaded_migration import LoadedMigration
from ..planner.plan import SQUASHED, Plan, as_squashed, is_automatic
from ..state.entries import AppliedMigration, State
from ..state.history import Event, EventKind
from ..state.lease import Lease, this_person, this_process
from ..state.store import StateStore

__all__ = ["Stamped", "entry_of", "event_of", "events_of", "fake", "now", "stamp"]

_AUTOMATIC: Final = "--auto"  # what a run without files is called


class _Named(Protocol):
    """What an event is about: a link, an entry, or a place."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class _Place:
    """A place that no migration leads to."""

    name: str
    id: str = ""
    number: int = 0


@dataclass(frozen=True)
class Stamped:
    """What ``stamp`` changed.

    Attributes:
        added: Migrations that the ledger has now, and had not, or of another file.
        removed: Ids that it had.
        purged: Names of those among them that were purged.
        forgot_run: The journal of a stopped run was deleted; its records may have other versions.
        was_unreadable: Why the bookkeeping could not be read, or "".
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    purged: tuple[str, ...]
    forgot_run: bool
    was_unreadable: str


def now() -> str:
    """Give the instant, as everything that is recorded has it: ISO, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def entry_of(migration: LoadedMigration, seconds: float, records: int, *, is_faked: bool = False) -> AppliedMigration:
    """Make the entry for the ledger of a migration that is applied now."""
    return AppliedMigration(
        id=migration.id,
        number=migration.number,
        name=migration.name,
        checksum=migration.checksum,
        applied_at=now(),
        seconds=seconds,
        records=records,
        by=this_process(),
        is_faked=is_faked,
    )


def events_of(plan: Plan, seconds: float, records: int, epoch: int) -> list[Event]:
    """Make the events for the history of a run that executed a plan."""
    if not plan.is_recorded:
        return [event_of(EventKind.APPLIED, _Place(_AUTOMATIC), epoch, seconds, records)]
    applied = (event_of(EventKind.APPLIED, migration, epoch, seconds, records) for migration in plan.applied)
    done = [replace(event, consents=plan.consents) for event in applied]
    done += [event_of(EventKind.UNAPPLIED, migration, epoch, seconds, records) for migration in plan.unapplied]
    return done or [event_of(EventKind.SETTLED, _Place(f"at {plan.target}"), epoch, seconds, records)]


def fake(client: SyncClient, lease: Lease, store: StateStore, chain: Chain, target: int) -> None:
    """Record migrations as applied up to a target, as the files are now, without touching a record.

    What was applied from the same files stays in the ledger as it is: it tells who did what when. So does what a
    squashed migration stands for: it tells that only the originals can take it back.

    Raises:
        DriftError: Some migrations that a squashed one stands for are applied, and some are not.
        LockedError: Another runner has taken over.
        MigrationError: There are no files, and ``--auto`` brought the database where it is.
        UnsafeError: One of those that would leave the ledger is purged; the ledger is all that tells so.
    """
    state = run(client, store.read())
    migrations = chain.migrations[:target]
    if is_automatic(chain, state):
        raise MigrationError(
            f"{store.app} has no migration files, so there is nothing to record; it is where 'migrate --auto' led"
        )
    ledger = as_squashed(chain, state.ledger)
    added = [migration for migration in migrations if not _is_noted(migration, ledger)]
    removed = _left_over(migrations, state.ledger)
    for entry in (state.ledger[id] for id in removed):
        if entry.is_purged:
            raise UnsafeError(_lost(store.app, entry, migrations[-1].number if migrations else "zero"))
    events = [event_of(EventKind.FAKED, migration, lease.epoch) for migration in added]
    events += [event_of(EventKind.UNFAKED, state.ledger[id], lease.epoch) for id in removed]
    if state.journal is not None and not events:  # what is forgotten of a run is told at least
        events = [event_of(EventKind.FAKED, _Place(f"at {target}"), lease.epoch)]
    applied = [_faked(migration, state.ledger) for migration in added]
    run(client, store.finish(lease.key, lease.epoch, applied, removed, chain.snapshots[target], events))


def stamp(client: SyncClient, lease: Lease, store: StateStore, chain: Chain, target: int) -> Stamped:
    """Record that the database is at a target, whatever the bookkeeping says, without touching a record.

    Raises:
        LockedError: Another runner has taken over.
    """
    state, unreadable = State({}, None, None), ""
    try:
        state = run(client, store.read())
    except DriftError as exc:
        unreadable = str(exc)
    migrations = chain.migrations[:target]
    try:
        ledger = as_squashed(chain, state.ledger)
    except DriftError:
        ledger = state.ledger  # of what a squashed one stands for it has a part, which stays: none but it goes back
    added = [migration for migration in migrations if not _is_noted(migration, ledger)]
    removed = _left_over(migrations, run(client, store.applied_ids()))
    applied = [_faked(migration, state.ledger) for migration in added]
    events = [event_of(EventKind.STAMPED, migrations[-1] if migrations else _Place("zero"), lease.epoch)]
    run(client, store.finish(lease.key, lease.epoch, applied, removed, chain.snapshots[target], events))
    names = tuple(migration.name for migration in added)
    purged = tuple(entry.name for id, entry in state.ledger.items() if id in removed and entry.is_purged)
    return Stamped(names, tuple(removed), purged, state.journal is not None, unreadable)


def _faked(migration: LoadedMigration, ledger: Mapping[str, AppliedMigration]) -> AppliedMigration:
    """Give the entry of a migration that is recorded without running; what was purged stays purged for all that."""
    is_purged = any(ledger[id].is_purged for id in migration.ids if id in ledger)
    return replace(entry_of(migration, 0.0, 0, is_faked=True), is_purged=is_purged)


def _lost(app: str, entry: AppliedMigration, target: int | str) -> str:
    return (
        f"{app}: {entry.name} stays recorded as applied, because its undo fields were purged, and only the ledger"
        " tells so. Nothing was recorded. Make a new migration to the schema that you want. If all records are as"
        f" they were before it, say from a backup, record that with 'stamp {app} {target}'"
    )


def _left_over(migrations: Sequence[LoadedMigration], ids: Iterable[str]) -> list[str]:
    kept = {id for migration in migrations for id in migration.ids}
    return [id for id in ids if id not in kept]


def _is_noted(migration: LoadedMigration, ledger: Mapping[str, AppliedMigration]) -> bool:
    entry = ledger.get(migration.id)
    return entry is not None and (entry.checksum == SQUASHED or migration.is_unchanged_since(entry.checksum))


def event_of(what: EventKind, of: _Named, epoch: int, seconds: float = 0.0, records: int = 0) -> Event:
    """Make the event for the history; ``of`` is what it was done to."""
    return Event(what, of.id, of.number, of.name, now(), seconds, records, this_person(), epoch)
