"""Entries: what the engine stores about the database of one app, as data. Pure; ``store`` reads and writes it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..schema.snapshot import Snapshot
from .checkpoint import Checkpoint

__all__ = ["AppliedMigration", "Journal", "State"]


@dataclass(frozen=True)
class AppliedMigration:
    """One applied migration.

    Attributes:
        id: Identity of the migration.
        number, name: Of its file when it was applied.
        checksum: Of its file likewise.
        applied_at: ISO instant, UTC.
        seconds: How long its run took; migrations that were pending together share a run.
        records: How many records that run changed.
        by: Host and process.
        is_faked: Recorded without running.
        is_purged: Whether its undo fields were deleted, at least from some records, so that it cannot be taken back.
    """

    id: str
    number: int
    name: str
    checksum: str
    applied_at: str
    seconds: float
    records: int
    by: str
    is_faked: bool = False
    is_purged: bool = False


@dataclass(frozen=True)
class Journal:
    """A run that is in progress or was stopped.

    Attributes:
        target: Position in the chain that it leads to.
        reach: The highest position that a record may have, because this run or an earlier one led there.
        depth: The lowest likewise: a run that took migrations back may have stopped.
        fingerprint: Of the migrations up to ``reach``; files must not change under a run.
        model: Model of the current pass.
        cursor, run_id: Where SCAN goes on ("0" from the start), and the ``run_id`` of that server.
        seen, changed: Records so far in this pass.
        updated_at: ISO instant, UTC.
        step: Id of the migration whose function was called, or ""; see ``segment``.
        began_at: When that was, ISO instant, UTC.
        pace: How fast the run goes and why not faster, or who ended it.
        said: Operations of the migrations between ``depth`` and ``reach``, without functions: see ``unfinished_run``.
    """

    target: int
    reach: int
    depth: int
    fingerprint: str
    model: str = ""
    cursor: str = "0"
    run_id: str = ""
    seen: int = 0
    changed: int = 0
    updated_at: str = ""
    step: str = ""
    began_at: str = ""
    pace: str = ""
    said: str = ""

    @property
    def checkpoint(self) -> Checkpoint:
        """The place of the current pass."""
        return Checkpoint(self.model, self.cursor, self.run_id)


@dataclass(frozen=True)
class State:
    """Where the database of one app is.

    Attributes:
        ledger: Applied migrations by id.
        snapshot: Schemas after the last applied migration; None if none was applied.
        journal: The run that is not finished, or None.
    """

    ledger: Mapping[str, AppliedMigration]
    snapshot: Snapshot | None
    journal: Journal | None
