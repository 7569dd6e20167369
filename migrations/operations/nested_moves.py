"""Moves of a value from a field into a nested object, out of one, or between objects. Pure.

Both places must be unique: a field, or a key that is reached through objects only, which may be None. Nested objects
store text and numbers as JSON, so a field of the type ``JSON[str]`` becomes a key of the type ``str``.
"""

from collections.abc import Mapping, Sequence

from redis_models.errors import RecordError, SchemaError

from ..edits.nested_paths import ABSENT, Document, parent_of, plain, split_path
from ..edits.record_edit import RecordEdit
from ..edits.typed_steps import Regroup
from ..edits.values import read, stored
from ..schema.snapshot import FieldSchema, ModelSchema, _Required
from ..schema.type_edit import numbered, with_key, without_key
from ..schema.type_tree import NONE, Atom, Choice, Key, Object, Tree, choice_of, parse

__all__ = ["nested_tree", "relocated", "relocation", "single_object"]


def relocated(model: ModelSchema, old: str, new: str) -> ModelSchema:
    """Return the schema with a value in another place.

    Args:
        model: The schema before.
        old: Field, or path of a key.
        new: Field, or path of a key in another object.

    Raises:
        SchemaError: A place does not exist, is not unique, or is occupied.
    """
    (name, keys), (new_name, new_keys) = split_path(old), split_path(new)
    if not keys:
        key = Key(new_keys[-1], nested_tree(parse(model.field(name).type)))
        model = model.without_field(name)
    else:
        key = _taken(model.field(name).type, old, keys)
        model = model.with_type(name, without_key(model.field(name).type, keys))
    if not new_keys:
        return model.with_field(FieldSchema(new_name, numbered(str(key.tree))))
    type = model.field(new_name).type
    _object_at(type, new, new_keys)
    return model.with_type(new_name, with_key(type, new_keys, str(key.tree), is_required=key.is_required))


def relocation(what: str, before: ModelSchema, after: ModelSchema, old: str, new: str) -> Regroup:
    """Return the step that moves a value; ``what`` is the operation, for errors."""

    def forward(edit: RecordEdit) -> None:
        _move(edit, before, after, old, new)

    def rebuild(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        _move(edit, after, before, new, old)

    def is_same(name: str, left: bytes, right: bytes) -> bool:
        field = before.by_name.get(name)
        return field is not None and field.codec.decode(left) == field.codec.decode(right)

    names = frozenset((split_path(old)[0], split_path(new)[0]))
    own = frozenset(name for name in names if name in before.by_name)
    return Regroup(what, forward, None, is_same, old=own, new=names, rebuild=rebuild)


def nested_tree(tree: Tree) -> Tree:
    """Return the type of a field as a key of an object has it."""
    match tree:
        case Atom("JSON[str]" | "JSON[int]" | "JSON[float]"):
            return Atom(tree.text[len("JSON[") : -1])
        case Choice():
            return choice_of(map(nested_tree, tree.members))
        case _:
            return tree


def single_object(tree: Tree, path: str) -> tuple[Object, bool]:
    """Return the object type of a type, and whether it may also be None."""
    match tree:
        case Object(label=None):
            return tree, False
        case Choice(members=(Object(label=None) as object, Atom("None"))):
            return object, True
        case _:
            raise SchemaError(
                f"{path}: {tree} is not a single object, so the place is not unique;"
                " use Transform(), or AlterField(..., convert=...)"
            )


def _object_at(type: str, path: str, keys: Sequence[str]) -> tuple[Object, bool]:
    """Return the object type with the last of ``keys``, and whether it may be missing."""
    object, is_missing = single_object(parse(type), path)
    for name in keys[:-1]:
        key = object.key(name)
        if key is None:
            raise SchemaError(f"{path}: {object} does not have a key {name!r}")
        object, may_be_none = single_object(key.tree, path)
        is_missing = is_missing or may_be_none or not key.is_required
    return object, is_missing


def _taken(type: str, path: str, keys: Sequence[str]) -> Key:
    object, is_missing = _object_at(type, path, keys)
    key = object.key(keys[-1])
    if key is None:
        raise SchemaError(f"{path}: {object} does not have this key")
    return Key(key.name, choice_of([key.tree, NONE]) if is_missing else key.tree, key.is_required)


def _move(edit: RecordEdit, before: ModelSchema, after: ModelSchema, old: str, new: str) -> None:
    """Move a value in a record from the schema ``before`` to the schema ``after``."""
    (name, keys), (new_name, new_keys) = split_path(old), split_path(new)
    documents: dict[str, object] = dict.fromkeys((name, new_name), ABSENT)
    for field_name in documents:
        if field_name in before.by_name:
            documents[field_name] = plain(read(edit, before.field(field_name), ABSENT))
    value = _take(documents, name, keys, before.field(name))
    _put(documents, new_name, new_keys, new, value)
    for field_name, document in documents.items():
        if field_name not in after.by_name or document is ABSENT:
            edit.remove(field_name)
        else:
            field = after.field(field_name)
            edit.set(field_name, stored(field.codec, field_name, field.type, document))


def _take(documents: Document, name: str, keys: Sequence[str], field: FieldSchema) -> object:
    if not keys:
        value = documents.pop(name)
        documents[name] = ABSENT
        return field.default if value is ABSENT and not isinstance(field.default, _Required) else value
    parent = parent_of(documents[name], keys[:-1])
    return None if parent is None else parent.pop(keys[-1], ABSENT)


def _put(documents: Document, name: str, keys: Sequence[str], path: str, value: object) -> None:
    if not keys:
        documents[name] = value
        return
    parent = parent_of(documents[name], keys[:-1])
    if parent is not None and value is not ABSENT:
        parent[keys[-1]] = value
    elif parent is None and value is not None and value is not ABSENT:
        where = path.rpartition(".")[0]
        shown = f"{value!r:.60}"
        reason = f"{where} is None, so {shown} cannot be stored in it; create the object with Transform()"
        raise RecordError(path, None, reason, (shown,))
