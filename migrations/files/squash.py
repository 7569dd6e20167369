"""Squashes several migrations into one. It does not write files.

The old files are deleted; git has them. In a database that applied all of them, the new one counts as applied. A
database that applied only some must first be migrated with the old files. See ADR 0007.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from redis_models.errors import MigrationError, MigrationFileError, RecordError

from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..chain.loaded_migration import LoadedMigration
from ..chain.optimizer import optimize
from ..chain.replaces import Replaced
from ..chain.upgrade_path import UpgradePath, VersionStep, make_version_step
from ..operations import Operation, Run
from ..schema.examples import example_records
from ..schema.snapshot import Snapshot
from .loader import migration_from_text
from .next_migration import NewMigration, stable_id
from .renderer import render, suggest_name

__all__ = ["Squashed", "squash"]


@dataclass(frozen=True)
class Squashed:
    """A squashed migration that is not written to a file yet.

    Attributes:
        new: The migration.
        replaced: The migrations that it replaces.
        chain: The chain with it.
        operation_counts: Number of its operations, and of those that it replaces.
    """

    new: NewMigration
    replaced: tuple[LoadedMigration, ...]
    chain: Chain
    operation_counts: tuple[int, int]


def squash(chain: Chain, directory: Path, start: int, end: int, name: str | None = None) -> Squashed:
    """Squash the migrations between two positions, and verify that the result is the same.

    Args:
        chain: The chain of the app.
        directory: Its folder of migrations.
        start: Position before the first of them.
        end: Position after the last.
        name: Name of the file without its number.

    Raises:
        MigrationError: They cannot be squashed; the message says why.
        MigrationFileError: Two functions have the same name.
    """
    migrations = chain.migrations[start:end]
    if len(migrations) < 2:
        raise MigrationError(f"{chain.app}: there are fewer than two migrations to squash")
    _refuse_steps(chain, migrations)
    sources = {migration.id: (directory / f"{migration.name}.py").read_text("utf-8") for migration in migrations}
    preamble, names = _preamble(migrations, sources)
    whole = [operation for migration in migrations for operation in migration.operations]
    versions = _versions(chain, start, end)
    replaces = [Replaced(migration.id, migration.replaces) for migration in migrations]
    before = Chain(chain.app, chain.migrations[:start])
    allow = {code: reason for migration in migrations for code, reason in migration.allow.items()}
    for operations in (optimize(whole), whole):
        write = partial(
            render,
            previous=migrations[0].previous,
            versions=versions,
            operations=operations,
            replaces=replaces,
            allow=allow,
            preamble=preamble,
            known=names,
        )
        id = stable_id(before, write(""))
        text = write(id)
        stem = name or f"squashed_{suggest_name(operations, versions, is_first=start == 0)}"[:52]
        path = directory / f"{migrations[0].number:04d}_{stem}.py"
        migration = migration_from_text(chain.app, path, text.encode())
        longer = Chain(chain.app, (*before.migrations, migration, *chain.migrations[end:]))
        _refuse_mixed_up(longer, migrations)
        if _is_same(chain, start, end, longer, len(before.migrations) + 1):
            new = NewMigration(path, text, migration, chain.snapshots[start])
            return Squashed(new, migrations, longer, (len(operations), len(whole)))
    raise MigrationError(
        f"{chain.app}: the squashed migration would not have the same result as {_range_of(migrations)};"
        " please report this as a bug"
    )


def _range_of(migrations: Sequence[LoadedMigration]) -> str:
    return f"{migrations[0].name} to {migrations[-1].name}"


def _refuse_mixed_up(longer: Chain, migrations: Sequence[LoadedMigration]) -> None:
    """Refuse a migration that could not be loaded: one that takes over records of a model and changes it."""
    try:
        lineages_of(longer)
    except MigrationFileError as exc:
        why, _, _ = exc.reason.partition(";")
        raise MigrationError(
            f"{longer.app}: {_range_of(migrations)} cannot be one migration: that {why}. Squash the migrations before"
            " the creation, and those after it"
        ) from exc


def _refuse_steps(chain: Chain, migrations: Sequence[LoadedMigration]) -> None:
    for migration in migrations:
        if any(isinstance(operation, Run) for operation in migration.operations):
            raise MigrationError(
                f"{chain.app}: {migration.name} calls a function with Run(), so it must stay alone; squash the"
                " migrations before it, and those after it"
            )


def _versions(chain: Chain, start: int, end: int) -> dict[str, int]:
    before, after = chain.snapshots[start], chain.snapshots[end]
    touched = {name for migration in chain.migrations[start:end] for name in migration.versions}
    known = {model.name: model.version for model in before.models}
    return {
        model.name: model.version
        for model in after.models
        if model.name in touched or known.get(model.name) != model.version
    }


def _preamble(migrations: Sequence[LoadedMigration], sources: dict[str, str]) -> tuple[str, set[str]]:
    """Return the code before the classes of the files, without duplicates, and the names that it defines."""
    pieces: dict[str, str] = {}
    names: dict[str, tuple[str, LoadedMigration]] = {}
    for migration in migrations:
        for node in ast.parse(sources[migration.id]).body:
            text = ast.get_source_segment(sources[migration.id], node) or ""
            if isinstance(node, ast.ClassDef) and node.name == "Migration":
                continue
            if text == "from redis_models import migrations" or _is_docstring(node):
                continue
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                other, owner = names.setdefault(node.name, (text, migration))
                if other != text:
                    raise MigrationFileError(
                        migration.path,
                        f"and {owner.path} have different functions {node.name}(); rename one of them, and"
                        " squash again",
                    )
            pieces[text] = "\n\n" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""
    return "".join(f"{gap}\n{text}" if gap else text + "\n" for text, gap in pieces.items()), set(names)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_same(chain: Chain, start: int, end: int, longer: Chain, position: int) -> bool:
    """Compare the schemas afterwards, and example records of every model that exists before."""
    before, after = chain.snapshots[start], chain.snapshots[end]
    if longer.snapshots[position].fingerprint != after.fingerprint:
        return False
    squashed = longer.migrations[position - 1].operations
    return all(_is_same_for(chain, start, end, squashed, before, model.name) for model in before.models)


def _is_same_for(
    chain: Chain, start: int, end: int, squashed: Sequence[Operation], before: Snapshot, name: str
) -> bool:
    paths: list[UpgradePath] = []
    version_steps, known = list[VersionStep](), name
    for position in range(start, end):
        migration, state = chain.migrations[position], chain.snapshots[position]
        if known not in state.by_name:
            return True  # it is deleted in between: its records do not change
        version_steps.append(make_version_step(known, state, migration.operations, state.model(known).version + 1))
        for operation in migration.operations:
            known = operation.name_after(known)
    versions = range(1, len(version_steps) + 1)
    paths.append(
        UpgradePath(
            name,
            tuple(
                _numbered(version_step, number) for version_step, number in zip(version_steps, versions, strict=True)
            ),
            1,
        )
    )
    paths.append(UpgradePath(name, (_numbered(make_version_step(name, before, squashed, 2), 1),), 1))
    if known not in chain.snapshots[end].by_name:
        return True
    declared = set(chain.snapshots[end].model(known).by_name)
    return all(
        _outcome(paths[0], record, declared) == _outcome(paths[1], record, declared)
        for record in example_records(before.model(name))
    )


def _numbered(version_step: VersionStep, number: int) -> VersionStep:
    return VersionStep(number, number + 1, version_step.steps, version_step.widenings)


def _outcome(path: UpgradePath, record: Mapping[str, bytes], declared: set[str]) -> object:
    try:
        rewritten = path.rewrite({**record, "_v": b"1"}, path.versions[-1]).fields
    except RecordError:
        return None
    return {field: raw for field, raw in rewritten.items() if field in declared}
