"""``relocate --from URL``: copy a project's records to the database of its settings."""

import os

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.keyspace.server_facts import refuse_cluster
from redis_models.migrations.maintenance.copy_database import Relocation, relocate
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore
from redis_models.redaction import counted, has_password
from redis_models.store import Store

from ..console.context import CliContext
from ..console.parameters import Amount

__all__ = ["command"]


@click.command("relocate")
@click.option("--from", "url", metavar="URL", help="The database where the records are.")
@click.option("--from-env", "variable", metavar="NAME", help="Environment variable that holds the URL.")
@click.option("--dry-run", is_flag=True, help="Look for conflicting keys, and write nothing.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def command(context: CliContext, url: str | None, variable: str | None, dry_run: bool, wait_s: float) -> None:
    """Copy the records of all models, and their bookkeeping, from URL to the database of the settings.

    Stop what writes to URL first. Nothing is overwritten, and nothing is deleted at URL. You can run it again at any
    time. Use --from-env for a URL with a password: every user of this machine can read command lines.
    """
    url = _source(context, url, variable)
    settings = context.settings
    with Store("source", url=url) as source:
        if source.address == context.store.address:
            raise click.UsageError(f"--from {source.address} is the database of the settings; give another one")
        target = context.client
        run(source.sync_client, refuse_cluster(source.address))
        job = Relocation(
            source.sync_client,
            target,
            _spaces(context, source.sync_client),
            settings.namespace,
            [app.label for app in context.apps],
        )
        with (
            hold_lease(job.source, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as source_lease,
            hold_lease(job.target, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as target_lease,
        ):
            _refuse_unfinished(context, job)

            def renew_leases() -> None:
                source_lease.renew_if_due()
                target_lease.renew_if_due()

            relocate(job, renew_leases, is_dry=dry_run)
    verb = (
        f"{counted(job.seen, 'record')} would be copied"
        if dry_run
        else f"{counted(job.seen, 'record')}, {counted(job.copied, 'key')} copied now"
    )
    context.out(f"{source.address} → {context.store.address}: {verb}, no conflicts")
    context.json({"command": "relocate", "ok": True, "written": not dry_run, "records": job.seen, "copied": job.copied})


def _source(context: CliContext, url: str | None, variable: str | None) -> str:
    """Give the URL of --from or --from-env."""
    if (url is None) == (variable is None):
        raise click.UsageError("give either --from URL or --from-env NAME")
    if variable is not None:
        found = os.environ.get(variable)
        if not found:
            raise click.UsageError(f"--from-env {variable}: this environment variable is not set; set it to a URL")
        return found
    if not url:
        raise click.UsageError("--from is empty; give the URL of the other server")
    if has_password(url):  # other users may have read it by now; refusing would not help
        context.err(
            "warning: every user of this machine can read a password in --from while the command runs; put the URL into"
            " an environment variable, and use --from-env"
        )
    return url


def _spaces(context: CliContext, source: SyncClient) -> list[KeySpace]:
    """Give the key spaces of the code; if it is ahead of the source's migrations, also those that these left."""
    spaces = [model.__mapper__.keys for app in context.apps for model in app.models]
    for app in context.apps:
        snapshot = run(source, StateStore(context.settings.namespace, app.label).read()).snapshot
        spaces += [model.keys for model in snapshot.models] if snapshot is not None else []
    return list({space.start: space for space in spaces}.values())


def _refuse_unfinished(context: CliContext, job: Relocation) -> None:
    for client in (job.source, job.target):
        for app in job.apps:
            run(client, Quarantine(context.settings.namespace, app).read())  # what cannot be read is not copied
            if run(client, StateStore(context.settings.namespace, app).read()).journal is not None:
                raise IncompleteError(
                    f"{app}: a run of 'migrate' on {client.address} is not finished; run 'migrate' there first"
                )
