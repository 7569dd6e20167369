"""``check [APP...]``: models, migration files and safety rules; the database too, if asked."""

from collections.abc import Iterator, Sequence

import click

from redis_models.client.drivers import run
from redis_models.errors import MigrationFileError, RedisModelsError, SchemaError
from redis_models.migrations.autodetector.diff import diff
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.chain.lineage import lineages_of
from redis_models.migrations.files.project_chains import load_alone
from redis_models.migrations.maintenance.sample_check import unreadable_in
from redis_models.migrations.maintenance.verify import subjects_of
from redis_models.migrations.planner.plan import make_plan
from redis_models.migrations.planner.safety_check import Finding, findings_of, hooks_of
from redis_models.migrations.planner.safety_rules import Level
from redis_models.migrations.project_run.consents import RECORDS, allow_line, samples_of, with_idle
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App

from ..console.consent import finding_document
from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.targets import chosen_by_label
from ..migrate.remote_control import quarantine_problem

__all__ = ["command"]


@click.command("check")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--database", is_flag=True, help="Check the database too: drift, edited files, samples of records.")
@click.option(
    "--fail-level",
    type=click.Choice([str(level) for level in Level]),
    default=str(Level.REFUSE),
    help="Exit 1 from this level on (default: refuse).",
)
@click.pass_obj
def command(context: CliContext, labels: Sequence[str], database: bool, fail_level: str) -> int:
    """Check the models, the migration files and the safety rules of APP, or of all apps.

    Without --database it checks all migrations and needs no server; with it, those that are not applied yet.
    """
    problems: list[str] = []
    findings: list[Finding] = []
    for app in chosen_by_label(context, labels):
        for line in app.left_out:
            context.err(f"{app.label}: {line}")
        try:
            app_problems, app_findings = _check(context, app, database)
        except (MigrationFileError, SchemaError) as exc:
            problems.append(f"{app.label}: {exc}")
            continue
        problems += app_problems
        findings += app_findings
    _show(context, problems, findings)
    failures = [finding for finding in findings if _is_failure(finding, fail_level)]
    is_ok = not problems and not failures
    context.json(
        {
            "command": "check",
            "ok": is_ok,
            "exit": int(Exit.DONE if is_ok else Exit.FAILED),
            "problems": problems,
            "findings": [finding_document(finding) for finding in findings],
        }
    )
    return Exit.DONE if is_ok else Exit.FAILED


def _is_failure(finding: Finding, fail_level: str) -> bool:
    return not (finding.reason or finding.is_idle) and (fail_level == Level.WARN or finding.is_refused)


def _check(context: CliContext, app: App, with_database: bool) -> tuple[list[str], list[Finding]]:
    chain, code = load_alone(app, context.apps), snapshot_of(app.models)
    lineages_of(chain)
    is_unmade = not diff(chain.snapshots[-1], code).is_empty
    problems = [_unmade(app)] if is_unmade else []
    positions, hooks = range(1, chain.head_position + 1), hooks_of(app.models)
    if not with_database:
        return problems, findings_of(chain, positions, hooks=hooks)
    try:
        client = context.client
        state = run(client, StateStore(context.settings.namespace, app.label).read())
        plan = make_plan(chain, state, chain.head_position)
    except RedisModelsError as exc:
        return [*problems, str(exc)], []
    quarantined = len(run(client, Quarantine(context.settings.namespace, app.label).waiting()))
    problems += [quarantine_problem(app.label, quarantined)] if quarantined else []
    # A change of a model without a migration is one problem; its records would all be reported as unreadable.
    problems += [*_pending(app, chain, plan.start), *([] if is_unmade else _unreadable(context, app, chain))]
    positions = range(plan.start + 1, chain.head_position + 1)
    findings = findings_of(chain, positions, samples_of(client, chain, positions), hooks) if positions else []
    return problems, with_idle(client, chain, findings, chain.head_position, plan.passes)


def _unreadable(context: CliContext, app: App, chain: Chain) -> list[str]:
    """Find records that the models could not read after the migrations."""
    problems: list[str] = []
    for subject in subjects_of(chain, [model.__mapper__ for model in app.models]):
        found = run(context.client, unreadable_in(chain, subject, RECORDS))
        if found is not None:
            problems.append(f"{app.label}: {found}; after 'migrate', 'verify' lists all of them")
    return problems


def _unmade(app: App) -> str:
    return f"{app.label}: the models have changes without a migration; run 'makemigrations'"


def _pending(app: App, chain: Chain, start: int) -> Iterator[str]:
    for migration in chain.migrations[start:]:
        yield f"{app.label}: {migration.name} ({migration.id}) is not applied; run 'migrate'"


def _show(context: CliContext, problems: Sequence[str], findings: Sequence[Finding]) -> None:
    for line in problems:
        context.out(line)
    refused: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.is_refused:
            refused.setdefault(finding.path, []).append(finding)
    for finding in findings:
        mark = "allowed" if finding.reason else "no record" if finding.is_idle else str(finding.rule.level)
        context.out(f"{finding.rule.code} {mark}  {finding.place}: {finding.what}")
        context.out(f"    {finding.rule.breaks} {finding.rule.why}")
        context.out(f"    {finding.reason or finding.rule.recipe}")
        if finding.is_refused:
            line = allow_line(refused[finding.path])
            context.out(f"    To consent, write {line} in {finding.path}; this is allowed after it was applied, too.")
    if not problems and not findings:
        context.out("No problems found.")
