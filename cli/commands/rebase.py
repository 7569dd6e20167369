"""``rebase APP``: put the migrations of two branches in one order."""

from collections.abc import Sequence

import click

from redis_models.client.drivers import run
from redis_models.errors import RedisModelsError, UnansweredError
from redis_models.migrations.files.loader import exchange_migrations, load_migrations
from redis_models.migrations.files.rebase import Branch, Fork, RebasedFile, fork_of, rebase
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.project.imports import shown_path
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.targets import apps_named

__all__ = ["command"]


@click.command("rebase")
@click.argument("app", required=False)
@click.option("--onto", metavar="ID", help="A migration of the branch that stays first.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.pass_obj
def command(context: CliContext, app: str | None, onto: str | None, dry_run: bool) -> None:
    """Put the migrations that two branches of APP made in one order: one branch after the other.

    The branch that databases have applied stays first: the one of --onto, or else the one that this database has
    applied. The files of the other branch get new numbers, and higher versions if both branches raised a model.
    """
    apps = apps_named(context, app)
    if len(apps) != 1:
        raise click.UsageError(
            f"rebase needs one app; give one of {', '.join(project_app.label for project_app in apps)}"
        )
    [chosen] = apps
    fork = fork_of(chosen.label, load_migrations(chosen.label, chosen.migrations_path))
    if fork is None:
        context.out(f"{chosen.label}: the migrations are already in one order.")
        context.json({"command": "rebase", "ok": True, "moved": []})
        return
    moved, chain = rebase(fork, _staying(context, chosen, fork, onto), chosen.migrations_path)
    if not dry_run:
        texts = {rebased.new.stem: rebased.text for rebased in moved}
        exchange_migrations(
            chosen.migrations_path, texts, [rebased.old.stem for rebased in moved], chain.migrations[-1].id
        )
    for rebased in moved:
        _print(context, rebased)
    context.json(
        {"command": "rebase", "ok": True, "written": not dry_run, "moved": [_document(rebased) for rebased in moved]}
    )


def _staying(context: CliContext, app: App, fork: Fork, onto: str | None) -> Branch:
    if onto is not None:
        found = [
            branch
            for branch in fork.branches
            if any(link.id.startswith(onto) or link.name == onto for link in branch.migrations)
        ]
        if len(found) != 1:
            raise click.UsageError(
                f"--onto {onto!r} matches {counted(len(found), 'branch', 'branches')}; they are {_both(fork)}"
            )
        return found[0]
    applied = _applied(context, app)
    known = [branch for branch in fork.branches if any(branch.has(id) for id in applied)]
    if len(known) == 1:
        context.err(f"{app.label}: {known[0].tip.name} is applied here, so its branch stays first", verbosity=1)
        return known[0]
    raise UnansweredError(
        [
            f"{app.label} → does {branch} stay first?  use rebase {app.label} --onto {branch.tip.id}"
            for branch in fork.branches
        ]
    )


def _applied(context: CliContext, app: App) -> Sequence[str]:
    try:
        return run(context.client, StateStore(context.settings.namespace, app.label).applied_ids())
    except RedisModelsError:
        return ()  # no server is needed


def _both(fork: Fork) -> str:
    return " and ".join(map(str, fork.branches))


def _print(context: CliContext, moved: RebasedFile) -> None:
    context.out(
        f"  {shown_path(moved.old)} → {moved.new.name}   id {moved.migration.id} after {moved.migration.previous}"
    )
    for model, (before, after) in sorted(moved.raised.items()):
        context.out(f"    {model} v{before} → v{after}")
        context.err(f"Write version = {after} in class Meta of {model}.")


def _document(moved: RebasedFile) -> dict[str, object]:
    raised = {model: {"before": before, "after": after} for model, (before, after) in moved.raised.items()}
    return {
        "old": moved.old.stem,
        "new": moved.new.stem,
        "id": moved.migration.id,
        "previous": moved.migration.previous,
        "raised": raised,
    }
