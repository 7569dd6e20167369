"""Migration without files (``migrate --auto``): from the snapshot stored in Redis to the code, without questions. Pure.

The same diff in the same state gives the same operations, so that the same command resumes a stopped run. Such a run
cannot be taken back, because its operations are not stored.
"""

from dataclasses import replace

from redis_models.errors import DriftError, MigrationError

from ..autodetector.diff import Diff
from ..chain.chain import Chain
from ..chain.loaded_migration import LoadedMigration
from ..chain.optimizer import creation_of
from ..operations import Operation
from ..schema.snapshot import Snapshot
from ..state.entries import State
from .plan import Plan, plan_between

__all__ = ["automatic_chain", "automatic_plan"]


def automatic_plan(files: Chain, state: State, found: Diff) -> Plan:
    """Plan a run from the stored snapshot to the code.

    Args:
        files: The empty chain of the app, with its label and the hidden fields of its models.
        state: The database.
        found: The difference between the stored snapshot and the code, without questions.

    Raises:
        MigrationError: The app has applied migration files.
        DriftError: An unfinished run led to other code.
    """
    app = files.app
    if state.ledger:
        raise MigrationError(f"{app} has applied migration files, so --auto cannot be used; use 'makemigrations'")
    chain = automatic_chain(files, state, found)
    is_there = not found.operations and not found.versions and state.journal is None
    plan = replace(plan_between(chain, 1, 1 if is_there else 2, state.journal), is_recorded=False)
    if state.journal is not None and state.journal.fingerprint != plan.fingerprint:
        raise DriftError(
            f"{app}: an automatic run is not finished, and it led to other models than the code has now; finish it"
            " with the code with which it began"
        )
    return plan


def automatic_chain(files: Chain, state: State, found: Diff) -> Chain:
    """Return a chain of two migrations: the first makes the stored snapshot, the second leads to the code."""
    stored = state.snapshot or Snapshot()
    base = LoadedMigration(
        1, "stored", "the stored snapshot", "stored", None, _versions(stored), _creations(stored), ""
    )
    code = LoadedMigration(2, "code", "the code", "code", "stored", found.versions, found.operations, "")
    return Chain(files.app, (base, code), hidden=files.hidden)


def _creations(snapshot: Snapshot) -> tuple[Operation, ...]:
    return tuple(creation_of(model) for model in snapshot.models)


def _versions(snapshot: Snapshot) -> dict[str, int]:
    return {model.name: model.version for model in snapshot.models}
