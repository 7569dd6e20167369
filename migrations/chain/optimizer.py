"""The optimizer: replaces operations by fewer with the same result. Pure.

Two operations are combined if all operations between them could come after both. An operation with a function that may
read the whole record keeps its place.
"""

from collections.abc import Sequence
from dataclasses import replace

from redis_models.errors import SchemaError

from ..edits.nested_paths import is_path
from ..operations import (
    AddField,
    AlterExtras,
    AlterField,
    AlterKeys,
    AlterTTL,
    CreateModel,
    DeleteModel,
    Operation,
    RemoveField,
    RenameField,
    RenameModel,
)
from ..schema.snapshot import ModelSchema, Snapshot

__all__ = ["creation_of", "optimize"]

_OF_FIELDS = (AddField, RemoveField, RenameField, AlterField)


def optimize(operations: Sequence[Operation]) -> list[Operation]:
    """Return operations that lead to the same schemas and the same declared fields of records.

    Their undo fields may differ.
    """
    optimized: list[Operation] = []
    for operation in operations:
        _add(optimized, operation)
    return optimized


def _add(optimized: list[Operation], operation: Operation) -> None:
    """Append an operation, or combine it with the last one with which that is possible."""
    for place in range(len(optimized) - 1, -1, -1):
        merged = _merged(optimized[place], operation)
        if merged is not None:
            rest = optimized[place + 1 :]
            del optimized[place:]
            for following in [*merged, *rest]:
                _add(optimized, following)
            return
        if not _commute(optimized[place], operation):
            break
    optimized.append(operation)


def _merged(one: Operation, other: Operation) -> list[Operation] | None:
    """Return the operations that replace two adjacent ones; None if they cannot be combined."""
    match one, other:
        case CreateModel(), DeleteModel() if one.model == other.model:
            return []
        case CreateModel(), _ if one.model == other.model and isinstance(
            other, (*_OF_FIELDS, AlterExtras, AlterKeys, AlterTTL, RenameModel)
        ):
            return _created(one, other)
        case RenameModel(), RenameModel() if one.new == other.model:
            return [] if one.model == other.new else [RenameModel(one.model, other.new)]
        case _ if one.model != other.model:
            return None
        case AddField(), RemoveField() if one.name == other.name:
            return [] if not is_path(one.name) and not callable(one.fill) and one.extra is None else None
        case AddField(), RenameField() if one.name == other.old and not is_path(other.old + other.new):
            return None if callable(one.fill) or one.extra else [replace(one, name=other.new)]
        case RenameField(), RenameField() if one.new == other.old and not is_path(one.old + one.new + other.new):
            return [] if one.old == other.new else [RenameField(one.model, one.old, other.new)]
        case RenameField(), RemoveField() if one.new == other.name and not is_path(one.old + one.new):
            return [replace(other, name=one.old)]
        case AlterField(), RemoveField() if one.name == other.name and other.back is None:
            return [other] if one.convert is None else None  # a function may refuse records
        case _:
            return None


def _created(one: CreateModel, other: Operation) -> list[Operation] | None:
    try:
        snapshot = other.apply(one.apply(Snapshot()))
    except SchemaError:
        return None
    return [creation_of(snapshot.model(other.name_after(one.model)))]


def creation_of(one: ModelSchema) -> CreateModel:
    """Return the operation that creates a model."""
    fields = {name: one.field(name).type for name in one.in_order or one.by_name}
    return CreateModel(one.name, fields, one.primary_key, one.table, one.prefix, one.separator, one.ttl, one.extras)


def _commute(one: Operation, other: Operation) -> bool:
    """Whether two operations have the same result in either order."""
    if isinstance(one, RenameModel) or isinstance(other, RenameModel) or not one.model or not other.model:
        return False
    if one.model != other.model:
        return True
    mine, theirs = _names(one), _names(other)
    return mine is not None and theirs is not None and not mine & theirs


def _names(operation: Operation) -> set[str] | None:
    """Return the stored fields that an operation uses; None if it may use any field."""
    match operation:
        case AddField(_, name, _, fill) if not callable(fill):
            names = [name]
        case RemoveField(_, name) | AlterField(_, name):
            names = [name]
        case RenameField(_, old, new):
            names = [old, new]
        case _:
            return None
    return {name.partition(".")[0] for name in names}
