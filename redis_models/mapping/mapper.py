"""The mapper of a model: its keys, and the codec of each stored field. ``compiler`` makes it. Pure."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ..encoding.annotations import is_validated, with_metadata
from ..encoding.codec import FieldCodec
from ..encoding.equality import is_same
from ..encoding.fast_paths import reader_of, writer_of
from ..encoding.limits import UNREADABLE
from ..encoding.secrets import first_complaint, is_tagged_secret, mask_if_secret, reason_of
from ..errors import DecodeError, EncodeError, InvalidPrimaryKeyError, ModelDeclarationError
from .keys import KeySpace
from .stored_field import RESERVED, StoredField, decode_extra, extra_name_complaint, holds_secret, is_plain, is_text

__all__ = ["Mapper"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Mapper(Generic[M]):
    """Maps instances of one model to records, and back.

    Attributes:
        model: The class.
        keys: The key space of its records.
        primary_key: Name of the primary key's field.
        version: The version that this code writes.
        ttl: TTL of a new record in seconds, or None.
        fields: Stored fields, in the order of their declaration.
        names: Their names, in the same order.
        extras: Codec of the values of extra fields (``extra="allow"``), each a stored field of its own; None if the
            model does not take extra fields.
        is_movable: Whether methods of the model give the key space, so that it may change.
        hooks: Names of the overridden methods that read and write records; see ``overrides``.
    """

    model: type[M]
    keys: KeySpace
    primary_key: str
    version: int
    ttl: int | None
    fields: tuple[StoredField, ...]
    names: tuple[str, ...]
    extras: FieldCodec | None = None
    is_movable: bool = False
    hooks: tuple[str, ...] = ()

    @property
    def takes_extras(self) -> bool:
        """Whether fields that are not declared belong to the record, so that all fields must be read."""
        return self.extras is not None

    @property
    def reads_whole(self) -> bool:
        """Whether all stored fields of a record must be read; records may have different ones."""
        return self.extras is not None

    def key_of(self, pk: object) -> str:
        """Give the key of the record with primary key ``pk``: a value of the field's type, or its text.

        Raises:
            InvalidPrimaryKeyError: It is None, empty, or of a type that cannot be a primary key.
        """
        if type(pk) is str and pk.isascii() and pk:  # nearly always
            return self.keys.record(pk)
        if isinstance(pk, Enum):
            pk = cast(object, pk.value)
        if not is_plain(pk):
            raise self._no_key(pk, "cannot be used as a primary key; use str, int or UUID")
        text = str(pk)
        if not text:
            raise self._no_key(pk, "is empty; give every record a primary key of its own")
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise self._no_key(pk, "contains an unpaired surrogate; use valid Unicode text") from exc
        return self.keys.record(text)

    def primary_key_in(self, key: str) -> object:
        """Read the primary key from the key of a record, for records that do not store it.

        Raises:
            DecodeError: The key does not belong to this model, or its primary key is unreadable or ambiguous.
        """
        found: list[object] = []
        if self.keys.owns(key):
            for value in self._key_field.codec.candidates(self.keys.primary_key(key)):
                with suppress(InvalidPrimaryKeyError):
                    if self.key_of(value) == key:
                        found.append(value)
        if len(found) == 1:
            return found[0]
        meaning = f"may mean {found[0]!r} or {found[1]!r}" if found else "does not contain it"
        raise DecodeError(key, self.primary_key, None, f"it is the primary key, and the key of the record {meaning}")

    def check_key(self, key: str, pk: object) -> None:
        """Refuse a record whose key does not match its primary key: a save would write to another key.

        Raises:
            DecodeError: The keys differ.
        """
        expected = self.key_of(pk)
        if expected != key and is_text(key):  # bytes that are not text have no other key
            name, reason = self.primary_key, f"belongs under {expected!r}; correct the field, or rename the key"
            raise DecodeError(key, "", None, f"its {name} {pk!r:.60} {reason}")

    def encoded_key(self, key: str) -> dict[str, bytes]:
        """Give the primary key in a key, encoded as its stored field; an empty dict if it is unreadable."""
        try:
            return {self.primary_key: self._key_field.encode(self.primary_key_in(key))}
        except (ValueError, TypeError):
            return {}

    @cached_property
    def start(self) -> str:
        """The prefix of every key of the model, cached because each read needs it."""
        return self.keys.start

    @cached_property
    def codecs(self) -> Mapping[str, FieldCodec]:
        """The codec of each stored field, by its name."""
        return {field.name: field.codec for field in self.fields}

    @cached_property
    def _key_field(self) -> StoredField:
        return self.field(self.primary_key)

    def _no_key(self, pk: object, reason: str) -> InvalidPrimaryKeyError:
        is_hidden = bool(self.model.model_config.get("hide_input_in_errors"))
        return InvalidPrimaryKeyError(self.model.__name__, mask_if_secret(pk, is_hidden), reason)

    @cached_property
    def stamp(self) -> bytes:
        """The stamp of records of this version."""
        return b"%d" % self.version

    def encode(self, instance: M) -> dict[str, bytes]:
        """Give the stored fields of ``instance``, extra ones last.

        Raises:
            EncodeError: A value cannot be written as its field's type, or an extra field has a name that is taken.
        """
        values = instance.__dict__
        stored: dict[str, bytes] | None
        try:
            stored = {name: encode(values[name]) for name, encode in self._writers}
        except (KeyError, ValueError, TypeError):
            stored = None
        if stored is None:  # outside of the except clause, whose exception may quote a secret
            for name in [field_name for field_name in self.names if field_name not in values]:
                raise EncodeError(self.model.__name__, name, None, "this instance has no such value")
            stored = {field.name: self.encode_field(field, values[field.name]) for field in self.fields}
        return stored if self.extras is None else stored | self._encode_extras(self.extras, instance.model_extra or {})

    def encode_some(self, values: Mapping[str, object]) -> dict[str, bytes]:
        """Give the stored fields of some values, extra ones last.

        Raises:
            EncodeError: As in ``encode``.
        """
        stored = {name: self.encode_field(self.field(name), values[name]) for name in values if name in self.names}
        if self.extras is None:
            return stored
        return stored | self._encode_extras(self.extras, {name: values[name] for name in values if name not in stored})

    def encode_field(self, field: StoredField, value: object) -> bytes:
        """Give the bytes of one value.

        Raises:
            EncodeError: It cannot be written as the field's type.
        """
        try:
            return field.encode(value)
        except (ValueError, TypeError) as exc:
            error = self.encode_error(field.name, value, exc)
        raise error

    def decode(self, key: str, stored: Mapping[str, bytes]) -> M:
        """Make an instance of a record; fields that are not stored take their defaults.

        Args:
            key: Its key, for errors.
            stored: Its declared stored fields; all of them if the model takes extras.

        Raises:
            DecodeError: A field does not read back, or the model refuses the record.
        """
        values: dict[str, object] | None
        try:
            values = {name: read(stored[name]) for name, read in self._readers}
        except (*UNREADABLE, ValueError):  # a field is not stored, or its shortcut cannot read it
            values = None
        if values is None:  # outside of the except clause, whose exception may quote a secret
            values = self._decode_each(key, stored)
            if self.primary_key not in values:
                values[self.primary_key] = self.key_input(key)
        if self.extras is not None:
            values |= self._decode_extras(self.extras, stored)
        try:
            make = self._own_validation or self.model.__pydantic_validator__.validate_python
            instance: M = make(values, by_alias=False, by_name=True)
            if self._has_validators:
                self._restore_written(instance, values, self._as_written(values, stored))
            return instance
        except (ValidationError, *UNREADABLE) as exc:
            error = self._refusal_error(key, stored, exc)
        raise error

    def key_input(self, key: str) -> object:
        """Give the primary key in the key of a record, as input of the model."""
        return self._key_field.as_input(self.primary_key_in(key))

    def make(self, key: str, values: dict[str, object], stored: Mapping[str, bytes], kept: Mapping[str, object]) -> M:
        """Make an instance of decoded values.

        Args:
            key: Key of the record.
            values: Input of the model, by field.
            stored: The record, for errors.
            kept: The decoded values of ``stored``.

        Raises:
            DecodeError: The model refuses the values.
        """
        if self.primary_key not in values:
            values[self.primary_key] = self.key_input(key)
        try:
            make = self._own_validation or self.model.__pydantic_validator__.validate_python
            instance: M = make(values, by_alias=False, by_name=True)
            if self._has_validators:
                self._restore_written(instance, values, kept)
            return instance
        except (ValidationError, *UNREADABLE) as exc:
            error = self._refusal_error(key, stored, exc)
        raise error

    def _refusal_error(self, key: str, stored: Mapping[str, bytes], exc: Exception) -> DecodeError:
        """Make the error of a record that the model refuses."""
        if isinstance(exc, ValidationError):
            return self.decode_error(key, _first_place(exc), stored, exc)
        # A validator of the application raised it.
        is_secret = self.conceals("")
        error = DecodeError(key, "", None, type(exc).__name__ + ("" if is_secret else f": {exc}"))
        error.__cause__ = None if is_secret else exc
        return error

    def decode_one(self, key: str, name: str, raw: bytes) -> object:
        """Read one field of a record, by its name.

        Raises:
            DecodeError: It does not read back as the field's type.
        """
        return self.decode_field(key, self.field(name), raw)

    def decode_field(self, key: str, field: StoredField, raw: bytes) -> object:
        """Decode one stored field.

        Raises:
            DecodeError: It does not read back as the field's type.
        """
        try:
            return field.codec.decode(raw)
        except ValueError as exc:
            error = self.decode_error(key, field.name, {field.name: raw}, exc)
        raise error

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether errors must not show the value of a field, because it is secret or the model hides all values.

        Args:
            name: The field; "" for the whole record, which is hidden if any of its fields is.
            raw: Its stored bytes, if any: they may have the tag of a secret.
        """
        if self.model.model_config.get("hide_input_in_errors"):
            return True
        if raw is not None and is_tagged_secret(raw):
            return True
        return any(holds_secret(field) for field in self.fields if name in (field.name, "")) or (
            name not in (*self.names, "") and self.extras is not None and self.extras.holds_secret
        )

    def encode_error(self, name: str, value: object, exc: Exception) -> EncodeError:
        """Make the error of a value that cannot be written; neither the error nor its cause shows a secret."""
        is_secret = self.conceals(name)
        reason = reason_of(exc, is_secret=is_secret)
        error = EncodeError(self.model.__name__, name, mask_if_secret(value, is_secret), reason)
        error.__cause__ = None if is_secret else exc
        return error

    def decode_error(self, key: str, name: str, stored: Mapping[str, bytes], exc: Exception) -> DecodeError:
        """Make the error of a record that does not read back; neither the error nor its cause shows a secret."""
        raw = stored.get(name)
        is_secret = self.conceals(name, raw)
        reason = reason_of(exc, is_secret=is_secret)
        error = DecodeError(key, name, cast("bytes | None", mask_if_secret(raw, is_secret)), reason)
        # A validator's error quotes all its input.
        error.__cause__ = None if is_secret or self.conceals("") else exc
        return error

    def _as_written(self, values: Mapping[str, object], stored: Mapping[str, bytes]) -> dict[str, object]:
        """Give the values that were written; for types such as Json, ``values`` has their input instead."""
        declared = {field.name: field for field in self.fields if field.name in values and field.name in stored}
        return {
            name: values[name] if field.source is None else field.codec.decode(stored[name])
            for name, field in declared.items()
        }

    def _restore_written(self, instance: M, values: Mapping[str, object], written: Mapping[str, object]) -> None:
        """Restore a stored value that a validator changed, if the validator would change its own result again.

        The result of a validator that repairs old values stays. A password that was hashed is not hashed again.
        """
        declared = {field.name: field for field in self.fields if field.name in written}
        attributes: dict[str, object] = vars(instance)
        changed = {name: attributes[name] for name in written if not is_same(attributes[name], written[name])}
        if changed:
            try:
                inputs = {name: declared[name].as_input(value) for name, value in changed.items()}
                reloaded = vars(self.model.model_validate({**values, **inputs}, by_alias=False, by_name=True))
            except ValueError:
                reloaded = {}
            for name, value in changed.items():
                if name not in reloaded or not is_same(reloaded[name], value):
                    attributes[name] = written[name]

    @cached_property
    def _has_validators(self) -> bool:
        decorators = self.model.__pydantic_decorators__
        return bool(decorators.field_validators or decorators.validators or decorators.model_validators) or any(
            is_validated(with_metadata(info)) for info in self.model.model_fields.values()
        )

    @cached_property
    def _own_validation(self) -> Callable[..., M] | None:
        """The class's own ``model_validate``, if it overrides pydantic's."""
        method = self.model.model_validate
        is_own = getattr(method, "__func__", None) is not cast(Any, BaseModel.model_validate).__func__
        return method if is_own else None

    @cached_property
    def _writers(self) -> tuple[tuple[str, Callable[[object], bytes]], ...]:
        return tuple(
            (field.name, writer_of(field.codec) if field.source is None else field.encode) for field in self.fields
        )

    @cached_property
    def _readers(self) -> tuple[tuple[str, Callable[[bytes], object]], ...]:
        return tuple(
            (field.name, reader_of(field.codec) if field.source is None else field.decode) for field in self.fields
        )

    def _decode_each(self, key: str, stored: Mapping[str, bytes]) -> dict[str, object]:
        """Decode field by field, so that an error names the field that does not read back."""
        values: dict[str, object] = {}
        for field in self.fields:
            if (raw := stored.get(field.name)) is not None:
                value = self.decode_field(key, field, raw)
                values[field.name] = field.as_input(value)
        return values

    def _encode_extras(self, codec: FieldCodec, values: Mapping[str, object]) -> dict[str, bytes]:
        stored: dict[str, bytes] = {}
        for name, value in values.items():
            complaint = extra_name_complaint(name, self.names)
            if complaint is not None:
                raise EncodeError(self.model.__name__, name, value, complaint)
            stored[name] = self.encode_field(StoredField(name, codec), value)
        return stored

    def _decode_extras(self, codec: FieldCodec, stored: Mapping[str, bytes]) -> dict[str, object]:
        return {
            name: decode_extra(codec, raw)
            for name, raw in stored.items()
            if name not in self.names and not name.startswith(RESERVED) and is_text(name)
        }

    def field(self, name: str) -> StoredField:
        """Give the stored field ``name``.

        Raises:
            ModelDeclarationError: The model stores no such field.
        """
        if name not in self.names:
            raise ModelDeclarationError(
                self.model.__name__, f"has no stored field {name!r}; it has {', '.join(self.names)}"
            )
        return self.fields[self.names.index(name)]


def _first_place(exc: ValidationError) -> str:
    place = first_complaint(exc).place
    return str(place[0]) if place else ""
