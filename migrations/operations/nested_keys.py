"""Changes of one key in nested objects, for operations on fields that have a path. Pure.

In the schema, the text of the type of the whole field changes. In a record, one step converts the whole field.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial

from redis_models.errors import RecordError

from ..edits.converters import FillNone
from ..edits.nested_paths import ABSENT, Document, Edit, changed, changed_back, plain
from ..edits.steps import Patch
from ..edits.stored_values import is_readable, may_be_none
from ..edits.typed_steps import Widen
from ..edits.values import (
    Function,
    called,
    codec_of,
    converted,
    decoded,
    literal,
    narrowed,
    read_wider,
    stored,
    unconfirmed,
    validated,
)
from ..edits.views import OldObject
from ..schema.snapshot import FieldSchema, Literal
from ..schema.type_edit import numbered, objects_at
from ..schema.type_tree import NONE, Choice, Key, parse, parse_key

__all__ = [
    "AddKey",
    "AlterKey",
    "RemoveKey",
    "RenameKey",
    "WidenKey",
    "alter_key",
    "patch",
    "remove_key",
    "widen_key",
    "widened",
]


@dataclass(frozen=True)
class AddKey(Edit):
    """Add a key.

    Args:
        path: Path of the key, for errors.
        key: Its name and type.
        fill: A value as in JSON, or a function of the object before.
        what: The operation, for errors.
    """

    path: str
    key: Key
    fill: Literal | Function
    what: str

    def forward(self, document: Document, type: str) -> None:
        text = str(self.key.tree)
        if not callable(self.fill):
            document[self.key.name] = plain(literal(text, self.fill, f"{self.what}: fill"))
            return
        value = called(self.fill, self.path, self.what, OldObject(dict(document)))
        document[self.key.name] = plain(validated(codec_of(text), self.path, text, value))

    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        document.pop(self.key.name, None)
        _restore(document, self.key.name, before)


@dataclass(frozen=True)
class RemoveKey(Edit):
    """Remove a key.

    Args:
        path: Path of the key, for errors.
        keys: Its name and type in each object of a union that has it, by the text of the new type of the object.
        back: A value as in JSON for objects that were created without the key; None if there is none.
    """

    path: str
    keys: Mapping[str, Key]
    back: Literal

    def forward(self, document: Document, type: str) -> None:
        document.pop(self.path.rpartition(".")[2], None)

    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        name, key = self.path.rpartition(".")[2], self.keys.get(_canonical(type))
        if before is not None or key is None:
            _restore(document, name, before)
        elif self.back is not None or (key.is_required and _is_optional(key)):
            document[name] = plain(literal(str(key.tree), self.back, "back"))
        elif key.is_required:
            raise RecordError(
                self.path, None, "an object was created without it since; give back= a value for such objects"
            )


@dataclass(frozen=True)
class RenameKey(Edit):
    """Rename a key and keep its place."""

    old: str
    new: str

    def forward(self, document: Document, type: str) -> None:
        _rename(document, self.old, self.new)

    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        _rename(document, self.new, self.old)
        _restore(document, self.new, before)


@dataclass(frozen=True)
class AlterKey(Edit):
    """Convert the value of a key.

    Args:
        old, new: Path and type on both sides.
        name: The key.
        old_objects: Texts of the types of objects whose key changes.
        new_objects: Texts of their types afterwards.
        convert, back: Those of the operation.
        is_filled: Whether the key becomes required, so that ``convert`` is called with None if it is absent.
    """

    old: FieldSchema
    new: FieldSchema
    name: str
    old_objects: frozenset[str]
    new_objects: frozenset[str]
    convert: Function | None
    back: Function | None
    is_filled: bool = False

    def forward(self, document: Document, type: str) -> None:
        if _canonical(type) not in self.old_objects:
            return
        if self.name in document:
            document[self.name] = self._convert(document[self.name], self.old, self.new, self.convert, "convert")
        elif self.is_filled:
            document[self.name] = self._filled()

    def _filled(self) -> object:
        if isinstance(self.convert, FillNone):
            return plain(literal(self.new.type, self.convert.value, f"{self.old.name}: FillNone"))
        value = called(self.convert, self.old.name, f"convert of {self.old.name}", None) if self.convert else None
        return plain(validated(self.new.codec, self.new.name, self.new.type, value))

    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        if self.name not in document or _canonical(type) not in self.new_objects:
            return
        now = document[self.name]
        if self.is_filled and before is not None and self.name not in before and now == self._filled():
            del document[self.name]
        elif before is not None and self.name in before and self._becomes(before[self.name], now):
            document[self.name] = before[self.name]
        else:
            made = self._convert(now, self.new, self.old, self.back, "back")
            if self.back is None and self.convert is not None and not self._becomes(made, now, (self.convert,)):
                raise unconfirmed(self.new.name, self.old.type, None, made)
            document[self.name] = made

    def _convert(
        self, value: object, source: FieldSchema, target: FieldSchema, function: Function | None, option: str
    ) -> object:
        typed = source.codec.validate(value)
        result = converted(source, typed, target, function, option=option)
        return plain(validated(target.codec, target.name, target.type, result))

    def _becomes(self, before: object, now: object, functions: Iterable[Function | None] = ()) -> bool:
        for function in functions or dict.fromkeys((self.convert, None)):  # a function may have been added since
            with suppress(RecordError):
                if self._convert(before, self.old, self.new, function, "convert") == now:
                    return True
        return False


@dataclass(frozen=True)
class WidenKey(Edit):
    """Widen the type of a key.

    Args:
        old, new: Path and type on both sides.
        name: The key.
        new_objects: Texts of the types of the objects afterwards.
        back: That of the operation.
    """

    old: FieldSchema
    new: FieldSchema
    name: str
    new_objects: frozenset[str]
    back: Function | None

    def forward(self, document: Document, type: str) -> None:
        pass  # the newer type accepts the older value

    def backward(self, document: Document, type: str, before: Mapping[str, object] | None) -> None:
        if self.name not in document or _canonical(type) not in self.new_objects:
            return
        # In a list, because a key is JSON even if a field of its type would be plain text.
        old, new = (FieldSchema(side.name, f"list[{side.type}]") for side in (self.old, self.new))
        typed = self.new.codec.validate(document[self.name])
        if self.old.type == self.new.type or not is_readable(old, new, new.codec.encode([typed])):
            value = narrowed(self.new, typed, self.old, self.back)
            document[self.name] = plain(validated(self.old.codec, self.old.name, self.old.type, value))


def remove_key(type: str, path: str, keys: tuple[str, ...], back: Literal) -> RemoveKey:
    """Return the change that removes a key.

    Args:
        type: Type of the whole field before.
        path: Name of the field and keys, for errors.
        keys: The path in the field.
        back: A value as in JSON for objects that were created without the key.
    """
    become: dict[str, Key] = {}
    for object in objects_at(type, keys[:-1]):
        if (key := object.key(keys[-1])) is not None:
            become.setdefault(numbered(str(object.with_key(key.name, None))), key)
            if back is not None:
                literal(str(key.tree), back, f"{path}: back")
    return RemoveKey(path, become, back)


def alter_key(
    type: str, path: str, keys: tuple[str, ...], old: str, new: str, convert: Function | None, back: Function | None
) -> AlterKey:
    """Return the change that converts the value of a key.

    Args:
        type: Type of the whole field before.
        path: Name of the field and keys, for errors.
        keys: The path in the field.
        old, new: Types of the key, with or without ``NotRequired[...]``.
        convert, back: Those of the operation.
    """
    name = keys[-1]
    old_key, new_key = parse_key(name, old), parse_key(name, new)
    objects = [object for object in objects_at(type, keys[:-1]) if (key := object.key(name)) and key.text == old]
    return AlterKey(
        FieldSchema(path, str(old_key.tree)),
        FieldSchema(path, str(new_key.tree)),
        name,
        frozenset(numbered(str(object)) for object in objects),
        frozenset(numbered(str(object.with_key(name, new_key))) for object in objects),
        convert,
        back,
        new_key.is_required and not old_key.is_required and convert is not None,
    )


def widen_key(type: str, path: str, keys: tuple[str, ...], old: str, new: str, back: Function | None) -> WidenKey:
    """Return the change that widens the type of a key; arguments as for ``alter_key``."""
    edit = alter_key(type, path, keys, old, new, None, back)
    return WidenKey(edit.old, edit.new, edit.name, edit.new_objects, back)


def widened(field: FieldSchema, after: FieldSchema, keys: tuple[str, ...], edit: Edit) -> Widen:
    """Return the step that widens the type of a key in a field; arguments as for ``patch``."""

    is_alike = field.type == after.type  # only back= converts values

    def narrow(raw: bytes) -> bytes:
        if not is_alike and is_readable(field, after, raw):
            return raw
        value = changed_back(decoded(after, raw), keys, edit, ABSENT)
        return stored(field.codec, field.name, field.type, value)

    return Widen(
        field.name, lambda raw: not is_alike and not may_be_none(raw), narrow, partial(read_wider, field, after)
    )


def patch(
    field: FieldSchema, after: FieldSchema, keys: tuple[str, ...], edit: Edit, usual: Edit | None = None
) -> Patch:
    """Return the step that changes a key in a field.

    Args:
        field, after: The whole field on both sides.
        keys: The path in it.
        edit: The change.
        usual: The change without the function of the operation; None if there is no function.
    """

    def forward_by(edit: Edit, raw: bytes) -> bytes:
        value = changed(decoded(field, raw), keys, edit)
        return stored(after.codec, after.name, after.type, value)

    def backward(now: bytes, *before: bytes) -> bytes:
        old = decoded(field, before[0]) if before else None
        value = changed_back(decoded(after, now), keys, edit, old, usual)
        return stored(field.codec, field.name, field.type, value)

    def is_same(left: bytes, right: bytes) -> bool:
        return field.codec.decode(left) == field.codec.decode(right)

    by_usual = None if usual is None else partial(forward_by, usual)
    return Patch(field.name, partial(forward_by, edit), backward, is_same, backward, usual=by_usual)


@lru_cache(maxsize=4096)
def _canonical(type: str) -> str:
    return numbered(str(parse(type)))


def _is_optional(key: Key) -> bool:
    return isinstance(key.tree, Choice) and NONE in key.tree.members


def _rename(document: Document, old: str, new: str) -> None:
    """Rename a key in its place; a value under the new name, which the schema does not allow, is removed."""
    if old not in document:
        document.pop(new, None)
        return
    items = [(new if name == old else name, value) for name, value in document.items() if name != new]
    document.clear()
    document.update(items)


def _restore(document: Document, name: str, before: Mapping[str, object] | None) -> None:
    if before is not None and name in before:
        document[name] = before[name]
