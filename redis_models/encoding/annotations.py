"""Annotations of fields: which part of an annotation decides how a value is stored. Pure."""

from collections import abc
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import Json, PydanticSchemaGenerationError, TypeAdapter
from pydantic.fields import FieldInfo

__all__ = [
    "AnnotationKey",
    "Storage",
    "has_input_form",
    "is_validated",
    "iterables_as_lists",
    "stored_annotation",
    "with_metadata",
    "without_none",
]

# Validators and serializers of the application. Validators run when an instance is made, and serializers write for
# other readers than this library, so neither decides what is stored.
_CHECKING: Final = ("pydantic.functional_validators", "pydantic.functional_serializers")
# Pydantic reads these lazily: the first reader consumes the value.
_READ_ONCE: Final[tuple[object, ...]] = (abc.Iterable, abc.Generator)


def stored_annotation(info: FieldInfo) -> object:
    """Give the annotation that decides the bytes of a field: its type, with metadata only if pydantic needs them."""
    try:
        TypeAdapter(cast(type[object], info.annotation))
    except PydanticSchemaGenerationError:
        return with_metadata(info)
    bare = _without_validators(info.annotation)
    try:
        TypeAdapter(cast(type[object], bare))
    except PydanticSchemaGenerationError:
        return info.annotation
    return bare


def _without_validators(annotation: object) -> object:
    """Remove the validators from an annotation: they run when an instance is made, not when a value is stored."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = _without_validators(arguments[0])
        metadata = tuple(item for item in arguments[1:] if type(item).__module__ != _CHECKING[0])
        if len(metadata) == len(arguments) - 1 and inner is arguments[0]:
            return annotation
        return Annotated[inner, *metadata] if metadata else inner
    if origin is None or origin is Literal or origin is Callable or not arguments:
        return annotation
    inside = tuple(_without_validators(argument) for argument in arguments)
    return _with_arguments(annotation, origin, arguments, inside)


def iterables_as_lists(annotation: object) -> object:
    """Replace ``Iterable[X]`` and ``Generator[X, ...]``, whose values can be read only once, by ``list[X]``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _READ_ONCE:
        return cast(Any, list)[iterables_as_lists(arguments[0])] if arguments else list[Any]
    if _is_one_of(_READ_ONCE, annotation):
        return list[Any]
    if origin is Annotated:
        inner = iterables_as_lists(arguments[0])
        return annotation if inner is arguments[0] else Annotated[inner, *arguments[1:]]
    if origin is None or origin is Literal or origin is Callable or not arguments:
        return annotation
    inside = tuple(map(iterables_as_lists, arguments))
    return _with_arguments(annotation, origin, arguments, inside)


def _with_arguments(
    annotation: object, origin: Any, arguments: tuple[object, ...], inside: tuple[object, ...]
) -> object:
    """Give the annotation with other arguments."""
    if all(member is other for member, other in zip(inside, arguments, strict=True)):
        return annotation  # the same object, because codecs are cached by it
    if origin in (Union, UnionType):
        return Union[inside]  # noqa: UP007
    return cast(Any, annotation).copy_with(inside) if hasattr(annotation, "copy_with") else origin[inside]


def _is_one_of(annotations: tuple[object, ...], annotation: object) -> bool:
    return any(annotation is candidate for candidate in annotations)


def with_metadata(info: FieldInfo) -> object:
    """Give the annotation of a field with the metadata that pydantic moved out of it."""
    metadata = tuple(item for item in info.metadata if not isinstance(item, Storage))
    return Annotated[info.annotation, *metadata] if metadata else info.annotation


def _has_other_form_inside(annotation: object) -> bool:
    """Whether a part of the annotation has metadata that change its form, as in ``list[Base64Bytes]``."""
    if annotation is Json or (
        get_origin(annotation) is Annotated and any(map(_changes_form, get_args(annotation)[1:]))
    ):
        return True
    return any(map(_has_other_form_inside, get_args(annotation)))


def _changes_form(item: object) -> bool:
    """Whether the metadata change the form of a value, as ``Json`` and ``Base64Bytes`` do; others only check it."""
    module = (item if isinstance(item, type) else type(item)).__module__
    return hasattr(item, "__get_pydantic_core_schema__") and module not in _CHECKING


def has_input_form(info: FieldInfo) -> bool:
    """Whether a field takes its input in another form than its value, as ``Json`` and ``Base64Bytes`` do."""
    return any(map(_changes_form, info.metadata)) or _has_other_form_inside(info.annotation)


def is_validated(annotation: object) -> bool:
    """Whether an annotation contains a validator or serializer of the application, at any depth."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated and any(type(item).__module__ in _CHECKING for item in arguments[1:]):
        return True
    return any(map(is_validated, arguments))


@dataclass(frozen=True)
class Storage:
    """The storage options of a field, kept among pydantic's metadata.

    Attributes:
        primary_key: Whether the field is the primary key.
        renamed_from: The field's former name, a hint for the diff.
        index: Whether it has an index of its own.
        unique: Whether it has one, and no two records may have the same value.
        nocase: Whether its letters A to Z equal a to z, in conditions and in indexes.
    """

    primary_key: bool = False
    renamed_from: str | None = None
    index: bool = False
    unique: bool = False
    nocase: bool = False

    def split(self) -> "list[Storage]":
        """Give the same, each option alone in a class of its own.

        Pydantic 2.11 merges the metadata of an annotation and of its default by class: the last replaces the others.
        """
        options = {option.name: getattr(self, option.name) for option in fields(Storage)}
        return [_CLASSES[name](**{name: value}) for name, value in options.items() if value not in (None, False)]


class _PrimaryKey(Storage): ...


class _RenamedFrom(Storage): ...


class _Indexed(Storage): ...


class _Unique(Storage): ...


class _FoldsCase(Storage): ...


_CLASSES: Final[dict[str, type[Storage]]] = {
    "primary_key": _PrimaryKey,
    "renamed_from": _RenamedFrom,
    "index": _Indexed,
    "unique": _Unique,
    "nocase": _FoldsCase,
}


class AnnotationKey:
    """An annotation as a cache key. Unions in another order are unequal, because the order decides what is read."""

    __slots__ = ("annotation",)

    def __init__(self, annotation: object) -> None:
        self.annotation = annotation

    def __hash__(self) -> int:
        return hash(self.annotation)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AnnotationKey):
            return NotImplemented
        own, theirs = self.annotation, other.annotation
        return own is theirs or (own == theirs and repr(own) == repr(theirs))


def without_none(annotation: object) -> tuple[object, bool]:
    """Strip Annotated and ``| None``: constraints are validation, not storage."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        is_optional = len(members) < len(get_args(annotation))
        if len(members) == 1:
            return without_none(members[0])[0], is_optional
        return annotation, is_optional
    return annotation, annotation is None or annotation is NoneType
