"""Folding: fewer operations that come to the same. Pure.

An operation meets an earlier one where everything between the two could as well come after it. What runs a function
that may look at the whole record stays where it is.
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
    """Give operations that lead to the same schemas, and bring records to the same declared fields.

    What they keep aside for the way back may differ.
    """
    folded: list[Operation] = []
    for operation in operations:
        _add(folded, operation)
    return folded


def _add(folded: list[Operation], operation: Operation) -> None:
    """Add one, together with the last that it can be made one with."""
    for place in range(len(folded) - 1, -1, -1):
        merged = _merged(folded[place], operation)
        if merged is not None:
            rest = folded[place + 1 :]
            del folded[place:]
            for one in [*merged, *rest]:
                _add(folded, one)
            return
        if not _commute(folded[place], operation):
            break
    folded.append(operation)


def _merged(one: Operation, other: Operation) -> list[Operation] | None:
    """Give what two operations come to, one right after the other; None if they stay two."""
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
    """Give the operation that begins to track a model as it is."""
    fields = {name: one.field(name).type for name in one.in_order or one.by_name}
    return CreateModel(one.name, fields, one.primary_key, one.table, one.prefix, one.separator, one.ttl, one.extras)


def _commute(one: Operation, other: Operation) -> bool:
    """Whether the order of two operations is no matter."""
    if isinstance(one, RenameModel) or isinstance(other, RenameModel) or not one.model or not other.model:
        return False
    if one.model != other.model:
        return True
    mine, theirs = _names(one), _names(other)
    return mine is not None and theirs is not None and not mine & theirs


def _names(operation: Operation) -> set[str] | None:
    """Give the stored fields that an operation is about; None where it may be about any."""
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
