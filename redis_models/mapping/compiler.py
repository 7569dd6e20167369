"""The compiler: makes the mapper of a model class, and refuses a class that cannot be stored. Pure."""

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..encoding.annotations import has_input_form, stored_annotation, with_metadata
from ..encoding.codec import FieldCodec, Hooks, codec_for
from ..errors import ModelDeclarationError
from .core_schema import reads_once
from .keys import KeySpace, key_complaint
from .mapper import Mapper
from .options import Options
from .stored_field import RESERVED, StoredField

__all__ = ["compile_mapper"]

M = TypeVar("M", bound=BaseModel)


def compile_mapper(model: type[M], options: Options) -> Mapper[M]:
    """Make the mapper of a class.

    Raises:
        ModelDeclarationError: The class does not have a primary key, or has a field with a reserved name, a field of a
            type that cannot be stored, or a separator that cannot be escaped in keys.
    """
    if options.primary_key is None or options.primary_key not in model.model_fields:
        raise ModelDeclarationError(model.__name__, _no_primary_key(options.primary_key, tuple(model.model_fields)))
    complaint = key_complaint(options.separator, options.table, options.prefix)
    if complaint is not None:
        raise ModelDeclarationError(model.__name__, complaint)
    hooks = _hooks_of(model)
    fields = tuple(_stored(model, name, info, hooks) for name, info in model.model_fields.items())
    return Mapper(
        model=model,
        keys=KeySpace(options.prefix, options.separator, options.table),
        primary_key=options.primary_key,
        version=options.version,
        ttl=options.ttl,
        fields=fields,
        names=tuple(field.name for field in fields),
        extras=_extras_of(model, hooks),
    )


def _stored(model: type[BaseModel], name: str, info: FieldInfo, hooks: Hooks) -> StoredField:
    if name.startswith(RESERVED):
        raise ModelDeclarationError(model.__name__, f"field {name!r} begins with one of {RESERVED}: these are reserved")
    try:
        stored = stored_annotation(info)
        plain = codec_for(stored)
        source = codec_for(with_metadata(info)) if has_input_form(info) else None
        codec, keeps_enum_values = plain, model.model_config.get("use_enum_values", False)
        if hooks != Hooks() or keeps_enum_values:
            codec = FieldCodec(stored, hooks, keeps_enum_values=keeps_enum_values)
        if codec.kind == "json" and reads_once(codec._adapter.core_schema):
            raise TypeError(
                "it contains a class with an Iterable or Generator, whose values can be read only once; declare a list"
                " there"
            )
    except Exception as exc:  # pydantic raises several classes here, PydanticUserError among them
        raise ModelDeclarationError(model.__name__, f"field {name!r} cannot be stored: {exc}") from exc
    # If pydantic knows the type only by its metadata, these may take another input than the value, too.
    return StoredField(name, codec, source or (plain if get_origin(stored) is Annotated else None))


def _extras_of(model: type[BaseModel], hooks: Hooks) -> FieldCodec | None:
    if model.model_config.get("extra") != "allow":
        return None
    return FieldCodec(_annotation_of_extras(model), hooks, is_json=True)


def _annotation_of_extras(model: type[BaseModel]) -> object:
    """Resolve ``__pydantic_extra__: dict[str, ...]`` alone: other annotations may use names for type checkers only."""
    for cls in model.__mro__:
        annotation: object = inspect.get_annotations(cls).get("__pydantic_extra__")
        if annotation is not None:
            alone = type("alone", (), {"__annotations__": {"it": annotation}, "__module__": cls.__module__})
            return get_args(get_type_hints(alone, include_extras=True)["it"])[1]
    return Any


def _hooks_of(model: type[BaseModel]) -> Hooks:
    """Give the JSON hooks that a model overrides."""
    own: Callable[[], tuple[Any, Any]] | None = getattr(model, "__json_hooks__", None)
    return Hooks() if own is None else Hooks(*own())


def _no_primary_key(declared: str | None, fields: Sequence[str]) -> str:
    if declared is None:
        return "has no primary key; write Field(primary_key=True) on one field, or _primary_key_field = '...'"
    return f"primary key {declared!r} is not a field of the model; it has {', '.join(fields)}"
