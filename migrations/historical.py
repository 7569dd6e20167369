"""Types of the past: canonical type text, read back so that old records decode without their classes. Pure.

The values are plain Python where they can be. Enums become enums of the same names and values, equal to what is stored.
Objects become pydantic models that keep what the text does not declare, the order of the keys and the absence of a
``NotRequired`` key (its attribute is None), so that a value which is read and written again is the same JSON; a set may
come out in another order, as sets do. What only its own class can read (``OPAQUE``, ``Custom``) stays the JSON it is.
"""

import ast
import difflib
import enum
import functools
import hashlib
import re
import types
import typing
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, ForwardRef, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, RootModel, create_model

from redis_models.errors import SchemaError

from .typenames import CONTAINERS, NAMES, OPAQUE, TypeText

__all__ = ["HistoricalAlias", "HistoricalObject", "document_of", "resolve"]

_SHOWN: Final = 200  # characters of a text that cannot even be parsed
_BYTES: Final[Mapping[str, tuple[Callable[[str], bytes], Callable[[bytes], str]]]] = {
    "bytes[hex]": (bytes.fromhex, bytes.hex),
    "bytes[utf8]": (str.encode, bytes.decode),
}


@dataclass(frozen=True)
class _Apart:
    """Metadata that keeps annotations of different text unequal.

    Python takes ``list[int | str]`` for equal to ``list[str | int]``, and every cache (of typing, of the codec) gives
    one for the other; but the order of a union decides how pydantic reads it.
    """

    text: str


class _StoredValue(enum.Enum):
    """An enum whose members equal their stored values, as those of IntEnum and StrEnum do."""

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self.value == (other.value if isinstance(other, enum.Enum) else other))

    def __hash__(self) -> int:
        return 0 if isinstance(self.value, (dict, list)) else hash(self.value)


class HistoricalObject(BaseModel):
    """Base of the models that stand for objects in old JSON.

    Attributes:
        __stored_names__: Stored key by field name, for keys that cannot be field names.
        __type_text__: The text that it is made of.
    """

    model_config = ConfigDict(
        extra="allow",
        protected_namespaces=(),
        ser_json_bytes="base64",
        ser_json_inf_nan="constants",
        val_json_bytes="base64",
    )
    __stored_names__: ClassVar[Mapping[str, str]] = {}
    __type_text__: ClassVar[str] = ""
    _order: tuple[str, ...] = ()

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _remember_order(
        cls, value: object, handler: pydantic.ModelWrapValidatorHandler[typing.Self]
    ) -> "HistoricalObject":
        if not isinstance(value, dict):
            return handler(value)
        names = {stored: name for name, stored in cls.__stored_names__.items()}
        document = typing.cast(dict[str, object], value)
        keyed = {names.get(key, key): one for key, one in document.items()}
        if len(keyed) != len(document):
            raise ValueError(f"undeclared keys get in the way of {', '.join(names)}")
        made = handler(keyed)
        made._order = tuple(keyed)
        return made

    @pydantic.model_serializer(mode="wrap")
    def _keep_order(self, handler: pydantic.SerializerFunctionWrapHandler) -> dict[str, object]:
        return self._in_order(handler(self))

    def _in_order(self, made: Mapping[str, object]) -> dict[str, object]:
        names = dict.fromkeys([*self._order, *made])
        kept = self.model_fields_set | (self.model_extra or {}).keys()
        return {self.__stored_names__.get(name, name): made[name] for name in names if name in made and name in kept}

    def __eq__(self, other: object) -> bool:
        """Compare what is stored: neither the class nor the order of keys counts."""
        return isinstance(other, HistoricalObject) and self._stored() == other._stored()

    def __hash__(self) -> int:
        return hash(frozenset(self._stored()))  # the values may be unhashable; sets of objects are small

    def _stored(self) -> dict[str, object]:
        names = self.__stored_names__
        held = {names.get(name, name): one for name, one in vars(self).items() if name in self.model_fields_set}
        return held | (self.model_extra or {})


def document_of(one: HistoricalObject) -> dict[str, object]:
    """Give what is stored of an object, by stored key, in its order; the values are not taken apart."""
    return one._in_order(vars(one) | (one.model_extra or {}))


class HistoricalAlias(RootModel[object]):
    """Base of the models that stand for recursive types without keys of their own."""

    model_config = ConfigDict(ser_json_bytes="base64", ser_json_inf_nan="constants", val_json_bytes="base64")


