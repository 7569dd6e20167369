"""``migrate [APP] [TARGET]``: apply migrations, or take them back, and rewrite the records."""

from dataclasses import replace
from typing import Final

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import MigrationError, SchemaError, UnansweredError
from redis_models.migrations.autodetector.diff import Diff, diff
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.throttle import ThrottleLimits
from redis_models.migrations.keyspace.scan import index_size
from redis_models.migrations.maintenance.verify import unverified
from redis_models.migrations.operations import MoveModel
from redis_models.migrations.planner.loosened_constraints import unlooked_at
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.planner.safety_check import hooks_of
from redis_models.migrations.planner.segments import RunPlan, accepting_unreadable, make_run_plan
from redis_models.migrations.planner.without_files import automatic_chain, automatic_plan
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.schema.snapshot import Snapshot
from redis_models.migrations.state.entries import State
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App

from ..console.consent import finding_document, is_consented, pending_findings, unasked_keys
from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.parameters import MOST, Amount, refuse_contradictions
from ..console.targets import WithSteps, chosen_apps
from ..migrate.dry_run import refuse_failing, refuse_left_alone, rehearse_all
from ..migrate.fake import fake_all
from ..migrate.plan_view import plan_document, plan_lines
from ..migrate.remote_control import Steering, quarantine_problem, steer, steering_options
from ..migrate.runs import Options, Task, run_tasks

__all__ = ["command"]

_LATENCY_MS: Final = 5.0
_PATIENCE_S: Final = 30.0
_MOST_ERRORS: Final = 1000


