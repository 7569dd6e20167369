"""``verify [APP[.MODEL]]...``: read every record back through its model."""

from collections.abc import Sequence

import click

from redis_models.apps import App
from redis_models.client import run
from redis_models.errors import IncompleteError, MigrationError
from redis_models.migrations.bookkeeping import Shelf
from redis_models.migrations.diff import diff
from redis_models.migrations.inspection import snapshot_of
from redis_models.migrations.receipts import Checkpoint, Desk, Receipt, Scope
from redis_models.migrations.verdicts import Tally
from redis_models.migrations.verifying import Verification, look_at_some, scope_of, subjects_of, verify
from redis_models.model import Model

from ..apps import chosen_models
from ..context import CliContext, printable
from ..exits import Exit
from ..progress import shown_progress

__all__ = ["command"]


@click.command("verify")
@click.argument("models", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option(
    "--sample", "limit", type=click.IntRange(1), metavar="N", help="Only N records of each model, drawn by chance."
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
    chosen = chosen_models(context, models)
    for app in dict.fromkeys(app for app, _ in chosen):
        some = [model for owner, model in chosen if owner is app]
        tallies, receipt = _verify(context, app, some, limit, repair_index, resume)
        for name, tally in tallies.items():
            _show(context, f"{app.label}.{name}", tally)
            is_ok = is_ok and not tally.problems and not (strict and tally.notes)
        apps[app.label] = {
            "models": {name: tally.document for name, tally in tallies.items()},
            "receipt": None if receipt is None else {"began_at": receipt.began_at, "ended_at": receipt.ended_at},
        }
    context.json({"command": "verify", "ok": is_ok, "sample": limit, "apps": apps})
    return Exit.DONE if is_ok else Exit.FAILED


def _verify(
    context: CliContext, app: App, chosen: Sequence[type[Model]], limit: int | None, repair: bool, resume: bool
) -> tuple[dict[str, Tally], Receipt | None]:
    client, namespace, chain = context.client, context.settings.namespace, context.chains[app.label]
    if chain.links and not diff(chain.snapshots[-1], snapshot_of(app.models)).is_empty:
        raise MigrationError(
            f"{app.label}: the models have changes that no migration file has; run 'makemigrations' and 'migrate' first"
        )
    shelf, desk = Shelf(namespace, app.label), Desk(namespace, app.label)
    scope = run(client, scope_of(shelf, chain))
    subjects = subjects_of(chain, [model.__shape__ for model in chosen])
    if limit is not None:
        return {subject.name: run(client, look_at_some(subject, limit)) for subject in subjects}, None
    is_whole = len(chosen) == len(app.models)
    start = _start(app, scope, run(client, desk.checkpoint())) if resume and is_whole else None
    try:
        with shown_progress(context) as report:
            job = Verification(desk, scope, subjects, report, is_whole, repair)
            receipt = run(client, verify(job, start))
    except KeyboardInterrupt:
        how = "go on with 'verify --resume'" if is_whole else "run it again"
        raise IncompleteError(f"{app.label}: stopped before all records were read; {how}") from None
    if run(client, scope_of(shelf, chain)) != scope:
        raise IncompleteError(f"{app.label}: migrations ran, or the server was restarted, meanwhile; verify again")
    if is_whole:
        run(client, desk.settle(receipt))
    return job.tallies, receipt if is_whole else None


def _start(app: App, scope: Scope, checkpoint: Checkpoint | None) -> Checkpoint | None:
    """Give where to go on.

    Raises:
        MigrationError: What was read is of other data by now.
    """
    if checkpoint is not None and checkpoint.scope != scope:
        raise MigrationError(
            f"{app.label}: migrations ran, or the server was restarted, since that verification stopped; start anew,"
            " without --resume"
        )
    return checkpoint


def _show(context: CliContext, name: str, tally: Tally) -> None:
    problems, notes = sum(tally.problems.values()), sum(tally.notes.values())
    parts = [f"{tally.records:,} records read", f"{problems:,} problems" if problems else "no problem"]
    parts += [f"{notes:,} notes"] if notes else []
    parts += [f"{tally.repaired:,} entries of the index put right"] if tally.repaired else []
    context.out(f"{name}: {', '.join(parts)}")
    for kind, count in tally.counts.items():
        context.out(f"  {'note' if kind.is_note else 'problem'} {kind.value}: {count:,}")
        shown = [one for one in tally.shown if one.kind is kind]
        for one in shown:
            context.out(f"    {printable(one.key)}: {printable(one.reason)}")
        if count > len(shown):
            context.out(f"    and {count - len(shown):,} more")
