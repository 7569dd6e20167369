"""Migrate without files: from the snapshot stored in Redis to the code, where nothing is ambiguous. Pure.

The same diff in the same state gives the same operations, so that a stopped run goes on with the same
command. There is no way back, because nothing keeps the operations.
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
    """Plan the way from the stored snapshot to the code.

    Args:
        files: Of the app, which has none: whose it is, and what its models hide.
        state: The database.
        found: What lies between the stored snapshot and the code; without questions.

    Raises:
        MigrationError: The app has applied migration files.
        DriftError: A run that is not finished led to other code.
    """
    app = files.app
    if state.ledger:
        raise MigrationError(f"{app} has applied migration files; --auto would leave them behind. Use 'makemigrations'")
    chain = automatic_chain(files, state, found)
    is_there = not found.operations and not found.versions and state.journal is None
    plan = replace(plan_between(chain, 1, 1 if is_there else 2, state.journal), is_recorded=False)
    if state.journal is not None and state.journal.fingerprint != plan.fingerprint:
        raise DriftError(
            f"{app}: an automatic run that is not finished led to other models than the code has now; finish it with"
            " the code it began with"
        )
    return plan


def automatic_chain(files: Chain, state: State, found: Diff) -> Chain:
    """Give the chain that such a run follows: to what is stored, and from there to the code."""
    stored = state.snapshot or Snapshot()
    base = LoadedMigration(
        1, "stored", "the stored snapshot", "stored", None, _versions(stored), _creations(stored), ""
    )
    wish = LoadedMigration(2, "code", "the code", "code", "stored", found.versions, found.operations, "")
    return Chain(files.app, (base, wish), hidden=files.hidden)


def _creations(snapshot: Snapshot) -> tuple[Operation, ...]:
    return tuple(creation_of(model) for model in snapshot.models)


def _versions(snapshot: Snapshot) -> dict[str, int]:
    return {model.name: model.version for model in snapshot.models}
