"""``adopt [APP[.MODEL]]...``: take over tables that pydantic-aioredis wrote, in place."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import click

from redis_models.errors import IncompleteError
from redis_models.migrations.maintenance.adopt import Takeover, adopt, survey, way_up_missing
from redis_models.migrations.state.lease import hold_lease
from redis_models.model import Model
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.parameters import Amount
from ..console.progress import shown_progress
from ..console.targets import chosen_models

__all__ = ["command", "problem_lines", "takeover_line"]


def takeover_line(takeover: Takeover, *, is_planned: bool) -> str:
    """Give the line about one table."""
    head = f"{takeover.model}: {counted(takeover.records, 'record')}"
    if takeover.is_nothing:
        return f"{head}, nothing to adopt"
    return f"{head}; {'would be changed' if is_planned else 'changed'}: {', '.join(_parts(takeover))}"


def problem_lines(takeover: Takeover) -> Iterator[str]:
    """Give a line for each record that cannot be taken over."""
    for problem in takeover.problems:
        yield f"  ! {problem.key}: {problem.reason}"
    if takeover.problem_count > len(takeover.problems):
        yield f"  ! and {takeover.problem_count - len(takeover.problems):,} more"


def _parts(takeover: Takeover) -> Iterator[str]:
    if takeover.is_converted:
        yield "set index converted to a sorted set"
    if takeover.is_freed:
        yield "TTL removed from the index"
    if takeover.stamped:
        yield f"{counted(takeover.stamped, 'record')} stamped"
    if takeover.renamed:
        yield f"{counted(takeover.renamed, 'key')} renamed"
    if takeover.found:
        yield f"{counted(takeover.found, 'record')} added to the index"
    if takeover.dropped:
        yield f"{counted(takeover.dropped, 'dead member')} removed from the index"


@click.command("adopt")
@click.argument("tables", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option("--dry-run", is_flag=True, help="Show what would be changed, and write nothing.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def command(context: CliContext, tables: tuple[str, ...], dry_run: bool, wait_s: float) -> int | None:
    """Take over tables that pydantic-aioredis wrote, in place: of some models or apps, or of all.

    The set index becomes a sorted set that never expires, records get a version stamp, and keys are renamed where
    primary keys must be escaped. Values and TTLs stay. You can run it again at any time.
    """
    results: dict[str, Takeover] = {}
    for app, model in chosen_models(context, tables):
        takeover = _survey(context, model) if dry_run else _adopt(context, model, wait_s)
        results[f"{app.label}.{takeover.model}"] = takeover
        _print(context, takeover, dry_run)
        if takeover.stamped and way_up_missing(app, model):
            context.err(_no_upgrade_path(f"{app.label}.{takeover.model}", model.__mapper__.version))
    return _end(context, results, dry_run)


def _print(context: CliContext, takeover: Takeover, dry_run: bool) -> None:
    context.out(takeover_line(takeover, is_planned=dry_run))
    for line in problem_lines(takeover):
        context.out(line)


def _no_upgrade_path(name: str, version: int) -> str:
    return (
        f"{name}: its records have version 1, but no migration leads from version 1 to {version}. Declare the model as"
        " pydantic-aioredis had it, with version = 1, run 'makemigrations', and change it afterwards"
    )


def _end(context: CliContext, results: Mapping[str, Takeover], dry_run: bool) -> int | None:
    left = sum(takeover.problem_count for takeover in results.values())
    is_done = dry_run or not left
    models = {name: {**asdict(takeover), "problems": _documents(takeover)} for name, takeover in results.items()}
    context.json({"command": "adopt", "ok": is_done, "dry_run": dry_run, "models": models})
    if is_done:
        return None
    refused = counted(left, "record was", "records were")
    context.err(f"error: {refused} not taken over; correct what is listed above, then run 'adopt' again")
    return Exit.INCOMPLETE


def _documents(takeover: Takeover) -> list[dict[str, str]]:
    return [{"key": problem.key, "reason": problem.reason} for problem in takeover.problems]


def _survey(context: CliContext, model: type[Model]) -> Takeover:
    with shown_progress(context) as report:
        return survey(context.client, model.__mapper__, report)


def _adopt(context: CliContext, model: type[Model], wait_s: float) -> Takeover:
    client, settings = context.client, context.settings
    try:
        with (
            hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease,
            shown_progress(context) as report,
        ):
            return adopt(client, lease, model.__mapper__, batch_size=settings.batch_size, report=report)
    except KeyboardInterrupt:
        raise IncompleteError(
            f"{model.__name__}: interrupted; every record is complete. Run 'adopt' again to resume"
        ) from None
