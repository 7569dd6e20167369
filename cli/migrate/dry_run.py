"""``migrate --dry-run``: compute the result in memory, and print it."""

from collections.abc import Sequence

from redis_models.client.drivers import run
from redis_models.migrations.executor.run import AppTask
from redis_models.migrations.maintenance.dry_run import Rehearsal, refused_by, rehearse
from redis_models.migrations.planner.segments import whole_plan
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.redaction import counted, printable

from ..console.context import CliContext
from ..console.formatting import record_document, record_lines
from ..console.progress import shown_progress

__all__ = ["rehearse_all"]


def rehearse_all(context: CliContext, tasks: Sequence[AppTask], limit: int | None) -> bool:
    """Run the plans of some apps in memory and print the results; return whether every record can be rewritten."""
    is_ok, documents = True, dict[str, object]()
    for task in tasks:
        app, run_plan = task.app, task.run_plan
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


def _print(context: CliContext, rehearsal: Rehearsal, limit: int | None) -> None:
    records = counted(rehearsal.records, "record")
    unchanged = rehearsal.records - rehearsal.changed - rehearsal.failed
    parts = [f"{rehearsal.changed:,} would be rewritten", f"{unchanged:,} would stay as they are"]
    parts += [f"{rehearsal.failed:,} cannot be rewritten"] if rehearsal.failed else []
    read = records if limit is None else f"a sample of {records}"
    context.out(
        f"{rehearsal.rewrite_pass.label} to version {rehearsal.rewrite_pass.target}: {read}, {', '.join(parts)}"
    )
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
        "pass": rehearsal.rewrite_pass.label,
        "to": rehearsal.rewrite_pass.target,
        "records": rehearsal.records,
        "changed": rehearsal.changed,
        "failed": rehearsal.failed,
        "failures": [{"key": failure.key, "reason": failure.reason} for failure in rehearsal.failures],
        "unreadable": rehearsal.unreadable,
        "refused": [{"key": failure.key, "reason": failure.reason} for failure in rehearsal.refused],
        "examples": [{"key": example.key, "fields": record_document(example.lines)} for example in rehearsal.examples],
    }
