"""``migrate`` for Python: what the command does, with arguments for options, a typed result and exceptions."""

import difflib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import SettingsError
from redis_models.project.apps import App, load_apps, setup
from redis_models.project.settings import Settings
from redis_models.store import Store

from ..executor.progress import Progress
from ..executor.run import AppTask, RunOptions, open_runner
from ..executor.segment import Result, sum_of
from ..executor.throttle import ThrottleLimits
from ..files.project_chains import load_chains
from ..keyspace.server_facts import refuse_cluster
from ..planner.loosened_constraints import unchecked_constraints
from ..planner.plan import Plan
from ..state.quarantine import Quarantine
from .consents import refuse_unconsented
from .refusals import ARGUMENTS, refuse_failing, refuse_left_alone
from .tasks import make_tasks, refuse_objections, with_findings, with_unasked_keys

__all__ = ["LATENCY_MS", "MOST_ERRORS", "PATIENCE_S", "AppResult", "MigrateResult", "migrate"]

LATENCY_MS: Final = 5.0
PATIENCE_S: Final = 30.0
MOST_ERRORS: Final = 1000
_LARGEST_BATCH: Final = 100
_MOST_WORKERS: Final = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppResult:
    """What a run did to the database of one app.

    Attributes:
        app: Label of the app.
        applied: Names of the migrations that it applied, in order.
        unapplied: Names of the migrations that it took back, last first.
        changed: Records that it rewrote, by model.
        moved: Records to which it gave other keys.
        seconds: How long it took.
        quarantined: Records in quarantine, from this run or an earlier one.
        newly_quarantined: How many of these this run put there.
        has_unmade_changes: Whether the models have changes without a migration; ``makemigrations`` makes it.
    """

    app: str
    applied: tuple[str, ...]
    unapplied: tuple[str, ...]
    changed: dict[str, int]
    moved: int
    seconds: float
    quarantined: int
    newly_quarantined: int
    has_unmade_changes: bool


@dataclass(frozen=True)
class MigrateResult:
    """What a run did.

    Attributes:
        apps: The apps, in the order in which they were migrated.
    """

    apps: tuple[AppResult, ...]

    @property
    def applied(self) -> tuple[str, ...]:
        """The migrations that were applied, each as ``app.name``."""
        return tuple(f"{result.app}.{name}" for result in self.apps for name in result.applied)

    @property
    def unapplied(self) -> tuple[str, ...]:
        """The migrations that were taken back, each as ``app.name``."""
        return tuple(f"{result.app}.{name}" for result in self.apps for name in result.unapplied)

    @property
    def changed(self) -> int:
        """How many records were rewritten."""
        return sum(sum(result.changed.values()) for result in self.apps)

    @property
    def is_ok(self) -> bool:
        """Whether it put no record into quarantine; the command exits with 0 then, and with 1 otherwise."""
        return not any(result.newly_quarantined for result in self.apps)


