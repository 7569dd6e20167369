"""Models of the past: a pydantic class for a schema of any version, without the application's own class. Pure."""

import re
import typing
from collections.abc import Callable, Container

from pydantic import BaseModel, ConfigDict, Field, create_model

from .historical import resolve
from .schema import FieldSchema, ModelSchema, _Required

__all__ = ["historical_model"]


class _Record(BaseModel):
    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        populate_by_name=True,
        protected_namespaces=(),
        ser_json_bytes="base64",
        ser_json_inf_nan="constants",
        val_json_bytes="base64",
    )


def historical_model(schema: ModelSchema) -> type[BaseModel]:
    """Make the class of a schema of the past.

    Args:
        schema: Of any point of a chain.

    Returns:
        A new class of the model's name, which takes what the fields' codecs decode. A field with a default in the
        schema may be left out. One whose name no pydantic field can have (``_id``, ``json``) is called ``id_``,
        ``json_`` there, and its own name is its alias.
    """
    fields: dict[str, tuple[object, object]] = {}
    for one in schema.fields:
        name = _attribute(one.name, [*fields, *schema.by_name])
        fields[name] = (resolve(one.type), _field_of(one, None if name == one.name else one.name))
    make = typing.cast("Callable[..., type[BaseModel]]", create_model)  # its overloads take no names from a mapping
    return make(schema.name, __base__=_Record, __module__=__name__, **fields)


def _field_of(one: FieldSchema, alias: str | None) -> object:
    if isinstance(one.default, _Required):
        return Field(alias=alias)
    return Field(default=one.codec.validate_jsonable(one.default), alias=alias)


def _attribute(name: str, taken: Container[str]) -> str:
    """Give ``name``, or one like it where a pydantic model cannot have a field of that name."""
    if name.isidentifier() and not name.startswith("_") and not hasattr(_Record, name):
        return name
    made = (re.sub(r"\W", "_", name).strip("_") or "field") + "_"
    made = made if made.isidentifier() else f"field_{made}"
    while made in taken or hasattr(_Record, made):
        made += "_"
    return made
