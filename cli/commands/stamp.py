"""``stamp [APP] TARGET``: record where a database is, whatever its bookkeeping says, and touch no record."""

import click

from redis_models.client.drivers import run
from redis_models.migrations.executor.recorder import Stamped, stamp
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App

from ..console.context import CliContext
from ..console.parameters import Amount
from ..console.targets import WithSteps, chosen_apps

__all__ = ["command"]


@click.command("stamp", cls=WithSteps)
@click.argument("app")
@click.argument("target", required=False)
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def command(context: CliContext, app: str, target: str | None, wait_s: float) -> None:
    """Record that the database of APP is at TARGET; touch no record and check nothing.

    It is the last resort, where migrate refuses: the ledger has unknown migrations or edited ones, the stored snapshot
    is of other models, or nobody can read them. What it says must be true; migrate believes it.
    """
    [one], place = _meant(context, app, target)
    client, settings = context.client, context.settings
    chain, shelf = load_chain(one.label, one.migrations_path), StateStore(settings.namespace, one.label)
    ids = set(run(client, shelf.applied_ids()))
    position = chain.target(place, sum(not ids.isdisjoint(link.ids) for link in chain.migrations))
    with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
        done = stamp(client, lease, shelf, chain, position)
    _warn(context, one.label, done)
    context.out(f"{one.label}: recorded as at {position} of {chain.head_position} migrations; no record was touched")
    context.json(
        {
            "command": "stamp",
            "ok": True,
            "app": one.label,
            "position": position,
            "added": done.added,
            "removed": done.removed,
            "forgot_run": done.forgot_run,
        }
    )


def _meant(context: CliContext, app: str, target: str | None) -> tuple[list[App], str]:
    apps, place = chosen_apps(context, app, target)
    if place is None:
        raise click.UsageError(f"stamp needs a target: 'stamp {app} 0003' or 'stamp {app} zero'.")
    return apps, place


def _warn(context: CliContext, label: str, done: Stamped) -> None:
    if done.was_unreadable:
        context.err(f"{label}: {done.was_unreadable}; it is replaced")
    if done.forgot_run:
        context.err(f"{label}: a run that stopped half-way is forgotten; its records may be of other versions")
    for id in done.removed:
        context.err(f"{label}: {id} is recorded as applied no longer")
    for name in done.purged:
        context.err(
            f"{label}: {name} was purged, which nothing tells any more: records that it rewrote cannot have back what"
            " they had before"
        )
    for name in done.added:
        context.err(f"{label}: {name} is recorded as applied")
