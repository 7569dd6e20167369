"""Snapshots: how models are stored, as plain data that can be compared and read without the classes. Pure.

A snapshot has the schemas of all models of one app at one point of its chain. Redis stores its JSON.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NoReturn, TypeVar

from redis_models.encoding.codec import FieldCodec
from redis_models.encoding.fast_paths import reader_of
from redis_models.encoding.limits import refuse_endless
from redis_models.errors import SchemaError
from redis_models.mapping.keys import KeySpace

from .type_resolver import codec_of, resolve

__all__ = ["CODEC", "REQUIRED", "FieldSchema", "Literal", "ModelSchema", "Snapshot", "read_json"]


_PARTS: Final = 1_000_000  # of a document; in memory each takes up to a hundred times its bytes


def read_json(raw: bytes | str) -> object:
    """Read JSON of bounded size and depth.

    Raises:
        ValueError: The text is not JSON, or is larger than what the engine writes.
    """
    text = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    parts = sum(map(text.count, (b",", b"[", b"{")))
    if parts > _PARTS:
        raise ValueError(f"it has {parts} parts, more than the limit of {_PARTS}")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise ValueError("it nests too deeply") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a valid number")


Literal = str | int | float | bool | list["Literal"] | dict[str, "Literal"] | None
_FORMAT: Final = 1  # of the JSON
_ENDLESS: Final = re.compile(r"\bDecimal\b")
_SECRET: Final = re.compile(r"\b(?:Secret(?:Str|Bytes)?|Custom)\b")
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_MOST_MODELS: Final = 1000  # of one app, and
_MOST_FIELDS: Final = 5000  # of one model; comparisons take time that grows with the square
_TOO_LARGE: Final = 2**53
T = TypeVar("T")
CODEC: Final = 1  # raised when values of a type are stored as other bytes


class _Required:
    """The default of a field without one; a class of its own, because None is a default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class FieldSchema:
    """One stored field.

    Attributes:
        name: Its name in the hash.
        type: Canonical text of its type; see ``type_text``.
        default: Value for records without the field, as JSON, or REQUIRED. Comparisons ignore it.
        renamed_from: Its name before, as the code says; a hint for the diff only.
        place: Its index in the class, or in the file that created the model; None if it is not known. A hint too.
    """

    name: str
    type: str
    default: "Literal | _Required" = field(default=REQUIRED, compare=False)
    renamed_from: str | None = field(default=None, compare=False)
    place: int | None = field(default=None, compare=False)

    @cached_property
    def holds_secret(self) -> bool:
        """Whether its values may hold a secret. Types that only the code knows count as secret."""
        return bool(_SECRET.search(_QUOTED.sub("", self.type)))

    @cached_property
    def codec(self) -> FieldCodec:
        """The codec of its values."""
        return codec_of(self.type)

    @cached_property
    def read(self) -> Callable[[bytes], object]:
        """A fast path of ``decode``; see ``fast_paths``."""
        return self.decode if self._may_be_endless else reader_of(self.codec)

    def decode(self, raw: bytes) -> object:
        """Decode a stored value for a function of a migration.

        Raises:
            ValueError: The bytes cannot be read, or the value could make a function run without end.
        """
        value = self.codec.decode(raw)
        if self._may_be_endless:
            refuse_endless(value)
        return value

    @cached_property
    def _may_be_endless(self) -> bool:
        return _ENDLESS.search(self.type) is not None


