"""``migrate --dry-run``: what a run would come to, told to people and to programs."""

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
from redis_models.redaction import printable

from ..console.context import CliContext
from ..console.formatting import counted, record_document, record_lines
from ..console.progress import shown_progress

__all__ = ["refuse_failing", "refuse_left_alone", "rehearse_all"]

_SAMPLE: Final = 200  # records of each pass


def rehearse_all(context: CliContext, journeys: Sequence[tuple[App, RunPlan]], limit: int | None) -> bool:
    """Rehearse the journeys of some apps, and tell what they would come to; give whether all would go through."""
    is_ok, documents = True, dict[str, object]()
    for app, journey in journeys:
        plan = whole_plan(journey)
        quarantine = Quarantine(context.settings.namespace, app.label)
        with shown_progress(context) as report:
            refuses = refused_by([model.__shape__ for model in app.models])
            passes, collision = run(context.client, rehearse(plan, quarantine, limit, report, refuses))
        for one in passes:
            _tell(context, one, limit)
        if collision is not None:
            context.out(f"  ! {collision}")
        if journey.has_steps:
            context.out("  ! functions of free steps are not called; what they change is not in these figures")
        is_ok = is_ok and collision is None and not any(one.failed or one.unreadable for one in passes)
        documents[app.label] = {"passes": [_document(one) for one in passes], "collision": collision}
    context.out("Nothing was written.")
    context.json({"command": "migrate", "ok": is_ok, "dry_run": True, "sample": limit, "apps": documents})
    return is_ok


def refuse_failing(context: CliContext, client: SyncClient, journeys: Sequence[tuple[App, RunPlan]]) -> None:
    """Refuse to begin runs of which a sample says that records fail: nobody is left with half of them rewritten.

    A run that stopped half-way goes on without it. What comes after a free step is not tried, because the step may
    change it.

    Raises:
        IncompleteError: A record of the sample cannot be rewritten, and is not in quarantine; nothing was changed.
    """
    for app, journey in journeys:
        first = journey.segments[0]
        if journey.is_resumed or step_of(first) is not None or not first.works:
            continue
        quarantine = Quarantine(context.settings.namespace, app.label)
        passes, _ = run(client, rehearse(first, quarantine, _SAMPLE, _unreported))
        known = run(client, quarantine.read())
        for one in passes:
            failures = [failure for failure in one.failures if failure.key not in known]
            if failures:
                raise IncompleteError(_not_begun(app, one, failures[0].key, failures[0].reason))


def refuse_left_alone(context: CliContext, client: SyncClient, journeys: Sequence[tuple[App, RunPlan]]) -> None:
    """Refuse a way back that leaves records as they are which code of before could not read.

    Raises:
        IncompleteError: There is such a record; nothing was changed.
    """
    for app, journey in journeys:
        chain = journey.chain
        for keys, earlier in left_alone(chain, journey.works, journey.start, journey.target):
            route = routes_of(chain)[keys.start]
            failure = run(client, first_unreadable(keys, earlier, route.without_secrets))
            if failure is not None:
                raise IncompleteError(
                    f"{printable(failure.key)}: {failure.reason}. {app.label}: not begun, and nothing was changed"
                )


def _unreported(progress: Progress) -> None:
    """Tell nothing of a sample, which is read at once."""


def _not_begun(app: App, one: Rehearsal, key: str, reason: str) -> str:
    return (
        f"{printable(key)}: {reason}. {app.label}: not begun, and nothing was changed, because {one.failed:,} of"
        f" {counted(one.records, 'sampled record')} of {one.work.route.model} cannot be rewritten. Or begin it"
        " with --ignore-sample, to stop at the first, or --on-error quarantine, to put such records aside"
    )


def _tell(context: CliContext, one: Rehearsal, limit: int | None) -> None:
    looked = counted(one.records, "record") if limit is None else f"a sample of {counted(one.records, 'record')}"
    parts = [f"{one.changed:,} would be rewritten", f"{one.records - one.changed - one.failed:,} need nothing"]
    parts += [f"{one.failed:,} cannot be"] if one.failed else []
    context.out(f"{one.work.label} to version {one.work.target}: {looked}, {', '.join(parts)}")
    for failure in one.failures:
        context.out(f"  ! {printable(failure.key)}: {failure.reason}")
    if one.failed > len(one.failures):
        context.out(f"  ! and {one.failed - len(one.failures):,} more")
    if one.unreadable:
        context.out(f"  ! {counted(one.unreadable, 'record')} could not be read by the code afterwards")
    for failure in one.refused:
        context.out(f"  ! {printable(failure.key)}: {failure.reason}")
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
        "unreadable": one.unreadable,
        "refused": [{"key": failure.key, "reason": failure.reason} for failure in one.refused],
        "examples": [{"key": example.key, "fields": record_document(example.lines)} for example in one.examples],
    }
