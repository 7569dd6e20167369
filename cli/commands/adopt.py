"""``adopt [APP[.MODEL]]...``: take over tables that pydantic-aioredis wrote, in place."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import click

from redis_models.errors import IncompleteError
from redis_models.migrations.maintenance.adopt import Takeover, adopt, survey, way_up_missing
from redis_models.migrations.state.lease import hold_lease
from redis_models.model import Model

from ..console.context import CliContext
from ..console.exit_codes import Exit
from ..console.formatting import counted
from ..console.parameters import Amount
from ..console.progress import shown_progress
from ..console.targets import chosen_models

__all__ = ["command", "problem_lines", "takeover_line"]


def takeover_line(one: Takeover, *, is_planned: bool) -> str:
    """Give the line about one table."""
    head = f"{one.model}: {counted(one.records, 'record')}"
    if one.is_nothing:
        return f"{head}, nothing to adopt"
    return f"{head}; {'would be done' if is_planned else 'done'}: {', '.join(_parts(one))}"


def problem_lines(one: Takeover) -> Iterator[str]:
    """Give a line for each record that cannot be taken over."""
    for problem in one.problems:
        yield f"  ! {problem.key}: {problem.reason}"
    if one.problem_count > len(one.problems):
        yield f"  ! and {one.problem_count - len(one.problems):,} more"


def _parts(one: Takeover) -> Iterator[str]:
    if one.is_converted:
        yield "set index made a sorted set"
    if one.is_freed:
        yield "life span taken off the index"
    if one.stamped:
        yield f"{one.stamped:,} stamped"
    if one.renamed:
        yield f"{counted(one.renamed, 'key')} renamed"
    if one.found:
        yield f"{one.found:,} found outside the index"
    if one.dropped:
        yield f"{counted(one.dropped, 'dead member')} dropped"


@click.command("adopt")
@click.argument("tables", nargs=-1, metavar="[APP[.MODEL]]...")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@click.option("--wait", "wait_s", type=Amount(), default=0, help="Seconds to wait for another runner.")
@click.pass_obj
def command(context: CliContext, tables: tuple[str, ...], dry_run: bool, wait_s: float) -> int | None:
    """Take over tables that pydantic-aioredis wrote, in place: of some models or apps, or of all.

    Its set index becomes a sorted set that never expires, records get a stamp, and keys are renamed where primary keys
    must be escaped. Values and life spans stay. It may be run again at any time.
    """
    results: dict[str, Takeover] = {}
    for app, model in chosen_models(context, tables):
        one = _survey(context, model) if dry_run else _adopt(context, model, wait_s)
        results[f"{app.label}.{one.model}"] = one
        _print(context, one, dry_run)
        if one.stamped and way_up_missing(app, model):
            context.err(_no_way_up(f"{app.label}.{one.model}", model.__shape__.version))
    return _end(context, results, dry_run)


def _print(context: CliContext, one: Takeover, dry_run: bool) -> None:
    context.out(takeover_line(one, is_planned=dry_run))
    for line in problem_lines(one):
        context.out(line)


def _no_way_up(name: str, version: int) -> str:
    return (
        f"{name}: its records are of version 1, and no migration leads from there to version {version}; declare the"
        " model as pydantic-aioredis had it, with version = 1, run 'makemigrations', and only then change it"
    )


def _end(context: CliContext, results: Mapping[str, Takeover], dry_run: bool) -> int | None:
    left = sum(one.problem_count for one in results.values())
    is_done = dry_run or not left
    models = {name: {**asdict(one), "problems": _told(one)} for name, one in results.items()}
    context.json({"command": "adopt", "ok": is_done, "dry_run": dry_run, "models": models})
    if is_done:
        return None
    noun = "record is" if left == 1 else "records are"
    context.err(f"error: {left:,} {noun} not taken over; mend what is named above, and run 'adopt' again")
    return Exit.INCOMPLETE


def _told(one: Takeover) -> list[dict[str, str]]:
    return [{"key": problem.key, "reason": problem.reason} for problem in one.problems]


def _survey(context: CliContext, model: type[Model]) -> Takeover:
    with shown_progress(context) as report:
        return survey(context.client, model.__shape__, report)


def _adopt(context: CliContext, model: type[Model], wait_s: float) -> Takeover:
    client, settings = context.client, context.settings
    try:
        with (
            hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=wait_s) as lease,
            shown_progress(context) as report,
        ):
            return adopt(client, lease, model.__shape__, batch_size=settings.batch_size, report=report)
    except KeyboardInterrupt:
        raise IncompleteError(f"{model.__name__}: paused; every record is whole. Run 'adopt' again to go on") from None