@click.command("migrate", cls=WithSteps)
@click.argument("app", required=False)
@click.argument("target", required=False)
@click.option("--plan", "only_plan", is_flag=True, help="Show the plan with record counts, and do nothing.")
@click.option("--dry-run", is_flag=True, help="Run the migration in memory and report failures; write nothing.")
@click.option(
    "--sample", "limit", type=click.IntRange(1, MOST), metavar="N", help="With --dry-run: only N records of each pass."
)
@click.option("--check", is_flag=True, help="Exit 1 if a migration is not applied, or not made yet; do nothing.")
@click.option("--verified", is_flag=True, help="With --check: exit 1 unless 'verify' passed since the last change.")
@click.option("--fake", "is_fake", is_flag=True, help="Record migrations as applied; change no record.")
@click.option(
    "--auto", "is_auto", is_flag=True, help="Without migration files: migrate from the stored snapshot to the code."
)
@click.option("--stragglers", is_flag=True, help="Scan every record, including ones old code wrote after the last run.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--allow-destructive", is_flag=True, help="Consent to what safety rules refuse.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.option(
    "--batch", type=click.IntRange(1, 100), help="Records that one script rewrites at most (default: BATCH_SIZE)."
)
@click.option(
    "--max-latency-ms",
    type=Amount(),
    default=_LATENCY_MS,
    show_default=True,
    help="Maximum latency added for other clients, in ms; 0 disables throttling.",
)
@click.option(
    "--patience",
    "patience_s",
    type=Amount(),
    default=_PATIENCE_S,
    show_default=True,
    help="Seconds to wait for a server that is full, busy or unreachable.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "quarantine"]),
    default="stop",
    show_default=True,
    help="What to do with records that cannot be rewritten.",
)
@click.option("--accept-unreadable", is_flag=True, help="Take records back although the older code cannot read them.")
@click.option("--ignore-sample", is_flag=True, help="Start although records of a sample cannot be rewritten.")
@click.option(
    "--max-errors",
    type=click.IntRange(1, MOST),
    default=_MOST_ERRORS,
    show_default=True,
    help="With --on-error quarantine: stop when more records than this are quarantined.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that rewrite records in Python (default: one per processor, if many records are to be rewritten).",
)
@steering_options
@click.option(
    "--run-again", is_flag=True, help="Call again the function that an earlier run called and that did not finish."
)
@click.pass_obj
def command(
    context: CliContext,
    app: str | None,
    target: str | None,
    only_plan: bool,
    dry_run: bool,
    limit: int | None,
    check: bool,
    verified: bool,
    is_fake: bool,
    is_auto: bool,
    stragglers: bool,
    yes: bool,
    allow_destructive: bool,
    wait_s: float,
    batch: int | None,
    max_latency_ms: float,
    patience_s: float,
    on_error: str,
    accept_unreadable: bool,
    ignore_sample: bool,
    max_errors: int,
    workers: int | None,
    run_again: bool,
    steering: Steering,
) -> int | None:
    """Apply migrations of APP, or of all apps, or take them back.

    TARGET is a number, a name or its beginning, an id, zero, +N or -N (default: the newest migration). A run that was
    stopped is resumed.
    """
    apps, target = chosen_apps(context, app, target)
    client = context.client
    if limit is not None and not dry_run:
        raise click.UsageError("--sample needs --dry-run; add it")
    if verified and not check:
        raise click.UsageError("--verified needs --check; add it")
    refuse_contradictions(
        {"--plan": only_plan, "--dry-run": dry_run, "--check": check, "--fake": is_fake, steering.option: True}
    )
    refuse_contradictions({"--auto": is_auto, "TARGET": target is not None})
    for option, is_given in {"--fake": is_fake, "--stragglers": stragglers}.items():
        refuse_contradictions({"--auto": is_auto, option: is_given})
    for option, is_given in {"--fake": is_fake, "--check": check}.items():
        refuse_contradictions({option: is_given, "--stragglers": stragglers})
    if is_auto and on_error == "quarantine":
        raise click.UsageError(
            "--auto and --on-error quarantine cannot be combined; use 'makemigrations' to quarantine records"
        )
    if steering.is_asked:
        steer(context, client, apps, steering)
        return None
    if is_fake:
        fake_all(context, client, apps, target, wait_s)
        return None
    tasks = sorted((_task(context, client, each, target, is_auto, stragglers) for each in apps), key=_is_staying)
    tasks = [_accepting(task) for task in tasks] if accept_unreadable else tasks
    if check:
        return _check(context, client, tasks, verified)
    tasks = [
        replace(task, findings=pending_findings(client, task.followed, task.run_plan, hooks_of(task.app.models)))
        for task in tasks
    ]
    _show(context, client, tasks, only_plan, run_again)
    if only_plan:
        return None
    if dry_run:
        is_ok = rehearse_all(context, [(task.app, task.run_plan) for task in tasks], limit)
        return Exit.DONE if is_ok else Exit.FAILED
    tasks = _consented(context, tasks, yes, allow_destructive, run_again)
    if not accept_unreadable:
        refuse_left_alone(context, client, [(task.app, task.run_plan) for task in tasks])
    if not ignore_sample and on_error == "stop":
        refuse_failing(context, client, [(task.app, task.run_plan) for task in tasks])
    limits = ThrottleLimits(max_latency_ms, batch or context.settings.batch_size, patience_s)
    most_errors = max_errors if on_error == "quarantine" else 0
    is_whole = run_tasks(context, client, tasks, Options(wait_s, limits, most_errors, run_again, workers))
    return Exit.DONE if is_whole else Exit.FAILED


def _task(
    context: CliContext, client: SyncClient, app: App, target: str | None, is_auto: bool, meets_all: bool
) -> Task:
    store = StateStore(context.settings.namespace, app.label)
    state = run(client, store.read())
    chain = context.chains[app.label]
    code = snapshot_of(app.models)
    if is_auto:
        found = _automatic_diff(app, chain, code, state)
        return Task(
            app,
            store,
            RunPlan(chain, (automatic_plan(chain, state, found),)),
            lambda now: _automatic(app, chain, code, now),
            False,
            automatic_chain(chain, state, found),
        )
    position = chain.head_position if target is None else chain.target(target, len(as_squashed(chain, state.ledger)))
    return Task(
        app,
        store,
        make_run_plan(chain, state, position, meets_all=meets_all),
        lambda now: make_run_plan(chain, now, position, meets_all=meets_all),
        _has_unmade_changes(chain, code),
        chain,
    )


def _accepting(task: Task) -> Task:
    return replace(
        task,
        run_plan=accepting_unreadable(task.run_plan),
        replan=lambda now: accepting_unreadable(task.replan(now)),
    )


