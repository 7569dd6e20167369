"""Operations on fields: add, remove, rename, alter. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, cast

from redis_models.errors import RecordError, SchemaError
from redis_models.limits import UNREADABLE

from ..compatibility import is_equal, is_proven, is_readable
from ..conversion import keeps_bytes
from ..converters import Converter
from ..draft import Draft
from ..enumerable import NONES, changes_none_only, stored_bytes
from ..extras import EXTRAS
from ..paths import is_path, split_path
from ..schema import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot, _Required
from ..steps import Convert, Drop, Fill, Move, Put, Step
from ..take_extra import TakeExtra
from ..typeedit import with_key, with_renamed_key, with_retyped_key, without_key
from ..typetree import NONE, choice_of, parse_key
from ..views import OldObject, OldRecord, old_record_of
from ..widen import Widen
from .base import Operation, Risk
from .nested import AddKey, RenameKey, alter_key, patch, remove_key, widen_key, widened
from .relocation import relocated, relocation
from .values import Function, called, converted, decoded, encoded, literal, narrowed, read_wider, stored, unconfirmed

__all__ = ["AddField", "AlterField", "RemoveField", "RenameField"]

_TYPE_WIDTH: Final = 48  # characters


@dataclass(frozen=True)
class AddField(Operation):
    """Add a stored field, and fill it in every record.

    Args:
        model: Name of the model.
        name: The new field; or the path of a new key in nested objects, ``address.zip``.
        type: Canonical text of its type; that of a key may be ``NotRequired[...]``.
        fill: JSON-like value for every record, or a pure function that gives a value for an ``OldRecord``; for a key,
            of an ``OldObject``, and it is called with each object.
        extra: What becomes of an extra field of this name that a record holds (``extra="allow"``): ``take`` makes the
            value of it, and fills records without one; ``replace`` keeps it aside, out of the application's sight, and
            fills every record; None where no record should hold one, and ``replace`` for one that does.
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
            return [TakeExtra(field, lambda draft: raw) if self.extra == "take" else Put(self.name, raw)]
        function, codec, name, type = cast(Function, self.fill), field.codec, self.name, self.type
        what, old_of = self.describe(), old_record_of(before)

        def make(draft: Draft) -> bytes:
            return stored(codec, name, type, called(function, "", what, old_of(draft, is_alone=True)))

        if self.extra == "take":
            return [TakeExtra(field, make)]

        def fill(draft: Draft) -> None:
            draft.set(name, make(draft))

        def unfill(draft: Draft) -> None:
            draft.remove(name)

        return [Fill(what, fill, unfill, _never_same, target=name, make=make)]

    def describe(self) -> str:
        taken = ", taking the extra field of its name" if self.extra == "take" else ""
        return f"Add field {self.name} to {self.model}{taken}"

    def way_back(self) -> str:
        if self.extra == "take":
            return f"{self.name} is an extra field again, byte for byte where nobody wrote it since"
        return f"{self.name} goes, with what was written there since"


@dataclass(frozen=True)
class RemoveField(Operation):
    """Remove a stored field; its bytes stay in the record, out of the application's sight, for the way back.

    Args:
        model: Name of the model.
        name: The field; or the path of a key in nested objects.
        back: JSON-like value, on the way back, for records, or nested objects, that were made without it.
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

    def way_back(self) -> str:
        since = "stop the run where older code needs it" if self.back is None else f"come back with {self.back!r}"
        return f"the bytes of {self.name} come back; records made since {since}"


@dataclass(frozen=True)
class RenameField(Operation):
    """Rename a stored field, in the schema and in every record of the model.

    Args:
        model: Name of the model.
        old: Stored field to rename; or the path of a key in nested objects.
        new: Its name afterwards; or its path, which may lead into another object, or out of it.
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
        """Whether it goes to another object."""
        return self.old.rpartition(".")[0] != self.new.rpartition(".")[0]

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS if self._is_moved else Risk.NONE

    def describe(self) -> str:
        return f"{'Move' if self._is_moved else 'Rename'} field {self.old} to {self.new} on {self.model}"

    def way_back(self) -> str:
        return f"{self.new} moves back to {self.old}" if self._is_moved else f"{self.new} is called {self.old} again"


