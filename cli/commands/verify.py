"""``verify [APP[.MODEL]]...``: read every record back through its model."""

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
from redis_models.migrations.state.receipts import Checkpoint, ReceiptStore, Scope, VerificationReceipt
from redis_models.migrations.state.store import StateStore
from redis_models.migrations.state.tally import Tally
from redis_models.model import Model
from redis_models.project.apps import App
from redis_models.redaction import printable

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.formatting import counted
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
    help="Only N records of each model, drawn by chance.",
)
@click.option("--repair-index", is_flag=True, help="Add to indexes what they lack, and take out what is gone.")
@click.option("--resume", is_flag=True, help="Go on with a verification that stopped.")
@click.option("--strict", is_flag=True, help="Exit 1 for what may be meant, too.")
@click.pass_obj
def command(
    context: CliContext, models: Sequence[str], limit: int | None, repair_index: bool, resume: bool, strict: bool
) -> int:
    """Read every record of all models back, or of some models or apps, and look at the indexes.

    Writes nothing into records. Where all models of an app are read, a receipt is kept, which 'migrate --check
    --verified' asks for.
    """
    if limit is not None and (repair_index or resume):
        raise click.UsageError("--sample looks at some records only: it takes no --repair-index and no --resume")
    apps: dict[str, object] = {}
    is_ok = True
    for app, some in _chosen(context, models).items():
        tallies, receipt = _verify(context, app, some, limit, repair_index, resume)
        if not some:
            context.out(f"{app.label}: it has no models, hence no records")
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
    """Give the models that are meant, by app; of an app that has none there is nothing to read, and still a receipt."""
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
    shelf, desk = StateStore(namespace, app.label), ReceiptStore(namespace, app.label)
    known = chain.snapshots[-1] if chain.migrations else run(client, shelf.read()).snapshot
    if known is not None and not diff(known, snapshot_of(app.models)).is_empty:
        what, how = (
            ("migration file", "makemigrations' and 'migrate") if chain.migrations else ("run", "migrate --auto")
        )
        raise MigrationError(f"{app.label}: the models have changes that no {what} has; run '{how}' first")
    scope = run(client, scope_of(shelf, chain, app.models))
    subjects = subjects_of(chain, [model.__shape__ for model in chosen])
    if limit is not None:
        return {subject.name: run(client, look_at_some(desk, subject, limit)) for subject in subjects}, None
    is_whole = len(chosen) == len(app.models)
    start = _start(app, scope, run(client, desk.checkpoint())) if resume and is_whole else None
    try:
        with shown_progress(context) as report:
            job = Verification(desk, scope, subjects, report, is_whole, repair)
            receipt = run(client, verify(job, start))
    except KeyboardInterrupt:
        how = "go on with 'verify --resume'" if is_whole else "run it again"
        raise IncompleteError(f"{app.label}: stopped before all records were read; {how}") from None
    if run(client, scope_of(shelf, chain, app.models)) != scope:
        raise IncompleteError(f"{app.label}: migrations ran, or the server was restarted, meanwhile; verify again")
    if not is_whole:
        return job.tallies, None
    try:
        run(client, desk.settle(receipt))
    except ServerError as exc:
        context.err(f"{app.label}: no receipt is kept: {exc}")
        return job.tallies, None
    return job.tallies, receipt


def _start(app: App, scope: Scope, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Give where to go on.

    Raises:
        MigrationError: What was read is of other data by now.
    """
    if checkpoint is None:
        return None
    if replace(checkpoint.scope, run_id=scope.run_id) != scope:
        raise MigrationError(
            f"{app.label}: migrations ran, or constraints of the models changed, since that verification stopped; start"
            " anew, without --resume"
        )
    if scope.run_id and checkpoint.scope.run_id == scope.run_id:
        return checkpoint
    # Where the checkpoint still is, so is what was read before it; but no cursor outlives the server's run.
    done = {name: tally for name, tally in checkpoint.tallies.items() if name != checkpoint.model}
    return replace(checkpoint, model="", walk=0, cursor="0", tallies=done)


def _show(context: CliContext, name: str, tally: Tally) -> None:
    problems, notes = sum(tally.problems.values()), sum(tally.notes.values())
    parts = [counted(tally.records, "record") + " read", counted(problems, "problem") if problems else "no problem"]
    parts += [counted(notes, "note")] if notes else []
    parts += [counted(tally.repaired, "entry", "entries") + " of the index put right"] if tally.repaired else []
    context.out(f"{name}: {', '.join(parts)}")
    for kind, count in tally.counts.items():
        context.out(f"  {'note' if kind.is_note else 'problem'} {kind.value}: {count:,}")
        shown = [one for one in tally.shown if one.kind is kind]
        for one in shown:
            context.out(f"    {printable(one.key)}: {printable(one.reason)}")
        if count > len(shown):
            context.out(f"    and {count - len(shown):,} more")
