"""The chain: the migrations of an app in order, checked, and the schemas at every position. Pure.

Position 0 is before the first migration, position ``i`` after the ``i``-th. Numbers of files define the order only;
gaps are allowed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from redis_models.errors import MigrationError, MigrationFileError, SchemaError
from redis_models.mapping.stored_field import RESERVED

from ..constraints.history import ConstraintHistory
from ..operations import Operation
from ..operations.run import check_stands_alone
from ..schema.snapshot import ModelSchema, Snapshot
from ..schema.type_resolver import resolve
from .hidden_fields import HiddenFields
from .loaded_migration import LoadedMigration
from .replaces import Replaced
from .upgrade_path import UpgradePath

__all__ = ["Chain", "canonical_ids", "previous_names"]
_LONG: Final = 10  # digits: no chain has so many migrations


@dataclass(frozen=True)
class Chain:
    """All migrations of one app, checked when it is created.

    Args:
        app: Label of the app.
        migrations: Sorted by number.
        inherited: Upgrade paths of records that came from other apps, by the beginning of their keys and the version at
            which they came; see ``files/project_chains``.
        hidden: Fields whose values the models of the code hide in messages.
        constraints: Constraints of the models over time; records that go back are checked by them.

    Raises:
        MigrationFileError: The migrations do not form one line, or an operation or version does not fit its place.
    """

    app: str
    migrations: tuple[LoadedMigration, ...] = ()
    inherited: Mapping[tuple[str, int], UpgradePath] = field(default_factory=dict[tuple[str, int], UpgradePath])
    hidden: HiddenFields = field(default=HiddenFields({}, {}), compare=False)
    constraints: ConstraintHistory = field(default=ConstraintHistory({}), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "migrations", tuple(sorted(self.migrations, key=lambda migration: (migration.number, migration.name)))
        )
        _refuse_twins(self.app, self.migrations)
        _refuse_gaps(self.migrations)
        _ = self.snapshots

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The schemas at every position; the first is empty."""
        found = [Snapshot()]
        for migration in self.migrations:
            found.append(_replay(migration, found[-1]))
        return tuple(found)

    @property
    def head_position(self) -> int:
        """The position after the last migration."""
        return len(self.migrations)

    def position_of(self, id: str) -> int:
        """Return the position after the migration with this id.

        Raises:
            MigrationError: There is no such migration.
        """
        for position, migration in enumerate(self.migrations, start=1):
            if migration.id == id:
                return position
        raise MigrationError(f"{self.app} has no migration with the id {id!r}; {self._known()}")

    def target(self, text: str, current: int) -> int:
        """Return the position that a user names.

        Args:
            text: A number ("4", "0004"), a name, its beginning, an id or its beginning, ``zero``, ``+N`` or ``-N``.
            current: The position that ``+N`` and ``-N`` count from.

        Raises:
            MigrationError: No migration or several match, or the steps lead out of the chain.
        """
        if text == "zero":
            return 0
        if text[:1] in ("+", "-") and _is_number(text[1:]):
            return self._stepped(text, current)
        return self._found(text)

    def _stepped(self, text: str, current: int) -> int:
        position = current + int(text)
        if not 0 <= position <= self.head_position:
            raise MigrationError(
                f"{self.app}: {text} leads out of the chain; it is at {current} of {self.head_position} migrations"
            )
        return position

    def _found(self, text: str) -> int:
        for matches in (
            [migration for migration in self.migrations if text in (migration.id, migration.name)],
            [migration for migration in self.migrations if _is_number(text) and migration.number == int(text)],
            [migration for migration in self.migrations if text and _begins(migration, text)],
        ):
            if len(matches) > 1:
                names = ", ".join(f"{migration.name} ({migration.id})" for migration in matches)
                raise MigrationError(f"{self.app}: {text!r} may be any of {names}; write more of it")
            if matches:
                return self.migrations.index(matches[0]) + 1
        raise MigrationError(f"{self.app} has no migration {text!r:.100}; {self._known()}")

    def _known(self) -> str:
        names = ", ".join(f"{migration.name} ({migration.id})" for migration in self.migrations)
        return f"it has {names}" if names else "it has none; run 'redis-models makemigrations' first"


def _begins(migration: LoadedMigration, text: str) -> bool:
    return any(whole.startswith(text) for whole in (migration.name, migration.name.partition("_")[2], migration.id))


def _refuse_twins(app: str, migrations: Sequence[LoadedMigration]) -> None:
    """Refuse two migrations with one id, one predecessor or one number; branches share the last two."""
    ids: dict[str, LoadedMigration] = {}
    previous: dict[str | None, LoadedMigration] = {}
    numbers: dict[int, LoadedMigration] = {}
    for migration in migrations:
        other = ids.setdefault(migration.id, migration)
        if other is not migration:
            raise MigrationFileError(
                migration.path,
                f"has the id {migration.id!r} of {other.name}; if a rebase was stopped before it was complete, delete"
                f" {other.name}.py; otherwise give the copy another id and previous = {migration.id!r}",
            )
    for migration in migrations:
        left = next((ids[id].name for id in migration.ids[:-1] if id in ids), None)
        if left is not None:
            raise MigrationFileError(migration.path, f"replaces {left}, whose file still exists; delete that file")
    known = canonical_ids(migrations)
    for migration in migrations:
        other = previous.setdefault(_canonical_id(migration.previous, known), migration)
        if other is not migration:
            raise MigrationFileError(migration.path, _fork(app, other, migration, ids))
        other = numbers.setdefault(migration.number, migration)
        if other is not migration:
            raise MigrationFileError(migration.path, f"has the number of {other.name}; rename the later of the two")


