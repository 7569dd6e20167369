"""``quarantine``: records that a run could not rewrite, and put aside so that it could go on."""

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
from redis_models.errors import MigrationError, WrongKeyTypeError
from redis_models.mapping.stored_field import STAMP
from redis_models.migrations.maintenance.repair import Mending, mending_of, refuse_unreadable, schema_at, write_mending
from redis_models.migrations.maintenance.retry import drop_record, record_of, retry_records, secrecy_of
from redis_models.migrations.planner.explain import Line
from redis_models.migrations.planner.plan import as_squashed
from redis_models.migrations.state.lease import hold_lease
from redis_models.migrations.state.quarantine import Quarantine, QuarantinedRecord
from redis_models.migrations.state.store import StateStore
from redis_models.project.apps import App
from redis_models.redaction import printable

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.formatting import record_lines
from ..console.parameters import Amount
from ..console.targets import apps_named

__all__ = ["command"]


@click.group("quarantine")
def command() -> None:
    """Look at records that a run could not rewrite, mend them, try them again, or delete them.

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
        context.out(f"{one.label}: {entry.key}: {entry.reason}")
        context.out(f"  {entry.model}, on its way to version {entry.target}; last tried {entry.at}")
    if not found:
        context.out("Nothing is in quarantine.")
    else:
        context.err(
            "Look at one with 'quarantine show KEY', mend it with 'quarantine set KEY FIELD=VALUE',", verbosity=1
        )
        context.err("try all again with 'quarantine retry', or delete with 'quarantine drop KEY'.", verbosity=1)
    _json(context, "list", [{"app": one.label, **asdict(entry)} for one, entry in found])


@command.command("show")
@click.argument("key")
@click.pass_obj
def show_command(context: CliContext, key: str) -> None:
    """Show the record in quarantine at KEY: why it is there, and what it holds."""
    app, entry = _entry(context, key)
    context.out(f"{app.label}: {entry.key}: {entry.reason}")
    context.out(f"  {entry.model}, on its way to version {entry.target}; last tried {entry.at}")
    record: dict[str, bytes] | None = None
    conceals = secrecy_of(context.chains[app.label], entry.key)
    if conceals is None:
        context.out("  No model owns this key; 'quarantine drop' forgets it, and leaves what lies there alone.")
        _json(context, "show", [{"app": app.label, **asdict(entry), "fields": None}])
        return
    with suppress(WrongKeyTypeError):
        record = run(context.client, record_of(entry.key))
    if record is not None:
        record = {name: MASK.encode() if conceals(name, raw) else raw for name, raw in record.items()}
    if record is None:
        context.out("  It is no hash.")
    elif not record:
        context.out("  It is gone; 'quarantine retry' forgets it.")
    for name, raw in sorted((record or {}).items()):
        context.out(f"  {name} = {raw!r}")
    schema = schema_at(context.chains[app.label], entry.key, record.get(STAMP)) if record else None
    types = {} if schema is None else {one.name: one.type for one in schema.fields}
    if schema is not None:
        fields = ", ".join(f"{name}: {type}" for name, type in types.items())
        context.out(f"  At version {schema.version} it has {fields}; 'quarantine set' takes values of these types.")
    shown = {"app": app.label, **asdict(entry), "fields": _texts(record or {}) or None, "types": types or None}
    _json(context, "show", [shown])


@command.command("retry")
@click.argument("keys", nargs=-1)
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def retry_command(context: CliContext, keys: Sequence[str], wait_s: float) -> int:
    """Try the records at KEYS again, or all of them; those that can be rewritten leave the quarantine."""
    client, settings, documents, left = context.client, context.settings, list[object](), 0
    chosen = _chosen(context, keys)
    for app, entries in _by_app(chosen):
        chain = context.chains[app.label]
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            done = run(client, retry_records(lease, settings.namespace, chain, entries))
        for key, reason in done.items():
            context.out(f"{app.label}: {key}: {reason or ('is gone' if reason is None else 'is rewritten')}")
            documents.append({"app": app.label, "key": key, "reason": reason})
        left += sum(bool(reason) for reason in done.values())
    if not chosen:
        context.out("Nothing is in quarantine.")
    _json(context, "retry", documents, is_ok=not left)
    return 1 if left else 0


@command.command("set")
@click.argument("key")
@click.argument("assignments", metavar="FIELD=VALUE...", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Show what would be set, and whether the record could be rewritten then.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def set_command(context: CliContext, key: str, assignments: Sequence[str], dry_run: bool, wait_s: float) -> int:
    """Set fields of the record in quarantine at KEY, all or none, and try it again.

    Values are of the types that the record's own version has: the text of a field of text, JSON for any other, as in
    age=7 or tags='["a"]'. FIELD:=JSON is JSON for a field of text, too: note:=null. Other fields stay as they are.
    """
    client, settings = context.client, context.settings
    app, entry = _entry(context, key)
    chain = context.chains[app.label]
    mending = run(client, mending_of(chain, entry, assignments))
    for line in record_lines(_set_lines(mending)):
        context.out(line)
    state = run(client, StateStore(settings.namespace, app.label).read())
    position = len(as_squashed(chain, state.ledger))
    refuse_unreadable(mending, position, [model.__shape__ for model in app.models])
    reason: str | None = mending.objection(position) or ""
    if not dry_run:
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            run(client, write_mending(lease, settings.namespace, chain, mending))
            if state.journal is None:
                reason = run(client, retry_records(lease, settings.namespace, chain, [entry]))[entry.key]
    context.out(f"{app.label}: {entry.key}: {_came_to(reason, dry_run, state.journal is not None)}")
    _json(
        context,
        "set",
        [{"app": app.label, "key": entry.key, "written": not dry_run, "set": sorted(mending.values), "reason": reason}],
        is_ok=not reason,
    )
    return Exit.FAILED if reason else Exit.DONE


def _set_lines(mending: Mending) -> list[Line]:
    """Give the fields that are set, before and after; what is secret as stars."""
    lines: list[Line] = []
    for name, raw in mending.values.items():
        before = mending.before.get(name)
        lines.append(Line(name, before, raw, mending.lineage.conceals(name, before)))
    return lines


def _came_to(reason: str | None, dry_run: bool, is_stopped: bool) -> str:
    """Say what comes of a record whose fields are, or would be, set."""
    if reason:
        return f"still cannot be rewritten: {reason}"
    if dry_run:
        return "could be rewritten then; nothing was written"
    if is_stopped:
        return "is set; a run stopped half-way, finish it with 'migrate', which rewrites this record, too"
    return "is gone" if reason is None else "is rewritten"


@command.command("drop")
@click.argument("keys", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def drop_command(context: CliContext, keys: Sequence[str], yes: bool, wait_s: float) -> None:
    """Print what the records at KEYS hold, a line of JSON each, and delete them for good."""
    client, settings = context.client, context.settings
    chosen = _chosen(context, keys)
    if not yes:
        if not context.is_interactive:
            raise MigrationError("these records would be deleted for good; say --yes if that is meant")
        noun = "this record" if len(chosen) == 1 else f"these {len(chosen)} records"
        click.confirm(f"Delete {noun} for good?", abort=True, err=True)
    documents: dict[str, dict[str, object]] = {}

    def tell(app: App, key: str, fields: Mapping[str, bytes]) -> None:
        documents[key] = {"app": app.label, "key": key, "fields": _texts(fields)}
        # At once, under --json too: what is deleted must be somewhere even if this process dies.
        context.out(json.dumps(documents[key]))
        if context.is_json:
            context.err(json.dumps({"t": "drop", **documents[key]}))

    for app, entries in _by_app(chosen):
        chain = context.chains[app.label]
        with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease:
            for entry in entries:
                dropping = drop_record(lease, settings.namespace, chain, entry, partial(tell, app, entry.key))
                if not run(client, dropping):
                    context.err(f"{entry.key}: forgotten; no model owns this key, so what lies there stays as it is")
    _json(context, "drop", list(documents.values()))


def _entries(context: CliContext, app: str | None = None) -> Iterator[tuple[App, QuarantinedRecord]]:
    apps = apps_named(context, app)
    client: SyncClient = context.client
    for one in apps:
        for entry in run(client, Quarantine(context.settings.namespace, one.label).read()).values():
            yield one, entry


def _entry(context: CliContext, key: str) -> tuple[App, QuarantinedRecord]:
    [found] = _chosen(context, [key])
    return found


def _chosen(context: CliContext, keys: Sequence[str]) -> list[tuple[App, QuarantinedRecord]]:
    """Give the entries of some keys, of all where none is named.

    Raises:
        MigrationError: One is not in quarantine.
    """
    found = list(_entries(context))
    if not keys:
        return found
    by_key = {printable(entry.key): (app, entry) for app, entry in found}  # as 'quarantine list' spells them
    by_key |= {entry.key: (app, entry) for app, entry in found}
    for key in keys:
        if key not in by_key:
            raise MigrationError(f"{key} is not in quarantine; 'quarantine list' shows what is")
    return list({by_key[key][1].key: by_key[key] for key in keys}.values())


def _by_app(chosen: Sequence[tuple[App, QuarantinedRecord]]) -> Iterator[tuple[App, list[QuarantinedRecord]]]:
    for app in dict.fromkeys(app for app, _ in chosen):
        yield app, [entry for one, entry in chosen if one is app]


def _json(context: CliContext, word: str, records: Sequence[object], *, is_ok: bool = True) -> None:
    context.json({"command": f"quarantine {word}", "ok": is_ok, "records": records})


def _texts(record: Mapping[str, bytes]) -> dict[str, str]:
    """Give values as JSON can have them; bytes that are no UTF-8 as ``surrogateescape`` has them: none is lost."""
    return {name: text_of(raw) for name, raw in record.items()}
