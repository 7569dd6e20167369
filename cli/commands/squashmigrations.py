"""``squashmigrations APP [FROM] TO``: replace several migrations by one."""

import click

from redis_models.errors import MigrationError
from redis_models.migrations.files.loader import exchange_migrations, load_chain
from redis_models.migrations.files.squash import Squashed, squash
from redis_models.project.imports import shown_path
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.parameters import MOST_OF_A_NAME
from ..console.targets import apps_named

__all__ = ["command"]


@click.command("squashmigrations")
@click.argument("app")
@click.argument("first", metavar="[FROM]", required=False)
@click.argument("last", metavar="TO", required=False)
@click.option("--name", "-n", metavar="NAME", help="Name of the file, without its number.")
@click.option("--dry-run", is_flag=True, help="Print the file, and write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def command(
    context: CliContext, app: str, first: str | None, last: str | None, name: str | None, dry_run: bool, yes: bool
) -> None:
    """Replace the migrations of APP from FROM (default: the first) up to TO by one migration.

    It is only written if it leads to the same schema as the old ones. The old files are deleted. Squash only what
    every database has applied.
    """
    if last is None:
        first, last = None, first
    [chosen] = apps_named(context, app)
    if last is None:
        raise click.UsageError("TO is missing: give the last migration to squash")
    if name is not None and len(name) > MOST_OF_A_NAME:
        raise click.UsageError(
            f"--name {name[:MOST_OF_A_NAME]!r}... is longer than {MOST_OF_A_NAME} characters; use a shorter one"
        )
    if name is not None and not name.replace("_", "a").isalnum():
        raise click.UsageError(f"--name {name!r} cannot be part of a file name; use letters, digits and _")
    chain = load_chain(chosen.label, chosen.migrations_path)
    start = 0 if first is None else chain.target(first, 0) - 1
    end = chain.target(last, 0)
    if end <= start:
        raise MigrationError(f"{chosen.label}: {last} does not come after {first}")
    made = squash(chain, chosen.migrations_path, start, end, name)
    if not dry_run:
        if context.is_interactive and not yes:
            names = ", ".join(migration.name for migration in made.replaced)
            click.confirm(f"Replace {names} by {made.new.migration.name}?", abort=True, err=True)
        gone = [migration.name for migration in made.replaced]
        texts = {made.new.migration.name: made.new.text}
        exchange_migrations(chosen.migrations_path, texts, gone, made.chain.migrations[-1].id)
    _print(context, made, dry_run)


def _print(context: CliContext, made: Squashed, dry_run: bool) -> None:
    now, before = made.operation_counts
    context.out(f"  {shown_path(made.new.path)}   id {made.new.migration.id}")
    context.out(
        f"    {now} of {counted(before, 'operation')} left; replaces {counted(len(made.replaced), 'migration')},"
        " with the same result"
    )
    if dry_run:
        context.out_lines(f"\n{made.new.text}")
    context.json(
        {
            "command": "squashmigrations",
            "ok": True,
            "written": not dry_run,
            "id": made.new.migration.id,
            "path": str(made.new.path),
            "replaces": [replaced.written for replaced in made.new.migration.replaces],
            "operations": now,
            "operations_before": before,
            "text": made.new.text,
        }
    )
