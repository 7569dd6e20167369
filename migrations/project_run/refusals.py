"""Refusals: what is checked with records before a run starts, because it would stop with some of them rewritten."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.redaction import counted, printable

from ..chain.lineage import upgrade_paths_of
from ..executor.progress import Progress
from ..executor.run import AppTask
from ..maintenance.dry_run import Rehearsal, rehearse
from ..planner.loosened_constraints import unrewritten_records
from ..planner.segments import step_of
from ..rewriter.outdated_records import first_unreadable
from ..state.quarantine import Quarantine

__all__ = ["ARGUMENTS", "COMMAND", "Spelling", "refuse_failing", "refuse_left_alone"]

_SAMPLE: Final = 200  # records of each pass


@dataclass(frozen=True)
class Spelling:
    """How a user gives an option: on the command line, or as an argument of ``migrate``."""

    allow_destructive: str
    quarantine: str
    ignore_sample: str


COMMAND: Final = Spelling("run with --allow-destructive", "run with --on-error quarantine", "with --ignore-sample")
ARGUMENTS: Final = Spelling("pass allow_destructive=True", 'pass on_error="quarantine"', "ignore_sample=True")


def refuse_failing(client: SyncClient, tasks: Iterable[AppTask], spelling: Spelling = COMMAND) -> None:
    """Refuse to start a run if records of a sample cannot be rewritten: it would stop with some records rewritten.

    A run that is resumed is not checked. What comes after a Run step is not checked either: the step may change it.

    Raises:
        IncompleteError: A record of the sample cannot be rewritten, and is not in quarantine; nothing was changed.
    """
    for task in tasks:
        first = task.run_plan.segments[0]
        if task.run_plan.is_resumed or step_of(first) is not None or not first.passes:
            continue
        quarantine = Quarantine(task.store.namespace, task.app.label)
        passes, _ = run(client, rehearse(first, quarantine, _SAMPLE, _report_nothing))
        known = run(client, quarantine.read())
        for rehearsal in passes:
            failures = [failure for failure in rehearsal.failures if failure.key not in known]
            if failures:
                reason = _not_started(task, rehearsal, spelling)
                raise IncompleteError(f"{printable(failures[0].key)}: {failures[0].reason}. {reason}")


def refuse_left_alone(client: SyncClient, tasks: Iterable[AppTask]) -> None:
    """Refuse to take migrations back if that leaves records which the older code cannot read.

    Raises:
        IncompleteError: There is such a record; nothing was changed.
    """
    for task in tasks:
        plan = task.run_plan
        for keys, earlier in unrewritten_records(plan.chain, plan.passes, plan.start, plan.target):
            path = upgrade_paths_of(plan.chain)[keys.start]
            failure = run(client, first_unreadable(keys, earlier, path.without_secrets))
            if failure is not None:
                raise IncompleteError(
                    f"{printable(failure.key)}: {failure.reason}. {task.app.label}: not started, nothing was changed"
                )


def _report_nothing(progress: Progress) -> None:
    """Report nothing: a sample is read in a moment."""


def _not_started(task: AppTask, rehearsal: Rehearsal, spelling: Spelling) -> str:
    return (
        f"{task.app.label}: not started, nothing was changed: {rehearsal.failed:,} of"
        f" {counted(rehearsal.records, 'sampled record')} of {rehearsal.rewrite_pass.path.model} cannot be rewritten."
        f" Correct them, or {spelling.quarantine} to continue without them, or {spelling.ignore_sample} to stop at the"
        " first"
    )