def _is_staying(task: Task) -> bool:
    """Sort apps first that move a model to another app: its records must be at their last version by then."""
    return not any(isinstance(operation, MoveModel) for link in task.run_plan.applied for operation in link.operations)


def _has_unmade_changes(chain: Chain, code: Snapshot) -> bool:
    try:
        return not diff(chain.snapshots[-1], code).is_empty
    except SchemaError:
        return True  # a change that no operation makes; makemigrations says which


def _automatic(app: App, chain: Chain, code: Snapshot, state: State) -> RunPlan:
    return RunPlan(chain, (automatic_plan(chain, state, _automatic_diff(app, chain, code, state)),))


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


def _check(context: CliContext, client: SyncClient, tasks: list[Task], is_verified: bool) -> int:
    problems = [line for task in tasks for line in _problems(task)]
    for task in tasks:
        quarantined = len(run(client, Quarantine(context.settings.namespace, task.app.label).waiting()))
        problems += [quarantine_problem(task.app.label, quarantined)] if quarantined else []
    if is_verified and not problems:
        reasons = {
            task.app.label: run(client, unverified(task.store, task.run_plan.chain, task.app.models)) for task in tasks
        }
        problems = [f"{label}: {reason}; run 'verify'" for label, reason in reasons.items() if reason is not None]
    for line in problems:
        context.out(line)
    context.json({"command": "migrate", "ok": not problems, "problems": problems})
    return Exit.FAILED if problems else Exit.DONE


def _problems(task: Task) -> list[str]:
    label, run_plan = task.app.label, task.run_plan
    found = [f"{label}: {link.name} ({link.id}) is not applied" for link in run_plan.applied]
    found += [f"{label}: {link.name} ({link.id}) is applied" for link in run_plan.unapplied]
    if run_plan.is_resumed:
        found.append(f"{label}: a run was stopped before it was complete; run 'migrate' to resume it")
    if task.has_unmade_changes:
        found.append(f"{label}: the models have changes without a migration; run 'makemigrations'")
    return found


def _show(context: CliContext, client: SyncClient, tasks: list[Task], only_plan: bool, run_again: bool) -> None:
    documents: list[object] = []
    for task in tasks:
        run_plan = task.run_plan
        counts = {work.label: run(client, index_size(work.keys)) for work in run_plan.works}
        objections = [str(objection) for objection in run_plan.objections(run_again=run_again)]
        findings = [finding_document(finding) for finding in task.findings]
        notes = unlooked_at(run_plan.chain, run_plan.works, run_plan.start, run_plan.target)
        documents.append({**plan_document(run_plan, counts, objections), "findings": findings, "notes": notes})
        if only_plan or not run_plan.is_empty:
            for line in plan_lines(run_plan, context.store.address, counts, is_full=context.verbosity > 1):
                context.out(line)
            for finding in task.findings:
                context.out(f"  ! {finding.line}")
            for note in notes:
                context.err(f"! {note}")
        if only_plan:
            for objection in objections:
                context.out(f"  ! will be refused: {objection}")
        if task.has_unmade_changes:
            context.err(f"{task.app.label}: the models have changes without a migration; run 'makemigrations'")
    if only_plan:
        context.json({"command": "migrate", "ok": True, "plans": documents})


def _consented(
    context: CliContext, tasks: list[Task], yes: bool, allow_destructive: bool, run_again: bool
) -> list[Task]:
    """Ask for consent where it is needed, or refuse; note in the tasks which keys need none."""
    for task in tasks:
        for objection in task.run_plan.objections(run_again=run_again):
            raise objection
    for task in tasks:
        is_auto = not task.run_plan.chain.migrations
        is_consented(context, task.findings, is_allowed=allow_destructive, yes=yes, is_auto=is_auto)
    if context.is_interactive and not yes:
        _confirm(tasks)
    if allow_destructive:
        return tasks
    return [replace(task, unasked=unasked_keys(task.followed, task.run_plan, task.findings)) for task in tasks]


def _confirm(tasks: list[Task]) -> None:
    if any(task.run_plan.works for task in tasks):
        click.confirm("Rewrite these records?", abort=True, err=True)
    elif any(task.run_plan.has_steps for task in tasks):
        click.confirm("Call these functions?", abort=True, err=True)
