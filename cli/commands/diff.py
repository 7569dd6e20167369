"""``diff [APP...]``: compare the schema stored in Redis with the models."""

from collections.abc import Sequence

import click

from redis_models.client.drivers import run
from redis_models.migrations.autodetector.diff import Diff, diff
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.schema.snapshot import Snapshot
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.targets import chosen_by_label

__all__ = ["command"]


@click.command("diff")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--check", is_flag=True, help="Exit 1 if there is a difference.")
@click.pass_obj
def command(context: CliContext, labels: Sequence[str], check: bool) -> int:
    """Compare the schema stored in Redis with the models of APP, or of all apps.

    Changes that are ambiguous are shown as questions, with the options of 'makemigrations' that answer them.
    """
    results: dict[str, object] = {}
    is_same = True
    for app in chosen_by_label(context, labels):
        state = run(context.client, StateStore(context.settings.namespace, app.label).read())
        chain = load_chain(app.label, app.migrations_path)
        found = diff(state.snapshot or Snapshot(), snapshot_of(app.models))
        is_same = is_same and found.is_empty
        waiting = len(chain.migrations) - len(as_squashed(chain, state.ledger))
        _print(context, app, found, waiting)
        results[app.label] = _document(found, waiting)
    code = Exit.FAILED if check and not is_same else Exit.DONE
    context.json({"command": "diff", "ok": code == Exit.DONE, "exit": int(code), "apps": results})
    return code


def _print(context: CliContext, app: App, found: Diff, waiting: int) -> None:
    if found.is_empty:
        context.out(f"{app.label}: Redis and the code have the same schema.")
        return
    context.out(f"{app.label}: changes from Redis to the code")
    for operation in found.operations:
        context.out(f"  {'-' if operation.is_destructive else '+'} {operation.describe()}")
    for question in found.questions:
        context.out(f"  ? {question.line()}")
    touched = {operation.name_after(operation.model) for operation in found.operations}
    for model, version in found.versions.items():
        if model not in touched:
            context.out(f"  ~ {model} gets version {version}")
    for low in found.low_versions:
        context.out(f"  ! {low.model} must have version {low.needed}; the code says {low.declared}")
    if waiting > 0:
        pending = counted(waiting, "migration is", "migrations are")
        context.out(f"  {pending} not applied yet; run 'migrate'")


def _document(found: Diff, waiting: int) -> dict[str, object]:
    return {
        "operations": [operation.describe() for operation in found.operations],
        "questions": [question.line() for question in found.questions],
        "versions": dict(found.versions),
        "low_versions": {low.model: low.needed for low in found.low_versions},
        "not_applied": waiting,
    }
