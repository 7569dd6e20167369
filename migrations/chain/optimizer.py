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


def _merged(first: Operation, second: Operation) -> list[Operation] | None:
    """Return the operations that replace two adjacent ones; None if they cannot be combined."""
    match first, second:
        case CreateModel(), DeleteModel() if first.model == second.model:
            return []
        case CreateModel(), _ if first.model == second.model and isinstance(
            second, (*_OF_FIELDS, AlterExtras, AlterKeys, AlterTTL, RenameModel)
        ):
            return _created(first, second)
        case RenameModel(), RenameModel() if first.new == second.model:
            return [] if first.model == second.new else [RenameModel(first.model, second.new)]
        case _ if first.model != second.model:
            return None
        case AddField(), RemoveField() if first.name == second.name:
            return [] if not is_path(first.name) and not callable(first.fill) and first.extra is None else None
        case AddField(), RenameField() if first.name == second.old and not is_path(second.old + second.new):
            return None if callable(first.fill) or first.extra else [replace(first, name=second.new)]
        case RenameField(), RenameField() if first.new == second.old and not is_path(
            first.old + first.new + second.new
        ):
            return [] if first.old == second.new else [RenameField(first.model, first.old, second.new)]
        case RenameField(), RemoveField() if first.new == second.name and not is_path(first.old + first.new):
            return [replace(second, name=first.old)]
        case AlterField(), RemoveField() if first.name == second.name and second.back is None:
            return [second] if first.convert is None else None  # a function may refuse records
        case _:
            return None


def _created(first: CreateModel, second: Operation) -> list[Operation] | None:
    try:
        snapshot = second.apply(first.apply(Snapshot()))
    except SchemaError:
        return None
    return [creation_of(snapshot.model(second.name_after(first.model)))]


def creation_of(model: ModelSchema) -> CreateModel:
    """Return the operation that creates a model."""
    fields = {name: model.field(name).type for name in model.in_order or model.by_name}
    return CreateModel(
        model.name, fields, model.primary_key, model.table, model.prefix, model.separator, model.ttl, model.extras
    )


def _commute(first: Operation, second: Operation) -> bool:
    """Whether two operations have the same result in either order."""
    if isinstance(first, RenameModel) or isinstance(second, RenameModel) or not first.model or not second.model:
        return False
    if first.model != second.model:
        return True
    mine, theirs = _names(first), _names(second)
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
