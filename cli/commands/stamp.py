"""``stamp [APP] TARGET``: record at which migration a database is, and change no record."""

import click

from redis_models.client.drivers import run
from redis_models.migrations.executor.recorder import Stamped, stamp
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

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
    """Record that the database of APP is at TARGET; change no record and check nothing.

    Use it as a last resort, when 'migrate' refuses to run: the ledger has unknown or edited migrations, or the stored
    snapshot belongs to other models or cannot be read. TARGET must be true, because 'migrate' relies on it.
    """
    [chosen], target = _chosen(context, app, target)
    client, settings = context.client, context.settings
    chain, store = load_chain(chosen.label, chosen.migrations_path), StateStore(settings.namespace, chosen.label)
    ids = set(run(client, store.applied_ids()))
    position = chain.target(target, sum(not ids.isdisjoint(migration.ids) for migration in chain.migrations))
    with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
        done = stamp(client, lease, store, chain, position)
    _warn(context, chosen.label, done)
    context.out(
        f"{chosen.label}: recorded {position} of {counted(chain.head_position, 'migration')} as applied;"
        " no record was changed"
    )
    context.json(
        {
            "command": "stamp",
            "ok": True,
            "app": chosen.label,
            "position": position,
            "added": done.added,
            "removed": done.removed,
            "forgot_run": done.forgot_run,
        }
    )


def _chosen(context: CliContext, app: str, target: str | None) -> tuple[list[App], str]:
    apps, place = chosen_apps(context, app, target)
    if place is None:
        raise click.UsageError(f"stamp needs a target: 'stamp {app} 0003' or 'stamp {app} zero'.")
    return apps, place


def _warn(context: CliContext, label: str, done: Stamped) -> None:
    if done.was_unreadable:
        context.err(f"{label}: {done.was_unreadable}; it was replaced")
    if done.forgot_run:
        context.err(f"{label}: the unfinished run is forgotten; some of its records may have another version")
    for id in done.removed:
        context.err(f"{label}: {id} is no longer recorded as applied")
    for name in done.purged:
        context.err(
            f"{label}: {name} was purged; the ledger no longer says so. Records that it rewrote cannot get their old"
            " values back"
        )
    for name in done.added:
        context.err(f"{label}: {name} is recorded as applied")
