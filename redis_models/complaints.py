"""What pydantic says about a value, where it can say it. Pure."""

from typing import NamedTuple

from pydantic import ValidationError

__all__ = ["Complaint", "first_complaint"]


class Complaint(NamedTuple):
    """The first thing that pydantic found wrong.

    Attributes:
        place: Where: names and numbers.
        text: What.
        kind: Pydantic's name for it.
    """

    place: tuple[int | str, ...]
    text: str
    kind: str


def first_complaint(exc: ValidationError) -> Complaint:
    """Give what is wrong in the first place; pydantic fails to say it where half a surrogate pair is in the value."""
    try:
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    except UnicodeError:
        return Complaint((), "Input contains half a surrogate pair", "string_unicode")
    return Complaint(first["loc"], first["msg"], first["type"])