@dataclass(frozen=True)
class AlterField(Operation):
    """Change the type of a stored field, and convert its value in every record.

    Args:
        model: Name of the model.
        name: The field; or the path of a key in nested objects: in a union of objects, of those whose key has the type
            ``old``.
        old: Canonical text of the type before, so that the file can be read alone; that of a key as it stands in the
            object, with ``NotRequired[...]`` if it has that.
        new: Canonical text of the type afterwards, likewise.
        convert: Pure function from a value of the old type to one of the new, or a converter (``MapValues``,
            ``FillNone``, ``AttachTimezone``); without it pydantic's lax conversion.
        back: Likewise from new to old; needed only for values that were changed after the migration. Where the new
            type reads all that the old one stored, no byte changes forwards; backwards, values that the old type does
            not read as the same go through it, and stop the run without it. With the same type twice, all values do.
    """

    name: str
    old: str
    new: str
    convert: Callable[..., object] | None = None
    back: Callable[..., object] | None = None

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model, (name, keys) = snapshot.model(self.model), split_path(self.name)
        if keys:
            change = _retyped(model, name, lambda type: with_retyped_key(type, keys, self.old, self.new))
            return snapshot.with_model(change)
        if model.field(self.name).type != self.old:
            raise SchemaError(
                f"{self.describe()}: the field is {model.field(self.name).type!r} here, not {self.old!r};"
                " correct the file"
            )
        return snapshot.with_model(model.with_type(self.name, self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        if is_path(self.name):
            return self._steps_of_key(before, after)
        old, new = before.field(self.name), after.field(self.name)
        if self.is_way_back_only:
            return _taken_back(new, self.back)
        if self.is_widening:
            return _widened(old, new, self.back)
        forward = _conversion(self.name, old, new, self.convert, "convert")
        is_made_optional = self.convert is None and self.new == f"{self.old} | None"
        back = _for_none(self.back) if is_made_optional and self.back is not None else self._way_back
        backward = _conversion(self.name, new, old, back, "back")
        if back is None and self.convert is not None:
            backward = _confirmed(old, new, forward, backward)
        usual = None if self.convert is None else _conversion(self.name, old, new, None, "convert")
        codec = old.codec

        def is_same(one: bytes, other: bytes) -> bool:
            return codec.decode(one) == codec.decode(other)

        inputs = stored_bytes(self.old)
        asked = None if is_made_optional else self.back  # which is asked for None alone there
        leaves_others = inputs is None and changes_none_only(self.old, self.new, self.convert, asked)
        known = NONES if leaves_others else inputs or ()
        kept = Convert(self.name, forward, backward, is_same, inputs=known, leaves_others=leaves_others, usual=usual)
        return [kept]

    def _steps_of_key(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        name, keys = split_path(self.name)
        type = before.field(name).type
        if self.is_widening:
            if not self.is_narrowed_back and not (self.is_way_back_only and self.back is not None):
                return []
            key = widen_key(type, self.name, keys, self.old, self.new, self.back)
            return [widened(before.field(name), after.field(name), keys, key)]
        edit = alter_key(type, self.name, keys, self.old, self.new, self.convert, self._way_back)
        usual = None if self.convert is None else replace(edit, convert=None)
        return [patch(before.field(name), after.field(name), keys, edit, usual)]

    @property
    def is_widening(self) -> bool:
        """Whether every stored value stays as it is, because the new type reads it alike."""
        if self.convert is not None:
            return False
        if not is_path(self.name):
            return keeps_bytes(self.old, self.new)
        one, other = parse_key(self.name, self.old).tree, parse_key(self.name, self.new).tree
        return other in (one, choice_of([one, NONE]))

    @property
    def is_way_back_only(self) -> bool:
        """Whether it only says what ``back`` makes of each value: a bound was loosened, which no type tells."""
        return self.convert is None and self.old == self.new

    @property
    def is_narrowed_back(self) -> bool:
        """Whether the way back must look at each value, because only the new type may read it."""
        one, other = (str(parse_key(self.name, text).tree) for text in (self.old, self.new))
        return self.is_widening and not keeps_bytes(other, one)

    @property
    def _way_back(self) -> Callable[..., object] | None:
        if self.back is None and isinstance(self.convert, Converter):
            return self.convert.inverse(str(parse_key(self.name, self.old).tree))
        return self.back

    def describe(self) -> str:
        return f"Alter field {self.name} on {self.model} from {_short(self.old)} to {_short(self.new)}"

    def way_back(self) -> str:
        if self.is_way_back_only and self.back is not None:
            return "each value goes through back="
        if self.is_widening and not self.is_narrowed_back:
            return "values stay as they are"
        if self.is_widening:
            others = "stop the run, for want of back=" if self.back is None else "are converted by back="
            return f"values stay where {_short(self.old)} reads them as the same; others {others}"
        how = "by pydantic's conversion, or stop the run" if self.back is None else "by back="
        if self.convert is not None and self.back is None and self._way_back is None:
            how = "by pydantic's conversion where convert= makes the same of it again, or stop the run"
        how = f"by {self.convert!r} the other way" if self.back is None and self._way_back is not None else how
        return f"values as they were before come back byte for byte; those changed since are converted {how}"

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS


def _for_none(back: Function) -> Function:
    """Ask a function for None alone: whatever else the newer type holds, the older one holds as well."""
    return lambda value: back(None) if value is None else value


def _widened(old: FieldSchema, new: FieldSchema, back: Function | None) -> Sequence[Step]:
    """Give the step of a field whose type accepts more; none where the old one reads all of it as well."""
    if keeps_bytes(new.type, old.type):
        return []

    def narrow(raw: bytes) -> bytes:
        if is_readable(old, new, raw):
            return raw
        value = narrowed(new, decoded(new, raw), old, back, raw)
        return stored(old.codec, old.name, old.type, value)

    return [Widen(new.name, partial(is_proven, old.type, new.type), narrow, partial(read_wider, old, new))]


def _taken_back(field: FieldSchema, back: Function | None) -> Sequence[Step]:
    """Give the step of a field whose type stays, and whose values ``back`` fits to what older code demands."""
    if back is None:
        return []

    def narrow(raw: bytes) -> bytes:
        try:
            value = field.codec.decode(raw)
        except (*UNREADABLE, ValueError):  # newer code has members of which no migration tells
            value = decoded(replace(field, type="Any"), raw)
        made = stored(field.codec, field.name, field.type, converted(field, value, field, back, raw, option="back"))
        return raw if is_equal(value, decoded(field, made)) else made

    return [Widen(field.name, lambda raw: False, narrow, lambda raw: None)]


def _conversion(
    name: str, old: FieldSchema, new: FieldSchema, function: Callable[..., object] | None, option: str
) -> Callable[[bytes], bytes]:
    """Give what turns the bytes of one type into those of another."""

    def convert(raw: bytes) -> bytes:
        result = converted(old, decoded(old, raw), new, function, raw, option=option)
        return stored(new.codec, name, new.type, result)

    return convert


def _confirmed(
    old: FieldSchema, new: FieldSchema, forward: Callable[[bytes], bytes], backward: Callable[[bytes], bytes]
) -> Callable[[bytes], bytes]:
    """Give a way back by pydantic's conversion, where a function led forwards: what that makes of it must be the value.

    Of 199 cents pydantic makes 199.0, of which the function would make 19,900 again.
    """

    def convert(raw: bytes) -> bytes:
        made = backward(raw)
        try:
            is_confirmed = is_equal(decoded(new, forward(made)), decoded(new, raw))
        except RecordError:
            is_confirmed = False
        if not is_confirmed:
            raise unconfirmed(new.name, old.type, raw, decoded(old, made))
        return made

    return convert


def _retyped(model: ModelSchema, name: str, change: Callable[[str], str]) -> ModelSchema:
    """Give the schema with a change in the type of a field; errors say which field."""
    try:
        return model.with_type(name, change(model.field(name).type))
    except SchemaError as exc:
        raise SchemaError(f"{model.name}.{name}, {exc}" if name in model.by_name else str(exc)) from exc


def _short(type: str) -> str:
    """Give a type as it fits into a line: an Enum of fifty members does not."""
    return type if len(type) <= _TYPE_WIDTH else f"{type[: _TYPE_WIDTH - 3]}..."


def _never_same(name: str, one: bytes, other: bytes) -> bool:
    return False
