"""Convert values between types when a field's type changes and nobody said how. Pure."""

from pydantic import ConfigDict, TypeAdapter

from redis_models.codec import FieldCodec, codec_for

from .historical import resolve

__all__ = ["convert_value", "keeps_bytes"]

_TEXT = TypeAdapter[str](str, config=ConfigDict(coerce_numbers_to_str=True))


def keeps_bytes(old: str, new: str) -> bool:
    """Whether every value of ``old`` is stored with the same bytes as the equal value of ``new``.

    Only what is certain: a type made optional. ``str`` made optional is not among them, because the text "None" then
    needs its escape.
    """
    before, after = codec_for(resolve(old)), codec_for(resolve(new))
    return new == f"{old} | None" and before.kind == after.kind != "str"


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
