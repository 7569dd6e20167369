"""``quarantine``: list, correct, retry and delete records that a run could not rewrite."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial

import click

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.encoding.raw_text import text_of
from redis_models.encoding.secrets import MASK
from redis_models.errors import NOT_A_HASH, MigrationError, WrongKeyTypeError
from redis_models.mapping.stored_field import STAMP
from redis_models.migrations.maintenance.repair import Repair, read_repair, refuse_unreadable, schema_at, write_repair
from redis_models.migrations.maintenance.retry import drop_record, record_of, retry_records, secrecy_of
from redis_models.migrations.planner.explain import Line
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.quarantine import Quarantine, QuarantinedRecord
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import counted, printable

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.formatting import record_lines
from ..console.parameters import Amount
from ..console.targets import apps_named

__all__ = ["command"]


@click.group("quarantine")
def command() -> None:
    """Manage quarantined records: list, correct, retry or delete them.

    'migrate --on-error quarantine' quarantines records that it cannot rewrite. They keep their keys and values, and
    every later run tries them again.
    """


@command.command("list")
@click.argument("app", required=False)
@click.pass_obj
def list_command(context: CliContext, app: str | None) -> None:
    """List the quarantined records of APP, or of all apps, with the reasons."""
    found = list(_entries(context, app))
    for owner, entry in found:
        context.out(f"{owner.label}: {entry.key}: {entry.reason}")
        context.out(f"  {entry.model}, to be rewritten to version {entry.target}; last tried {entry.at}")
    if not found:
        context.out("The quarantine is empty.")
    else:
        context.err(
            "Show one with 'quarantine show KEY', correct it with 'quarantine set KEY FIELD=VALUE',", verbosity=1
        )
        context.err("retry all with 'quarantine retry', or delete one with 'quarantine drop KEY'.", verbosity=1)
    _json(context, "list", [{"app": owner.label, **asdict(entry)} for owner, entry in found])


@command.command("show")
@click.argument("key")
@click.pass_obj
def show_command(context: CliContext, key: str) -> None:
    """Show the quarantined record at KEY: the reason, its fields and their types."""
    app, entry = _entry(context, key)
    context.out(f"{app.label}: {entry.key}: {entry.reason}")
    context.out(f"  {entry.model}, to be rewritten to version {entry.target}; last tried {entry.at}")
    record: dict[str, bytes] | None = None
    conceals = secrecy_of(context.chains[app.label], entry.key)
    if conceals is None:
        context.out("  No model has this key; 'quarantine drop' removes the entry and leaves the key as it is.")
        _json(context, "show", [{"app": app.label, **asdict(entry), "fields": None}])
        return
    with suppress(WrongKeyTypeError):
        record = run(context.client, record_of(entry.key))
    if record is not None:
        record = {name: MASK.encode() if conceals(name, raw) else raw for name, raw in record.items()}
    if record is None:
        context.out(f"  The key {NOT_A_HASH}.")
    elif not record:
        context.out("  The record no longer exists; 'quarantine retry' removes the entry.")
    for name, raw in sorted((record or {}).items()):
        context.out(f"  {name} = {raw!r}")
    schema = schema_at(context.chains[app.label], entry.key, record.get(STAMP)) if record else None
    types = {} if schema is None else {field.name: field.type for field in schema.fields}
    if schema is not None:
        fields = ", ".join(f"{name}: {type}" for name, type in types.items())
        context.out(f"  Fields at version {schema.version}: {fields}. 'quarantine set' takes values of these types.")
    shown = {"app": app.label, **asdict(entry), "fields": _texts(record or {}) or None, "types": types or None}
    _json(context, "show", [shown])


@command.command("retry")
@click.argument("keys", nargs=-1)
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def retry_command(context: CliContext, keys: Sequence[str], wait_s: float) -> int:
    """Retry the records at KEYS, or all of them; those that can be rewritten leave the quarantine."""
    client, settings, documents, left = context.client, context.settings, list[object](), 0
    chosen = _chosen(context, keys)
    for app, entries in _by_app(chosen):
        chain = context.chains[app.label]
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            done = run(client, retry_records(lease, settings.namespace, chain, entries))
        for key, reason in done.items():
            context.out(f"{app.label}: {key}: {reason or ('no longer exists' if reason is None else 'rewritten')}")
            documents.append({"app": app.label, "key": key, "reason": reason})
        left += sum(bool(reason) for reason in done.values())
    if not chosen:
        context.out("The quarantine is empty.")
    _json(context, "retry", documents, is_ok=not left)
    return Exit.FAILED if left else Exit.DONE


@command.command("set")
@click.argument("key")
@click.argument("assignments", metavar="FIELD=VALUE...", nargs=-1, required=True)
@click.option(
    "--dry-run", is_flag=True, help="Show the change, and whether the record could then be rewritten; write nothing."
)
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def set_command(context: CliContext, key: str, assignments: Sequence[str], dry_run: bool, wait_s: float) -> int:
    """Set fields of the quarantined record at KEY, all or none, and retry it.

    Values have the types of the record's own version: plain text for a str field, JSON for any other, as in age=7 or
    tags='["a"]'. FIELD:=JSON is JSON for a str field, too: note:=null. Other fields stay as they are.
    """
    client, settings = context.client, context.settings
    app, entry = _entry(context, key)
    chain = context.chains[app.label]
    repair = run(client, read_repair(chain, entry, assignments))
    for line in record_lines(_set_lines(repair)):
        context.out(line)
    state = run(client, StateStore(settings.namespace, app.label).read())
    position = len(as_squashed(chain, state.ledger))
    refuse_unreadable(repair, position, [model.__mapper__ for model in app.models])
    reason: str | None = repair.objection(position) or ""
    if not dry_run:
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            run(client, write_repair(lease, settings.namespace, chain, repair))
            if state.journal is None:
                reason = run(client, retry_records(lease, settings.namespace, chain, [entry]))[entry.key]
    context.out(f"{app.label}: {entry.key}: {_outcome(reason, dry_run, state.journal is not None)}")
    _json(
        context,
        "set",
        [{"app": app.label, "key": entry.key, "written": not dry_run, "set": sorted(repair.values), "reason": reason}],
        is_ok=not reason,
    )
    return Exit.FAILED if reason else Exit.DONE


def _set_lines(repair: Repair) -> list[Line]:
    """Give the fields that are set, before and after; secrets are masked."""
    lines: list[Line] = []
    for name, raw in repair.values.items():
        before = repair.before.get(name)
        lines.append(Line(name, before, raw, repair.lineage.conceals(name, before)))
    return lines


def _outcome(reason: str | None, dry_run: bool, is_stopped: bool) -> str:
    """Say whether a record can be rewritten after its fields were set."""
    if reason:
        return f"still cannot be rewritten: {reason}"
    if dry_run:
        return "could then be rewritten; nothing was written"
    if is_stopped:
        return "set; run 'migrate' to finish the unfinished run, which rewrites this record, too"
    return "no longer exists" if reason is None else "set and rewritten"


@command.command("drop")
@click.argument("keys", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def drop_command(context: CliContext, keys: Sequence[str], yes: bool, wait_s: float) -> None:
    """Print the records at KEYS, a line of JSON each, and delete them for good."""
    client, settings = context.client, context.settings
    chosen = _chosen(context, keys)
    if not yes:
        if not context.is_interactive:
            raise MigrationError("these records would be deleted for good; use --yes to confirm")
        click.confirm(f"Delete {counted(len(chosen), 'record')} for good?", abort=True, err=True)
    documents: dict[str, dict[str, object]] = {}

    def print_record(app: App, key: str, fields: Mapping[str, bytes]) -> None:
        documents[key] = {"app": app.label, "key": key, "fields": _texts(fields)}
        # At once, also under --json: what is deleted must be printed even if this process dies.
        context.out(json.dumps(documents[key]))
        if context.is_json:
            context.err(json.dumps({"t": "drop", **documents[key]}))

    for app, entries in _by_app(chosen):
        chain = context.chains[app.label]
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            for entry in entries:
                dropping = drop_record(lease, settings.namespace, chain, entry, partial(print_record, app, entry.key))
                if not run(client, dropping):
                    context.err(
                        f"{entry.key}: removed from the quarantine; no model has this key, so the key stays as it is"
                    )
    _json(context, "drop", list(documents.values()))


def _entries(context: CliContext, app: str | None = None) -> Iterator[tuple[App, QuarantinedRecord]]:
    apps = apps_named(context, app)
    client: SyncClient = context.client
    for project_app in apps:
        for entry in run(client, Quarantine(context.settings.namespace, project_app.label).read()).values():
            yield project_app, entry


def _entry(context: CliContext, key: str) -> tuple[App, QuarantinedRecord]:
    [found] = _chosen(context, [key])
    return found


def _chosen(context: CliContext, keys: Sequence[str]) -> list[tuple[App, QuarantinedRecord]]:
    """Give the entries with these keys; all entries without keys.

    Raises:
        MigrationError: A key is not in quarantine.
    """
    found = list(_entries(context))
    if not keys:
        return found
    by_key = {printable(entry.key): (app, entry) for app, entry in found}  # as 'quarantine list' spells them
    by_key |= {entry.key: (app, entry) for app, entry in found}
    for key in keys:
        if key not in by_key:
            raise MigrationError(f"{key} is not in quarantine; 'quarantine list' shows the keys that are")
    return list({by_key[key][1].key: by_key[key] for key in keys}.values())


def _by_app(chosen: Sequence[tuple[App, QuarantinedRecord]]) -> Iterator[tuple[App, list[QuarantinedRecord]]]:
    for app in dict.fromkeys(app for app, _ in chosen):
        yield app, [entry for owner, entry in chosen if owner is app]


def _json(context: CliContext, word: str, records: Sequence[object], *, is_ok: bool = True) -> None:
    context.json({"command": f"quarantine {word}", "ok": is_ok, "records": records})


def _texts(record: Mapping[str, bytes]) -> dict[str, str]:
    """Give values as text for JSON; ``surrogateescape`` keeps bytes that are not UTF-8."""
    return {name: text_of(raw) for name, raw in record.items()}
