"""The default conversion of values when the type of a field changes without a function. Pure."""

import json
from typing import get_args

from pydantic import ConfigDict, TypeAdapter

from redis_models.encoding.codec import FieldCodec
from redis_models.encoding.limits import UNREADABLE, holds_network
from redis_models.encoding.secrets import MASK
from redis_models.encoding.tagged_json import MARK

from ..schema.type_compatibility import is_widening
from ..schema.type_spelling import QuotedStr
from .nested_paths import plain

__all__ = ["accepted", "convert_value", "keeps_bytes"]

_TEXT = TypeAdapter[str](str, config=ConfigDict(coerce_numbers_to_str=True))


def keeps_bytes(old: str, new: str) -> bool:
    """Whether ``new`` reads all bytes of ``old`` as equal values, and stores them as the same bytes.

    True only if that is certain; see ``type_compatibility``.
    """
    return is_widening(old, new)


def convert_value(value: object, old: FieldCodec, new: FieldCodec) -> object:
    """Convert ``value`` to the new type as pydantic's lax mode does. Text becomes what the value is in JSON.

    Raises:
        ValueError: The value cannot be converted without a function.
    """
    try:
        if holds_network(value):
            raise ValueError("pydantic would read the network as a list of its addresses")
        return new.validate(value)
    except ValueError:
        jsonable = _shown(value, old)
        if _is_text(new) and jsonable is not None:
            return _TEXT.validate_python(jsonable)
        return new.validate_jsonable(jsonable)


def accepted(codec: FieldCodec, value: object) -> object:
    """Validate the result of a function. It may hold objects that the function got, in other containers.

    Raises:
        ValueError: The result does not have the type. Errors in ``UNREADABLE`` mean the same.
    """
    try:
        return codec.validate(value)
    except (*UNREADABLE, ValueError):
        return codec.validate(plain(value))


def _is_text(codec: FieldCodec) -> bool:
    return codec.kind == "str" or QuotedStr in (codec.annotation, *get_args(codec.annotation))


def _shown(value: object, codec: FieldCodec) -> object:
    """Return ``value`` as JSON, with secrets as they are stored, because pydantic masks them."""
    jsonable = codec.jsonable(value)
    if codec.kind != "json" or MASK not in repr(jsonable):
        return jsonable
    raw = codec.encode(value)
    if raw.startswith(MARK):
        raise ValueError("it holds a secret, which only a function can read")
    return json.loads(raw)
