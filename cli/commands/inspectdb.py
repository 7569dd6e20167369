"""``inspectdb [PATTERN...]``: draft models from hashes that have no model."""

from collections.abc import Sequence
from pathlib import Path

import click

from redis_models.client.drivers import run
from redis_models.migrations.maintenance.model_drafts import Draft, draft, render_models
from redis_models.migrations.maintenance.survey import Survey, survey
from redis_models.project.imports import shown_path
from redis_models.redaction import counted

from ..console.context import CliContext
from ..console.parameters import MOST

__all__ = ["command"]


@click.command("inspectdb")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option(
    "--sample", type=click.IntRange(1, MOST), default=200, help="Records to read of each table (default: 200)."
)
@click.option("--sep", "separator", default=":", help="Separator between the parts of keys (default: ':').")
@click.option("--all", "is_all", is_flag=True, help="Include tables that have a model.")
@click.option("--write", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this new file.")
@click.pass_obj
def command(
    context: CliContext, patterns: Sequence[str], sample: int, separator: str, is_all: bool, file: Path | None
) -> None:
    """Draft models from hashes whose keys match PATTERN (as in SCAN), or from all hashes.

    The part of a key before its last separator is the table. Tables that have a model in the project are left out.
    """
    if not separator:
        raise click.UsageError("--sep must not be empty; use ':' or another character")
    owned = (
        frozenset()
        if is_all
        else frozenset(model.__mapper__.keys.start for app in context.apps for model in app.models)
    )
    found = Survey(separator, sample, owned)
    for pattern in patterns or ("*",):
        cursor = ""
        while cursor != "0":
            cursor = run(context.client, survey(found, pattern, cursor or "0"))
    drafts: list[Draft] = []
    for table in sorted(found.tables.values(), key=lambda table: table.start):
        if table.records:
            drafts.append(draft(table, [known.name for known in drafts]))
    text = render_models(drafts, found.others)
    if file is None:
        context.out_lines(text.rstrip("\n"))
    else:
        _write(file, text)
        context.out(f"{shown_path(file)}: {counted(len(drafts), 'model')}")
    models = [{"name": model.name, "fields": {field.name: field.type for field in model.fields}} for model in drafts]
    context.json({"command": "inspectdb", "ok": True, "models": models, "text": text})


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as exc:
        raise click.UsageError(f"--write {shown_path(file)}: this file exists already; give a new one") from exc
    except OSError as exc:
        raise click.UsageError(f"--write {shown_path(file)}: cannot be written: {exc.strerror}") from exc
