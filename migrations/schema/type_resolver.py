"""Resolves canonical type text to annotations, so that records can be decoded without the classes of their time. Pure.

Values are plain Python objects if possible. Enums become enums with the same names and values, whose members equal
their stored values. Objects become pydantic models that keep undeclared keys, the order of keys, and the absence of a
``NotRequired`` key (its attribute is None). So a value that is read and written again is the same JSON, except for the
order of sets. Values that only their own class can read (``OPAQUE``, ``Custom``) stay plain JSON.
"""

import difflib
import enum
import functools
import hashlib
import re
import types
import typing
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Annotated, Final, ForwardRef, Literal, TypeVar

from pydantic import (
    BaseModel,
    PlainSerializer,
    PlainValidator,
    PydanticUserError,
    create_model,
)
from pydantic_core import SchemaError as PydanticSchemaError

from redis_models.encoding.codec import FieldCodec, codec_for
from redis_models.encoding.limits import UNREADABLE
from redis_models.errors import SchemaError

from .historical_values import HistoricalAlias, HistoricalObject, _Apart, _StoredValue
from .type_parser import (
    CallNode,
    ConstantNode,
    Node,
    SubscriptNode,
    UnionNode,
    is_ellipsis,
    parse_text,
    place_in,
)
from .type_spelling import CONTAINERS, NAMES, OPAQUE, TypeText

__all__ = ["codec_of", "resolve"]

_SHOWN: Final = 200  # characters of a part that an error is about
_BYTES: Final[Mapping[str, tuple[Callable[[str], bytes], Callable[[bytes], str]]]] = {
    "bytes[hex]": (bytes.fromhex, bytes.hex),
    "bytes[utf8]": (str.encode, bytes.decode),
}


@functools.lru_cache(maxsize=4096)
def resolve(text: str) -> object:
    """Return an annotation that reads and writes values of the type that ``text`` describes.

    Args:
        text: Canonical text from ``type_text.describe``, or as written in a migration.

    Returns:
        An annotation for ``redis_models.encoding.codec.codec_for`` or pydantic's TypeAdapter; the same object for the
        same text.

    Raises:
        SchemaError: The text cannot be read; the error quotes it and the place.
    """
    try:
        return _Reader(text).whole(parse_text(text))
    except (RecursionError, MemoryError, ValueError) as exc:
        raise SchemaError(f"type {text[:_SHOWN]!r}...: it nests too deeply, or is not valid text ({exc})") from exc


def codec_of(text: str) -> FieldCodec:
    """Return the codec of the type that ``text`` describes.

    Raises:
        SchemaError: The text cannot be parsed, or pydantic refuses the type.
    """
    annotation = resolve(text)
    try:
        return codec_for(annotation)
    except (PydanticUserError, PydanticSchemaError, NameError, *UNREADABLE, ValueError) as exc:
        reason = " ".join(f"{type(exc).__name__}: {exc}".split())
        raise SchemaError(f"{place_in(text, 0)}: pydantic refuses it ({reason:.200})") from exc


