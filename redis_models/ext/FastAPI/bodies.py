"""Bodies of requests: what a PUT takes, what the documentation says of it, and the records that bodies make."""

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
    """Give the type of primary keys in paths: that of the field, with its constraints."""
    info = schema.model_fields[schema.get_primary_key_field()]
    # A path has only text, which strictness would refuse for every other type.
    metadata = [item for item in info.metadata if not isinstance(item, Storage) and not isinstance(item, Strict)]
    return Annotated[info.annotation, *metadata] if metadata else info.annotation


def replacement_annotation(schema: type[Model], hidden: HiddenFields) -> Any:
    """Give the type of the body of a PUT: a record's fields, without the primary key, which is in the path.

    The values stay as they came: what is kept of the stored record decides with them whether the whole is valid, and
    some types cannot be validated twice.
    """
    return Annotated[dict[str, Any], _Replacement(schema, hidden), Body(title=f"{schema.__name__}Update")]


def creation_annotation(schema: type[Model], hidden: HiddenFields) -> Any:
    """Give the type of the body of a POST: a record, of which the fields that are not for requests are not set."""
    return Annotated[schema, _Creation(hidden)]


def new_record(schema: type[M], body: BaseModel) -> M:
    """Make a record, which is not stored yet, of the body of a POST: an instance of ``schema``, or of another class.

    Raises:
        RequestValidationError: It is not what ``schema`` accepts.
    """
    if isinstance(body, schema):
        return body
    return _validate(schema, _body_values(schema, body, set(type(body).model_fields)), body)


def apply_put(record: M, body: BaseModel | dict[str, Any], shown: object, hidden: HiddenFields) -> M:
    """Make the record that a PUT leaves; a save of it writes what it changes in the stored one.

    What the body cannot say is kept: fields that its class has not, or that the request leaves out of a class of the
    application's own; and what no answer ever showed to the client, at any depth; see ``merge``.

    Args:
        record: As it is stored.
        body: The body.
        shown: What an answer shows of the record; ``MISSING`` if none can.
        hidden: Fields that it may not name.

    Raises:
        RequestValidationError: The result is not valid, or is a record of another primary key.
    """
    schema, pk = type(record), record.get_primary_key_field()
    if isinstance(body, BaseModel):
        given = _body_values(schema, body, body.model_fields_set)
        kept = [name for name in schema.model_fields if name not in given]
    else:
        given = body
        unseen = {name for name, info in schema.model_fields.items() if info.exclude} | {pk}
        kept = [name for name in unseen if not is_named(name, schema.model_fields[name], given)]
    stored = _stored_values(record, kept)
    alone = _try_validate({**stored, **given}, schema) if hidden.hides else MISSING
    made = _validate(schema, {**stored, **merge_fields(given, shown, record, alone)}, body)
    if not isinstance(body, BaseModel):
        hidden.check(body, made)
    _check_same_key(made, getattr(record, pk))
    check_masks(made, record)
    object.__setattr__(made, "__record__", tracked_state(record))
    return made


def put_unreadable(schema: type[M], pk: object, body: dict[str, Any], hidden: HiddenFields) -> M:
    """Make the record that a PUT leaves of one that cannot be read, of which nothing is to be kept.

    Raises:
        RequestValidationError: As in ``apply_put``.
    """
    name = schema.get_primary_key_field()
    is_there = is_named(name, schema.model_fields[name], body)
    made = _validate(schema, body if is_there else {name: pk, **body}, body)
    hidden.check(body, made)
    check_masks(made)
    _check_same_key(made, pk)
    return made


def _check_same_key(made: Model, pk: object) -> None:
    name, key_of = made.get_primary_key_field(), type(made).__mapper__.key_of
    if key_of(getattr(made, name)) != key_of(pk):
        raise unprocessable(("body", name), "must be the primary key in the path, or be left out")


@dataclass(frozen=True)
class _Creation:
    """Says of a model that a body of it must not set some fields."""

    hidden: HiddenFields

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        shown = handler(schema)
        if not self.hidden.names:
            return shown
        return _without_hidden(dict(handler.resolve_ref_schema(shown)), self.hidden)

    def _checked(self, given: object, handler: ValidatorFunctionWrapHandler) -> object:
        made = handler(given)
        self.hidden.check(given, made)
        return made


@dataclass(frozen=True)
class _Replacement:
    """Says of a dict that it has the fields of a model."""

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
    """Leave the fields that are not for requests out of what the documentation says."""
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
    """Give the values of a body of another class, as the schema takes them."""
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