@dataclass(frozen=True)
class ModelSchema:
    """The stored shape of one model.

    Attributes:
        name: Name of the class.
        version: Version, which is the stamp of its records.
        primary_key: Name of the field.
        prefix, separator, table: Parts of its keys.
        fields: Sorted by name, because their order is not stored.
        ttl: TTL of a new record in seconds, or None.
        extras: Whether records may have extra fields (``extra="allow"``), as far as the files know. Comparisons ignore
            it, because declared fields are stored in the same way.
        codec: Version of the encoding of values; an unknown one is refused.
    """

    name: str
    version: int
    primary_key: str
    prefix: str
    separator: str
    table: str
    fields: tuple[FieldSchema, ...]
    ttl: int | None = None
    codec: int = CODEC
    extras: bool = field(default=False, compare=False)

    @cached_property
    def keys(self) -> KeySpace:
        """The keys of its records."""
        return KeySpace(self.prefix, self.separator, self.table)

    @cached_property
    def by_name(self) -> Mapping[str, FieldSchema]:
        """Its fields by name."""
        return {field.name: field for field in self.fields}

    @cached_property
    def in_order(self) -> tuple[str, ...]:
        """Names of its fields in the order of their declaration; empty if it is not known."""
        places = {field.name: field.place for field in self.fields if field.place is not None}
        return tuple(sorted(places, key=places.__getitem__)) if len(places) == len(self.fields) else ()

    def field(self, name: str) -> FieldSchema:
        """Return a field; ``SchemaError`` if it does not exist."""
        found = self.by_name.get(name)
        if found is None:
            raise SchemaError(f"{self.name} has no field {name!r}; it has {', '.join(self.by_name)}")
        return found

    def with_field(self, field: FieldSchema) -> "ModelSchema":
        """Return the schema with another field; ``SchemaError`` if the name is taken."""
        if field.name in self.by_name:
            raise SchemaError(f"{self.name} already has a field {field.name!r}")
        places = [other.place for other in self.fields if other.place is not None]
        if len(places) == len(self.fields):
            field = replace(field, place=max(places, default=-1) + 1)
        return replace(self, fields=_sorted([*self.fields, field]))

    def without_field(self, name: str) -> "ModelSchema":
        """Return the schema without a field; ``SchemaError`` if it does not exist or is the primary key."""
        self.field(name)
        if name == self.primary_key:
            raise SchemaError(f"{self.name}.{name} is the primary key; it cannot be removed")
        return replace(self, fields=tuple(field for field in self.fields if field.name != name))

    def with_renamed(self, old: str, new: str) -> "ModelSchema":
        """Return the schema with a renamed field, which may be the primary key."""
        renamed = replace(self.field(old), name=new)
        if new in self.by_name:
            raise SchemaError(f"{self.name} already has a field {new!r}")
        kept = [other for other in self.fields if other.name != old]
        key = new if self.primary_key == old else self.primary_key
        return replace(self, fields=_sorted([*kept, renamed]), primary_key=key)

    def with_type(self, name: str, type: str) -> "ModelSchema":
        """Return the schema with another type of a field."""
        changed = replace(self.field(name), type=type)
        return replace(self, fields=_sorted([*(field for field in self.fields if field.name != name), changed]))

    def has_shape_of(self, other: "ModelSchema") -> bool:
        """Whether both store the same bytes under the same keys, ignoring their versions."""
        return replace(self, version=other.version) == other


