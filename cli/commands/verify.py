"""``verify [APP[.MODEL]]...``: read every record through its model, and check the indexes."""

from collections.abc import Sequence
from dataclasses import replace

import click

from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, MigrationError, ServerError
from redis_models.migrations.autodetector.diff import diff
from redis_models.migrations.maintenance.verify import (
    Verification,
    look_at_some,
    scope_of,
    subjects_of,
    verify,
)
from redis_models.migrations.schema.from_models import snapshot_of
from redis_models.migrations.state.receipts import ReceiptStore, Scope, UnfinishedVerification, VerificationReceipt
from redis_models.migrations.state.store import StateStore
from redis_models.migrations.state.tally import Tally
from redis_models.model import Model
from redis_models.project.apps import App
from redis_models.redaction import counted, printable

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.parameters import MOST
from ..console.progress import shown_progress
from ..console.targets import chosen_models

__all__ = ["command"]


@click.command("verify")
@click.argument("models", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option(
    "--sample",
    "limit",
    type=click.IntRange(1, MOST),
    metavar="N",
    help="Read only N random records of each model.",
)
@click.option(
    "--repair-index", is_flag=True, help="Add missing records to indexes, and remove entries without a record."
)
@click.option("--resume", is_flag=True, help="Resume a verification that was interrupted.")
@click.option("--strict", is_flag=True, help="Exit 1 for notes, too.")
@click.pass_obj
def command(
    context: CliContext, models: Sequence[str], limit: int | None, repair_index: bool, resume: bool, strict: bool
) -> int:
    """Read every record through its model, and check the indexes: of all models, or of some models or apps.

    Records are not changed. If all models of an app are read, a receipt is stored, which 'migrate --check --verified'
    looks for.
    """
    if limit is not None and (repair_index or resume):
        raise click.UsageError(
            "--sample reads only some records; it cannot be combined with --repair-index or --resume"
        )
    apps: dict[str, object] = {}
    is_ok = True
    for app, chosen in _chosen(context, models).items():
        tallies, receipt = _verify(context, app, chosen, limit, repair_index, resume)
        if not chosen:
            context.out(f"{app.label}: no models")
        for name, tally in tallies.items():
            _show(context, f"{app.label}.{name}", tally)
            is_ok = is_ok and not tally.problems and not (strict and tally.notes)
        apps[app.label] = {
            "models": {name: tally.document for name, tally in tallies.items()},
            "receipt": None if receipt is None else {"began_at": receipt.began_at, "ended_at": receipt.ended_at},
        }
    context.json({"command": "verify", "ok": is_ok, "sample": limit, "apps": apps})
    return Exit.DONE if is_ok else Exit.FAILED


def _chosen(context: CliContext, names: Sequence[str]) -> dict[App, list[type[Model]]]:
    """Give the chosen models by app. For an app without models nothing is read, but it gets a receipt."""
    bare = {app.label: app for app in context.apps if not app.models}
    left = [name for name in names if name not in bare]
    found: dict[App, list[type[Model]]] = {}
    for app, model in chosen_models(context, left) if left or not names else ():
        found.setdefault(app, []).append(model)
    return found | {app: [] for label, app in bare.items() if not names or label in names}


def _verify(
    context: CliContext, app: App, chosen: Sequence[type[Model]], limit: int | None, repair: bool, resume: bool
) -> tuple[dict[str, Tally], VerificationReceipt | None]:
    client, namespace, chain = context.client, context.settings.namespace, context.chains[app.label]
    store, receipts = StateStore(namespace, app.label), ReceiptStore(namespace, app.label)
    known = chain.snapshots[-1] if chain.migrations else run(client, store.read()).snapshot
    if known is not None and not diff(known, snapshot_of(app.models)).is_empty:
        commands = "'makemigrations' and 'migrate'" if chain.migrations else "'migrate --auto'"
        raise MigrationError(f"{app.label}: the models have changes that are not migrated; run {commands} first")
    scope = run(client, scope_of(store, chain, app.models))
    subjects = subjects_of(chain, [model.__mapper__ for model in chosen])
    if limit is not None:
        return {subject.name: run(client, look_at_some(receipts, subject, limit)) for subject in subjects}, None
    is_whole = len(chosen) == len(app.models)
    start = _start(app, scope, run(client, receipts.unfinished())) if resume and is_whole else None
    try:
        with shown_progress(context) as report:
            job = Verification(receipts, scope, subjects, report, is_whole, repair)
            receipt = run(client, verify(job, start))
    except KeyboardInterrupt:
        cure = "resume it with 'verify --resume'" if is_whole else "run it again"
        raise IncompleteError(f"{app.label}: interrupted before all records were read; {cure}") from None
    if run(client, scope_of(store, chain, app.models)) != scope:
        raise IncompleteError(
            f"{app.label}: migrations ran or the server restarted in the meantime; run 'verify' again"
        )
    if not is_whole:
        return job.tallies, None
    try:
        run(client, receipts.settle(receipt))
    except ServerError as exc:
        context.err(f"{app.label}: no receipt was stored: {exc}")
        return job.tallies, None
    return job.tallies, receipt


def _start(app: App, scope: Scope, unfinished: UnfinishedVerification | None) -> UnfinishedVerification | None:
    """Give the place from which to resume.

    Raises:
        MigrationError: The checkpoint belongs to other migrations or constraints.
    """
    if unfinished is None:
        return None
    if replace(unfinished.scope, run_id=scope.run_id) != scope:
        raise MigrationError(
            f"{app.label}: migrations ran or constraints of the models changed since that verification; run"
            " 'verify' again without --resume"
        )
    return unfinished.resumed_on(scope.run_id)


def _show(context: CliContext, name: str, tally: Tally) -> None:
    problems, notes = sum(tally.problems.values()), sum(tally.notes.values())
    parts = [counted(tally.records, "record") + " read", counted(problems, "problem") if problems else "no problems"]
    parts += [counted(notes, "note")] if notes else []
    parts += [counted(tally.repaired, "index entry", "index entries") + " repaired"] if tally.repaired else []
    context.out(f"{name}: {', '.join(parts)}")
    for kind, count in tally.counts.items():
        context.out(f"  {'note' if kind.is_note else 'problem'} {kind.value}: {count:,}")
        shown = [verdict for verdict in tally.shown if verdict.kind is kind]
        for verdict in shown:
            context.out(f"    {printable(verdict.key)}: {printable(verdict.reason)}")
        if count > len(shown):
            context.out(f"    and {count - len(shown):,} more")
