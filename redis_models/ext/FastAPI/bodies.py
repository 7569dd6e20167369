"""Bodies of requests: what a PUT takes, what the documentation says of it, and the records that bodies make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import Body
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from ...fields import Storage
from ...model import Model
from ...remembered import remembered
from .failures import invalid, unprocessable

__all__ = ["key_annotation", "new_record", "replaced", "replacement_annotation"]

M = TypeVar("M", bound=Model)


def key_annotation(schema: type[Model]) -> Any:
    """Give the type of primary keys in paths: that of the field, with its constraints."""
    info = schema.model_fields[schema.get_primary_key_field()]
    # A path has only text, which strictness would refuse for every other type.
    told = [item for item in info.metadata if not isinstance(item, Storage) and not isinstance(item, Strict)]
    return Annotated[info.annotation, *told] if told else info.annotation


def replacement_annotation(schema: type[Model]) -> Any:
    """Give the type of the body of a PUT: a record's fields, without the primary key, which is in the path.

    The values stay as they came: what is kept of the stored record decides with them whether the whole is valid, and
    some types cannot be validated twice.
    """
    return Annotated[dict[str, Any], _Replacement(schema), Body(title=f"{schema.__name__}Update")]


def new_record(schema: type[M], body: BaseModel) -> M:
    """Make a record, which is not stored yet, of the body of a POST: an instance of ``schema``, or of another class.

    Raises:
        RequestValidationError: It is not what ``schema`` accepts.
    """
    if isinstance(body, schema):
        return body
    return _validated(schema, _given(schema, body, set(type(body).model_fields)), body)


def replaced(record: M, body: BaseModel | dict[str, Any]) -> M:
    """Make the record that a PUT leaves; a save of it writes what it changes in the stored one.

    What the body cannot say is kept: fields that its class has not, or that the request leaves out of a class of the
    application's own; and fields with ``exclude``, which no answer ever showed to the client.

    Args:
        record: As it is stored.
        body: The body.

    Raises:
        RequestValidationError: The result is not valid, or is a record of another primary key.
    """
    schema, pk = type(record), record.get_primary_key_field()
    if isinstance(body, BaseModel):
        given = _given(schema, body, body.model_fields_set)
        kept = [name for name in schema.model_fields if name not in given]
    else:
        given = body
        unseen = {name for name, info in schema.model_fields.items() if info.exclude} | {pk}
        kept = [name for name in unseen if not _is_named(name, schema.model_fields[name], given)]
    made = _validated(schema, {**_stored(record, kept), **given}, body)
    key_of = schema.__shape__.key_of
    if key_of(getattr(made, pk)) != key_of(getattr(record, pk)):
        raise unprocessable(("body", pk), "must be the primary key in the path, or be left out")
    object.__setattr__(made, "__record__", remembered(record))
    return made


@dataclass(frozen=True)
class _Replacement:
    """Says of a dict that it has the fields of a model."""

    schema: type[Model]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_object, handler.generate_schema(self.schema))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shown = dict(handler.resolve_ref_schema(handler(schema)))
        fields = self.schema.model_fields
        free = {name for name, info in fields.items() if info.exclude} | {self.schema.get_primary_key_field()}
        free |= {alias for name in free for alias in _names(name, fields[name])}
        required = [name for name in cast("list[str]", shown.pop("required", [])) if name not in free]
        return {**shown, "required": required} if required else shown


def _object(value: object, _: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PydanticKnownError("dict_type")
    return cast("dict[str, Any]", value)


def _given(schema: type[Model], body: BaseModel, names: set[str]) -> dict[str, Any]:
    """Give the values of a body of another class, as the schema takes them."""
    values = {name: getattr(body, name) for name in names}
    if schema.model_config.get("extra") == "allow":
        return {**values, **(body.model_extra or {})}
    return {name: value for name, value in values.items() if name in schema.model_fields}


def _stored(record: Model, names: list[str]) -> dict[str, Any]:
    shape = type(record).__shape__
    fields = [shape.field(name) for name in names if name in shape.names]
    values = {field.name: record.__dict__[field.name] for field in fields}
    return {f.name: values[f.name] if f.source is None else f.source.as_input(values[f.name]) for f in fields}


def _validated(schema: type[M], values: Mapping[str, Any], body: object) -> M:
    try:
        return schema.model_validate(values, from_attributes=True, by_alias=True, by_name=True)
    except ValidationError as exc:
        raise invalid(exc, body) from exc


def _is_named(name: str, info: FieldInfo, given: Mapping[str, Any]) -> bool:
    return any(one in given for one in _names(name, info))


def _names(name: str, info: FieldInfo) -> set[str]:
    """Words of a body that speak of a field."""
    alias = info.validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    spelled = [choice.path[0] if isinstance(choice, AliasPath) else choice for choice in choices]
    return {name, *(one for one in spelled if isinstance(one, str))}
