"""The mapper of a model: its keys and the codec of each stored field; see ``compiler``. Pure."""

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
        keys: Where its records live.
        primary_key: Name of the primary key's field.
        version: The version that this code writes.
        ttl: TTL of a new record in seconds, or None.
        fields: Stored fields, in the order of their declaration.
        names: Their names, likewise.
        extras: Codec of the values of extra fields (``extra="allow"``), each a stored field of its own; None where the
            model takes none.
        is_movable: Whether methods of the model say where its records live, so that it may be elsewhere the next time.
        hooks: Names of methods that the model overrides and its records go through; see ``overrides``.
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
        """Whether stored fields that are not declared belong to the record, so that reading must ask for all."""
        return self.extras is not None

    @property
    def reads_whole(self) -> bool:
        """Whether reading a record takes all its stored fields, and records may differ in which they have."""
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
        """Give the primary key that is in the key of a record, for records that do not store it.

        Raises:
            DecodeError: The key is not of this model, or its primary key is unreadable or ambiguous.
        """
        found: list[object] = []
        if self.keys.owns(key):
            for value in self._key_field.codec.named(self.keys.primary_key(key)):
                with suppress(InvalidPrimaryKeyError):
                    if self.key_of(value) == key:
                        found.append(value)
        if len(found) == 1:
            return found[0]
        meant = f"may mean {found[0]!r} or {found[1]!r}" if found else "says none"
        raise DecodeError(key, self.primary_key, None, f"it is the primary key, and the key of the record {meant}")

    def check_key(self, key: str, pk: object) -> None:
        """Refuse a record whose key is not that of its primary key: a save would write to another key.

        Raises:
            DecodeError: The keys differ.
        """
        meant = self.key_of(pk)
        if meant != key and is_text(key):  # bytes that are not text have no other key
            name, reason = self.primary_key, f"belongs under {meant!r}; correct the field, or rename the key"
            raise DecodeError(key, "", None, f"its {name} {pk!r:.60} {reason}")

    def encoded_key(self, key: str) -> dict[str, bytes]:
        """Give the primary key that is in a key, as it would be stored; nothing if it is unreadable."""
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
            EncodeError: A value cannot be written as its field's type, or an extra field has a name that is taken.
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
            DecodeError: A field does not read back, or the whole is not what the model accepts.
        """
        values: dict[str, object] | None
        try:
            values = {name: read(stored[name]) for name, read in self._readers}
        except (*UNREADABLE, ValueError):  # a field is not stored, or needs its whole codec
            values = None
        if values is None:  # outside of the except clause, whose exception may quote a secret
            values = self._decoded(key, stored)
            if self.primary_key not in values:
                values[self.primary_key] = self.key_input(key)
        if self.extras is not None:
            values |= self._decode_extras(self.extras, stored)
        try:
            make = self._own_validation or self.model.__pydantic_validator__.validate_python
            instance: M = make(values, by_alias=False, by_name=True)
            if self._has_validators:
                self._settle(instance, values, self._kept(values, stored))
            return instance
        except (ValidationError, *UNREADABLE) as exc:
            error = self._unmade(key, stored, exc)
        raise error

    def key_input(self, key: str) -> object:
        """Give the primary key that is in the key of a record, as input of the model."""
        return self._key_field.as_input(self.primary_key_in(key))

    def made(self, key: str, values: dict[str, object], stored: Mapping[str, bytes], kept: Mapping[str, object]) -> M:
        """Make an instance of values that are decoded already.

        Args:
            key: Key of the record.
            values: Input of the model, by field.
            stored: The record, for errors.
            kept: The decoded values of ``stored``.

        Raises:
            DecodeError: It is not what the model accepts.
        """
        if self.primary_key not in values:
            values[self.primary_key] = self.key_input(key)
        try:
            make = self._own_validation or self.model.__pydantic_validator__.validate_python
            instance: M = make(values, by_alias=False, by_name=True)
            if self._has_validators:
                self._settle(instance, values, kept)
            return instance
        except (ValidationError, *UNREADABLE) as exc:
            error = self._unmade(key, stored, exc)
        raise error

    def _unmade(self, key: str, stored: Mapping[str, bytes], exc: Exception) -> DecodeError:
        """Make the error of a record that the model does not accept."""
        if isinstance(exc, ValidationError):
            return self.decode_error(key, _first_place(exc), stored, exc)
        # A validator of the application raised it.
        is_secret = self.conceals("")
        error = DecodeError(key, "", None, type(exc).__name__ + ("" if is_secret else f": {exc}"))
        error.__cause__ = None if is_secret else exc
        return error

    def decode_one(self, key: str, name: str, raw: bytes) -> object:
        """Read the value of one field of a record.

        Raises:
            DecodeError: It does not read back as the field's type.
        """
        return self.decode_field(key, self.field(name), raw)

    def decode_field(self, key: str, field: StoredField, raw: bytes) -> object:
        """Read one value back.

        Raises:
            DecodeError: It does not read back as the field's type.
        """
        try:
            return field.codec.decode(raw)
        except ValueError as exc:
            error = self.decode_error(key, field.name, {field.name: raw}, exc)
        raise error

    def conceals(self, name: str, raw: bytes | None = None) -> bool:
        """Whether the value of a field must not be shown, because its type is secret or the model hides all values.

        Args:
            name: The field; "" for the record as a whole, which is hidden if any of its fields is.
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
        """Make the error of a value that cannot be written; neither it nor its cause has a secret."""
        is_secret = self.conceals(name)
        reason = reason_of(exc, is_secret=is_secret)
        error = EncodeError(self.model.__name__, name, mask_if_secret(value, is_secret), reason)
        error.__cause__ = None if is_secret else exc
        return error

    def decode_error(self, key: str, name: str, stored: Mapping[str, bytes], exc: Exception) -> DecodeError:
        """Make the error of a record that does not read back; neither it nor its cause has a secret."""
        raw = stored.get(name)
        is_secret = self.conceals(name, raw)
        reason = reason_of(exc, is_secret=is_secret)
        error = DecodeError(key, name, cast("bytes | None", mask_if_secret(raw, is_secret)), reason)
        # A validator's error quotes all its input.
        error.__cause__ = None if is_secret or self.conceals("") else exc
        return error

    def _kept(self, values: Mapping[str, object], stored: Mapping[str, bytes]) -> dict[str, object]:
        """Give values as they were when they were written; ``values`` has the input of such types as Json."""
        declared = {field.name: field for field in self.fields if field.name in values and field.name in stored}
        return {
            name: values[name] if field.source is None else field.codec.decode(stored[name])
            for name, field in declared.items()
        }

    def _settle(self, instance: M, values: Mapping[str, object], kept: Mapping[str, object]) -> None:
        """Restore a stored value that a validator changed, if the validator would change its result at the next load.

        The result of a validator that repairs old values stays; one that hashes a password has already done so.
        """
        declared = {field.name: field for field in self.fields if field.name in kept}
        attributes: dict[str, object] = vars(instance)
        made = {name: attributes[name] for name in kept if not is_same(attributes[name], kept[name])}
        if made:
            try:
                inputs = {name: declared[name].as_input(value) for name, value in made.items()}
                reloaded = vars(self.model.model_validate({**values, **inputs}, by_alias=False, by_name=True))
            except ValueError:
                reloaded = {}
            for name, value in made.items():
                if name not in reloaded or not is_same(reloaded[name], value):
                    attributes[name] = kept[name]

    @cached_property
    def _has_validators(self) -> bool:
        found = self.model.__pydantic_decorators__
        return bool(found.field_validators or found.validators or found.model_validators) or any(
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

    def _decoded(self, key: str, stored: Mapping[str, bytes]) -> dict[str, object]:
        """Read field by field, so that an error names the one that does not read back."""
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
