"""``migrate [APP] [TARGET]``: bring the records of the database to where the migration files lead."""

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
from ..migrate.plan_view import journey_document, journey_lines
from ..migrate.remote_control import Steering, quarantine_problem, steer, steering_options
from ..migrate.runs import Options, Task, run_tasks

__all__ = ["command"]

_LATENCY_MS: Final = 5.0
_PATIENCE_S: Final = 30.0
_MOST_ERRORS: Final = 1000


@click.command("migrate", cls=WithSteps)
@click.argument("app", required=False)
@click.argument("target", required=False)
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, with record counts, and do nothing.")
@click.option("--dry-run", is_flag=True, help="Bring real records there in memory; show what fails, and write nothing.")
@click.option(
    "--sample", "limit", type=click.IntRange(1, MOST), metavar="N", help="With --dry-run: N records of each pass only."
)
@click.option("--check", is_flag=True, help="Exit 1 if anything is pending or not made yet; do nothing.")
@click.option("--verified", is_flag=True, help="With --check: exit 1 unless 'verify' found all records in order since.")
@click.option("--fake", "is_fake", is_flag=True, help="Record migrations as applied without touching a record.")
@click.option("--auto", "is_auto", is_flag=True, help="No files: go from the stored snapshot to the code.")
@click.option(
    "--stragglers", is_flag=True, help="Meet all records: older code may have written some since the last run."
)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@click.option("--allow-destructive", is_flag=True, help="Consent to what safety rules refuse.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.option(
    "--batch", type=click.IntRange(1, 100), help="Records that one script touches at most; BATCH_SIZE otherwise."
)
@click.option(
    "--max-latency-ms",
    type=Amount(),
    default=_LATENCY_MS,
    show_default=True,
    help="How much longer others may wait for the server; 0 to go as fast as it can.",
)
@click.option(
    "--patience",
    "patience_s",
    type=Amount(),
    default=_PATIENCE_S,
    show_default=True,
    help="Seconds to wait for a server that is full, busy or gone.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "quarantine"]),
    default="stop",
    show_default=True,
    help="What to do with records that cannot be rewritten.",
)
@click.option("--accept-unreadable", is_flag=True, help="Take records back that code of before certainly cannot read.")
@click.option("--ignore-sample", is_flag=True, help="Begin although sampled records cannot be rewritten.")
@click.option(
    "--max-errors",
    type=click.IntRange(1, MOST),
    default=_MOST_ERRORS,
    show_default=True,
    help="With --on-error quarantine: how many records may go there before the run stops.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Processes that rewrite records by Python; by default as many as there are processors, where it is worth it.",
)
@steering_options
@click.option("--run-again", is_flag=True, help="Call the function again that a run began and did not end.")
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
    """Apply or take back migrations of APP, or of all apps.

    TARGET is a number, a name or its beginning, an id, zero, +N or -N; the newest migration if it is not given. A run
    that stopped goes on where it was.
    """
    apps, target = chosen_apps(context, app, target)
    client = context.client
    if limit is not None and not dry_run:
        raise click.UsageError("--sample is said with --dry-run")
    if verified and not check:
        raise click.UsageError("--verified is said with --check")
    refuse_contradictions(
        {"--plan": only_plan, "--dry-run": dry_run, "--check": check, "--fake": is_fake, steering.option: True}
    )
    refuse_contradictions({"--auto": is_auto, "TARGET": target is not None})
    for option, is_said in {"--fake": is_fake, "--stragglers": stragglers}.items():
        refuse_contradictions({"--auto": is_auto, option: is_said})
    for option, is_said in {"--fake": is_fake, "--check": check}.items():
        refuse_contradictions({option: is_said, "--stragglers": stragglers})
    if is_auto and on_error == "quarantine":
        raise click.UsageError(
            "--auto keeps nothing by which records in quarantine could be tried again; use 'makemigrations' for that"
        )
    if steering.is_asked:
        steer(context, client, apps, steering)
        return None
    if is_fake:
        fake_all(context, client, apps, target, wait_s)
        return None
    tasks = sorted((_task(context, client, one, target, is_auto, stragglers) for one in apps), key=_is_staying)
    tasks = [_accepting(task) for task in tasks] if accept_unreadable else tasks
    if check:
        return _check(context, client, tasks, verified)
    tasks = [
        replace(task, findings=pending_findings(client, task.followed, task.journey, hooks_of(task.app.models)))
        for task in tasks
    ]
    _show(context, client, tasks, only_plan, run_again)
    if only_plan:
        return None
    if dry_run:
        is_ok = rehearse_all(context, [(task.app, task.journey) for task in tasks], limit)
        return Exit.DONE if is_ok else Exit.FAILED
    tasks = _consented(context, tasks, yes, allow_destructive, run_again)
    if not accept_unreadable:
        refuse_left_alone(context, client, [(task.app, task.journey) for task in tasks])
    if not ignore_sample and on_error == "stop":
        refuse_failing(context, client, [(task.app, task.journey) for task in tasks])
    limits = ThrottleLimits(max_latency_ms, batch or context.settings.batch_size, patience_s)
    most_errors = max_errors if on_error == "quarantine" else 0
    is_whole = run_tasks(context, client, tasks, Options(wait_s, limits, most_errors, run_again, workers))
    return Exit.DONE if is_whole else Exit.FAILED


