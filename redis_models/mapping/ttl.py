"""The TTL of a record: what callers may give, and the argument that scripts take. Pure."""

from datetime import timedelta
from enum import Enum
from typing import Final

__all__ = ["FOREVER", "KEEP", "LifeSpan", "LifeSpanWord", "TtlArgument", "ttl_argument", "ttl_of_new"]

_LONGEST_MS: Final = 10**15  # 31,000 years; Redis refuses what overflows only after the record is written


class LifeSpanWord(Enum):
    """A TTL that is not a length of time."""

    KEEP = "keep"
    FOREVER = "forever"

    def __repr__(self) -> str:
        return self.name


KEEP: Final = LifeSpanWord.KEEP  # leaves the TTL of a record unchanged
FOREVER: Final = LifeSpanWord.FOREVER  # removes it
LifeSpan = float | timedelta | LifeSpanWord  # a number is in seconds
TtlArgument = str | int  # as scripts take it: "" keeps the TTL, 0 removes it, else milliseconds


def ttl_argument(model: type, life_span: object) -> TtlArgument:
    """Give a TTL as scripts take it.

    Args:
        model: The model, for the error.
        life_span: Seconds above 0, to the millisecond; a timedelta; KEEP or FOREVER.

    Raises:
        ValueError: ``life_span`` is something else.
    """
    if isinstance(life_span, LifeSpanWord):
        return "" if life_span is KEEP else 0
    seconds = life_span.total_seconds() if isinstance(life_span, timedelta) else life_span
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_MS / 1000:
        raise ValueError(
            f"{model.__name__}: a TTL must be a number of seconds above 0, a timedelta, KEEP or FOREVER,"
            f" not {life_span!r}"
        )
    return max(1, round(seconds * 1000))  # 0 would remove it


def ttl_of_new(argument: TtlArgument) -> TtlArgument:
    """Give the argument that makes scripts set this TTL on new records only."""
    return f"+{argument}" if argument else ""
