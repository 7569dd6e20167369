"""``purge [APP] [TARGET]``: delete the undo fields that migrations keep in records."""

from contextlib import ExitStack

import click

from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, MigrationError, UnsafeError
from redis_models.migrations.executor.latency_probe import Probe
from redis_models.migrations.executor.throttle import ThrottleLimits
from redis_models.migrations.maintenance.purge import Purged, position_to_purge, purge
from redis_models.migrations.maintenance.verify import unverified
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.state.control import clear_control
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.parameters import Amount
from ..console.progress import shown_progress
from ..console.targets import WithSteps, chosen_apps

__all__ = ["command"]


@click.command("purge", cls=WithSteps)
@click.argument("app", required=False)
@click.argument("target", required=False)
@click.option("--dry-run", is_flag=True, help="Show how much would be deleted, and write nothing.")
@click.option("--unverified", "is_unverified", is_flag=True, help="Purge although 'verify' did not pass before.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.option(
    "--max-latency-ms",
    type=Amount(),
    default=5,
    show_default=True,
    help="Maximum latency added for other clients, in ms.",
)
@click.pass_obj
def command(
    context: CliContext,
    app: str | None,
    target: str | None,
    dry_run: bool,
    is_unverified: bool,
    yes: bool,
    wait_s: float,
    max_latency_ms: float,
) -> None:
    """Delete the undo fields of migrations up to TARGET from the records of APP, or of all apps.

    These migrations can then never be taken back. TARGET is as for 'migrate' (default: the newest that is applied).
    """
    apps, target = chosen_apps(context, app, target)
    positions = {
        project_app.label: _position(context, project_app, target, is_unverified or dry_run) for project_app in apps
    }
    if not dry_run and not yes:
        if not context.is_interactive:
            raise MigrationError("these migrations could never be taken back; use --yes to confirm")
        click.confirm(f"Delete the undo fields of {_named(context, apps, positions)} for good?", abort=True, err=True)
    found = {
        project_app.label: _purge(context, project_app, positions[project_app.label], dry_run, wait_s, max_latency_ms)
        for project_app in apps
    }
    for label, purged in found.items():
        context.out(f"{label}: {_amount(purged)} {'would be deleted' if dry_run else 'deleted'}")
    documents = {
        label: {"records": purged.records, "fields": purged.fields, "bytes": purged.bytes, "position": positions[label]}
        for label, purged in found.items()
    }
    context.json({"command": "purge", "ok": True, "written": not dry_run, "apps": documents})


def _amount(purged: Purged) -> str:
    fields = counted(purged.fields, "undo field")
    return f"{fields} of {counted(purged.records, 'record')} ({counted(purged.bytes, 'byte')})"


def _position(context: CliContext, app: App, target: str | None, is_unverified: bool) -> int:
    client, chain, store = (
        context.client,
        context.chains[app.label],
        StateStore(context.settings.namespace, app.label),
    )
    state = run(client, store.read())
    wanted = None if target is None else chain.target(target, len(as_squashed(chain, state.ledger)))
    position = position_to_purge(chain, state, wanted)
    if not is_unverified and position:
        reason = run(client, unverified(store, chain, app.models))
        if reason is not None:
            raise UnsafeError(
                f"{app.label}: nothing was purged, because {reason}; run 'verify' first, while migrations can still be"
                " taken back, or use --unverified"
            )
    return position


def _named(context: CliContext, apps: list[App], positions: dict[str, int]) -> str:
    links = [
        f"{project_app.label}.{link.name}"
        for project_app in apps
        for link in context.chains[project_app.label].migrations[: positions[project_app.label]]
    ]
    return ", ".join(links) if len(links) < 4 else f"{links[0]}, ... {links[-1]} ({len(links)} migrations)"


def _purge(context: CliContext, app: App, position: int, dry_run: bool, wait_s: float, max_latency_ms: float) -> Purged:
    client, settings = context.client, context.settings
    limits = ThrottleLimits(max_latency_ms, settings.batch_size, 0)
    store, chain = StateStore(settings.namespace, app.label), context.chains[app.label]
    try:
        with ExitStack() as stack:
            lease = None
            if not dry_run:
                holding = hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s)
                lease = stack.enter_context(holding)
                run(client, clear_control(settings.namespace))  # before the probe could hear what another run was told
            probe = stack.enter_context(Probe(client, settings.namespace, limits))
            report = stack.enter_context(shown_progress(context))
            work = purge(lease, store, chain, position, pace=probe.pace, report=report)
            return run(probe.watch(client), work)
    except KeyboardInterrupt:
        raise IncompleteError(
            f"{app.label}: interrupted before all records were purged; run 'purge' again to resume"
        ) from None
