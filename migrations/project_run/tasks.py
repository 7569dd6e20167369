"""Tasks: what is to be done to the database of each app, from its files, or from its code with ``--auto``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import MigrationError, SchemaError, UnansweredError
from redis_models.project.apps import App

from ..autodetector.diff import Diff, diff
from ..chain.chain import Chain
from ..executor.run import AppTask
from ..operations import MoveModel
from ..planner.plan import as_squashed
from ..planner.safety_check import hooks_of
from ..planner.segments import RunPlan, accepting_unreadable, make_run_plan
from ..planner.without_files import automatic_chain, automatic_plan
from ..schema.from_models import snapshot_of
from ..schema.snapshot import Snapshot
from ..state.entries import State
from ..state.store import StateStore
from .consents import pending_findings, unasked_keys

__all__ = ["make_tasks", "refuse_objections", "with_findings", "with_unasked_keys"]


def make_tasks(
    client: SyncClient,
    namespace: str,
    apps: Iterable[App],
    chains: Mapping[str, Chain],
    target: str | None = None,
    *,
    is_auto: bool = False,
    includes_stragglers: bool = False,
    accepts_unreadable: bool = False,
) -> list[AppTask]:
    """Compare files, or code, with the database, and give the tasks in the order in which they are to run.

    Args:
        client: Where the database is.
        namespace: ``NAMESPACE`` of the settings.
        apps: The apps to migrate.
        chains: The migrations of every app, by label.
        target: As ``migrate`` takes it; None for the newest migration.
        is_auto: Migrate from the stored snapshot to the code, without files.
        includes_stragglers: Scan records of any age, also those that older code wrote after a run.
        accepts_unreadable: Take records back although the older code cannot read them.

    Raises:
        MigrationError: There is no such target, or an app with files is to be migrated without them.
        UnansweredError: Without files, a change has several meanings.
        DriftError: The database holds what the files do not say.
    """
    tasks = [
        _automatic_task(client, namespace, app, chains[app.label])
        if is_auto
        else _task(client, namespace, app, chains[app.label], target, includes_stragglers)
        for app in apps
    ]
    return [_accepting(task) if accepts_unreadable else task for task in sorted(tasks, key=_is_staying)]


def with_findings(client: SyncClient, tasks: Iterable[AppTask]) -> list[AppTask]:
    """Judge what the tasks would apply by the safety rules, with some records of each model."""
    return [
        replace(task, findings=pending_findings(client, task.followed_chain, task.run_plan, hooks_of(task.app.models)))
        for task in tasks
    ]


def with_unasked_keys(tasks: Iterable[AppTask]) -> list[AppTask]:
    """Note in the tasks which keys have no record, so that no consent was asked for."""
    return [replace(task, unasked=unasked_keys(task.followed_chain, task.run_plan, task.findings)) for task in tasks]


def refuse_objections(tasks: Iterable[AppTask], *, run_again: bool) -> None:
    """Refuse what cannot be begun.

    Raises:
        IncompleteError: A function was called that did not end.
        UnsafeError: A migration cannot be taken back.
    """
    for task in tasks:
        for objection in task.run_plan.objections(run_again=run_again):
            raise objection


def _task(
    client: SyncClient, namespace: str, app: App, chain: Chain, target: str | None, includes_stragglers: bool
) -> AppTask:
    store = StateStore(namespace, app.label)
    state = run(client, store.read())
    position = chain.head_position if target is None else chain.target(target, len(as_squashed(chain, state.ledger)))
    return AppTask(
        app,
        store,
        make_run_plan(chain, state, position, includes_stragglers=includes_stragglers),
        lambda now: make_run_plan(chain, now, position, includes_stragglers=includes_stragglers),
        chain,
        _has_unmade_changes(chain, snapshot_of(app.models)),
    )


def _automatic_task(client: SyncClient, namespace: str, app: App, chain: Chain) -> AppTask:
    store, code = StateStore(namespace, app.label), snapshot_of(app.models)
    state = run(client, store.read())
    found = _automatic_diff(app, chain, code, state)
    return AppTask(
        app,
        store,
        RunPlan(chain, (automatic_plan(chain, state, found),)),
        lambda now: RunPlan(chain, (automatic_plan(chain, now, _automatic_diff(app, chain, code, now)),)),
        automatic_chain(chain, state, found),
    )


def _accepting(task: AppTask) -> AppTask:
    return replace(
        task,
        run_plan=accepting_unreadable(task.run_plan),
        replan=lambda now: accepting_unreadable(task.replan(now)),
    )


def _is_staying(task: AppTask) -> bool:
    """Sort apps first that move a model to another app: its records must be at their last version by then."""
    return not any(
        isinstance(operation, MoveModel) for migration in task.run_plan.applied for operation in migration.operations
    )


def _has_unmade_changes(chain: Chain, code: Snapshot) -> bool:
    try:
        return not diff(chain.snapshots[-1], code).is_empty
    except SchemaError:
        return True  # a change that no operation makes; makemigrations says which


def _automatic_diff(app: App, chain: Chain, code: Snapshot, state: State) -> Diff:
    if chain.migrations:
        raise MigrationError(
            f"{app.label} has migration files, so --auto cannot be used; run 'makemigrations' and 'migrate'"
        )
    found = diff(state.snapshot or Snapshot(), code)
    for low in found.low_versions:
        raise MigrationError(
            f"{app.label}: {low.model} changed since version {low.stored}; set its version to {low.needed}"
        )
    if found.questions:
        raise UnansweredError(
            [f"{app.label}: {question.summary}; run 'makemigrations' to answer it" for question in found.questions]
        )
    return found
