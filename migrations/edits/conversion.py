"""Convert values between types when a field's type changes and nobody said how. Pure."""

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
    """Whether every value of ``old`` is stored with the same bytes as the equal value of ``new``, and reads as it.

    Only what is certain; see ``type_compatibility``.
    """
    return is_widening(old, new)


def convert_value(value: object, old: FieldCodec, new: FieldCodec) -> object:
    """Give ``value`` as the new type, as pydantic's lax mode converts; text is what the value looks like in JSON.

    Raises:
        ValueError: It cannot be converted without a function that says how.
    """
    try:
        if holds_network(value):
            raise ValueError("it would be taken for a list of its addresses")
        return new.validate(value)
    except ValueError:
        jsonable = _shown(value, old)
        if _is_text(new) and jsonable is not None:
            return _TEXT.validate_python(jsonable)
        return new.validate_jsonable(jsonable)


def accepted(codec: FieldCodec, value: object) -> object:
    """Make a value of a type of what a function gave: of objects, too, that it was given, in other containers.

    Raises:
        ValueError: It is none; so are what ``UNREADABLE`` names.
    """
    try:
        return codec.validate(value)
    except (*UNREADABLE, ValueError):
        return codec.validate(plain(value))


def _is_text(codec: FieldCodec) -> bool:
    return codec.kind == "str" or QuotedStr in (codec.annotation, *get_args(codec.annotation))


def _shown(value: object, codec: FieldCodec) -> object:
    """Give ``value`` as JSON; secrets as they are stored, because pydantic masks them."""
    jsonable = codec.jsonable(value)
    if codec.kind != "json" or MASK not in repr(jsonable):
        return jsonable
    raw = codec.encode(value)
    if raw.startswith(MARK):
        raise ValueError("a secret is in it, which only a function can get out")
    return json.loads(raw)
