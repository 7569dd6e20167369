"""``migrate --dry-run``: what a run would come to, told to people and to programs."""

from collections.abc import Sequence

from redis_models.apps import App
from redis_models.client import run
from redis_models.migrations.legs import Journey, whole_plan
from redis_models.migrations.quarantine import Quarantine
from redis_models.migrations.rehearsing import Rehearsal, rehearse

from .context import CliContext, printable
from .counting import counted
from .progress import shown_progress
from .recordlines import record_document, record_lines

__all__ = ["rehearse_all"]


def rehearse_all(context: CliContext, journeys: Sequence[tuple[App, Journey]], limit: int | None) -> bool:
    """Rehearse the journeys of some apps, and tell what they would come to; give whether all would go through."""
    is_ok, documents = True, dict[str, object]()
    for app, journey in journeys:
        plan = whole_plan(journey)
        quarantine = Quarantine(context.settings.namespace, app.label)
        with shown_progress(context) as report:
            passes, collision = run(context.client, rehearse(plan, quarantine, limit, report))
        for one in passes:
            _tell(context, one, limit)
        if collision is not None:
            context.out(f"  ! {collision}")
        if journey.has_steps:
            context.out("  ! functions of free steps are not called; what they change is not in these figures")
        is_ok = is_ok and collision is None and not any(one.failed for one in passes)
        documents[app.label] = {"passes": [_document(one) for one in passes], "collision": collision}
    context.out("Nothing was written.")
    context.json({"command": "migrate", "ok": is_ok, "dry_run": True, "sample": limit, "apps": documents})
    return is_ok


def _tell(context: CliContext, one: Rehearsal, limit: int | None) -> None:
    looked = counted(one.records, "record") if limit is None else f"a sample of {counted(one.records, 'record')}"
    parts = [f"{one.changed:,} would be rewritten", f"{one.records - one.changed - one.failed:,} need nothing"]
    parts += [f"{one.failed:,} cannot be"] if one.failed else []
    context.out(f"{one.work.label} to version {one.work.target}: {looked}, {', '.join(parts)}")
    for failure in one.failures:
        context.out(f"  ! {printable(failure.key)}: {failure.reason}")
    if one.failed > len(one.failures):
        context.out(f"  ! and {one.failed - len(one.failures):,} more")
    for example in one.examples:
        context.out(f"  {printable(example.key)}")
        for line in record_lines(example.lines):
            context.out(f"  {line}")


def _document(one: Rehearsal) -> dict[str, object]:
    return {
        "pass": one.work.label,
        "to": one.work.target,
        "records": one.records,
        "changed": one.changed,
        "failed": one.failed,
        "failures": [{"key": failure.key, "reason": failure.reason} for failure in one.failures],
        "examples": [{"key": example.key, "fields": record_document(example.lines)} for example in one.examples],
    }
