"""The next migration of a chain, or an update of the last one. It is verified, but not written to disk."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from redis_models.errors import MigrationError

from ..autodetector.diff import Diff
from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..chain.loaded_migration import LoadedMigration
from ..chain.optimizer import optimize
from ..edits.converters import Converter
from ..operations.function_stubs import FunctionStub
from ..planner.safety_check import Finding
from ..schema.snapshot import Snapshot
from .loader import migration_from_text
from .renderer import render, render_operations, render_reasons, suggest_name
from .source_edit import appended, with_reasons

__all__ = ["NewMigration", "amend", "next_migration", "stable_id", "with_reason"]


@dataclass(frozen=True)
class NewMigration:
    """A migration that is not written to a file yet.

    Attributes:
        path: Its file.
        text: Content of the file.
        migration: The loaded migration.
        before: The schemas before it.
        refused: Findings of safety rules that would refuse it if there are records.
    """

    path: Path
    text: str
    migration: LoadedMigration
    before: Snapshot
    refused: tuple[Finding, ...] = ()


def next_migration(
    chain: Chain, directory: Path, found: Diff, *, code: Snapshot | None = None, name: str | None = None
) -> NewMigration:
    """Build the next migration of a chain.

    Args:
        chain: The chain of the app.
        directory: Its folder of migrations.
        found: The changes, without open questions.
        code: The schemas to which it must lead, ignoring versions; None for a migration that is completed by hand.
        name: Name of the file without its number; None for a suggestion.

    Raises:
        MigrationFileError: The name is not valid, or the operations do not fit.
    """
    last = chain.migrations[-1] if chain.migrations else None
    previous = last.id if last else None
    stem = name or suggest_name(found.operations, found.versions, is_first=last is None)
    id = stable_id(chain, render("", previous, found.versions, found.operations), "" if found.is_written else stem)
    text = render(id, previous, found.versions, found.operations)
    path = directory / f"{last.number + 1 if last else 1:04d}_{stem}.py"
    migration = migration_from_text(chain.app, path, text.encode())
    longer = Chain(chain.app, (*chain.migrations, migration))
    lineages_of(longer)  # problems with keys are refused before the file is written
    if code is not None and longer.snapshots[-1].fingerprint != _expected(code, found).fingerprint:
        raise MigrationError(
            f"{path.name} would not lead to the models of the code; please report this as a bug: {text}"
        )
    return NewMigration(path, text, migration, chain.snapshots[-1])


def with_reason(new: NewMigration, reason: str) -> NewMigration:
    """Return a migration with a reason for each safety rule that would refuse it; its id does not change.

    Args:
        new: The migration.
        reason: The same for all rules.

    Raises:
        MigrationFileError: The reason cannot be added to its text.
    """
    if not new.refused:
        return new
    allow = {**new.migration.allow, **{finding.rule.code: reason for finding in new.refused}}
    text = with_reasons(new.migration.path, new.text, render_reasons(allow))
    return replace(
        new,
        text=text,
        migration=migration_from_text(new.refused[0].place.partition(".")[0], new.path, text.encode()),
        refused=(),
    )


def stable_id(chain: Chain, text: str, name: str = "") -> str:
    """Return an id that depends only on the content of a migration and its place.

    So a deleted file is created again without a difference, and two people who create the same migration get the same
    file.

    Args:
        chain: The chain to which it is added, and whose ids are taken.
        text: The file without an id.
        name: Name of the file, if the text alone is not distinctive.
    """
    taken, tries = {migration.id for migration in chain.migrations}, 0
    while True:
        whole = "\0".join((chain.app, name, str(tries), text))
        id = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        if id not in taken:
            return id
        tries += 1


def _expected(code: Snapshot, found: Diff) -> Snapshot:
    for model in code.models:
        code = code.with_model(replace(model, version=found.versions.get(model.name, model.version)))
    return code


def amend(chain: Chain, directory: Path, found: Diff, code: Snapshot) -> NewMigration:
    """Rebuild the last migration of a chain, so that it leads to the code.

    The caller must make sure that it is not applied anywhere, because an applied migration must not change.

    Args:
        chain: The chain of the app; not empty.
        directory: Its folder of migrations.
        found: The changes of the code since the chain, without open questions.
        code: The schemas to which it must lead, ignoring versions.

    Raises:
        MigrationFileError: The operations do not fit.
        MigrationError: New functions are needed, but the file has functions already.
    """
    last, before = chain.migrations[-1], Chain(chain.app, chain.migrations[:-1])
    path = directory / f"{last.name}.py"
    versions = {**last.versions, **found.versions}
    source = path.read_text("utf-8")
    has_functions = any(_is_function(value) for operation in last.operations for value in vars(operation).values())
    if has_functions or source != render(last.id, last.previous, last.versions, last.operations):
        if has_functions and any(
            isinstance(value, FunctionStub) for operation in found.operations for value in vars(operation).values()
        ):
            raise MigrationError(f"{last.path} was edited; create another migration for changes that need a function")
        text = appended(last.path, source, render_operations(found.operations), versions)
    else:
        operations = optimize([*last.operations, *found.operations])
        id = stable_id(before, render("", last.previous, versions, operations))
        text = render(id, last.previous, versions, operations)
    migration = migration_from_text(chain.app, path, text.encode())
    amended = Chain(chain.app, (*before.migrations, migration))
    lineages_of(amended)
    reached = amended.snapshots[-1]
    expected = code
    for model in code.models:
        expected = expected.with_model(replace(model, version=reached.model(model.name).version))
    if reached.fingerprint != expected.fingerprint:
        raise MigrationError(
            f"{path.name} would not lead to the models of the code; please report this as a bug: {text}"
        )
    return NewMigration(path, text, migration, before.snapshots[-1])


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, Converter)
