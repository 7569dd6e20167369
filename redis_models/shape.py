"""A model's shape in this process: its keys and the codec of each stored field, compiled once from the class. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Final, Generic, TypeVar, cast

from pydantic import BaseModel, PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .codec import FieldCodec, codec_for
from .errors import DecodeError, EncodeError, InvalidPrimaryKeyError, ModelDeclarationError
from .fields import Storage
from .keys import KeySpace, complaint_about
from .options import Options

__all__ = ["RESERVED", "STAMP", "Shape", "StoredField", "compile_shape", "stored_annotation", "stored_version"]

STAMP: Final = "_v"
# Stored fields that belong to the library: the stamp, and what migration n keeps aside (_b1, _b2, ...).
RESERVED: Final = ("_v", "_b")
_NO_PRIMARY_KEYS: Final[tuple[type, ...]] = (list, dict, set, bytes, BaseModel)
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class StoredField:
    """One field of a model as it is stored, under its Python name.

    Attributes:
        name: Name in the class and in the hash.
        codec: How its values become bytes.
        source: Codec of what the model makes its values from, where that is something else, as with ``Json`` and
            ``Base64Bytes``; validating a value once more would fail there, or spoil it.
    """

    name: str
    codec: FieldCodec
    source: FieldCodec | None = None


@dataclass(frozen=True)
class Shape(Generic[M]):
    """What reading and writing records of one model needs to know.

    Attributes:
        model: The class.
        keys: Where its records live.
        primary_key: Name of the primary key's field.
        version: The version that this code writes.
        ttl: Life span in seconds of a new record, or None.
        fields: Stored fields, in the order of their declaration.
        names: Their names, likewise.
    """

    model: type[M]
    keys: KeySpace
    primary_key: str
    version: int
    ttl: int | None
    fields: tuple[StoredField, ...]
    names: tuple[str, ...]

    def key_of(self, pk: object) -> str:
        """Give the key of the record with primary key ``pk``: a value of the field's type, or its text.

        Raises:
            InvalidPrimaryKeyError: It is None, empty, or no plain value.
        """
        if isinstance(pk, Enum):
            pk = cast(object, pk.value)
        if pk is None or issubclass(type(pk), _NO_PRIMARY_KEYS):
            raise InvalidPrimaryKeyError(self.model.__name__, pk, "is no plain value; use text, a number, a UUID")
        text = str(pk)
        if not text:
            raise InvalidPrimaryKeyError(self.model.__name__, pk, "is empty; give every record a name of its own")
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise InvalidPrimaryKeyError(self.model.__name__, pk, "is no text: half a surrogate pair is in it") from exc
        return self.keys.record(text)

    @cached_property
    def stamp(self) -> bytes:
        """What a record of this version carries as its stamp."""
        return b"%d" % self.version

    def encode(self, instance: M) -> dict[str, bytes]:
        """Give the stored fields of ``instance``.

        Raises:
            EncodeError: A value cannot be written as its field's type.
        """
        values = instance.__dict__
        return {field.name: self.encode_field(field, values[field.name]) for field in self.fields}

    def encode_field(self, field: StoredField, value: object) -> bytes:
        """Give the bytes of one value.

        Raises:
            EncodeError: It cannot be written as the field's type.
        """
        try:
            return field.codec.encode(value)
        except (ValueError, TypeError) as exc:
            raise EncodeError(self.model.__name__, field.name, value, str(exc)) from exc

    def decode(self, key: str, stored: Mapping[str, bytes]) -> M:
        """Make an instance of a record; fields that are not stored take their defaults.

        Raises:
            DecodeError: A field does not read back, or the whole is not what the model accepts.
        """
        values: dict[str, object] = {}
        for field in self.fields:
            raw = stored.get(field.name)
            if raw is not None:
                value = self.decode_field(key, field, raw)
                values[field.name] = value if field.source is None else field.source.as_input(value)
        try:
            return self.model.model_validate(values, by_alias=False, by_name=True)
        except ValidationError as exc:
            place, reason = _first_complaint(exc)
            raise DecodeError(key, place, stored.get(place), reason) from exc

    def decode_field(self, key: str, field: StoredField, raw: bytes) -> object:
        """Read one value back.

        Raises:
            DecodeError: It does not read back as the field's type.
        """
        try:
            return field.codec.decode(raw)
        except ValueError as exc:
            reason = _first_complaint(exc)[1] if isinstance(exc, ValidationError) else str(exc)
            raise DecodeError(key, field.name, raw, reason) from exc

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


def stored_version(key: str, raw: bytes | None) -> int:
    """Give the version that a record carries; records from before the stamp are of version 1.

    Raises:
        DecodeError: The stamp is no whole number.
    """
    if raw is None:
        return 1
    if not raw.isdigit():
        raise DecodeError(key, STAMP, raw, "the stamp must be a whole number")
    return int(raw)


def compile_shape(model: type[M], options: Options) -> Shape[M]:
    """Compile the shape of a class.

    Raises:
        ModelDeclarationError: It has no primary key, a reserved field name, a field of a type that cannot be stored, or
            a separator that keys cannot be escaped against.
    """
    if options.primary_key is None or options.primary_key not in model.model_fields:
        raise ModelDeclarationError(model.__name__, _no_primary_key(options.primary_key, tuple(model.model_fields)))
    complaint = complaint_about(options.separator, options.table)
    if complaint is not None:
        raise ModelDeclarationError(model.__name__, complaint)
    if model.model_config.get("extra") == "allow":
        raise ModelDeclarationError(
            model.__name__, "takes extra fields, which are not stored; declare a field of type dict for them"
        )
    for name, info in model.model_fields.items():
        if info.exclude and (info.is_required() or name == options.primary_key):
            raise ModelDeclarationError(
                model.__name__, f"field {name!r} is required, but exclude keeps it out of Redis"
            )
    fields = tuple(_stored(model, name, info) for name, info in model.model_fields.items() if not info.exclude)
    return Shape(
        model=model,
        keys=KeySpace(options.prefix, options.separator, options.table),
        primary_key=options.primary_key,
        version=options.version,
        ttl=options.ttl,
        fields=fields,
        names=tuple(field.name for field in fields),
    )


def _stored(model: type[BaseModel], name: str, info: FieldInfo) -> StoredField:
    if name.startswith(RESERVED):
        raise ModelDeclarationError(model.__name__, f"field {name!r} begins with one of {RESERVED}: these are reserved")
    try:
        codec = codec_for(stored_annotation(info))
        source = codec_for(_annotated(info)) if any(_shapes(item) for item in info.metadata) else None
    except Exception as exc:  # pydantic raises several classes here, PydanticUserError among them
        raise ModelDeclarationError(model.__name__, f"field {name!r} cannot be stored: {exc}") from exc
    return StoredField(name, codec, source or (codec if codec_for(info.annotation) is not codec else None))


def stored_annotation(info: FieldInfo) -> object:
    """Give what decides the bytes of a field: its type, and its metadata only where pydantic does not know the type."""
    try:
        TypeAdapter(cast(type[object], info.annotation))
    except PydanticSchemaGenerationError:
        return _annotated(info)
    return info.annotation


def _annotated(info: FieldInfo) -> object:
    told = tuple(item for item in info.metadata if not isinstance(item, Storage))
    return Annotated[info.annotation, *told] if told else info.annotation


def _shapes(item: object) -> bool:
    """Whether metadata give a type another form, as ``Json`` and ``Base64Bytes`` do; the rest only checks values."""
    module = (item if isinstance(item, type) else type(item)).__module__
    return hasattr(item, "__get_pydantic_core_schema__") and module not in _CHECKING


# Validators and serializers of the application: the first have their say when an instance is made, the second speak to
# other readers than this library.
_CHECKING: Final = ("pydantic.functional_validators", "pydantic.functional_serializers")


def _no_primary_key(declared: str | None, fields: Sequence[str]) -> str:
    if declared is None:
        return "has no primary key; write Field(primary_key=True) on one field, or _primary_key_field = '...'"
    return f"primary key {declared!r} is no field of the model; it has {', '.join(fields)}"


def _first_complaint(exc: ValidationError) -> tuple[str, str]:
    first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    place = str(first["loc"][0]) if first["loc"] else ""
    return place, first["msg"]
