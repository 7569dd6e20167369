"""Canonical text of a type: one line that says how its values are stored. Pure.

Snapshots in Redis, migration files and the diff have this text instead of types; ``type_resolver.resolve`` reads it.

- **Equal text, equal bytes.** The text does not contain names of classes, docstrings, titles, aliases, constraints,
  validators or the order of model fields. It does contain each difference in stored bytes: ``bytes`` is base64, and
  ``bytes[utf8]`` is what a nested model stores by default; ``str`` is plain text, and ``JSON[str]`` is a quoted string.
- **Objects** (models, dataclasses, TypedDicts) list their stored keys, sorted. ``NotRequired`` marks a key that may be
  absent (it has a default, or is optional or computed), because a diff must know whether old JSON can still be read.
  The default itself is not part of the text, because every record stores its value.
- **Enums** list their members by name and stored value, in order. The base class is not part of the text, except for
  ``Flag``.
- **Recursion** is ``Object('T1', next=Ref('T1') | None)``, with numbered labels instead of class names.
- **Serializers of the application** are ``Custom('module.name')``: the text has the name, not the code.
"""

import collections
import dataclasses
import enum
import itertools
import re
import sys
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Final, ForwardRef, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

import pydantic
import typing_extensions
from pydantic import BaseModel, RootModel
from pydantic.networks import _BaseMultiHostUrl, _BaseUrl
from pydantic_core import MultiHostUrl, PydanticSerializationError, Url

from redis_models.encoding.codec import codec_for
from redis_models.errors import ModelDeclarationError

from .type_members import (
    Key,
    Scope,
    bind,
    custom,
    has_own_schema,
    items_of_named_tuple,
    keys_of_dataclass,
    keys_of_model,
    keys_of_typed_dict,
    serializer_of,
    text_from_metadata,
)
from .type_spelling import (
    ALIASES,
    KINDS,
    QUALIFIERS,
    SPELLINGS,
    IndescribableError,
    enum_text,
    keywords,
    literal_texts,
    looked_up,
    with_unit,
)

__all__ = ["describe"]

# Texts of types that the codec stores as plain text only if the annotation is str, int or float itself.
_PLAIN: Final = re.compile(r"(str|float)( \| None)?|(int)( \| None)")
_CODEC_SETTINGS: Final[Mapping[str, object]] = {"ser_json_bytes": "base64"}
_REFUSALS: Final = (
    IndescribableError,
    ImportError,  # EmailStr without email-validator
    NameError,
    PydanticSerializationError,
    SyntaxError,  # a forward reference that is not an expression
    pydantic.PydanticUserError,
)


def describe(annotation: object, *, owner: str = "") -> str:
    """Return the canonical text of ``annotation``.

    Args:
        annotation: Annotation of a field, with metadata.
        owner: ``Model.field``, for errors.

    Returns:
        A Python expression, the same in each run and in each version of Python and pydantic. It is equal for
        annotations that store equal values as equal bytes and read the same bytes.

    Raises:
        ModelDeclarationError: Its values cannot be stored as text or JSON, or a name in it cannot be resolved.
    """
    try:
        text = _joined(_TextWriter().parts(annotation, Scope(_settings_around(annotation))))
        codec = codec_for(annotation)
    except RecursionError as exc:
        raise ModelDeclarationError(owner or "type", f"{annotation!r} is infinitely recursive") from exc
    except _REFUSALS as exc:
        reason = f"{annotation!r} cannot be described: {str(exc).splitlines()[0]}"
        raise ModelDeclarationError(owner or "type", reason) from exc
    if codec.kind != "json":
        return f"{codec.kind} | None" if codec.is_optional else codec.kind
    plain = _PLAIN.fullmatch(text)
    return text if plain is None else f"JSON[{plain[1] or plain[3]}]{plain[2] or plain[4] or ''}"