class _Reader:
    """The resolver of one text, with the models that it has built so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._models: list[type[BaseModel]] = []
        self._labels: dict[str, type[BaseModel] | None] = {}
        self._open: set[str] = set()  # labels of the types that are being read
        # Those that are aliases without a container or an object around the present node.
        self._bare: frozenset[str] = frozenset()

    def whole(self, node: Node) -> object:
        annotation = self.part(node)
        if self._labels:
            namespace = {self._forward_name(label): model for label, model in self._labels.items()}
            for model in reversed(self._models):
                model.model_rebuild(force=True, _types_namespace=namespace)
        return annotation

    def part(self, node: Node) -> object:
        """Resolve a node; results of different texts are never equal."""
        annotation = self._type(node)
        if isinstance(annotation, type) or not node.has_choice:
            return annotation
        return Annotated[annotation, _Apart(self.source(node))]

    def inside(self, node: Node) -> object:
        """Resolve the items of a container or an object, which may refer to an alias around it."""
        bare, self._bare = self._bare, frozenset()
        try:
            return self.part(node)
        finally:
            self._bare = bare

    def aliased(self, label: str, node: Node) -> object:
        """Resolve the type of an alias."""
        bare, self._bare = self._bare, self._bare | {label}
        try:
            return self.part(node)
        finally:
            self._bare = bare

    def value(self, node: Node) -> object:
        if isinstance(node, ConstantNode) and not is_ellipsis(node):
            return node.value
        raise self.error(node, "expected a constant")

    def label(self, node: CallNode) -> str:
        label = self._name(node.items[0]) if node.items else ""
        if not label.isidentifier():
            raise self.error(node, "a label is one word in quotes")
        return label

    def open(self, node: CallNode) -> str:
        label = self.label(node)
        if label in self._labels:
            raise self.error(node, f"the label {label!r} is used twice")
        self._labels[label] = None
        self._open.add(label)
        return label

    def close(self, label: str | None, model: type[BaseModel], node: Node) -> type[BaseModel]:
        if node.has_reference:
            self._models.append(model)
        if label is not None:
            self._labels[label] = model
            self._open.discard(label)
        return model

    def reference(self, node: CallNode) -> object:
        if len(node.items) != 1 or node.keywords or self.label(node) not in self._open:
            raise self.error(node, "a reference is Ref('label') inside of the Object or Alias of that label")
        label = self.label(node)
        if label in self._bare:
            raise self.error(node, f"{label!r} would refer to itself; put the reference into a container or an object")
        return ForwardRef(self._forward_name(label))

    def custom(self, node: CallNode) -> object:
        if len(node.items) != 1 or node.keywords or not self._name(node.items[0]):
            raise self.error(node, "write a type with its own serializers as Custom('module.name')")
        return self._as_json(node)

    def error(self, node: Node, reason: str) -> SchemaError:
        source = self.source(node)
        shown = repr(source) if len(source) <= _SHOWN else f"{source[:_SHOWN]!r}..."
        return SchemaError(f"{place_in(self._text, node.start)}, at {shown}: {reason}")

    def _type(self, node: Node) -> object:
        match node:
            case UnionNode(members=members):
                return _union([self.part(member) for member in members])
            case CallNode(name=name) if name in _CALLS:
                return _CALLS[name](self, node)
            case SubscriptNode(name=name, items=items) if name == "Literal":
                return self._literal(node, items)
            case SubscriptNode(name=name, items=items) if name == "tuple":
                return self._tuple(items)
            case SubscriptNode(name=name, items=items) if name in CONTAINERS:
                return self._container(node, name, items)
            case _:
                return self._named(node)

    def _named(self, node: Node) -> object:
        text = self.source(node)
        if text in NAMES:
            return NAMES[text]
        if text in OPAQUE:
            return self._as_json(node)
        if text in _BYTES:
            return _bytes_as(text)
        name = node.name if isinstance(node, SubscriptNode) else text
        raise self.error(node, f"unknown type{_suggestion(name)}")

    def _container(self, node: Node, name: str, inner: tuple[Node, ...]) -> object:
        if len(inner) != (2 if name == "dict" else 1):
            raise self.error(node, f"{name} takes {'two types' if name == 'dict' else 'one type'}, not {len(inner)}")
        arguments = tuple(map(self.inside, inner))
        if name in ("set", "frozenset") and "Custom(" in self.source(node):
            return self._as_json(node)  # its JSON may be objects, which no set can hold
        return types.GenericAlias(CONTAINERS[name], arguments)

    def _tuple(self, inner: tuple[Node, ...]) -> object:
        if len(inner) == 2 and is_ellipsis(inner[1]):
            return types.GenericAlias(tuple, (self.inside(inner[0]), ...))
        return types.GenericAlias(tuple, tuple(map(self.inside, inner)))

    def _literal(self, node: Node, inner: tuple[Node, ...]) -> object:
        values = tuple(map(self.value, inner))
        if not values or not all(isinstance(value, (str, int)) for value in values):
            raise self.error(node, "Literal takes texts, whole numbers and booleans")
        return typing.cast(Mapping[object, object], Literal)[values]

    def _as_json(self, node: Node) -> object:
        return Annotated[typing.Any, TypeText(self.source(node))]

    def _name(self, node: Node) -> str:
        if isinstance(node, ConstantNode) and isinstance(node.value, str):
            return node.value
        raise self.error(node, "expected a name in quotes")

    def source(self, node: Node) -> str:
        """Return the text of a node."""
        return self._text[node.start : node.end]

    def _forward_name(self, label: str) -> str:
        # Forward references with one name are equal, so typing's caches would confuse those of two texts.
        return f"{label}_{self._digest}"

    @functools.cached_property
    def _digest(self) -> str:
        return hashlib.blake2b(self._text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _enum(reader: _Reader, node: CallNode) -> object:
    members = {name: reader.value(value) for name, value in node.keywords}
    if node.items or not members:
        raise reader.error(node, "an enum is Enum(NAME='stored value', ...)")
    kinds = {type(value) for value in members.values()}
    base = enum.StrEnum if kinds == {str} else enum.IntEnum if kinds == {int} else _StoredValue
    return _made_enum(reader, node, base, members)


def _flag(reader: _Reader, node: CallNode) -> object:
    members = {name: reader.value(value) for name, value in node.keywords}
    if node.items or not members:
        raise reader.error(node, "a flag is Flag(NAME=1, ...)")
    return _made_enum(reader, node, enum.IntFlag, members)  # IntFlag keeps bits that no member names


def _made_enum(reader: _Reader, node: CallNode, base: Callable[..., object], members: Mapping[str, object]) -> object:
    try:
        made = base("Enum", members, module=__name__)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise reader.error(node, f"it cannot become an enum: {exc}") from exc
    if len(members) < len(node.keywords) or getattr(made, "__members__", {}).keys() != members.keys():
        raise reader.error(node, "it cannot become an enum: a name occurs twice or is reserved by Python")
    return made


def _object(reader: _Reader, node: CallNode) -> object:
    label = reader.open(node) if node.items else None
    fields: dict[str, tuple[object, object]] = {}
    stored: dict[str, str] = {}
    known: set[str] = set()
    for key, value in node.keywords:
        if key in known:
            raise reader.error(node, f"the key {key!r} occurs twice")
        known.add(key)
        name = _field_name(key, fields)
        stored |= {name: key} if name != key else {}
        fields[name] = _field(reader, value)
    made = _make_model(label or "Object", HistoricalObject, fields)
    made.__stored_names__, made.__type_text__ = stored, reader.source(node)
    return reader.close(label, made, node)


def _field(reader: _Reader, node: Node) -> tuple[object, object]:
    match node:
        case SubscriptNode(name="NotRequired", items=(inner,)):
            return reader.inside(inner), None
        case _:
            return reader.inside(node), ...


def _alias(reader: _Reader, node: CallNode) -> object:
    if len(node.items) != 2 or node.keywords:
        raise reader.error(node, "an alias is Alias('label', type)")
    label = reader.open(node)
    return reader.close(
        label, _make_model(label, HistoricalAlias, {"root": (reader.aliased(label, node.items[1]), ...)}), node
    )


_CALLS: Final[Mapping[str, Callable[[_Reader, CallNode], object]]] = {
    "Alias": _alias,
    "Custom": _Reader.custom,
    "Enum": _enum,
    "Flag": _flag,
    "Object": _object,
    "Ref": _Reader.reference,
}

M = TypeVar("M", bound=BaseModel)


def _make_model(name: str, base: type[M], fields: Mapping[str, tuple[object, object]]) -> type[M]:
    make = typing.cast("Callable[..., type[M]]", create_model)  # its overloads cannot take names from a mapping
    return make(name, __base__=base, __module__=__name__, **fields)


def _field_name(key: str, taken: Container[str]) -> str:
    """Return ``key``, or a similar name if a model cannot have a field of that name."""
    if key.isidentifier() and not key.startswith("_") and not hasattr(HistoricalObject, key) and key not in taken:
        return key
    name = (re.sub(r"\W", "_", key).strip("_") or "key") + "_"
    name = name if name.isidentifier() else f"key_{name}"
    return _field_name(name, taken)


def _bytes_as(text: str) -> object:
    read, write = _BYTES[text]

    def validate(value: object) -> bytes:
        if not isinstance(value, (bytes, str)):
            raise ValueError("expected bytes")
        return value if isinstance(value, bytes) else read(value)

    def serialize(value: object) -> object:
        return write(value) if isinstance(value, bytes) else value  # a union tries it on its other members too

    return Annotated[bytes, PlainValidator(validate), PlainSerializer(serialize, when_used="json"), TypeText(text)]


def _union(members: Iterable[object]) -> object:
    # All members at once, not one by one with |: typing caches by equality, and (int | X) equals (X | int).
    return typing.cast(Mapping[object, object], typing.Union)[tuple(members)]


def _suggestion(text: str) -> str:
    close = difflib.get_close_matches(text, [*NAMES, *OPAQUE, *CONTAINERS, "Literal", "tuple", *_CALLS], n=1)
    return f"; did you mean {close[0]}?" if close else ""
