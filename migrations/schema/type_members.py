"""The parts of a class for its canonical text: stored keys, type hints, type variables, serializers. Pure.

If metadata, a field or a whole class has a serializer, the text names the serializer instead of the type.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args, get_origin

import pydantic
import typing_extensions
from pydantic import BaseModel
from pydantic.dataclasses import is_pydantic_dataclass, rebuild_dataclass
from pydantic.fields import FieldInfo

from .type_spelling import ALIASES, QUALIFIERS, TypeText, quoted

__all__ = [
    "Key",
    "Scope",
    "bind",
    "custom",
    "has_own_schema",
    "items_of_named_tuple",
    "keys_of_dataclass",
    "keys_of_model",
    "keys_of_typed_dict",
    "serializer_of",
    "serializers_of",
    "text_from_metadata",
]


def text_from_metadata(metadata: object) -> str | None:
    """Return the text that a piece of metadata defines; None if it only validates."""
    match metadata:
        case TypeText(text):
            return text
        case pydantic.PlainSerializer() | pydantic.WrapSerializer():
            return custom(metadata.func)
        case pydantic.EncodedBytes() | pydantic.EncodedStr():
            return custom(metadata.encoder)
        case _:
            pass
    if metadata is pydantic.Json or type(metadata) is pydantic.Json:
        return "Json"
    if type(metadata) is pydantic.SerializeAsAny:
        return "Any"  # it stores whatever class the value has
    own = getattr(metadata, "__get_pydantic_core_schema__", None)
    if isinstance(metadata, pydantic.GetPydanticSchema):
        return None if own is None else custom(own)
    home: str = getattr(metadata, "__module__", "")
    return None if own is None or home.partition(".")[0] in ("annotated_types", "pydantic") else custom(metadata)


def serializer_of(cls: type[object]) -> object:
    """Return the last model serializer of a class, or None."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.model_serializers.values())
    return next((decorator.func for decorator in reversed(found)), None)


def serializers_of(cls: type[object], name: str) -> tuple[object, ...]:
    """Return the field serializers of a field, as metadata of its annotation."""
    decorators = getattr(cls, "__pydantic_decorators__", None)
    found = [] if decorators is None else list(decorators.field_serializers.values())
    return tuple(TypeText(custom(decorator.func)) for decorator in found if {name, "*"} & set(decorator.info.fields))


def custom(source: object, arguments: str = "") -> str:
    """Return the text for code of the application; ``arguments`` are those of a generic class, with brackets."""
    name: str = getattr(source, "__qualname__", None) or type(source).__qualname__
    module: str = getattr(source, "__module__", None) or type(source).__module__
    return f"Custom({quoted(f'{module}.{name}{arguments}')})"


def has_own_schema(cls: type[object]) -> bool:
    """Whether a class defines its pydantic schema itself, so that its annotations do not matter."""
    own = getattr(cls, "__get_pydantic_core_schema__", None)
    usual = getattr(BaseModel.__get_pydantic_core_schema__, "__func__", None)
    return own is not None and getattr(own, "__func__", own) is not usual


def _nothing_bound() -> "dict[object, tuple[object, Scope]]":
    return {}


@dataclass(frozen=True)
class Scope:
    """The meaning of names, type variables and settings at one place of an annotation."""

    settings: Mapping[str, object]
    module: str = ""
    names: Mapping[str, object] = dataclasses.field(default_factory=dict[str, object])
    bound: "Mapping[object, tuple[object, Scope]]" = dataclasses.field(default_factory=_nothing_bound)


@dataclass(frozen=True)
class Key:
    """One key of a stored object."""

    name: str
    annotation: object
    is_required: bool
    metadata: tuple[object, ...] = ()


def keys_of_model(cls: type[BaseModel], stored_names: Mapping[str, str]) -> Iterator[Key]:
    """Return the keys of a stored model, computed ones last; ``stored_names`` maps fields to keys."""
    for key in _keys_of_fields(cls, cls.model_fields):
        yield replace(key, name=stored_names.get(key.name, key.name))
    for name, info in cls.model_computed_fields.items():
        yield Key(name, info.return_type, is_required=False, metadata=serializers_of(cls, name))


def keys_of_dataclass(cls: type[object]) -> Iterator[Key]:
    """Return the keys of a stored dataclass, of pydantic or of the standard library."""
    names = [field.name for field in _declared(cls)]
    if is_pydantic_dataclass(cls):
        rebuild_dataclass(cls)
        fields: dict[str, FieldInfo] = cls.__pydantic_fields__
    else:
        fields = _fields_of_plain_dataclass(cls)
    return _keys_of_fields(cls, {name: fields[name] for name in names})


def _declared(cls: type[object]) -> "tuple[dataclasses.Field[object], ...]":
    return dataclasses.fields(cast(typing.Any, cls))  # typeshed has no public name for the class of a dataclass


def _fields_of_plain_dataclass(cls: type[object]) -> dict[str, FieldInfo]:
    fields: dict[str, FieldInfo] = {}
    hints = _hints(cls)
    for field in _declared(cls):
        is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = field.default if isinstance(field.default, FieldInfo) else None
        annotation: type = hints[field.name]
        fields[field.name] = (
            FieldInfo.from_annotation(annotation)
            if is_required
            else FieldInfo.from_annotated_attribute(annotation, default)
        )
    return fields


def _keys_of_fields(cls: type[object], fields: Mapping[str, FieldInfo]) -> Iterator[Key]:
    for name, info in fields.items():
        yield Key(name, info.annotation, info.is_required(), (*info.metadata, *serializers_of(cls, name)))


def keys_of_typed_dict(cls: type[object]) -> Iterator[Key]:
    """Return the keys of a TypedDict, without their qualifiers."""
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    for name, hint in _hints(cls).items():
        qualifiers, annotation = _unqualified(hint)
        # __required_keys__ does not see a qualifier in an annotation that was written as text.
        is_required = typing_extensions.NotRequired not in qualifiers and (
            name in required or typing_extensions.Required in qualifiers
        )
        yield Key(name, annotation, is_required)


def items_of_named_tuple(cls: type[object]) -> tuple[object, ...]:
    """Return the annotations of a NamedTuple's items, in order."""
    hints = _hints(cls)
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    return tuple(hints.get(name, typing.Any) for name in names)


def _unqualified(hint: object) -> tuple[list[object], object]:
    qualifiers: list[object] = []
    while get_origin(hint) in QUALIFIERS:
        qualifiers.append(get_origin(hint))
        hint = get_args(hint)[0]
    return qualifiers, hint


def bind(origin: object, arguments: tuple[object, ...], scope: Scope) -> Scope:
    """Return the scope inside of a generic class or alias, with the arguments of its generic bases."""
    attribute = "__type_params__" if isinstance(origin, ALIASES) else "__parameters__"
    variables: tuple[object, ...] = getattr(origin, attribute, ())
    own = {variable: (argument, scope) for variable, argument in zip(variables, arguments, strict=False)}
    inside, inherited = replace(scope, bound=own), dict[object, tuple[object, Scope]]()
    for base in getattr(origin, "__orig_bases__", ()):
        if isinstance(get_origin(base), type) and get_origin(base) is not typing.Generic:
            inherited |= bind(get_origin(base), get_args(base), inside).bound
    return replace(scope, bound=inherited | own)


def _hints(cls: type[object]) -> dict[str, typing.Any]:
    return typing_extensions.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
