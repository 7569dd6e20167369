"""``quarantine``: records that a run could not rewrite, and put aside so that it could go on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from redis_models.apps import App
from redis_models.client import SyncClient, run
from redis_models.errors import MigrationError
from redis_models.migrations.files import load_chain
from redis_models.migrations.lease import hold_lease
from redis_models.migrations.quarantine import Quarantine, Quarantined
from redis_models.migrations.retrying import drop_records, record_of, retry_records

from ..amounts import Amount
from ..apps import chosen_apps
from ..context import CliContext

__all__ = ["command"]


@click.group("quarantine")
def command() -> None:
    """Look at records that a run could not rewrite, try them again, or delete them.

    'migrate --on-error quarantine' puts them there. They stay where they are, as they are; every later run tries them
    again.
    """


@command.command("list")
@click.argument("app", required=False)
@click.pass_obj
def list_command(context: CliContext, app: str | None) -> None:
    """List the records in quarantine of APP, or of all apps, with the reasons."""
    found = [(one, entry) for one, entry in _entries(context, app)]
    for one, entry in found:
        context.out(f"{one.label}: {_shown(entry.key)}: {entry.reason}")
        context.out(f"  {entry.model}, on its way to version {entry.target}; last tried {entry.at}")
    if not found:
        context.out("Nothing is in quarantine.")
    _json(context, "list", [{"app": one.label, **asdict(entry)} for one, entry in found])


@command.command("show")
@click.argument("key")
@click.pass_obj
def show_command(context: CliContext, key: str) -> None:
    """Show the record in quarantine at KEY: why it is there, and what it holds."""
    app, entry = _entry(context, key)
    record = run(context.store.sync_client, record_of(entry.key))
    context.out(f"{app.label}: {_shown(entry.key)}: {entry.reason}")
    context.out(f"  {entry.model}, on its way to version {entry.target}; last tried {entry.at}")
    if record is None:
        context.out("  It is gone; 'quarantine retry' forgets it.")
    for name, raw in sorted((record or {}).items()):
        context.out(f"  {name} = {raw!r}")
    fields = None if record is None else {name: _text(raw) for name, raw in record.items()}
    _json(context, "show", [{"app": app.label, **asdict(entry), "fields": fields}])


@command.command("retry")
@click.argument("keys", nargs=-1)
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def retry_command(context: CliContext, keys: Sequence[str], wait_s: float) -> int:
    """Try the records at KEYS again, or all of them; those that can be rewritten leave the quarantine."""
    client, settings, documents, left = context.store.sync_client, context.settings, list[object](), 0
    chosen = _chosen(context, keys)
    for app, entries in _by_app(chosen):
        chain = load_chain(app.label, app.migrations_path)
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            done = run(client, retry_records(lease, settings.namespace, chain, entries))
        for key, reason in done.items():
            context.out(f"{app.label}: {_shown(key)}: {reason or 'is through'}")
            documents.append({"app": app.label, "key": key, "reason": reason})
        left += sum(bool(reason) for reason in done.values())
    if not chosen:
        context.out("Nothing is in quarantine.")
    _json(context, "retry", documents, is_ok=not left)
    return 1 if left else 0


@command.command("drop")
@click.argument("keys", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def drop_command(context: CliContext, keys: Sequence[str], yes: bool, wait_s: float) -> None:
    """Delete the records at KEYS for good, and print what they held, a line of JSON each."""
    client, settings = context.store.sync_client, context.settings
    chosen = _chosen(context, keys)
    if not yes:
        if not context.is_interactive:
            raise MigrationError("these records would be deleted for good; say --yes if that is meant")
        click.confirm(f"Delete {len(chosen)} records for good?", abort=True, err=True)
    documents: list[object] = []
    for app, entries in _by_app(chosen):
        chain = load_chain(app.label, app.migrations_path)
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            held = run(client, drop_records(lease, settings.namespace, chain, entries))
        for key, record in held.items():
            document = {"app": app.label, "key": key, "fields": {name: _text(raw) for name, raw in record.items()}}
            documents.append(document)
            context.out(json.dumps(document, ensure_ascii=True))
    _json(context, "drop", documents)


def _entries(context: CliContext, app: str | None = None) -> Iterator[tuple[App, Quarantined]]:
    apps, _ = chosen_apps(context, app)
    client: SyncClient = context.store.sync_client
    for one in apps:
        for entry in run(client, Quarantine(context.settings.namespace, one.label).read()).values():
            yield one, entry


def _entry(context: CliContext, key: str) -> tuple[App, Quarantined]:
    [found] = _chosen(context, [key])
    return found


def _chosen(context: CliContext, keys: Sequence[str]) -> list[tuple[App, Quarantined]]:
    """Give the entries of some keys, of all where none is named.

    Raises:
        MigrationError: One is not in quarantine.
    """
    found = list(_entries(context))
    if not keys:
        return found
    by_key = {entry.key: (app, entry) for app, entry in found}
    for key in keys:
        if key not in by_key:
            raise MigrationError(f"{key} is not in quarantine; 'quarantine list' shows what is")
    return [by_key[key] for key in dict.fromkeys(keys)]


def _by_app(chosen: Sequence[tuple[App, Quarantined]]) -> Iterator[tuple[App, list[Quarantined]]]:
    for app in dict.fromkeys(app for app, _ in chosen):
        yield app, [entry for one, entry in chosen if one is app]


def _json(context: CliContext, word: str, records: Sequence[object], *, is_ok: bool = True) -> None:
    context.json({"command": f"quarantine {word}", "ok": is_ok, "records": records})


def _shown(key: str) -> str:
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
