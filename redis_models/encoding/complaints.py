"""What pydantic says about a value, where it can say it. Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic import ValidationError

__all__ = ["NOT_A_MEMBER", "Complaint", "complaints", "first_complaint"]

# Pydantic's names for a value that an enum or a Literal does not have; what is said of it quotes it.
NOT_A_MEMBER: Final = frozenset(["enum", "literal_error"])
_MOST: Final = 200  # characters


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
    """Give what is wrong in the first place."""
    return next(complaints(exc))


def complaints(exc: ValidationError) -> Iterator[Complaint]:
    """Give all that is wrong; pydantic fails to say it where half a surrogate pair is in the value."""
    try:
        found = exc.errors(include_url=False)
    except UnicodeError:
        yield Complaint((), "Input contains half a surrogate pair", "string_unicode")
        return
    for one in found:
        expected = one.get("ctx", {}).get("expected") if one["type"] in NOT_A_MEMBER else None
        text = one["msg"] if expected is None else f"{one['input']!r:.60} is none of {_shortened(expected)}"
        yield Complaint(one["loc"], text, one["type"])


def _shortened(members: str) -> str:
    """Give members as they fit into a line: an enum of fifty does not."""
    return members if len(members) <= _MOST else f"{members[: _MOST - 3]}..."
