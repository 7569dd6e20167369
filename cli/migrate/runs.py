"""Runs of ``migrate``: print what the runner did to each app, as lines and as JSON."""

from collections.abc import Sequence

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.migrations.executor.run import AppTask, Runner, RunOptions, open_runner
from redis_models.migrations.executor.segment import Result, sum_of
from redis_models.migrations.planner.plan import Plan
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.progress import shown_progress
from .remote_control import in_quarantine, quarantine_problem

__all__ = ["run_tasks"]


def run_tasks(context: CliContext, client: SyncClient, tasks: Sequence[AppTask], options: RunOptions) -> bool:
    """Run the tasks of all apps under one lease, and print their results.

    Returns:
        Whether they put no record into quarantine.

    Raises:
        MigrationError: As ``execute_run``.
    """
    pending = [task for task in tasks if not task.run_plan.is_empty]
    results: dict[str, Result] = {}
    if pending:
        with open_runner(client, context.settings, context.chains, options) as runner:
            for task in pending:
                results[task.app.label] = _run_task(context, runner, task)
    else:
        context.out("No migrations to apply.")
        for task in tasks:
            quarantined = len(run(client, Quarantine(context.settings.namespace, task.app.label).waiting()))
            if quarantined:
                context.err(f"{task.app.label}: {in_quarantine(quarantined)}; see 'quarantine list'")
    is_whole = not any(result.newly for result in results.values())
    context.json(
        {
            "command": "migrate",
            "ok": is_whole,
            "exit": int(Exit.DONE if is_whole else Exit.FAILED),
            "apps": {label: _document(result) for label, result in results.items()},
        }
    )
    return is_whole


def _run_task(context: CliContext, runner: Runner, task: AppTask) -> Result:
    """Run the plan of one app; print the segments that are complete, even if the next one fails."""
    done = list[tuple[Plan, Result]]()
    try:
        with shown_progress(context) as report:
            for recorded in runner.run(task, report):
                done.append(recorded)
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
    result = sum_of([result for _, result in done])
    context.out(_summary(result))
    if result.quarantined:
        context.err(quarantine_problem(task.app.label, result.quarantined))
    return result


def _document(result: Result) -> dict[str, object]:
    return {
        "changed": result.changed,
        "seconds": result.seconds,
        "rewriting_seconds": result.rewriting_s,
        "quarantined": result.quarantined,
        "newly_quarantined": result.newly,
    }


def _print(context: CliContext, app: App, segment: Plan) -> None:
    for migration in segment.applied:
        context.out(f"Applied {app.label}.{migration.name}")
    for migration in segment.unapplied:
        context.out(f"Took back {app.label}.{migration.name}")


def _summary(result: Result) -> str:
    total = sum(result.changed.values())
    rate = f", {total / result.seconds:,.0f}/s" if total and result.seconds >= 1 else ""
    moved = f", {counted(result.moved, 'key')} renamed" if result.moved else ""
    return f"{counted(total, 'record')} changed in {result.seconds:.1f} s{rate}{moved}"
