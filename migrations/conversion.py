"""Convert values between types when a field's type changes and nobody said how. Pure."""

from pydantic import ConfigDict, TypeAdapter

from redis_models.codec import FieldCodec

from .typechange import is_widening

__all__ = ["convert_value", "keeps_bytes"]

_TEXT = TypeAdapter[str](str, config=ConfigDict(coerce_numbers_to_str=True))


def keeps_bytes(old: str, new: str) -> bool:
    """Whether every value of ``old`` is stored with the same bytes as the equal value of ``new``, and reads as it.

    Only what is certain; see ``typechange``.
    """
    return is_widening(old, new)


def convert_value(value: object, old: FieldCodec, new: FieldCodec) -> object:
    """Give ``value`` as the new type, as pydantic's lax mode converts; text is what the value looks like in JSON.

    Raises:
        ValueError: It cannot be converted without a function that says how.
    """
    try:
        return new.validate(value)
    except ValueError:
        jsonable = old.jsonable(value)
        if new.kind == "str" and jsonable is not None:
            return _TEXT.validate_python(jsonable)
        return new.validate_jsonable(jsonable)