class _TextWriter:
    """Writes the text of one annotation. It knows the surrounding classes, and the labels of recursive ones."""

    def __init__(self) -> None:
        self._open: dict[object, str | None] = {}
        self._count = itertools.count(1)

    def parts(self, annotation: object, scope: Scope) -> list[str]:
        """Return the texts of the members of a union, or the one text of any other type."""
        if isinstance(annotation, (str, ForwardRef)):
            annotation = _evaluated(annotation, scope)
        if (spelled := looked_up(annotation, SPELLINGS)) is not None:
            return [with_unit(text, scope.settings) for text in spelled]
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._annotated(arguments[0], arguments[1:], scope)
        if origin in (Union, types.UnionType):
            return [part for argument in arguments for part in self.parts(argument, scope)]
        if origin is Literal:
            return literal_texts(arguments)
        if origin in QUALIFIERS:
            return self.parts(arguments[0], scope)
        return self._named(annotation, origin or annotation, arguments, scope)

    def _annotated(self, annotation: object, metadata: tuple[object, ...], scope: Scope) -> list[str]:
        text = next((text for text in map(text_from_metadata, reversed(metadata)) if text), None)
        return [text] if text else self.parts(annotation, scope)

    def _text(self, annotation: object, scope: Scope) -> str:
        return _joined(self.parts(annotation, scope))

    def _named(self, annotation: object, origin: object, arguments: tuple[object, ...], scope: Scope) -> list[str]:
        if annotation is typing.Self or annotation is typing_extensions.Self:
            return self.parts(scope.names.get("Self"), scope)
        if isinstance(annotation, TypeVar):
            return self._type_variable(annotation, scope)
        if isinstance(annotation, NewType):
            return self.parts(annotation.__supertype__, scope)
        if isinstance(origin, ALIASES):
            return self._alias(cast(typing_extensions.TypeAliasType, origin), arguments, scope)
        if origin is tuple:
            return [self._tuple(annotation, arguments, scope)]
        if origin is collections.Counter:
            return [f"dict[{self._text(arguments[0] if arguments else typing.Any, scope)}, int]"]
        if (kind := looked_up(origin, KINDS)) is not None:
            count = 2 if kind == "dict" else 1
            return [f"{kind}[{', '.join(self._texts(arguments[:count] or (typing.Any,) * count, scope))}]"]
        if origin is re.Pattern:
            return ["Pattern[bytes]" if arguments == (bytes,) else "Pattern"]
        if _is_class(origin):
            return self._class(origin, arguments, scope)
        raise IndescribableError("its values cannot be stored as JSON")

    def _class(self, cls: type[object], arguments: tuple[object, ...], scope: Scope) -> list[str]:
        if cls in SPELLINGS:
            return list(SPELLINGS[cls])
        if issubclass(cls, (Url, MultiHostUrl, _BaseUrl, _BaseMultiHostUrl)):
            return ["Url"]
        if has_own_schema(cls):
            inner = f"[{', '.join(self._texts(arguments, scope))}]" if arguments else ""
            return [custom(cls, inner)]
        if issubclass(cls, enum.Enum):
            return [enum_text(cls)]
        key = (cls, self._texts(arguments, scope))
        inside = replace(bind(cls, arguments, scope), module=cls.__module__, names={cls.__name__: cls, "Self": cls})
        if issubclass(cls, BaseModel):
            return self._model(cls, key, replace(inside, settings=dict(cls.model_config)))
        if dataclasses.is_dataclass(cls):
            settings: Mapping[str, object] | None = getattr(cls, "__pydantic_config__", None)
            inside = replace(inside, settings=scope.settings if settings is None else settings)
            serializer = serializer_of(cls)
            found = self._object(key, lambda: keys_of_dataclass(cls), inside)
            return found if serializer is None else [custom(serializer)]
        if typing_extensions.is_typeddict(cls):  # pydantic writes it with the surrounding settings, not with its own
            return self._object(key, lambda: keys_of_typed_dict(cls), inside)
        if _is_named_tuple(cls):
            return self._recursive(key, lambda: [self._tuple(cls, items_of_named_tuple(cls), inside)])
        raise IndescribableError(
            f"{cls.__name__} cannot be stored as JSON; make it a pydantic model, or annotate it with a PlainSerializer"
        )

    def _model(self, cls: type[BaseModel], key: Hashable, scope: Scope) -> list[str]:
        cls.model_rebuild()
        stored_names: Mapping[str, str] | None = getattr(cls, "__stored_names__", None)
        serializer = serializer_of(cls)
        if serializer is not None and stored_names is None:  # the serializer of historical objects adds nothing
            return [custom(serializer)]
        if issubclass(cls, RootModel):
            root = cls.model_fields["root"]
            return self._recursive(key, lambda: self._annotated(root.annotation, tuple(root.metadata), scope))
        return self._object(key, lambda: keys_of_model(cls, stored_names or {}), scope)

    def _object(self, key: Hashable, keys: Callable[[], Iterable[Key]], scope: Scope) -> list[str]:
        def inside() -> list[str]:
            pairs: list[tuple[str, str]] = []
            for member in sorted(keys(), key=lambda member: member.name):
                text = _joined(self._annotated(member.annotation, member.metadata, scope))
                pairs.append((member.name, text if member.is_required else f"NotRequired[{text}]"))
            return [keywords(pairs)]

        return self._recursive(key, inside, "Object")

    def _alias(self, alias: typing_extensions.TypeAliasType, arguments: tuple[object, ...], scope: Scope) -> list[str]:
        inside = replace(bind(alias, arguments, scope), module=alias.__module__ or "", names={alias.__name__: alias})
        return self._recursive((alias, self._texts(arguments, scope)), lambda: self.parts(alias.__value__, inside))

    def _type_variable(self, variable: TypeVar, scope: Scope) -> list[str]:
        if variable in scope.bound:
            return self.parts(*scope.bound[variable])
        default = getattr(variable, "__default__", None)  # typing_extensions or Python 3.13
        if default is not None and default is not typing_extensions.NoDefault:
            return self.parts(default, scope)
        members = variable.__constraints__ or (variable.__bound__ or typing.Any,)
        return [part for member in members for part in self.parts(member, scope)]

    def _tuple(self, annotation: object, arguments: tuple[object, ...], scope: Scope) -> str:
        if annotation is tuple or annotation is typing.Tuple:  # noqa: UP006  # bare, where tuple[()] has no arguments too
            return "tuple[Any, ...]"
        if len(arguments) == 2 and arguments[1] is ...:
            return f"tuple[{self._text(arguments[0], scope)}, ...]"
        return f"tuple[{', '.join(self._texts(arguments, scope)) or '()'}]"

    def _texts(self, annotations: Iterable[object], scope: Scope) -> tuple[str, ...]:
        return tuple(self._text(annotation, scope) for annotation in annotations)

    def _recursive(self, key: Hashable, inside: Callable[[], list[str]], name: str = "Alias") -> list[str]:
        if key in self._open:
            label = self._open[key] or f"T{next(self._count)}"
            self._open[key] = label
            return [f"Ref({label!r})"]
        self._open[key] = None
        inner = inside()
        recurring = self._open.pop(key)
        if recurring is None:
            return inner if name == "Alias" else [f"{name}({inner[0]})"]
        return [f"{name}({', '.join(text for text in (repr(recurring), _joined(inner)) if text)})"]


def _evaluated(reference: str | ForwardRef, scope: Scope) -> object:
    holder = type("holder", (), {"__annotations__": {"it": reference}})
    module = sys.modules.get(scope.module)
    names = {} if module is None else dict(vars(module))
    hints = typing_extensions.get_type_hints(holder, globalns=names, localns=dict(scope.names), include_extras=True)
    return cast(object, hints["it"])


def _joined(parts: list[str]) -> str:
    unique = dict.fromkeys(part for part in parts if part != "None")
    return " | ".join([*unique, *(["None"] if "None" in parts else [])])


def _settings_around(annotation: object) -> Mapping[str, object]:
    """Return the settings of the codec; for models, dataclasses and TypedDicts, those of pydantic."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if not _is_class(annotation):
        return _CODEC_SETTINGS
    is_object = dataclasses.is_dataclass(annotation) or typing_extensions.is_typeddict(annotation)
    return {} if is_object or issubclass(annotation, BaseModel) else _CODEC_SETTINGS


def _is_named_tuple(cls: type[object]) -> bool:
    return issubclass(cls, tuple) and hasattr(cast(object, cls), "_fields")


def _is_class(value: object) -> typing_extensions.TypeIs[type[object]]:
    return isinstance(value, type)