def _task(
    context: CliContext, client: SyncClient, app: App, target: str | None, is_auto: bool, meets_all: bool
) -> Task:
    shelf = StateStore(context.settings.namespace, app.label)
    state = run(client, shelf.read())
    chain = context.chains[app.label]
    code = snapshot_of(app.models)
    if is_auto:
        found = _automatic_diff(app, chain, code, state)
        return Task(
            app,
            shelf,
            RunPlan(chain, (automatic_plan(chain, state, found),)),
            lambda now: _automatic(app, chain, code, now),
            False,
            automatic_chain(chain, state, found),
        )
    position = chain.head_position if target is None else chain.target(target, len(as_squashed(chain, state.ledger)))
    return Task(
        app,
        shelf,
        make_run_plan(chain, state, position, meets_all=meets_all),
        lambda now: make_run_plan(chain, now, position, meets_all=meets_all),
        _has_unmade_changes(chain, code),
        chain,
    )


def _accepting(task: Task) -> Task:
    return replace(
        task,
        journey=accepting_unreadable(task.journey),
        again=lambda now: accepting_unreadable(task.again(now)),
    )


def _is_staying(task: Task) -> bool:
    """Put apps first that leave a model to another one, which finds its records at their last version then."""
    return not any(isinstance(one, MoveModel) for link in task.journey.applied for one in link.operations)


def _has_unmade_changes(chain: Chain, code: Snapshot) -> bool:
    try:
        return not diff(chain.snapshots[-1], code).is_empty
    except SchemaError:
        return True  # a change that no operation makes; makemigrations says which


def _automatic(app: App, chain: Chain, code: Snapshot, state: State) -> RunPlan:
    return RunPlan(chain, (automatic_plan(chain, state, _automatic_diff(app, chain, code, state)),))


def _automatic_diff(app: App, chain: Chain, code: Snapshot, state: State) -> Diff:
    if chain.migrations:
        raise MigrationError(f"{app.label} has migration files; --auto is for apps without them. Use 'makemigrations'")
    found = diff(state.snapshot or Snapshot(), code)
    for low in found.low_versions:
        raise MigrationError(
            f"{app.label}: {low.model} changed since version {low.stored}; declare version = {low.needed}"
        )
    if found.questions:
        raise UnansweredError(
            [f"{app.label}: {one.summary}; use 'makemigrations', which asks" for one in found.questions]
        )
    return found


def _check(context: CliContext, client: SyncClient, tasks: list[Task], is_verified: bool) -> int:
    problems = [line for task in tasks for line in _problems(task)]
    for task in tasks:
        held = len(run(client, Quarantine(context.settings.namespace, task.app.label).waiting()))
        problems += [quarantine_problem(task.app.label, held)] if held else []
    if is_verified and not problems:
        reasons = {
            task.app.label: run(client, unverified(task.shelf, task.journey.chain, task.app.models)) for task in tasks
        }
        problems = [f"{label}: {reason}; run 'verify'" for label, reason in reasons.items() if reason is not None]
    for line in problems:
        context.out(line)
    context.json({"command": "migrate", "ok": not problems, "problems": problems})
    return 1 if problems else 0


def _problems(task: Task) -> list[str]:
    label, journey = task.app.label, task.journey
    found = [f"{label}: {link.name} ({link.id}) is not applied" for link in journey.applied]
    found += [f"{label}: {link.name} ({link.id}) is applied" for link in journey.unapplied]
    if journey.is_resumed:
        found.append(f"{label}: a run stopped half-way; run 'migrate'")
    if task.has_unmade_changes:
        found.append(f"{label}: the models have changes that no migration file has; run 'makemigrations'")
    return found


def _show(context: CliContext, client: SyncClient, tasks: list[Task], only_plan: bool, run_again: bool) -> None:
    documents: list[object] = []
    for task in tasks:
        journey = task.journey
        counts = {work.label: run(client, index_size(work.keys)) for work in journey.works}
        objections = [str(one) for one in journey.objections(run_again=run_again)]
        findings = [finding_document(one) for one in task.findings]
        notes = unlooked_at(journey.chain, journey.works, journey.start, journey.target)
        documents.append({**journey_document(journey, counts, objections), "findings": findings, "notes": notes})
        if only_plan or not journey.is_empty:
            for line in journey_lines(journey, context.store.address, counts, is_full=context.verbosity > 1):
                context.out(line)
            for one in task.findings:
                context.out(f"  ! {one.line}")
            for note in notes:
                context.err(f"! {note}")
        if only_plan:
            for objection in objections:
                context.out(f"  ! would be refused: {objection}")
        if task.has_unmade_changes:
            context.err(f"{task.app.label}: the models have changes that no migration file has; run 'makemigrations'")
    if only_plan:
        context.json({"command": "migrate", "ok": True, "plans": documents})


def _consented(
    context: CliContext, tasks: list[Task], yes: bool, allow_destructive: bool, run_again: bool
) -> list[Task]:
    """Refuse, or ask, what needs a consent; give the tasks with what none was asked for."""
    for task in tasks:
        for objection in task.journey.objections(run_again=run_again):
            raise objection
    for task in tasks:
        is_auto = not task.journey.chain.migrations
        is_consented(context, task.findings, is_allowed=allow_destructive, yes=yes, is_auto=is_auto)
    if context.is_interactive and not yes:
        _confirm(tasks)
    if allow_destructive:
        return tasks
    return [replace(task, unasked=unasked_keys(task.followed, task.journey, task.findings)) for task in tasks]


def _confirm(tasks: list[Task]) -> None:
    if any(task.journey.works for task in tasks):
        click.confirm("Rewrite these records?", abort=True, err=True)
    elif any(task.journey.has_steps for task in tasks):
        click.confirm("Call these functions?", abort=True, err=True)
