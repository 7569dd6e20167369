"""``makemigrations [APP...]``: write the migration that leads from the files to the code. Needs no Redis."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import click

from redis_models.apps import App
from redis_models.errors import MigrationError, MigrationFileError, ModelDeclarationError, UnansweredError
from redis_models.importing import shown_path
from redis_models.migrations.answers import OPTIONS
from redis_models.migrations.authoring import NewMigration
from redis_models.migrations.diff import LowVersion
from redis_models.migrations.files import load_chain, rewrite_migration, write_migration
from redis_models.migrations.inspection import snapshot_of
from redis_models.migrations.moves import find_moves

from ..answering import given_answers, save_answers
from ..bump import advice, bump
from ..context import CliContext
from ..evidence import Evidence, applied_ids
from ..exits import Exit
from ..fromredis import place_from_redis
from ..listing import changes_of, tasks_of as functions_of, title_of
from ..making import Place, Task, emptied, make_all, owners_of, tasks_of
from ..questions import settle

__all__ = ["command"]

_PATH = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True)
class _Wish:
    """What the command line asks for."""

    name: str | None
    is_check: bool
    is_dry_run: bool
    is_bump: bool
    is_empty: bool
    is_update: bool
    is_from_redis: bool
    answers: Path | None
    save_answers: Path | None


@click.command("makemigrations")
@click.argument("labels", metavar="[APP]...", nargs=-1)
@click.option("--name", "-n", metavar="NAME", help="Name of the file, without its number.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would be written or asked.")
@click.option("--dry-run", is_flag=True, help="Ask the same questions, print the file, write nothing.")
@click.option("--rename", multiple=True, metavar="A.b=c", help="Field b of model A is called c now; A=B for a model.")
@click.option(
    "--drop", multiple=True, metavar="A.b", help="The values of field b go; or all of model A is tracked no longer."
)
@click.option(
    "--default", multiple=True, metavar="A.b=LITERAL", help="Existing records get this value in the new field b."
)
@click.option(
    "--compute", multiple=True, metavar="A.b", help="A function, to be written in the file, gives that value."
)
@click.option("--map", "mapping", multiple=True, metavar="A.b:OLD=NEW", help="Where field b holds OLD, it gets NEW.")
@click.option("--zone", multiple=True, metavar="A.b=ZONE", help="Instants in field b were meant in this time zone.")
@click.option("--ttl", multiple=True, metavar="A=POLICY", help="What a changed ttl means for records that are there.")
@click.option("--answers", type=_PATH, metavar="FILE", help="More such options, one a line.")
@click.option("--save-answers", type=_PATH, metavar="FILE", help="Write all answers to a file, for --answers.")
@click.option(
    "--bump", "is_bump", is_flag=True, help="Raise the versions that must rise, in the source files of the models."
)
@click.option("--empty", is_flag=True, help="Write a migration without operations, to be filled in by hand.")
@click.option("--update", is_flag=True, help="Add the changes to the last migration, which is not applied yet.")
@click.option("--from-redis", is_flag=True, help="Begin with the schemas that are stored in Redis, not with the files.")
@click.pass_obj
def command(
    context: CliContext,
    labels: Sequence[str],
    rename: Sequence[str],
    drop: Sequence[str],
    default: Sequence[str],
    compute: Sequence[str],
    mapping: Sequence[str],
    zone: Sequence[str],
    ttl: Sequence[str],
    **options: object,
) -> int:
    """Write the migration that leads from the migration files to the models as they are in the code.

    APP is the label of an app; all apps without it. What cannot be known is asked, or answered by --rename, --drop,
    --default, --compute, --map, --zone and --ttl; app.A.b names the app too. Without a terminal an open question ends
    with exit code 3.
    """
    wish = _wish(**options)
    flags = dict(zip(OPTIONS, (rename, drop, default, compute, mapping, zone, ttl), strict=True))
    chosen = _chosen(context, labels, wish)
    tasks = _tasks(context, chosen, flags, wish)
    if wish.is_check:
        return _check(context, tasks, wish)
    if not wish.is_empty:
        tasks = _settled(context, tasks)
    if wish.save_answers is not None:
        save_answers(wish.save_answers, _flags_of(tasks))
    _refuse_low_versions(context, tasks, wish)
    made = make_all(tasks, name=wish.name, is_empty=wish.is_empty, is_update=wish.is_update)
    if not wish.is_dry_run:
        _write(context, made, wish)
    _show(context, made, wish, is_ok=True)
    return Exit.DONE
