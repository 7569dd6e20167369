"""Extra fields: undeclared stored fields of models with ``extra="allow"``. Pure.

Each one holds JSON.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from redis_models.encoding.codec import FieldCodec
from redis_models.encoding.raw_text import text_of
from redis_models.mapping.stored_field import RESERVED

from ..schema.snapshot import ModelSchema
from .nested_paths import plain

__all__ = ["EXTRAS", "extra_codec", "extra_value", "extras_of", "is_extra", "stored_extra"]


# What can happen to an extra field that has the name of a new field; see ``AddField``.
EXTRAS: Final = {
    "take": "its value becomes the value of the field; other records are filled",
    "replace": "it becomes an undo field, which the application does not see; every record is filled",
}


def is_extra(schema: ModelSchema, name: str) -> bool:
    """Whether a stored field is neither declared by the schema nor reserved by this library."""
    return name not in schema.by_name and not name.startswith(RESERVED)


def extras_of(schema: ModelSchema, record: Iterable[str]) -> list[str]:
    """Return the names of the extra fields of a record."""
    return [name for name in record if is_extra(schema, name)]


@lru_cache(maxsize=1)
def extra_codec() -> FieldCodec:
    """Return the codec of extra fields: any JSON."""
    return FieldCodec(object, is_json=True)


def extra_value(raw: bytes) -> object:
    """Return the value of an extra field: JSON, or text as pydantic-aioredis stored it."""
    try:
        return extra_codec().decode(raw)
    except ValueError:
        return text_of(raw)


def stored_extra(value: object) -> bytes:
    """Return the bytes of an extra field; ``ValueError`` or ``TypeError`` if it cannot be stored."""
    return extra_codec().encode(plain(value))