@functools.lru_cache(maxsize=4096)
def resolve(text: str) -> object:
    """Give an annotation that reads and writes the JSON of the types that ``text`` describes.

    Args:
        text: Canonical text, as ``typetext.describe`` gives it or a person writes it into a migration.

    Returns:
        An annotation for ``redis_models.codec.codec_for`` or pydantic's TypeAdapter; the same object for the same text.

    Raises:
        SchemaError: The text cannot be read; the error quotes it and the place.
    """
    try:
        return _Reader(text).whole(ast.parse(text, mode="eval").body)
    except SyntaxError as exc:
        raise SchemaError(f"type {text!r}, character {exc.offset or 0}: {exc.msg}") from exc
    except (RecursionError, MemoryError, ValueError) as exc:
        raise SchemaError(f"type {text[:_SHOWN]!r}...: it nests too deeply, or is no text ({exc})") from exc


class _Reader:
    """Reads one text; holds the models made so far, and those that have a label."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._models: list[type[BaseModel]] = []
        self._labels: dict[str, type[BaseModel] | None] = {}

    def whole(self, node: ast.expr) -> object:
        annotation = self.part(node)
        if self._labels:
            namespace = {self._forward_name(label): model for label, model in self._labels.items()}
            for model in reversed(self._models):
                model.model_rebuild(force=True, _types_namespace=namespace)
        return annotation

    def part(self, node: ast.expr) -> object:
        """Read one node, and keep the result unequal to all that differs from it."""
        annotation = self._type(node)
        if isinstance(annotation, type) or not any(map(_is_choice, ast.walk(node))):
            return annotation
        return Annotated[annotation, _Apart(self.source(node))]

    def keywords(self, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
        for one in node.keywords:
            if one.arg is not None:
                yield one.arg, one.value
            elif isinstance(one.value, ast.Dict):
                for key, value in zip(one.value.keys, one.value.values, strict=True):
                    yield self._name(key or one.value), value
            else:
                raise self.error(one.value, "names that are no identifiers are written **{'name': ...}")

    def value(self, node: ast.expr) -> object:
        try:
            return typing.cast(object, ast.literal_eval(node))  # constants only: it never calls anything
        except (ValueError, TypeError) as exc:
            raise self.error(node, "expected a constant") from exc

    def label(self, node: ast.Call) -> str:
        label = self._name(node.args[0]) if node.args else ""
        if not label.isidentifier():
            raise self.error(node, "a label is one word in quotes")
        return label

    def open(self, node: ast.Call) -> str:
        label = self.label(node)
        if label in self._labels:
            raise self.error(node, f"the label {label!r} is used twice")
        self._labels[label] = None
        return label

    def close(self, label: str | None, model: type[BaseModel]) -> type[BaseModel]:
        self._models.append(model)
        if label is not None:
            self._labels[label] = model
        return model

    def reference(self, node: ast.Call) -> object:
        if len(node.args) != 1 or node.keywords or self.label(node) not in self._labels:
            raise self.error(node, "a reference is Ref('label') inside of the Object or Alias of that label")
        return ForwardRef(self._forward_name(self.label(node)))

    def custom(self, node: ast.Call) -> object:
        if len(node.args) != 1 or node.keywords or not self._name(node.args[0]):
            raise self.error(node, "a type with serializers of its own is Custom('module.name')")
        return self._as_json(node)

    def error(self, node: ast.expr, reason: str) -> SchemaError:
        place = f"type {self._text!r}, character {_characters_before(self._text, node) + 1}"
        return SchemaError(f"{place}, at {self.source(node)!r}: {reason}")

    def _type(self, node: ast.expr) -> object:
        text = self.source(node)
        if text in NAMES:
            return NAMES[text]
        if text in OPAQUE:
            return self._as_json(node)
        if text in _BYTES:
            return _bytes_as(text)
        match node:
            case ast.BinOp(op=ast.BitOr()):
                return _union([self.part(one) for one in _members(node)])
            case ast.Subscript(value=ast.Name(id=name)):
                inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                return self._subscript(node, name, inner)
            case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
                return _CALLS[name](self, node)
            case _:
                raise self.error(node, f"unknown type{_suggestion(text)}")

    def _subscript(self, node: ast.Subscript, name: str, inner: list[ast.expr]) -> object:
        if name == "Literal":
            return self._literal(node, inner)
        if name == "tuple":
            return self._tuple(inner)
        if name not in CONTAINERS:
            raise self.error(node, f"unknown type{_suggestion(name)}")
        if len(inner) != (2 if name == "dict" else 1):
            raise self.error(node, f"{name} takes {'two types' if name == 'dict' else 'one type'}, not {len(inner)}")
        arguments = tuple(self.part(one) for one in inner)
        if name in ("set", "frozenset") and "Custom(" in self.source(node):
            return self._as_json(node)  # its JSON may be objects, which no set can hold
        return types.GenericAlias(CONTAINERS[name], arguments)

    def _tuple(self, inner: list[ast.expr]) -> object:
        if len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is ...:
            return types.GenericAlias(tuple, (self.part(inner[0]), ...))
        return types.GenericAlias(tuple, tuple(self.part(one) for one in inner))

    def _literal(self, node: ast.expr, inner: list[ast.expr]) -> object:
        values = tuple(self.value(one) for one in inner)
        if not values or not all(isinstance(one, (str, int)) for one in values):
            raise self.error(node, "Literal takes texts, whole numbers and booleans")
        return typing.cast(Mapping[object, object], Literal)[values]

    def _as_json(self, node: ast.expr) -> object:
        return Annotated[typing.Any, TypeText(self.source(node))]

    def _name(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise self.error(node, "expected a name in quotes")

    def source(self, node: ast.expr) -> str:
        """Give the text of one node."""
        return ast.get_source_segment(self._text, node) or ast.unparse(node)

    def _forward_name(self, label: str) -> str:
        # Forward references of one name are equal, and typing's caches would mix up those of two texts.
        return f"{label}_{hashlib.blake2b(self._text.encode(), digest_size=8).hexdigest()}"


def _enum(reader: _Reader, node: ast.Call) -> object:
    members = {name: reader.value(one) for name, one in reader.keywords(node)}
    if node.args or not members:
        raise reader.error(node, "an enum is Enum(NAME='stored value', ...)")
    kinds = {type(value) for value in members.values()}
    base = enum.StrEnum if kinds == {str} else enum.IntEnum if kinds == {int} else _StoredValue
    return _made_enum(reader, node, base, members)


def _flag(reader: _Reader, node: ast.Call) -> object:
    members = {name: reader.value(one) for name, one in reader.keywords(node)}
    if node.args or not members:
        raise reader.error(node, "a flag is Flag(NAME=1, ...)")
    return _made_enum(reader, node, enum.IntFlag, members)  # IntFlag keeps bits that no member names


def _made_enum(reader: _Reader, node: ast.Call, base: Callable[..., object], members: Mapping[str, object]) -> object:
    try:
        return base("Enum", members, module=__name__)
    except (AttributeError, TypeError, ValueError) as exc:
        raise reader.error(node, f"no enum can be made of it: {exc}") from exc


def _object(reader: _Reader, node: ast.Call) -> object:
    label = reader.open(node) if node.args else None
    fields: dict[str, tuple[object, object]] = {}
    stored: dict[str, str] = {}
    for key, value in reader.keywords(node):
        name = _field_name(key, fields)
        if key in (stored.get(one, one) for one in fields):
            raise reader.error(node, f"the key {key!r} stands there twice")
        stored |= {name: key} if name != key else {}
        fields[name] = _field(reader, value)
    made = _make_model(label or "Object", HistoricalObject, fields)
    made.__stored_names__, made.__type_text__ = stored, reader.source(node)
    return reader.close(label, made)


def _field(reader: _Reader, node: ast.expr) -> tuple[object, object]:
    match node:
        case ast.Subscript(value=ast.Name(id="NotRequired"), slice=inner):
            return reader.part(inner), None
        case _:
            return reader.part(node), ...


def _alias(reader: _Reader, node: ast.Call) -> object:
    if len(node.args) != 2 or node.keywords:
        raise reader.error(node, "an alias is Alias('label', type)")
    label = reader.open(node)
    return reader.close(label, _make_model(label, HistoricalAlias, {"root": (reader.part(node.args[1]), ...)}))


_CALLS: Final[Mapping[str, Callable[[_Reader, ast.Call], object]]] = {
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
    """Give ``key``, or a name like it where a model cannot have a field of that name."""
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
    # At once, not member by member with |: typing caches by equality, and (int | X) equals (X | int).
    return typing.cast(Mapping[object, object], typing.Union)[tuple(members)]


def _members(node: ast.expr) -> list[ast.expr]:
    members: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        members.append(node.right)
        node = node.left
    return [node, *reversed(members)]


def _is_choice(node: ast.AST) -> bool:
    """Whether the node is a union whose order counts: that of None does not."""
    members = _members(node) if isinstance(node, ast.expr) else []
    return sum(not (isinstance(one, ast.Constant) and one.value is None) for one in members) > 1


def _characters_before(text: str, node: ast.expr) -> int:
    line = text.splitlines()[node.lineno - 1].encode()
    before = sum(len(one) for one in text.splitlines(keepends=True)[: node.lineno - 1])
    return before + len(line[: node.col_offset].decode())


def _suggestion(text: str) -> str:
    close = difflib.get_close_matches(text, [*NAMES, *OPAQUE, *CONTAINERS, "Literal", "tuple", *_CALLS], n=1)
    return f"; did you mean {close[0]}?" if close else ""
