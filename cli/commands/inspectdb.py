"""``inspectdb [PATTERN...]``: draft models from hashes that nobody declared."""

from collections.abc import Sequence
from pathlib import Path

import click

from redis_models.client.drivers import run
from redis_models.migrations.maintenance.model_drafts import Draft, draft, render_models
from redis_models.migrations.maintenance.survey import Survey, survey
from redis_models.project.imports import shown_path

from ..console.context import CliContext
from ..console.parameters import MOST

__all__ = ["command"]


@click.command("inspectdb")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option(
    "--sample", type=click.IntRange(1, MOST), default=200, help="Records to look at of each table; 200 otherwise."
)
@click.option("--sep", "separator", default=":", help="What stands between the parts of keys; ':' otherwise.")
@click.option("--all", "is_all", is_flag=True, help="Draft tables that models declare, too.")
@click.option(
    "--write", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file, which must be new."
)
@click.pass_obj
def command(
    context: CliContext, patterns: Sequence[str], sample: int, separator: str, is_all: bool, file: Path | None
) -> None:
    """Draft models from the hashes whose keys match PATTERN (as in SCAN), or from all of them.

    What precedes the last separator of a key is the table. Tables that models of the project declare are left out.
    """
    if not separator:
        raise click.UsageError("--sep '' separates nothing; write ':' or another sign")
    owned = frozenset() if is_all else frozenset(one.__shape__.keys.start for app in context.apps for one in app.models)
    found = Survey(separator, sample, owned)
    for pattern in patterns or ("*",):
        cursor = ""
        while cursor != "0":
            cursor = run(context.client, survey(found, pattern, cursor or "0"))
    drafts: list[Draft] = []
    for table in sorted(found.tables.values(), key=lambda one: one.start):
        if table.records:
            drafts.append(draft(table, [one.name for one in drafts]))
    text = render_models(drafts, found.others)
    if file is None:
        context.out_lines(text.rstrip("\n"))
    else:
        _write(file, text)
        context.out(f"{shown_path(file)}: {len(drafts)} models")
    models = [{"name": one.name, "fields": {each.name: each.type for each in one.fields}} for one in drafts]
    context.json({"command": "inspectdb", "ok": True, "models": models, "text": text})


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as exc:
        raise click.UsageError(f"--write {shown_path(file)}: there is such a file already") from exc
    except OSError as exc:
        raise click.UsageError(f"--write {shown_path(file)}: cannot be written: {exc.strerror}") from exc
