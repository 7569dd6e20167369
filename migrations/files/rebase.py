"""Rebases one of two branches of migrations onto the other. It does not write files.

The files keep their ids, so that databases know them; their numbers, ``previous`` and, where both branches raised the
same model, ``versions`` change, by edits of the source that leave everything else as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis_models.errors import MigrationError, MigrationFileError

from ..chain.chain import Chain, canonical_ids
from ..chain.lineage import lineages_of
from ..chain.loaded_migration import LoadedMigration
from .loader import migration_from_text
from .source_edit import with_attribute

__all__ = ["Branch", "Fork", "RebasedFile", "fork_of", "rebase"]


@dataclass(frozen=True)
class Branch:
    """One of two branches that follow the same migration.

    Attributes:
        migrations: In order.
    """

    migrations: tuple[LoadedMigration, ...]

    @property
    def tip(self) -> LoadedMigration:
        """The last migration."""
        return self.migrations[-1]

    def has(self, id: str) -> bool:
        """Whether a migration belongs to it."""
        return any(id in migration.ids for migration in self.migrations)

    def __str__(self) -> str:
        return ", ".join(f"{migration.name} ({migration.id})" for migration in self.migrations)


@dataclass(frozen=True)
class Fork:
    """A chain with two branches.

    Attributes:
        app: Label of the app.
        trunk: The migrations before both branches.
        branches: The two branches.
    """

    app: str
    trunk: tuple[LoadedMigration, ...]
    branches: tuple[Branch, Branch]


@dataclass(frozen=True)
class RebasedFile:
    """A file of the rebased branch.

    Attributes:
        old, new: Its path before and afterwards.
        text: Its content afterwards.
        migration: The migration afterwards.
        raised: Changed versions, before and afterwards, by model.
    """

    old: Path
    new: Path
    text: str
    migration: LoadedMigration
    raised: Mapping[str, tuple[int, int]]


def fork_of(app: str, migrations: Sequence[LoadedMigration]) -> Fork | None:
    """Find the two branches of migrations; None if they form one line.

    Raises:
        MigrationError: There are more than two branches, or a migration follows an unknown one.
    """
    following: dict[str | None, list[LoadedMigration]] = {}
    known = canonical_ids(migrations)
    for migration in migrations:
        following.setdefault(known.get(migration.previous or "", migration.previous), []).append(migration)
    trunk: list[LoadedMigration] = []
    last_id: str | None = None
    while len(following.get(last_id, ())) == 1:
        [migration] = following[last_id]
        trunk.append(migration)
        last_id = migration.id
    starts = following.get(last_id, [])
    if not starts and len(trunk) == len(migrations):
        return None
    if len(starts) != 2:
        raise MigrationError(
            f"{app}: the migrations do not form two branches; {_story(migrations)}; correct previous = by hand"
        )
    first, second = (Branch(tuple(_line(start, following))) for start in starts)
    if len(trunk) + len(first.migrations) + len(second.migrations) != len(migrations):
        raise MigrationError(
            f"{app}: the migrations form more than two branches; {_story(migrations)}; rebase two at a time"
        )
    return Fork(app, tuple(trunk), (first, second))


def _line(start: LoadedMigration, following: Mapping[str | None, Sequence[LoadedMigration]]) -> list[LoadedMigration]:
    line = [start]
    while len(following.get(line[-1].id, ())) == 1:
        line += following[line[-1].id]
    return line


def _story(migrations: Sequence[LoadedMigration]) -> str:
    return ", ".join(f"{migration.name} follows {migration.previous}" for migration in migrations)


def rebase(fork: Fork, stays: Branch, directory: Path) -> tuple[list[RebasedFile], Chain]:
    """Rebase one branch onto the other.

    Args:
        fork: The chain with two branches.
        stays: The branch that does not change.
        directory: The folder of migrations.

    Returns:
        The new files of the other branch, and the whole chain.

    Raises:
        MigrationError: The operations of the branches conflict; the message names the migration.
    """
    [moves] = [branch for branch in fork.branches if branch is not stays]
    base = Chain(fork.app, (*fork.trunk, *stays.migrations))
    moved: list[RebasedFile] = []
    for migration in moves.migrations:
        try:
            file = _moved(fork.app, base, migration, directory)
            base = Chain(fork.app, (*base.migrations, file.migration))
            lineages_of(base)
        except MigrationFileError as exc:
            raise MigrationError(
                f"{fork.app}: {migration.name} does not fit after {stays.tip.name}: {exc}. Edit it, or create it again"
                " with 'makemigrations'; nothing was changed"
            ) from exc
        moved.append(file)
    return moved, base


def _moved(app: str, base: Chain, migration: LoadedMigration, directory: Path) -> RebasedFile:
    last, old = base.migrations[-1], directory / f"{migration.name}.py"
    text = old.read_text("utf-8")
    reached = {model.name: model.version for model in base.snapshots[-1].models}
    versions = {name: max(version, reached.get(name, 0) + 1) for name, version in migration.versions.items()}
    raised = {
        name: (migration.versions[name], version)
        for name, version in versions.items()
        if version != migration.versions[name]
    }
    text = with_attribute(migration.path, text, "previous", f'"{last.id}"')
    if raised:
        text = with_attribute(migration.path, text, "versions", repr(dict(sorted(versions.items()))).replace("'", '"'))
    stem = re.sub(r"^\d+_", "", migration.name)
    new = directory / f"{last.number + 1:04d}_{stem}.py"
    return RebasedFile(old, new, text, migration_from_text(app, new, text.encode()), raised)
