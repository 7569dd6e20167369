"""The migrations of an unfinished run, as their files were when it began. Pure.

The journal stores them without functions, so that a run can be undone although its files were edited since. Data from
Redis are input: they are used only if they have the fingerprint of the journal, and they hold names and literals, no
code.

The digest of an operation omits what a user may correct while a run is stopped: functions, and arguments that say how
single values are converted. Records that are at the target already are not converted again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass, replace
from typing import Final, cast

from redis_models.errors import MigrationFileError, RecordError, SchemaError

from .. import operations
from ..edits import converters
from ..edits.converters import Converter
from ..operations import AddField, AlterField, Operation
from ..schema.snapshot import Snapshot
from .chain import Chain
from .loaded_migration import LoadedMigration

__all__ = ["chain_as_begun", "digest_of", "migrations_as_text"]


_MENDABLE: Final = frozenset(["back", "convert", "merge", "split"])


def digest_of(migrations: Iterable[LoadedMigration], snapshots: Iterable[Snapshot]) -> str:
    """Return the digest of a part of a chain: ids, schemas and operations.

    Args:
        migrations: Migrations.
        snapshots: Schemas after each of them.
    """
    lines: list[str] = []
    for migration, snapshot in zip(migrations, snapshots, strict=True):
        operations = [operation for operation in migration.operations if not _is_reverse_only(operation)]
        lines.append(f"{migration.id} {snapshot.fingerprint} {_spelled(operations)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _is_reverse_only(operation: Operation) -> bool:
    return isinstance(operation, AlterField) and operation.is_reverse_only


def _spelled(value: object) -> str:
    """Spell a value in the same way in each process: without addresses, and with sets sorted."""
    if callable(value):
        return "a function"
    if is_dataclass(value):
        if isinstance(value, AddField) and value.extra == "take" and not callable(value.fill):
            # A function may replace both, because it can read extra fields.
            value = replace(value, fill=_nothing, extra=None)
        arguments = [
            f"{field.name}={_spelled(getattr(value, field.name))}"
            for field in fields(value)
            if field.name not in _MENDABLE
        ]
        if isinstance(value, AlterField):
            # Undo fields of finished records have the index of their step; a widening does not count as a step.
            arguments.append(f"is_widening={value.is_widening}")
        return f"{type(value).__name__}({', '.join(arguments)})"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return f"{{{', '.join(sorted(f'{_spelled(name)}: {_spelled(item)}' for name, item in pairs))}}}"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(_spelled, cast('AbstractSet[object]', value))))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_spelled, cast('Iterable[object]', value)))}]"
    return type(value).__name__ if type(value).__repr__ is object.__repr__ else repr(value)


def _nothing(old: object) -> object:
    """Placeholder for a function that is not stored."""
    return None


_OPERATIONS: Final = {
    name: cast("type[Operation]", getattr(operations, name))
    for name in operations.__all__
    if is_dataclass(getattr(operations, name)) and issubclass(getattr(operations, name), Operation)
}
_CONVERTERS: Final = {
    name: cast("type[Converter]", getattr(converters, name)) for name in converters.__all__ if name != "Converter"
}
_LONGEST: Final = 1_000_000  # characters; this library does not write more


def migrations_as_text(migrations: Iterable[LoadedMigration]) -> str:
    """Return the text of migrations for the journal; "" if they cannot be stored without code."""
    try:
        text = json.dumps([_migration_to_json(migration) for migration in migrations])
    except (TypeError, ValueError):
        return ""
    return text if len(text) <= _LONGEST else ""


def chain_as_begun(chain: Chain, text: str, fingerprint: str, reach: int) -> Chain | None:
    """Return the chain as it was when a run began; None if it is not known.

    Args:
        chain: The present files, which provide the functions.
        said: Text from ``migrations_as_text`` of migrations that may differ.
        fingerprint: Expected digest of the chain up to ``reach``.
        reach: Position in the chain.
    """
    if not text or len(text) > _LONGEST:
        return None
    try:
        stored = [
            _migration_from_json(document, chain) for document in cast("list[dict[str, object]]", json.loads(text))
        ]
        known = {migration.id for migration in stored}
        begun = replace(
            chain, migrations=(*(migration for migration in chain.migrations if migration.id not in known), *stored)
        )
        same = digest_of(begun.migrations[:reach], begun.snapshots[1 : reach + 1])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, SchemaError, MigrationFileError):
        return None
    return begun if same == fingerprint else None


def _migration_to_json(migration: LoadedMigration) -> dict[str, object]:
    head = {name: getattr(migration, name) for name in ("number", "name", "path", "id", "previous", "checksum")}
    return {
        **head,
        "versions": dict(migration.versions),
        "operations": [_to_json(operation) for operation in migration.operations],
    }


def _to_json(value: object) -> object:
    if isinstance(value, (Operation, Converter)):
        kind = "operation" if isinstance(value, Operation) else "converter"
        arguments = {
            field.name: _to_json(getattr(value, field.name)) for field in fields(cast(Operation, value)) if field.init
        }
        return {kind: type(value).__name__, "fields": arguments}
    if callable(value):
        return {"function": str(getattr(value, "__name__", ""))}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {"mapping": [[_to_json(key), _to_json(item)] for key, item in pairs]}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in cast("Sequence[object]", value)]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{value!r} cannot be stored")


def _migration_from_json(document: Mapping[str, object], chain: Chain) -> LoadedMigration:
    id = str(document["id"])
    file = next((migration for migration in chain.migrations if migration.id == id), None)
    functions = _Functions(() if file is None else file.operations)
    stored = cast("list[object]", document["operations"])
    operations = tuple(cast(Operation, functions.value_of(operation, None)) for operation in stored)
    stored_versions = cast("Mapping[str, object]", document["versions"])
    versions = {str(name): int(str(version)) for name, version in stored_versions.items()}
    previous = document["previous"]
    migration = LoadedMigration(
        int(str(document["number"])),
        str(document["name"]),
        str(document["path"]),
        id,
        None if previous is None else str(previous),
        versions,
        operations,
        str(document["checksum"]),
    )
    return migration if file is None else replace(migration, replaces=file.replaces, allow=file.allow)


class _Functions:
    """Restores operations from the journal, with functions from the present file.

    Args:
        file: The present operations of the file.
    """

    def __init__(self, file: Sequence[Operation]) -> None:
        self._file = file

    def value_of(self, stored: object, function: object) -> object:
        """Return a value; ``function`` is the present value of the argument, which is used if it was a function."""
        if isinstance(stored, list):
            return [self.value_of(item, None) for item in cast("list[object]", stored)]
        if not isinstance(stored, dict):
            return stored
        document = cast("dict[str, object]", stored)
        if "function" in document:
            return function if callable(function) else _gone
        if "mapping" in document:
            pairs = cast("list[list[object]]", document["mapping"])
            return {self.value_of(key, None): self.value_of(item, None) for key, item in pairs}
        values = cast("dict[str, object]", document["fields"])
        if "converter" in document:
            kind: type[object] = _CONVERTERS[str(document["converter"])]
            return kind(**{name: self.value_of(argument, None) for name, argument in values.items()})
        operation = _OPERATIONS[str(document["operation"])]
        now = self._like(operation, values)
        arguments = {name: self.value_of(value, getattr(now, name, None)) for name, value in values.items()}
        return operation(**arguments)  # type: ignore[arg-type]  # a wrong one is a TypeError, which the caller expects

    def _like(self, operation: type[Operation], values: Mapping[str, object]) -> Operation | None:
        """Return the operation of the present file that corresponds to a stored one."""
        alike = [known for known in self._file if type(known) is operation and known.model == values.get("model")]
        for name in ("name", "old", "into"):
            same = [known for known in alike if getattr(known, name, None) == values.get(name)]
            alike = same or alike
        return alike[0] if alike else None


def _gone(*arguments: object) -> object:
    raise RecordError("", None, "a function that is needed is no longer in the file; restore it from version control")
