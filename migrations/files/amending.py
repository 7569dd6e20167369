"""Amending: write the last migration again, with what changed since. Writes nothing itself."""

from dataclasses import replace
from pathlib import Path

from redis_models.errors import MigrationError

from ..autodetector.diff import Diff
from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..chain.optimizer import fold
from ..edits.converters import Converter
from ..operations.function_stubs import ToWrite
from ..schema.snapshot import Snapshot
from .loader import link_of
from .next_migration import NewMigration, stable_id
from .renderer import render, render_operations
from .source_edit import appended

__all__ = ["amend"]


def amend(chain: Chain, directory: Path, found: Diff, code: Snapshot) -> NewMigration:
    """Make the last migration of a chain anew, so that it leads on to the code.

    Whether it is applied anywhere is for the caller to know: a migration that is applied must not change.

    Args:
        chain: The app's; not empty.
        directory: Its folder of migrations.
        found: What the code has and the chain has not; without questions.
        code: The schemas that it must lead to, versions aside.

    Raises:
        MigrationFileError: The operations do not fit.
        MigrationError: New functions are to be written, but the file has some already.
    """
    last, before = chain.links[-1], Chain(chain.app, chain.links[:-1])
    path = directory / f"{last.name}.py"
    versions = {**last.versions, **found.versions}
    source = path.read_text("utf-8")
    has_functions = any(_is_function(value) for one in last.operations for value in vars(one).values())
    if has_functions or source != render(last.id, last.previous, last.versions, last.operations):
        if has_functions and any(
            isinstance(value, ToWrite) for one in found.operations for value in vars(one).values()
        ):
            raise MigrationError(f"{last.path} was edited; make a migration of its own for what needs a function")
        text = appended(last.path, source, render_operations(found.operations), versions)
    else:
        operations = fold([*last.operations, *found.operations])
        id = stable_id(before, render("", last.previous, versions, operations))
        text = render(id, last.previous, versions, operations)
    link = link_of(chain.app, path, text.encode())
    amended = Chain(chain.app, (*before.links, link))
    lineages_of(amended)
    reached = amended.snapshots[-1]
    expected = code
    for model in code.models:
        expected = expected.with_model(replace(model, version=reached.model(model.name).version))
    if reached.fingerprint != expected.fingerprint:
        raise MigrationError(f"{path.name} would not lead to what the code says; please report this as a bug: {text}")
    return NewMigration(path, text, link, before.snapshots[-1])


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, Converter)
