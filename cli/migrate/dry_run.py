"""``migrate --dry-run``, and the checks of a sample before a run: compute the result in memory, and print it."""

from collections.abc import Sequence
from typing import Final

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.migrations.chain.lineage import routes_of
from redis_models.migrations.executor.progress import Progress
from redis_models.migrations.maintenance.dry_run import Rehearsal, refused_by, rehearse
from redis_models.migrations.planner.loosened_constraints import left_alone
from redis_models.migrations.planner.segments import RunPlan, step_of, whole_plan
from redis_models.migrations.rewriter.outdated_records import first_unreadable
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.project.apps import App
from redis_models.redaction import counted, printable

from ..console.context import CliContext
from ..console.formatting import record_document, record_lines
from ..console.progress import shown_progress

__all__ = ["refuse_failing", "refuse_left_alone", "rehearse_all"]

_SAMPLE: Final = 200  # records of each pass


def rehearse_all(context: CliContext, runs: Sequence[tuple[App, RunPlan]], limit: int | None) -> bool:
    """Run the plans of some apps in memory and print the results; return whether every record can be rewritten."""
    is_ok, documents = True, dict[str, object]()
    for app, run_plan in runs:
        plan = whole_plan(run_plan)
        quarantine = Quarantine(context.settings.namespace, app.label)
        with shown_progress(context) as report:
            refuses = refused_by([model.__mapper__ for model in app.models])
            passes, collision = run(context.client, rehearse(plan, quarantine, limit, report, refuses))
        for rehearsal in passes:
            _print(context, rehearsal, limit)
        if collision is not None:
            context.out(f"  ! {collision}")
        if run_plan.has_steps:
            context.out("  ! Run steps are not executed in a dry run; these numbers do not include what they change")
        is_ok = (
            is_ok and collision is None and not any(rehearsal.failed or rehearsal.unreadable for rehearsal in passes)
        )
        documents[app.label] = {"passes": [_document(rehearsal) for rehearsal in passes], "collision": collision}
    context.out("Nothing was written.")
    context.json({"command": "migrate", "ok": is_ok, "dry_run": True, "sample": limit, "apps": documents})
    return is_ok


def refuse_failing(context: CliContext, client: SyncClient, runs: Sequence[tuple[App, RunPlan]]) -> None:
    """Refuse to start a run if records of a sample cannot be rewritten: it would stop with some records rewritten.

    A run that is resumed is not checked. What comes after a Run step is not checked either: the step may change it.

    Raises:
        IncompleteError: A record of the sample cannot be rewritten, and is not in quarantine; nothing was changed.
    """
    for app, run_plan in runs:
        first = run_plan.segments[0]
        if run_plan.is_resumed or step_of(first) is not None or not first.works:
            continue
        quarantine = Quarantine(context.settings.namespace, app.label)
        passes, _ = run(client, rehearse(first, quarantine, _SAMPLE, _unreported))
        known = run(client, quarantine.read())
        for rehearsal in passes:
            failures = [failure for failure in rehearsal.failures if failure.key not in known]
            if failures:
                raise IncompleteError(_not_started(app, rehearsal, failures[0].key, failures[0].reason))


def refuse_left_alone(context: CliContext, client: SyncClient, runs: Sequence[tuple[App, RunPlan]]) -> None:
    """Refuse to take migrations back if that leaves records which the older code cannot read.

    Raises:
        IncompleteError: There is such a record; nothing was changed.
    """
    for app, run_plan in runs:
        chain = run_plan.chain
        for keys, earlier in left_alone(chain, run_plan.works, run_plan.start, run_plan.target):
            route = routes_of(chain)[keys.start]
            failure = run(client, first_unreadable(keys, earlier, route.without_secrets))
            if failure is not None:
                raise IncompleteError(
                    f"{printable(failure.key)}: {failure.reason}. {app.label}: not started, nothing was changed"
                )


def _unreported(progress: Progress) -> None:
    """Report nothing: a sample is read in a moment."""


def _not_started(app: App, rehearsal: Rehearsal, key: str, reason: str) -> str:
    return (
        f"{printable(key)}: {reason}. {app.label}: not started, nothing was changed: {rehearsal.failed:,} of"
        f" {counted(rehearsal.records, 'sampled record')} of {rehearsal.work.route.model} cannot be rewritten. Correct"
        " them, or run with --on-error quarantine to continue without them, or with --ignore-sample to stop at the"
        " first"
    )


def _print(context: CliContext, rehearsal: Rehearsal, limit: int | None) -> None:
    records = counted(rehearsal.records, "record")
    unchanged = rehearsal.records - rehearsal.changed - rehearsal.failed
    parts = [f"{rehearsal.changed:,} would be rewritten", f"{unchanged:,} would stay as they are"]
    parts += [f"{rehearsal.failed:,} cannot be rewritten"] if rehearsal.failed else []
    read = records if limit is None else f"a sample of {records}"
    context.out(f"{rehearsal.work.label} to version {rehearsal.work.target}: {read}, {', '.join(parts)}")
    for failure in rehearsal.failures:
        context.out(f"  ! {printable(failure.key)}: {failure.reason}")
    if rehearsal.failed > len(rehearsal.failures):
        context.out(f"  ! and {rehearsal.failed - len(rehearsal.failures):,} more")
    if rehearsal.unreadable:
        context.out(f"  ! {counted(rehearsal.unreadable, 'record')} would be unreadable for the code")
    for failure in rehearsal.refused:
        context.out(f"  ! {printable(failure.key)}: {failure.reason}")
    for example in rehearsal.examples:
        context.out(f"  {printable(example.key)}")
        for line in record_lines(example.lines):
            context.out(f"  {line}")


def _document(rehearsal: Rehearsal) -> dict[str, object]:
    return {
        "pass": rehearsal.work.label,
        "to": rehearsal.work.target,
        "records": rehearsal.records,
        "changed": rehearsal.changed,
        "failed": rehearsal.failed,
        "failures": [{"key": failure.key, "reason": failure.reason} for failure in rehearsal.failures],
        "unreadable": rehearsal.unreadable,
        "refused": [{"key": failure.key, "reason": failure.reason} for failure in rehearsal.refused],
        "examples": [{"key": example.key, "fields": record_document(example.lines)} for example in rehearsal.examples],
    }
