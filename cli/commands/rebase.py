"""``rebase APP``: put the migrations of two branches into one line."""

from collections.abc import Sequence

import click

from redis_models.client.drivers import run
from redis_models.errors import RedisModelsError, UnansweredError
from redis_models.migrations.files.loader import exchange_migrations, load_links
from redis_models.migrations.files.rebase import Branch, Fork, Moved, fork_of, rebase
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.project.imports import shown_path

from ..console.context import CliContext
from ..console.targets import apps_named

__all__ = ["command"]


@click.command("rebase")
@click.argument("app", required=False)
@click.option("--onto", metavar="ID", help="A migration of the branch that keeps its place.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.pass_obj
def command(context: CliContext, app: str | None, onto: str | None, dry_run: bool) -> None:
    """Put the migrations of APP that two branches made into one line, one branch behind the other.

    The branch that databases have applied keeps its place: the one that --onto names, or else the one that this
    database has applied. Files of the other get new numbers, and higher versions where both raised one model.
    """
    apps = apps_named(context, app)
    if len(apps) != 1:
        raise click.UsageError(f"rebase needs one app; name one of {', '.join(one.label for one in apps)}")
    [one] = apps
    fork = fork_of(one.label, load_links(one.label, one.migrations_path))
    if fork is None:
        context.out(f"{one.label}: the migrations are in one line.")
        context.json({"command": "rebase", "ok": True, "moved": []})
        return
    moved, chain = rebase(fork, _staying(context, one, fork, onto), one.migrations_path)
    if not dry_run:
        texts = {each.new.stem: each.text for each in moved}
        exchange_migrations(one.migrations_path, texts, [each.old.stem for each in moved], chain.migrations[-1].id)
    for each in moved:
        _tell(context, each)
    context.json(
        {"command": "rebase", "ok": True, "written": not dry_run, "moved": [_document(each) for each in moved]}
    )


def _staying(context: CliContext, app: App, fork: Fork, onto: str | None) -> Branch:
    if onto is not None:
        found = [
            one
            for one in fork.branches
            if any(link.id.startswith(onto) or link.name == onto for link in one.migrations)
        ]
        if len(found) != 1:
            raise click.UsageError(f"--onto {onto!r} is in {len(found)} of the branches; they are {_both(fork)}")
        return found[0]
    applied = _applied(context, app)
    known = [one for one in fork.branches if any(one.has(id) for id in applied)]
    if len(known) == 1:
        context.err(f"{app.label}: {known[0].tip.name} is applied here, so its branch keeps its place", verbosity=1)
        return known[0]
    raise UnansweredError(
        [
            f"{app.label} → does {one} keep its place?  use rebase {app.label} --onto {one.tip.id}"
            for one in fork.branches
        ]
    )


def _applied(context: CliContext, app: App) -> Sequence[str]:
    try:
        return run(context.client, StateStore(context.settings.namespace, app.label).applied_ids())
    except RedisModelsError:
        return ()  # it works without a server, too


def _both(fork: Fork) -> str:
    return " and ".join(map(str, fork.branches))


def _tell(context: CliContext, one: Moved) -> None:
    context.out(f"  {shown_path(one.old)} → {one.new.name}   id {one.link.id} behind {one.link.previous}")
    for model, (before, after) in sorted(one.raised.items()):
        context.out(f"    {model} v{before} → v{after}")
        context.err(f"Write version = {after} in class Meta of {model}.")


def _document(one: Moved) -> dict[str, object]:
    raised = {model: {"before": before, "after": after} for model, (before, after) in one.raised.items()}
    return {
        "old": one.old.stem,
        "new": one.new.stem,
        "id": one.link.id,
        "previous": one.link.previous,
        "raised": raised,
    }
