"""Bodies of requests: their types, their JSON schemas, and the records that are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import Body
from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from ...encoding.annotations import Storage
from ...encoding.limits import UNREADABLE
from ...model.model import Model
from ...records.tracking import tracked_state
from .body_parts import alias_words, check_masks, is_named
from .hidden_fields import HiddenFields
from .http_errors import invalid, unprocessable
from .merge import MISSING, merge_fields

__all__ = [
    "apply_put",
    "creation_annotation",
    "key_annotation",
    "new_record",
    "put_unreadable",
    "replacement_annotation",
]

M = TypeVar("M", bound=Model)


def key_annotation(schema: type[Model]) -> Any:
    """Give the type of the primary key in paths: that of the field, with its constraints."""
    info = schema.model_fields[schema.get_primary_key_field()]
    # Paths are text, and a strict field of another type would refuse text.
    metadata = [item for item in info.metadata if not isinstance(item, Storage) and not isinstance(item, Strict)]
    return Annotated[info.annotation, *metadata] if metadata else info.annotation


def replacement_annotation(schema: type[Model], hidden: HiddenFields) -> Any:
    """Give the type of the body of a PUT: a record's fields. The primary key may be left out, as it is in the path.

    The values are not validated here. They are validated once, together with the values that are kept of the stored
    record; some types cannot be validated twice.
    """
    return Annotated[dict[str, Any], _Replacement(schema, hidden), Body(title=f"{schema.__name__}Update")]


def creation_annotation(schema: type[Model], hidden: HiddenFields) -> Any:
    """Give the type of the body of a POST: a record, without the fields that requests must not set."""
    return Annotated[schema, _Creation(hidden)]


def new_record(schema: type[M], body: BaseModel) -> M:
    """Make an instance of ``schema`` from the body of a POST, which may be of another class. Nothing is stored.

    Raises:
        RequestValidationError: ``schema`` refuses the values.
    """
    if isinstance(body, schema):
        return body
    return _validate(schema, _body_values(schema, body, set(type(body).model_fields)), body)


def apply_put(record: M, body: BaseModel | dict[str, Any], shown: object, hidden: HiddenFields) -> M:
    """Make the record that a PUT asks for; saving it writes the changes to the stored one.

    Some values are kept: fields that the class of the body does not have, or that the request left out of the
    application's own class; and values that no answer has shown to the client, at any depth. See ``merge``.

    Args:
        record: The stored record.
        body: The body.
        shown: The record as answers show it; ``MISSING`` if no answer can.
        hidden: Fields that the body must not set.

    Raises:
        RequestValidationError: The result is not valid, or has another primary key.
    """
    schema, pk = type(record), record.get_primary_key_field()
    if isinstance(body, BaseModel):
        received = _body_values(schema, body, body.model_fields_set)
        kept = [name for name in schema.model_fields if name not in received]
    else:
        received = body
        unseen = {name for name, info in schema.model_fields.items() if info.exclude} | {pk}
        kept = [name for name in unseen if not is_named(name, schema.model_fields[name], received)]
    stored = _stored_values(record, kept)
    alone = _try_validate({**stored, **received}, schema) if hidden.hides else MISSING
    updated = _validate(schema, {**stored, **merge_fields(received, shown, record, alone)}, body)
    if not isinstance(body, BaseModel):
        hidden.check(body, updated)
    _check_same_key(updated, getattr(record, pk))
    check_masks(updated, record)
    object.__setattr__(updated, "__record__", tracked_state(record))
    return updated


def put_unreadable(schema: type[M], pk: object, body: dict[str, Any], hidden: HiddenFields) -> M:
    """Make the record that a PUT asks for in place of one that cannot be read; nothing of that is kept.

    Raises:
        RequestValidationError: As in ``apply_put``.
    """
    name = schema.get_primary_key_field()
    is_there = is_named(name, schema.model_fields[name], body)
    record = _validate(schema, body if is_there else {name: pk, **body}, body)
    hidden.check(body, record)
    check_masks(record)
    _check_same_key(record, pk)
    return record


def _check_same_key(record: Model, pk: object) -> None:
    name, key_of = record.get_primary_key_field(), type(record).__mapper__.key_of
    if key_of(getattr(record, name)) != key_of(pk):
        raise unprocessable(("body", name), "must be the primary key in the path, or be left out")


@dataclass(frozen=True)
class _Creation:
    """Metadata of a model as a body: refuses fields that requests must not set."""

    hidden: HiddenFields

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shown = handler(schema)
        if not self.hidden.names:
            return shown
        return _without_hidden(dict(handler.resolve_ref_schema(shown)), self.hidden)

    def _checked(self, received: object, handler: ValidatorFunctionWrapHandler) -> object:
        record = handler(received)
        self.hidden.check(received, record)
        return record


@dataclass(frozen=True)
class _Replacement:
    """Metadata of a dict as a body: gives it the JSON schema of a model."""

    schema: type[Model]
    hidden: HiddenFields

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_check_dict, handler.generate_schema(self.schema))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shown = _without_hidden(dict(handler.resolve_ref_schema(handler(schema))), self.hidden)
        fields = self.schema.model_fields
        free = {name for name, info in fields.items() if info.exclude} | {self.schema.get_primary_key_field()}
        free |= {alias for name in free for alias in alias_words(name, fields[name])}
        required = [name for name in cast("list[str]", shown.pop("required", [])) if name not in free]
        return {**shown, "required": required} if required else shown


def _without_hidden(shown: dict[str, Any], hidden: HiddenFields) -> dict[str, Any]:
    """Remove the fields that requests must not set from a JSON schema."""
    fields = hidden.schema.model_fields
    words = {word for name in hidden.names for word in alias_words(name, fields[name])}
    shown["properties"] = {
        name: property_schema for name, property_schema in shown.get("properties", {}).items() if name not in words
    }
    return shown


def _check_dict(value: object, _: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PydanticKnownError("dict_type")
    return cast("dict[str, Any]", value)


def _body_values(schema: type[Model], body: BaseModel, names: set[str]) -> dict[str, Any]:
    """Give the values of a body of another class, as input of ``schema``."""
    values = {name: getattr(body, name) for name in names}
    if schema.model_config.get("extra") == "allow":
        return {**values, **(body.model_extra or {})}
    return {name: value for name, value in values.items() if name in schema.model_fields}


def _stored_values(record: Model, names: list[str]) -> dict[str, Any]:
    mapper = type(record).__mapper__
    fields = [mapper.field(name) for name in names if name in mapper.names]
    return {field.name: field.as_input(record.__dict__[field.name]) for field in fields}


def _try_validate(values: Mapping[str, Any], schema: type[M]) -> object:
    try:
        return schema.model_validate(values, from_attributes=True, by_alias=True, by_name=True)
    except (ValueError, *UNREADABLE):
        return MISSING


def _validate(schema: type[M], values: Mapping[str, Any], body: object) -> M:
    try:
        return schema.model_validate(values, from_attributes=True, by_alias=True, by_name=True)
    except ValidationError as exc:
        raise invalid(exc, body) from exc
