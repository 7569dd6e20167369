"""Operations on fields: add, remove, rename, alter. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from redis_models.codec import FieldCodec
from redis_models.errors import RecordError, SchemaError

from ..conversion import convert_value, keeps_bytes
from ..draft import Draft
from ..schema import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot
from ..steps import Compute, Convert, Drop, Move, Put, Step
from ..views import OldRecord, complaint
from .base import Operation, Risk

__all__ = ["AddField", "AlterField", "RemoveField", "RenameField"]

_TYPE_WIDTH: Final = 48  # characters


@dataclass(frozen=True)
class AddField(Operation):
    """Add a stored field, and fill it in every record.

    Args:
        model: Name of the model.
        name: The new field.
        type: Canonical text of its type.
        fill: JSON-like value for every record, or a pure function that gives a value for an old record.
    """

    name: str
    type: str
    fill: Literal | Callable[[OldRecord], object]

    def apply(self, snapshot: Snapshot) -> Snapshot:
        default = REQUIRED if callable(self.fill) else self.fill
        field = FieldSchema(self.name, self.type, default)
        if not callable(self.fill):
            self._encoded(field)
        return snapshot.with_model(snapshot.model(self.model).with_field(field))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        field = after.field(self.name)
        if not callable(self.fill):
            return [Put(self.name, self._encoded(field))]
        function, codec = self.fill, field.codec

        def fill(draft: Draft) -> None:
            value = _called(function, OldRecord(draft, before), self.describe())
            draft.set(self.name, _stored(codec, self.name, self.type, value))

        def unfill(draft: Draft) -> None:
            draft.remove(self.name)

        return [Compute(self.describe(), fill, unfill, _never_same)]

    def describe(self) -> str:
        return f"Add field {self.name} to {self.model}"

    def way_back(self) -> str:
        return f"{self.name} goes, with what was written there since"

    def _encoded(self, field: FieldSchema) -> bytes:
        try:
            return field.codec.encode(field.codec.validate_jsonable(self.fill))
        except (ValueError, TypeError) as exc:
            raise SchemaError(f"{self.describe()}: fill {self.fill!r} is no {self.type}: {complaint(exc)}") from exc


@dataclass(frozen=True)
class RemoveField(Operation):
    """Remove a stored field; its bytes stay in the record, out of the application's sight, for the way back.

    Args:
        model: Name of the model.
        name: The field.
        back: JSON-like value, on the way back, for records that were made without the field.
    """

    name: str
    back: Literal = None

    @property
    def risk(self) -> Risk:
        return Risk.HIDES

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.with_model(snapshot.model(self.model).without_field(self.name))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        field = before.field(self.name)
        back = self.back if self.back is not None else field.default
        if back is REQUIRED or (back is None and not field.codec.is_optional):
            return [Drop(self.name)]
        try:
            return [Drop(self.name, field.codec.encode(field.codec.validate_jsonable(back)))]
        except (ValueError, TypeError) as exc:
            raise SchemaError(f"{self.describe()}: back {back!r} is no {field.type}: {complaint(exc)}") from exc

    def describe(self) -> str:
        return f"Remove field {self.name} from {self.model}"

    def way_back(self) -> str:
        since = "without it" if self.back is None else f"with {self.back!r}"
        return f"the bytes of {self.name} come back; records made since come back {since}"


@dataclass(frozen=True)
class RenameField(Operation):
    """Rename a stored field, in the schema and in every record of the model.

    Args:
        model: Name of the model.
        old: Stored field to rename.
        new: Its name afterwards.
    """

    old: str
    new: str

    def apply(self, snapshot: Snapshot) -> Snapshot:
        return snapshot.with_model(snapshot.model(self.model).with_renamed(self.old, self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        return [Move(self.old, self.new)]

    def describe(self) -> str:
        return f"Rename field {self.old} to {self.new} on {self.model}"

    def way_back(self) -> str:
        return f"{self.new} is called {self.old} again"


@dataclass(frozen=True)
class AlterField(Operation):
    """Change the type of a stored field, and convert its value in every record.

    Args:
        model: Name of the model.
        name: The field.
        old: Canonical text of the type before, so that the file can be read alone.
        new: Canonical text of the type afterwards.
        convert: Pure function from a value of the old type to one of the new; without it pydantic's lax conversion.
        back: Likewise from new to old; needed only for values that were changed after the migration.
    """

    name: str
    old: str
    new: str
    convert: Callable[..., object] | None = None
    back: Callable[..., object] | None = None

    def apply(self, snapshot: Snapshot) -> Snapshot:
        model = snapshot.model(self.model)
        if model.field(self.name).type != self.old:
            raise SchemaError(
                f"{self.describe()}: the field is {model.field(self.name).type!r} here, not {self.old!r};"
                " correct the file"
            )
        return snapshot.with_model(model.with_type(self.name, self.new))

    def steps(self, before: ModelSchema, after: ModelSchema) -> Sequence[Step]:
        if self.convert is None and keeps_bytes(self.old, self.new):
            return []
        old, new = before.field(self.name), after.field(self.name)
        forward = _conversion(self.name, old, new, self.convert)
        backward = _conversion(self.name, new, old, self.back)
        codec = old.codec

        def is_same(one: bytes, other: bytes) -> bool:
            return codec.decode(one) == codec.decode(other)

        return [Convert(self.name, forward, backward, is_same)]

    def describe(self) -> str:
        return f"Alter field {self.name} on {self.model} from {_short(self.old)} to {_short(self.new)}"

    def way_back(self) -> str:
        how = "by pydantic's conversion" if self.back is None else "by back="
        return f"values as they were before come back byte for byte; those changed since are converted {how}"

    @property
    def risk(self) -> Risk:
        return Risk.CONVERTS


def _conversion(
    name: str, old: FieldSchema, new: FieldSchema, function: Callable[..., object] | None
) -> Callable[[bytes], bytes]:
    """Give what turns the bytes of one type into those of another."""
    source, target = old.codec, new.codec

    def converted(raw: bytes) -> bytes:
        try:
            value = source.decode(raw)
        except ValueError as exc:
            raise RecordError(name, raw, f"does not read back as {old.type}: {complaint(exc)}") from exc
        try:
            result = convert_value(value, source, target) if function is None else function(value)
        except Exception as exc:  # the function is the user's: whatever it raises is a fact about this record
            cure = (
                f"give convert= a function that makes {new.type} of it" if function is None else "correct the function"
            )
            raise RecordError(
                name, raw, f"cannot become {new.type} ({complaint(exc)}); {cure}, or mend the record"
            ) from exc
        return _stored(target, name, new.type, result)

    return converted


def _called(function: Callable[[OldRecord], object], old: OldRecord, what: str) -> object:
    try:
        return function(old)
    except RecordError:
        raise
    except Exception as exc:  # the function is the user's: whatever it raises is a fact about this record
        reason = f"{what}: its function raised {type(exc).__name__}: {complaint(exc)}; correct it, or mend the record"
        raise RecordError("", None, reason) from exc


def _stored(codec: FieldCodec, name: str, type: str, value: object) -> bytes:
    try:
        return codec.encode(codec.validate(value))
    except (ValueError, TypeError) as exc:
        raise RecordError(name, None, f"{value!r:.60} is no {type}: {complaint(exc)}") from exc


def _short(type: str) -> str:
    """Give a type as it fits into a line: an Enum of fifty members does not."""
    return type if len(type) <= _TYPE_WIDTH else f"{type[: _TYPE_WIDTH - 3]}..."


def _never_same(name: str, one: bytes, other: bytes) -> bool:
    return False
