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
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App

from ..console.consent import RECORDS, allow_line, finding_document, samples_of, with_idle
from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.targets import chosen_by_label
from ..migrate.remote_control import quarantine_problem

__all__ = ["command"]


@click.command("check")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--database", is_flag=True, help="Look at the database too: drift, edited files, samples of records.")
@click.option(
    "--fail-level",
    type=click.Choice([str(one) for one in Level]),
    default=str(Level.REFUSE),
    help="Exit 1 from this level on; refuse otherwise.",
)
@click.pass_obj
def command(context: CliContext, labels: Sequence[str], database: bool, fail_level: str) -> int:
    """Check the models, the migration files and the safety rules of APP, or of all apps.

    Without --database all migrations are judged, and no server is needed; with it, those that are not applied yet.
    """
    problems: list[str] = []
    findings: list[Finding] = []
    for app in chosen_by_label(context, labels):
        for line in app.left_out:
            context.err(f"{app.label}: {line}")
        try:
            some, found = _check(context, app, database)
        except (MigrationFileError, SchemaError) as exc:
            problems.append(f"{app.label}: {exc}")
            continue
        problems += some
        findings += found
    _show(context, problems, findings)
    counted = [
        one for one in findings if not (one.reason or one.is_idle) and (fail_level == Level.WARN or one.is_refused)
    ]
    is_ok = not problems and not counted
    context.json(
        {
            "command": "check",
            "ok": is_ok,
            "exit": int(Exit.DONE if is_ok else Exit.FAILED),
            "problems": problems,
            "findings": [finding_document(one) for one in findings],
        }
    )
    return Exit.DONE if is_ok else Exit.FAILED


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
    held = len(run(client, Quarantine(context.settings.namespace, app.label).waiting()))
    problems += [quarantine_problem(app.label, held)] if held else []
    # What the code has and the files have not is one problem; what it then refuses would be told of a hundred records.
    problems += [*_pending(app, chain, plan.start), *([] if is_unmade else _unreadable(context, app, chain))]
    positions = range(plan.start + 1, chain.head_position + 1)
    findings = findings_of(chain, positions, samples_of(client, chain, positions), hooks) if positions else []
    return problems, with_idle(client, chain, findings, chain.head_position, plan.works)


def _unreadable(context: CliContext, app: App, chain: Chain) -> list[str]:
    """Tell of records that the models of the code refuse, as the migrations leave them."""
    problems: list[str] = []
    for subject in subjects_of(chain, [model.__shape__ for model in app.models]):
        found = run(context.client, unreadable_in(chain, subject, RECORDS))
        if found is not None:
            problems.append(f"{app.label}: {found}; 'verify' names all, once migrations are applied")
    return problems


def _unmade(app: App) -> str:
    return f"{app.label}: the models have changes that no migration file has; run 'makemigrations'"


def _pending(app: App, chain: Chain, start: int) -> Iterator[str]:
    for link in chain.migrations[start:]:
        yield f"{app.label}: {link.name} ({link.id}) is not applied; run 'migrate'"


def _show(context: CliContext, problems: Sequence[str], findings: Sequence[Finding]) -> None:
    for line in problems:
        context.out(line)
    refused: dict[str, list[Finding]] = {}
    for one in findings:
        if one.is_refused:
            refused.setdefault(one.path, []).append(one)
    for one in findings:
        mark = "allowed" if one.reason else "no record" if one.is_idle else str(one.rule.level)
        context.out(f"{one.rule.code} {mark}  {one.place}: {one.what}")
        context.out(f"    {one.rule.breaks} {one.rule.why}")
        context.out(f"    {one.reason or one.rule.recipe}")
        if one.is_refused:
            line = allow_line(refused[one.path])
            context.out(f"    If it is right here, write {line} in {one.path}; also once it is applied.")
    if not problems and not findings:
        context.out("No problems found.")
