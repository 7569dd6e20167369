"""Extra fields: stored fields that no schema declares, of models that take some (``extra="allow"``). Pure.

Each is JSON of its own.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from redis_models.encoding.codec import FieldCodec
from redis_models.mapping.stored_field import RESERVED

from ..schema.snapshot import ModelSchema
from .nested_paths import plain

__all__ = ["EXTRAS", "extra_codec", "extra_value", "extras_of", "is_extra", "stored_extra"]


# What may become of an extra field that has the name of a new one; see ``AddField``.
EXTRAS: Final = {
    "take": "its value becomes that of the field; records without one are filled",
    "replace": "it is kept aside, out of sight; every record is filled",
}


def is_extra(schema: ModelSchema, name: str) -> bool:
    """Whether a stored field is none that a schema declares, and none of the library's own."""
    return name not in schema.by_name and not name.startswith(RESERVED)


def extras_of(schema: ModelSchema, record: Iterable[str]) -> list[str]:
    """Give the names of the extra fields among those that a record has."""
    return [name for name in record if is_extra(schema, name)]


@lru_cache(maxsize=1)
def extra_codec() -> FieldCodec:
    """Give the codec of extra fields: JSON of any kind."""
    return FieldCodec(object, is_json=True)


def extra_value(raw: bytes) -> object:
    """Give what an extra field holds: JSON, or text as pydantic-aioredis stored it."""
    try:
        return extra_codec().decode(raw)
    except ValueError:
        return raw.decode("utf-8", "surrogateescape")


def stored_extra(value: object) -> bytes:
    """Give the bytes of an extra field; ``ValueError`` or ``TypeError`` where it cannot be stored."""
    return extra_codec().encode(plain(value))