def migrate(
    app: str | None = None,
    target: str | None = None,
    *,
    settings: str | None = None,
    allow_destructive: bool = False,
    wait_seconds: float = 0.0,
    patience_seconds: float = PATIENCE_S,
    max_latency_ms: float = LATENCY_MS,
    batch: int | None = None,
    workers: int | None = None,
    on_error: Literal["stop", "quarantine"] = "stop",
    max_errors: int = MOST_ERRORS,
    ignore_sample: bool = False,
    accept_unreadable: bool = False,
    stragglers: bool = False,
    run_again: bool = False,
    auto: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> MigrateResult:
    """Apply migrations of an app, or of all apps, or take them back, as the command ``migrate --yes`` does.

    Calls ``redis_models.setup()``, and blocks until the run ends: under asyncio, use ``asyncio.to_thread``. A run that
    was stopped is resumed. It prints nothing and asks nothing.

    Args:
        app: Label of the app; None for all apps.
        target: A number, a name or its beginning, an id, ``zero``, ``+N`` or ``-N``; None for the newest migration.
        settings: Dotted name of the settings module; None for the one that is set up, or that the environment or
            pyproject.toml names.
        allow_destructive: Consent to what safety rules refuse.
        wait_seconds: How long to wait for another runner.
        patience_seconds: How long to wait for a server that is full, busy or unreachable.
        max_latency_ms: Maximum latency added for other clients; 0 disables throttling.
        batch: Records that one script rewrites at most, 1 to 100; None for ``BATCH_SIZE``.
        workers: Processes that rewrite records in Python, 1 to 64; None for one per processor, if many records are
            to be rewritten.
        on_error: What to do with records that cannot be rewritten.
        max_errors: With ``on_error="quarantine"``: stop when more records than this are quarantined.
        ignore_sample: Start although records of a sample cannot be rewritten.
        accept_unreadable: Take records back although the older code cannot read them.
        stragglers: Scan every record, including ones old code wrote after the last run.
        run_again: Call again the function that an earlier run called and that did not finish.
        auto: Without migration files: migrate from the stored snapshot to the code.
        report: Called after every batch with the progress.

    Returns:
        What it did to each app. An app with nothing to do has no names and no records in it.

    Raises:
        ValueError: An argument is out of its range, or two contradict each other.
        SettingsError: There is no settings module, it is wrong, or no such app.
        MigrationError: There is no such target; or one of these subclasses:
        LockedError: Another runner holds the lease, or changed the database meanwhile.
        UnsafeError: A safety rule refuses a migration, and neither an argument nor its file consents; nothing was
            changed.
        IncompleteError: It stopped. Every record is consistent, and the next call resumes it.
        DriftError: The database holds what the files do not say.
        ServerError: The server refused, or was not reachable for ``patience_seconds``.
    """
    amounts = {
        "wait_seconds": wait_seconds, "patience_seconds": patience_seconds, "max_latency_ms": max_latency_ms,
    }  # fmt: skip
    _refuse_wrong_arguments(amounts, batch, workers, max_errors)
    if auto and (target is not None or stragglers or on_error == "quarantine"):
        raise ValueError(
            'auto=True cannot be combined with a target, with stragglers=True or with on_error="quarantine"'
        )
    loaded = setup(settings)
    apps = load_apps(loaded)
    chosen = _chosen(loaded, apps, app, target)
    chains = {chain.app: chain for chain in load_chains(apps)}
    with Store.from_url(loaded.redis_url, name=loaded.namespace, resend_writes=loaded.resend_writes) as store:
        client = store.sync_client
        run(client, refuse_cluster(store.address))
        tasks = make_tasks(
            client,
            loaded.namespace,
            chosen,
            chains,
            target,
            is_auto=auto,
            includes_stragglers=stragglers,
            accepts_unreadable=accept_unreadable,
        )
        tasks = with_findings(client, tasks)
        _warn(tasks)
        refuse_objections(tasks, run_again=run_again)
        if not allow_destructive:
            for task in tasks:
                refuse_unconsented(task.findings, ARGUMENTS.allow_destructive, is_auto=auto)
            tasks = with_unasked_keys(tasks)
        if not accept_unreadable:
            refuse_left_alone(client, tasks)
        if not ignore_sample and on_error == "stop":
            refuse_failing(client, tasks, ARGUMENTS)
        limits = ThrottleLimits(max_latency_ms, batch or loaded.batch_size, patience_seconds)
        most_errors = max_errors if on_error == "quarantine" else 0
        options = RunOptions(wait_seconds, limits, most_errors, run_again, workers)
        results = {task.app.label: _nothing_done(client, task) for task in tasks}
        pending = [task for task in tasks if not task.run_plan.is_empty]
        if pending:
            with open_runner(client, loaded, chains, options) as runner:
                for task in pending:
                    segments = list(runner.run(task, report or _report_nothing))
                    if segments:
                        results[task.app.label] = _result_of(task, segments)
    return MigrateResult(tuple(results.values()))


def _refuse_wrong_arguments(amounts: dict[str, float], batch: int | None, workers: int | None, max_errors: int) -> None:
    for name, amount in amounts.items():
        if not 0 <= amount < float("inf"):
            raise ValueError(f"{name} is {amount!r}; give 0 or more")
    for name, number, largest in (("batch", batch, _LARGEST_BATCH), ("workers", workers, _MOST_WORKERS)):
        if number is not None and not 1 <= number <= largest:
            raise ValueError(f"{name} is {number!r}; give 1 to {largest}")
    if max_errors < 1:
        raise ValueError(f"max_errors is {max_errors!r}; give 1 or more")


def _chosen(settings: Settings, apps: Sequence[App], label: str | None, target: str | None) -> list[App]:
    known = {app.label: app for app in apps}
    if label is None:
        if target is not None and len(known) > 1:
            raise ValueError(f"target={target!r} needs an app; the apps are {', '.join(known)}")
        return list(known.values())
    if label not in known:
        near = difflib.get_close_matches(label, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the apps are {', '.join(known)}"
        raise SettingsError(settings.module, f"no app named {label!r}; {hint}")
    return [known[label]]


def _warn(tasks: Sequence[AppTask]) -> None:
    """Log what the command prints beside the plan."""
    for task in tasks:
        plan = task.run_plan
        for note in unchecked_constraints(plan.chain, plan.passes, plan.start, plan.target):
            _log.warning("%s", note)
        if task.has_unmade_changes:
            _log.warning("%s: the models have changes without a migration; run 'makemigrations'", task.app.label)


def _report_nothing(progress: Progress) -> None:
    """Report nothing: the caller only wants the result."""


def _nothing_done(client: SyncClient, task: AppTask) -> AppResult:
    quarantined = len(run(client, Quarantine(task.store.namespace, task.app.label).waiting()))
    return _result_of(task, [], Result({}, 0.0, quarantined=quarantined))


def _result_of(task: AppTask, segments: Sequence[tuple[Plan, Result]], result: Result | None = None) -> AppResult:
    result = result or sum_of([result for _, result in segments])
    return AppResult(
        task.app.label,
        tuple(migration.name for plan, _ in segments for migration in plan.applied),
        tuple(migration.name for plan, _ in segments for migration in plan.unapplied),
        result.changed,
        result.moved,
        result.seconds,
        result.quarantined,
        result.newly,
        task.has_unmade_changes,
    )
