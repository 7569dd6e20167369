"""Runs of ``migrate``: the journeys of all apps, under one lease, with one latency probe and one worker pool."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.latency_probe import Probe
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.executor.segment import Result, sum_of
from redis_models.migrations.executor.throttle import ThrottleLimits
from redis_models.migrations.executor.worker_pool import WorkerPool, new_pool, processors
from redis_models.migrations.planner.plan import Plan
from redis_models.migrations.planner.safety_check import Finding
from redis_models.migrations.planner.segments import RunPlan
from redis_models.migrations.state.control import clear_control
from redis_models.migrations.state.entries import State
from redis_models.migrations.state.lease import Lease, hold_lease
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.progress import shown_progress
from .remote_control import in_quarantine, quarantine_problem

__all__ = ["Options", "Task", "run_tasks"]

_WORTH: Final = 200_000  # records; fewer are rewritten before processes of their own have started


@dataclass(frozen=True)
class Task:
    """What is to be done to the database of one app.

    Attributes:
        app: The app.
        store: Its bookkeeping.
        run_plan: What its files, or its code, and the database come to.
        replan: Makes the plan again, for the database as it is by then.
        has_unmade_changes: Whether the code is ahead of the files.
        followed: The migrations that the run follows: the files, or what ``--auto`` makes.
        findings: What safety rules say of these.
        unasked: As ``Policy`` has it.
    """

    app: App
    store: StateStore
    run_plan: RunPlan
    replan: Callable[[State], RunPlan]
    has_unmade_changes: bool
    followed: Chain
    findings: Sequence[Finding] = ()
    unasked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        wait_s: Seconds to wait for another runner.
        limits: What the pace must keep to.
        most_errors: Records that may go to quarantine before the run stops; 0 to stop at the first.
        run_again: Consent to call a function again that was begun and may not run twice.
        workers: Processes that rewrite records by Python, the run itself included; None for as many as there are
            processors, where that is worth their start.
    """

    wait_s: float
    limits: ThrottleLimits
    most_errors: int
    run_again: bool
    workers: int | None = None


def run_tasks(context: CliContext, client: SyncClient, tasks: Sequence[Task], options: Options) -> bool:
    """Make the journeys of all apps under one lease, and tell what they came to.

    Returns:
        Whether they put no record into quarantine.

    Raises:
        MigrationError: As ``execute_run``.
    """
    pending = [task for task in tasks if not task.run_plan.is_empty]
    results: dict[str, Result] = {}
    if pending:
        settings = context.settings
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=options.wait_s) as lease:
            run(client, clear_control(settings.namespace))  # before the probe could hear what the last run was told
            with (
                Probe(client, settings.namespace, options.limits) as probe,
                _crew(context, options.workers, probe) as crew,
            ):
                policy = Policy(probe.pace, options.limits.patience_s, options.most_errors, probe.watch, crew)
                for task in pending:
                    results[task.app.label] = _run_one(
                        context, client, lease, task, policy, run_again=options.run_again
                    )
    else:
        context.out("No migrations to apply.")
        for task in tasks:
            quarantined = len(run(client, Quarantine(context.settings.namespace, task.app.label).waiting()))
            if quarantined:
                context.err(f"{task.app.label}: {in_quarantine(quarantined)}; see 'quarantine list'")
    is_whole = not any(one.newly for one in results.values())
    context.json(
        {
            "command": "migrate",
            "ok": is_whole,
            "exit": int(Exit.DONE if is_whole else Exit.FAILED),
            "apps": {
                label: {
                    "changed": one.changed,
                    "seconds": one.seconds,
                    "rewriting_seconds": one.rewriting_s,
                    "quarantined": one.quarantined,
                    "newly_quarantined": one.newly,
                }
                for label, one in results.items()
            },
        }
    )
    return is_whole


def _run_one(
    context: CliContext, client: SyncClient, lease: Lease, task: Task, policy: Policy, *, run_again: bool
) -> Result:
    """Run the plan of one app; print the segments that are complete, even if the next one fails."""
    done = list[tuple[Plan, Result]]()
    if task.run_plan.chain is not context.chains.get(task.app.label):
        policy = replace(policy, worker_pool=None)  # it would do what the files say, which is something else
    try:
        with shown_progress(context) as report:
            for one in execute_run(
                client,
                lease,
                task.store,
                task.run_plan,
                task.replan,
                policy=replace(policy, unasked=task.unasked),
                report=report,
                run_again=run_again,
                consents=sorted({one.rule.code for one in task.findings if one.is_refused}),
            ):
                done.append(one)
    except KeyboardInterrupt:
        raise IncompleteError(
            f"{task.app.label}: interrupted; every record is complete. Run 'migrate' again to resume"
        ) from None
    finally:
        for segment, _ in done:
            _print(context, task.app, segment)
    if not done:
        context.out(f"{task.app.label}: another runner applied this in the meantime.")
        return Result({}, 0.0)
    result = sum_of([one for _, one in done])
    context.out(_summary(result))
    if result.quarantined:
        context.err(quarantine_problem(task.app.label, result.quarantined))
    return result


def _print(context: CliContext, app: App, segment: Plan) -> None:
    for link in segment.applied:
        context.out(f"Applied {app.label}.{link.name}")
    for link in segment.unapplied:
        context.out(f"Took back {app.label}.{link.name}")


def _summary(result: Result) -> str:
    total = sum(result.changed.values())
    rate = f", {total / result.seconds:,.0f}/s" if total and result.seconds >= 1 else ""
    moved = f", {counted(result.moved, 'key')} renamed" if result.moved else ""
    return f"{counted(total, 'record')} changed in {result.seconds:.1f} s{rate}{moved}"


def _crew(context: CliContext, workers: int | None, probe: Probe) -> AbstractContextManager[WorkerPool | None]:
    size = workers or processors()
    if size == 1:
        return nullcontext()
    settings = context.settings
    least = _WORTH if workers is None else 0
    return WorkerPool(size - 1, settings.module, context.chains, least, settings.executor or new_pool, probe.note)
