"""TTL of records: as callers give it, and as the scripts take it. Pure."""

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
LifeSpan = float | timedelta | LifeSpanWord  # seconds, unless it says otherwise
TtlArgument = str | int  # as the scripts take it: "" leaves it as it is, 0 removes it, else milliseconds


def ttl_argument(model: type, life_span: object) -> TtlArgument:
    """Give a TTL as the scripts take it.

    Args:
        model: For the error only.
        life_span: Seconds above 0, to the millisecond; a timedelta; KEEP or FOREVER.

    Raises:
        ValueError: It is none of these.
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
    """Give the argument that has the scripts do to new records only what ``argument`` does to all."""
    return f"+{argument}" if argument else ""