@dataclass(frozen=True)
class Snapshot:
    """The schemas of all models of an app at one point.

    Attributes:
        models: Sorted by name.
    """

    models: tuple[ModelSchema, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, ModelSchema]:
        """Its models by name."""
        return {model.name: model for model in self.models}

    def model(self, name: str) -> ModelSchema:
        """Return a model; ``SchemaError`` if it does not exist."""
        if name not in self.by_name:
            raise SchemaError(f"there is no model {name!r}; there are {', '.join(self.by_name) or 'none'}")
        return self.by_name[name]

    def with_model(self, model: ModelSchema) -> "Snapshot":
        """Return the snapshot with a model added, or replaced if its name exists."""
        return Snapshot(
            tuple(
                sorted(
                    [*(other for other in self.models if other.name != model.name), model], key=lambda other: other.name
                )
            )
        )

    def without_model(self, name: str) -> "Snapshot":
        """Return the snapshot without a model; ``SchemaError`` if it does not exist."""
        self.model(name)
        return Snapshot(tuple(model for model in self.models if model.name != name))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all models and versions; equal for equal snapshots."""
        return hashlib.sha256(self._json(with_defaults=False).encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the text that is stored in Redis."""
        return self._json(with_defaults=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Snapshot":
        """Parse the text of ``to_json``.

        Raises:
            SchemaError: The text is not valid, or its format is unknown to this version.
        """
        try:
            document = _as(dict, read_json(text), "it")
            if document["format"] != _FORMAT:
                raise SchemaError(f"snapshot of format {document['format']!r:.40}; this version knows {_FORMAT}")
            models = _as(dict, document["models"], "it")
            if len(models) > _MOST_MODELS:
                raise SchemaError(
                    f"the text is not a valid snapshot: it has {len(models)} models, more than {_MOST_MODELS}"
                )
            return cls(tuple(_model_of(name, model) for name, model in sorted(models.items())))
        except KeyError as exc:
            raise SchemaError(f"the text is not a valid snapshot: {exc} is missing") from exc
        except (TypeError, ValueError) as exc:
            raise SchemaError(f"the text is not a valid snapshot: {exc}") from exc

    def _json(self, *, with_defaults: bool) -> str:
        models = {model.name: _document_of(model, with_defaults) for model in self.models}
        return json.dumps({"format": _FORMAT, "models": models}, sort_keys=True)


def _sorted(fields: Iterable[FieldSchema]) -> tuple[FieldSchema, ...]:
    return tuple(sorted(fields, key=lambda field: field.name))


def _document_of(model: ModelSchema, with_defaults: bool) -> dict[str, object]:
    fields: dict[str, dict[str, object]] = {}
    for declared in model.fields:
        fields[declared.name] = {"type": declared.type}
        if with_defaults and not isinstance(declared.default, _Required):
            fields[declared.name]["default"] = declared.default
    document: dict[str, object] = {
        "version": model.version,
        "primary_key": model.primary_key,
        "prefix": model.prefix,
        "separator": model.separator,
        "table": model.table,
        "fields": fields,
    }
    # Absent without a TTL, so that snapshots from before TTLs were part of them keep their fingerprint.
    if with_defaults and model.extras:
        document["extras"] = True
    if model.ttl is not None:
        document["ttl"] = model.ttl
    if model.codec != 1:
        document["codec"] = model.codec
    return document


def _model_of(name: str, document: object) -> ModelSchema:
    known = _as(dict, document, name)
    codec, ttl = _count_of(known.get("codec", 1), f"codec of {name}"), known.get("ttl")
    if codec > CODEC:
        raise SchemaError(
            f"{name} is stored by codec {codec}, and this version knows {CODEC}; use the newer version of the library"
        )
    fields = _as(dict, known["fields"], f"fields of {name}")
    if len(fields) > _MOST_FIELDS:
        raise SchemaError(f"{name} has {len(fields)} fields, more than {_MOST_FIELDS}")
    made = ModelSchema(
        name=_name_of(name, "model"),
        version=_count_of(known["version"], f"version of {name}"),
        primary_key=_as(str, known["primary_key"], f"primary key of {name}"),
        prefix=_as(str, known["prefix"], f"prefix of {name}"),
        separator=_as(str, known["separator"], f"separator of {name}"),
        table=_as(str, known["table"], f"table of {name}"),
        fields=_sorted(_field_of(f"{name}.{field}", field, document) for field, document in fields.items()),
        ttl=None if ttl is None else _count_of(ttl, f"ttl of {name}"),
        codec=codec,
        extras=known.get("extras") is True,
    )
    if made.primary_key not in made.by_name:
        raise SchemaError(f"{name} has no field {made.primary_key!r:.60}, which is its primary key")
    return made


def _field_of(place: str, name: str, document: object) -> FieldSchema:
    known = _as(dict, document, place)
    type = _as(str, known["type"], f"type of {place}")
    resolve(type)  # for its errors; usually cached, because the files have the same types
    return FieldSchema(_name_of(name, "field"), type, known.get("default", REQUIRED))


def _name_of(name: str, what: str) -> str:
    name.encode()  # UnicodeEncodeError is a ValueError
    if not name:
        raise ValueError(f"a {what} without a name")
    return name


def _as(kind: type[T], value: object, what: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{what:.80} is of type {type(value).__name__}, not {kind.__name__}")
    return value


def _count_of(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _TOO_LARGE:
        raise ValueError(f"{what:.80} is {value!r:.40}, not a whole number from 0 to 2**53")
    return value