def _fork(app: str, first: LoadedMigration, second: LoadedMigration, ids: Mapping[str, LoadedMigration]) -> str:
    if first.previous is None:
        before = "are both the first (previous = None)"
    else:
        name = next((migration.name for migration in ids.values() if first.previous in migration.ids), first.previous)
        before = f"both follow {name} (previous = {first.previous!r})"
    return (
        f"{first.name} and {second.name} {before}, because two branches created them; put one after the other with"
        f" 'redis-models rebase {app} --onto {first.id}' if {first.name} is applied already, otherwise with"
        f" 'redis-models rebase {app} --onto {second.id}'"
    )


def _refuse_gaps(migrations: Sequence[LoadedMigration]) -> None:
    known = canonical_ids(migrations)
    expected: str | None = None
    for migration in migrations:
        if _canonical_id(migration.previous, known) != expected:
            raise MigrationFileError(
                migration.path, f"{_misplaced(migration, migrations, expected)}, or write previous = {expected!r}"
            )
        expected = migration.id


def _misplaced(migration: LoadedMigration, migrations: Sequence[LoadedMigration], expected: str | None) -> str:
    if migration.previous is None or any(migration.previous == other.id for other in migrations):
        return f"its number puts it after the migration {expected!r}, but it has previous = {migration.previous!r}"
    within = next((other.name for other in migrations if migration.previous in other.ids), None)
    if within is None:
        return f"previous = {migration.previous!r} is not the id of a file here; restore that file"
    return (
        f"previous = {migration.previous!r} is one of the migrations that {within} replaces, but not the last; restore"
        " their files, and squash again only those before this one"
    )


def canonical_ids(migrations: Iterable[LoadedMigration]) -> Mapping[str, str]:
    """Return the id of each migration by all ids that may stand in ``previous`` for it.

    A file that follows a squashed migration keeps its ``previous``, because its checksum must not change.
    """
    found: dict[str, str] = {}
    for migration in migrations:
        found.update(dict.fromkeys(Replaced(migration.id, migration.replaces).ends, migration.id))
    return found


def _canonical_id(previous: str | None, known: Mapping[str, str]) -> str | None:
    return None if previous is None else known.get(previous, previous)


def _replay(migration: LoadedMigration, before: Snapshot) -> Snapshot:
    """Return the schemas after a migration."""
    snapshot = before
    _refuse_crowd(migration)
    for number, operation in enumerate(migration.operations, start=1):
        try:
            after = operation.apply(snapshot)
            _check(operation, snapshot, after)
        except SchemaError as exc:
            raise MigrationFileError(migration.path, f"operation {number} ({operation.describe()}): {exc}") from exc
        snapshot = after
    return _with_versions(migration, before, snapshot)


def _refuse_crowd(migration: LoadedMigration) -> None:
    try:
        check_stands_alone(migration.operations, migration.versions)
    except SchemaError as exc:
        raise MigrationFileError(migration.path, str(exc)) from exc


def _check(operation: Operation, before: Snapshot, after: Snapshot) -> None:
    """Refuse problems that would only be found during a run."""
    model = after.by_name.get(operation.name_after(operation.model))
    if model is None:
        return
    for field_schema in model.fields:
        if field_schema.name.startswith(RESERVED):
            raise SchemaError(f"field name {field_schema.name!r} begins with one of {RESERVED}: these are reserved")
        resolve(field_schema.type)
    _refuse_shared_keys(model, after)
    if operation.model in before.by_name:
        operation.steps(before.model(operation.model), model)


def _refuse_shared_keys(model: ModelSchema, snapshot: Snapshot) -> None:
    for other in snapshot.models:
        shared = None if other.name == model.name else other.keys.shared_with(model.keys)
        if shared is not None:
            raise SchemaError(f"{other.name} has the same keys ({shared}*); give one of them another table")


def _with_versions(migration: LoadedMigration, before: Snapshot, after: Snapshot) -> Snapshot:
    names = previous_names(before, migration.operations)
    for name in _rewritten(migration.operations):
        if name in after.by_name and name not in migration.versions:
            least = _least(name, before, names)
            raise MigrationFileError(
                migration.path, f"its operations touch {name}, but versions does not name it; add {{{name!r}: {least}}}"
            )
    for name, version in migration.versions.items():
        if name not in after.by_name:
            raise MigrationFileError(migration.path, f"versions names {name!r}, which is not a model here; remove it")
        least = _least(name, before, names)
        if version < least:
            raise MigrationFileError(migration.path, f"versions gives {name} version {version}; write {least} or more")
        after = after.with_model(replace(after.model(name), version=version))
    return after


def _rewritten(operations: Sequence[Operation]) -> Iterable[str]:
    """Return the models, by their last names, whose records may change, so that their versions must rise."""
    names: dict[str, None] = {}
    for operation in operations:
        names = {operation.name_after(name): None for name in names}
        if not operation.is_state_only:
            names[operation.model] = None
    return names


def _least(name: str, before: Snapshot, names: Mapping[str, str]) -> int:
    return before.model(names[name]).version + 1 if name in names else 1


def previous_names(before: Snapshot, operations: Sequence[Operation]) -> Mapping[str, str]:
    """Return the names before some operations, by the names afterwards."""
    names, state = {name: name for name in before.by_name}, before
    for operation in operations:
        state = operation.apply(state)
        renamed = {operation.name_after(name): origin for name, origin in names.items()}
        names = {name: origin for name, origin in renamed.items() if name in state.by_name}
    return names


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < _LONG
