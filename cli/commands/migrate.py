"""``migrate [APP] [TARGET]``: apply migrations, or take them back, and rewrite the records."""

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.migrations.executor.run import AppTask, RunOptions
from redis_models.migrations.executor.throttle import ThrottleLimits
from redis_models.migrations.keyspace.scan import index_size
from redis_models.migrations.maintenance.verify import unverified
from redis_models.migrations.planner.loosened_constraints import unchecked_constraints
from redis_models.migrations.project_run.migrate import LATENCY_MS, MOST_ERRORS, PATIENCE_S
from redis_models.migrations.project_run.refusals import refuse_failing, refuse_left_alone
from redis_models.migrations.project_run.tasks import (
    make_tasks,
    refuse_objections,
    with_findings,
    with_unasked_keys,
)
from redis_models.migrations.state.quarantine import Quarantine

from ..console.consent import finding_document, is_consented
from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.parameters import MOST, Amount, refuse_contradictions
from ..console.targets import WithSteps, chosen_apps
from ..migrate.dry_run import rehearse_all
from ..migrate.fake import fake_all
from ..migrate.plan_view import plan_document, plan_lines
from ..migrate.remote_control import Steering, quarantine_problem, steer, steering_options
from ..migrate.runs import run_tasks

__all__ = ["command"]


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
    default=LATENCY_MS,
    show_default=True,
    help="Maximum latency added for other clients, in ms; 0 disables throttling.",
)
@click.option(
    "--patience",
    "patience_s",
    type=Amount(),
    default=PATIENCE_S,
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
    default=MOST_ERRORS,
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
    tasks = make_tasks(
        client,
        context.settings.namespace,
        apps,
        context.chains,
        target,
        is_auto=is_auto,
        includes_stragglers=stragglers,
        accepts_unreadable=accept_unreadable,
    )
    if check:
        return _check(context, client, tasks, verified)
    tasks = with_findings(client, tasks)
    _show(context, client, tasks, only_plan, run_again)
    if only_plan:
        return None
    if dry_run:
        is_ok = rehearse_all(context, tasks, limit)
        return Exit.DONE if is_ok else Exit.FAILED
    tasks = _consented(context, tasks, yes, allow_destructive, run_again)
    if not accept_unreadable:
        refuse_left_alone(client, tasks)
    if not ignore_sample and on_error == "stop":
        refuse_failing(client, tasks)
    limits = ThrottleLimits(max_latency_ms, batch or context.settings.batch_size, patience_s)
    most_errors = max_errors if on_error == "quarantine" else 0
    is_whole = run_tasks(context, client, tasks, RunOptions(wait_s, limits, most_errors, run_again, workers))
    return Exit.DONE if is_whole else Exit.FAILED


def _check(context: CliContext, client: SyncClient, tasks: list[AppTask], is_verified: bool) -> int:
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


def _problems(task: AppTask) -> list[str]:
    label, run_plan = task.app.label, task.run_plan
    found = [f"{label}: {migration.name} ({migration.id}) is not applied" for migration in run_plan.applied]
    found += [f"{label}: {migration.name} ({migration.id}) is applied" for migration in run_plan.unapplied]
    if run_plan.is_resumed:
        found.append(f"{label}: a run was stopped before it was complete; run 'migrate' to resume it")
    if task.has_unmade_changes:
        found.append(f"{label}: the models have changes without a migration; run 'makemigrations'")
    return found


def _show(context: CliContext, client: SyncClient, tasks: list[AppTask], only_plan: bool, run_again: bool) -> None:
    documents: list[object] = []
    for task in tasks:
        run_plan = task.run_plan
        counts = {rewrite_pass.label: run(client, index_size(rewrite_pass.keys)) for rewrite_pass in run_plan.passes}
        objections = [str(objection) for objection in run_plan.objections(run_again=run_again)]
        findings = [finding_document(finding) for finding in task.findings]
        notes = unchecked_constraints(run_plan.chain, run_plan.passes, run_plan.start, run_plan.target)
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
    context: CliContext, tasks: list[AppTask], yes: bool, allow_destructive: bool, run_again: bool
) -> list[AppTask]:
    """Ask for consent if it is needed, or refuse; note in the tasks which keys do not need it."""
    refuse_objections(tasks, run_again=run_again)
    for task in tasks:
        is_auto = not task.run_plan.chain.migrations
        is_consented(context, task.findings, is_allowed=allow_destructive, yes=yes, is_auto=is_auto)
    if context.is_interactive and not yes:
        _confirm(tasks)
    return tasks if allow_destructive else with_unasked_keys(tasks)


def _confirm(tasks: list[AppTask]) -> None:
    if any(task.run_plan.passes for task in tasks):
        click.confirm("Rewrite these records?", abort=True, err=True)
    elif any(task.run_plan.has_steps for task in tasks):
        click.confirm("Call these functions?", abort=True, err=True)
