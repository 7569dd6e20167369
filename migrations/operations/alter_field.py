"""The operation that changes the type of a field. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from redis_models.encoding.limits import UNREADABLE
from redis_models.errors import RecordError, SchemaError

from ..edits.conversion import keeps_bytes
from ..edits.converters import Converter
from ..edits.nested_paths import is_path, split_path
from ..edits.steps import Convert, Step
from ..edits.stored_values import NONES, changes_none_only, is_equal, is_proven, is_readable, stored_bytes
from ..edits.typed_steps import Widen
from ..edits.values import Function, converted, decoded, narrowed, read_wider, stored, unconfirmed
from ..schema.snapshot import FieldSchema, ModelSchema, Snapshot
from ..schema.type_edit import with_retyped_key
from ..schema.type_tree import NONE, choice_of, parse_key
from .base import Operation, Risk
from .nested_keys import alter_key, patch, widen_key, widened

__all__ = ["AlterField"]


_TYPE_WIDTH: Final = 48  # characters


@dataclass(frozen=True)
class AlterField(Operation):
    """Change the type of a stored field and convert its value in every record.

    Args:
        model: Name of the model.
        name: The field, or the path of a key in nested objects; in a union, of the objects whose key has the type
            ``old``.
        old: Canonical text of the type before, so that the file is readable on its own; for a key with
            ``NotRequired[...]`` if it may be absent.
        new: Canonical text of the type afterwards.
        convert: Pure function from a value of the old type to one of the new, or a converter (``MapValues``,
            ``FillNone``, ``AttachTimezone``); without it, pydantic's lax conversion.
        back: The reverse; needed only for values that were changed after the migration. If the new type reads all bytes
            of the old one, nothing changes forwards. Backwards, ``back`` converts values that the old type does not
            read as the same; without ``back``, they stop the run. If both types are equal, it converts all values.
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
        if self.is_reverse_only:
            return _taken_back(new, self.back)
        if self.is_widening:
            return _widened(old, new, self.back)
        forward = _conversion(self.name, old, new, self.convert, "convert")
        is_made_optional = self.convert is None and self.new == f"{self.old} | None"
        back = _for_none(self.back) if is_made_optional and self.back is not None else self._reverse
        backward = _conversion(self.name, new, old, back, "back")
        if back is None and self.convert is not None:
            backward = _confirmed(old, new, forward, backward)
        usual = None if self.convert is None else _conversion(self.name, old, new, None, "convert")
        codec = old.codec

        def is_same(left: bytes, right: bytes) -> bool:
            return codec.decode(left) == codec.decode(right)

        inputs = stored_bytes(self.old)
        asked = None if is_made_optional else self.back  # it is called for None only
        leaves_others = inputs is None and changes_none_only(self.old, self.new, self.convert, asked)
        known = NONES if leaves_others else inputs or ()
        kept = Convert(self.name, forward, backward, is_same, inputs=known, leaves_others=leaves_others, usual=usual)
        return [kept]

    def _steps_of_key(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        name, keys = split_path(self.name)
        type = before.field(name).type
        if self.is_widening:
            if not self.is_narrowed_back and not (self.is_reverse_only and self.back is not None):
                return []
            key = widen_key(type, self.name, keys, self.old, self.new, self.back)
            return [widened(before.field(name), after.field(name), keys, key)]
        edit = alter_key(type, self.name, keys, self.old, self.new, self.convert, self._reverse)
        usual = None if self.convert is None else replace(edit, convert=None)
        return [patch(before.field(name), after.field(name), keys, edit, usual)]

    @property
    def is_widening(self) -> bool:
        """Whether no stored value changes, because the new type reads them all as equal values."""
        if self.convert is not None:
            return False
        if not is_path(self.name):
            return keeps_bytes(self.old, self.new)
        old, new = parse_key(self.name, self.old).tree, parse_key(self.name, self.new).tree
        return new in (old, choice_of([old, NONE]))

    @property
    def is_reverse_only(self) -> bool:
        """Whether only ``back`` does something: a constraint was loosened, which is not part of the type."""
        return self.convert is None and self.old == self.new

    @property
    def is_narrowed_back(self) -> bool:
        """Whether undoing it must check each value, because only the new type may read it."""
        old, new = (str(parse_key(self.name, text).tree) for text in (self.old, self.new))
        return self.is_widening and not keeps_bytes(new, old)

    @property
    def _reverse(self) -> Callable[..., object] | None:
        if self.back is None and isinstance(self.convert, Converter):
            return self.convert.inverse(str(parse_key(self.name, self.old).tree))
        return self.back

    def describe(self) -> str:
        return f"Alter field {self.name} on {self.model} from {_short(self.old)} to {_short(self.new)}"

    def describe_reverse(self) -> str:
        if self.is_reverse_only and self.back is not None:
            return "each value goes through back="
        if self.is_widening and not self.is_narrowed_back:
            return "values stay unchanged"
        if self.is_widening:
            others = "stop the run, because there is no back=" if self.back is None else "are converted by back="
            return f"values that {_short(self.old)} reads as the same stay; others {others}"
        how = "by pydantic's conversion, or stop the run" if self.back is None else "by back="
        if self.convert is not None and self.back is None and self._reverse is None:
            how = "by pydantic's conversion if convert= makes the same value of it again, or stop the run"
        how = f"by the reverse of {self.convert!r}" if self.back is None and self._reverse is not None else how
        return f"unchanged values return byte for byte; those changed since are converted {how}"

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS


def _for_none(back: Function) -> Function:
    """Call a function for None only: the older type accepts all other values."""
    return lambda value: back(None) if value is None else value


def _widened(old: FieldSchema, new: FieldSchema, back: Function | None) -> Sequence[Step]:
    """Return the step of a field whose type widens; none if the old type reads all values of the new one too."""
    if keeps_bytes(new.type, old.type):
        return []

    def narrow(raw: bytes) -> bytes:
        if is_readable(old, new, raw):
            return raw
        value = narrowed(new, decoded(new, raw), old, back, raw)
        return stored(old.codec, old.name, old.type, value)

    return [Widen(new.name, partial(is_proven, old.type, new.type), narrow, partial(read_wider, old, new))]


def _taken_back(field: FieldSchema, back: Function | None) -> Sequence[Step]:
    """Return the step of a field whose type stays, and whose values ``back`` converts for older code."""
    if back is None:
        return []

    def narrow(raw: bytes) -> bytes:
        try:
            value = field.codec.decode(raw)
        except (*UNREADABLE, ValueError):  # newer code has members of an enum that migrations do not know
            value = decoded(replace(field, type="Any"), raw)
        made = stored(field.codec, field.name, field.type, converted(field, value, field, back, raw, option="back"))
        return raw if is_equal(value, decoded(field, made)) else made

    return [Widen(field.name, lambda raw: False, narrow, lambda raw: None)]


def _conversion(
    name: str, old: FieldSchema, new: FieldSchema, function: Callable[..., object] | None, option: str
) -> Callable[[bytes], bytes]:
    """Return the function that converts bytes of one type to bytes of another."""

    def convert(raw: bytes) -> bytes:
        result = converted(old, decoded(old, raw), new, function, raw, option=option)
        return stored(new.codec, name, new.type, result)

    return convert


def _confirmed(
    old: FieldSchema, new: FieldSchema, forward: Callable[[bytes], bytes], backward: Callable[[bytes], bytes]
) -> Callable[[bytes], bytes]:
    """Return the reverse by pydantic's conversion, which must agree with the function forwards.

    Pydantic converts 199 cents to 199.0, from which the function would make 19,900.
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
    """Return the schema with a change in the type of a field; errors name the field."""
    try:
        return model.with_type(name, change(model.field(name).type))
    except SchemaError as exc:
        raise SchemaError(f"{model.name}.{name}, {exc}" if name in model.by_name else str(exc)) from exc


def _short(type: str) -> str:
    """Shorten the text of a type to fit into a line."""
    return type if len(type) <= _TYPE_WIDTH else f"{type[: _TYPE_WIDTH - 3]}..."


def _never_same(name: str, left: bytes, right: bytes) -> bool:
    return False
