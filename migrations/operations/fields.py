"""Operations on fields: add, remove, rename. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from redis_models.errors import SchemaError

from ..edits.extra_fields import EXTRAS
from ..edits.nested_paths import is_path, split_path
from ..edits.record_edit import RecordEdit
from ..edits.steps import Drop, Fill, Move, Put, Step
from ..edits.typed_steps import TakeExtra
from ..edits.values import Function, called, encoded, literal, stored
from ..edits.views import OldObject, OldRecord, old_record_of
from ..schema.snapshot import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot, _Required
from ..schema.type_edit import with_key, with_renamed_key, without_key
from ..schema.type_tree import parse_key
from .alter_field import _never_same, _retyped
from .base import Operation, Risk
from .nested_keys import AddKey, RenameKey, patch, remove_key
from .nested_moves import relocated, relocation

__all__ = ["AddField", "RemoveField", "RenameField"]


@dataclass(frozen=True)
class AddField(Operation):
    """Add a stored field and fill it in every record.

    Args:
        model: Name of the model.
        name: The new field, or the path of a new key in nested objects, such as ``address.zip``.
        type: Canonical text of its type; that of a key may be ``NotRequired[...]``.
        fill: A value as in JSON for every record, or a pure function that returns a value for an ``OldRecord``. For a
            key, the function is called with each ``OldObject``.
        extra: What happens to an extra field of this name (``extra="allow"``). ``take`` uses its value and fills
            records without one; ``replace`` makes it an undo field and fills every record. None, for models without
            extra fields, does the same as ``replace``.
    """

    name: str
    type: str
    fill: Literal | Callable[[OldRecord], object] | Callable[[OldObject], object]
    extra: str | None = None

    def __post_init__(self) -> None:
        if self.extra not in (None, *EXTRAS) or (self.extra and is_path(self.name)):
            raise SchemaError(f"{self.describe()}: extra={self.extra!r}; write {' or '.join(map(repr, EXTRAS))}")

    def apply(self, snapshot: Snapshot) -> Snapshot:
        if is_path(self.name):
            return self._apply_to_key(snapshot)
        default = REQUIRED if callable(self.fill) else self.fill
        field = FieldSchema(self.name, self.type, default)
        if not callable(self.fill):
            encoded(field, self.fill, f"{self.describe()}: fill")
        return snapshot.with_model(snapshot.model(self.model).with_field(field))

    def _apply_to_key(self, snapshot: Snapshot) -> Snapshot:
        model, (name, keys) = snapshot.model(self.model), split_path(self.name)
        if not callable(self.fill):
            literal(str(parse_key(keys[-1], self.type).tree), self.fill, f"{self.describe()}: fill")
        return snapshot.with_model(_retyped(model, name, lambda type: with_key(type, keys, self.type)))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        if is_path(self.name):
            name, keys = split_path(self.name)
            edit = AddKey(
                self.name, parse_key(keys[-1], self.type), cast("Literal | Function", self.fill), self.describe()
            )
            return [patch(before.field(name), after.field(name), keys, edit)]
        field = after.field(self.name)
        if not callable(self.fill):
            raw = encoded(field, self.fill, f"{self.describe()}: fill")
            return [TakeExtra(field, lambda edit: raw) if self.extra == "take" else Put(self.name, raw)]
        function, codec, name, type = cast(Function, self.fill), field.codec, self.name, self.type
        what, old_of = self.describe(), old_record_of(before)

        def make(edit: RecordEdit) -> bytes:
            return stored(codec, name, type, called(function, "", what, old_of(edit, is_alone=True)))

        if self.extra == "take":
            return [TakeExtra(field, make)]

        def fill(edit: RecordEdit) -> None:
            edit.set(name, make(edit))

        def unfill(edit: RecordEdit) -> None:
            edit.remove(name)

        return [Fill(what, fill, unfill, _never_same, target=name, make=make)]

    def describe(self) -> str:
        taken = ", taking the extra field of its name" if self.extra == "take" else ""
        return f"Add field {self.name} to {self.model}{taken}"

    def describe_reverse(self) -> str:
        if self.extra == "take":
            return f"{self.name} is an extra field again, byte for byte unless it was written since"
        return f"{self.name} is removed, with values that were written to it since"


@dataclass(frozen=True)
class RemoveField(Operation):
    """Remove a stored field. Its bytes become an undo field, which the application does not see.

    Args:
        model: Name of the model.
        name: The field, or the path of a key in nested objects.
        back: A value as in JSON for records, or nested objects, that were created without the field, when they go back.
    """

    name: str
    back: Literal = None

    @property
    def risk(self) -> Risk:
        return Risk.HIDES

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model, (name, keys) = snapshot.model(self.model), split_path(self.name)
        if not keys:
            return snapshot.with_model(model.without_field(name))
        return snapshot.with_model(_retyped(model, name, lambda type: without_key(type, keys)))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        if is_path(self.name):
            name, keys = split_path(self.name)
            edit = remove_key(before.field(name).type, self.name, keys, self.back)
            return [patch(before.field(name), after.field(name), keys, edit)]
        field = before.field(self.name)
        back = self.back if self.back is not None else field.default
        if isinstance(back, _Required) or (back is None and not field.codec.is_optional):
            return [Drop(self.name)]
        return [Drop(self.name, encoded(field, back, f"{self.describe()}: back"))]

    def describe(self) -> str:
        return f"Remove field {self.name} from {self.model}"

    def describe_reverse(self) -> str:
        since = "stop the run if older code needs it" if self.back is None else f"get {self.back!r}"
        return f"the bytes of {self.name} are restored; records created since {since}"


@dataclass(frozen=True)
class RenameField(Operation):
    """Rename a stored field, in the schema and in every record of the model.

    Args:
        model: Name of the model.
        old: The field, or the path of a key in nested objects.
        new: Its new name or path, which may lead into another object or out of one.
    """

    old: str
    new: str

    def apply(self, snapshot: Snapshot) -> Snapshot:
        if self._is_moved:
            return snapshot.with_model(relocated(snapshot.model(self.model), self.old, self.new))
        if is_path(self.old):
            model, (name, keys) = snapshot.model(self.model), split_path(self.old)
            new = split_path(self.new)[1][-1]
            return snapshot.with_model(_retyped(model, name, lambda type: with_renamed_key(type, keys, new)))
        return snapshot.with_model(snapshot.model(self.model).with_renamed(self.old, self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        if self._is_moved:
            return [relocation(self.describe(), before, after, self.old, self.new)]
        if is_path(self.old):
            name, keys = split_path(self.old)
            edit = RenameKey(keys[-1], split_path(self.new)[1][-1])
            return [patch(before.field(name), after.field(name), keys, edit)]
        return [Move(self.old, self.new)]

    @property
    def _is_moved(self) -> bool:
        """Whether it moves to another object."""
        return self.old.rpartition(".")[0] != self.new.rpartition(".")[0]

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS if self._is_moved else Risk.NONE

    def describe(self) -> str:
        return f"{'Move' if self._is_moved else 'Rename'} field {self.old} to {self.new} on {self.model}"

    def describe_reverse(self) -> str:
        return f"{self.new} moves back to {self.old}" if self._is_moved else f"{self.new} is named {self.old} again"
