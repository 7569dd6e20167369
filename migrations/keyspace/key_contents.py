"""What keys hold, with TTL, in a form by which two servers can be compared.

Not the payload of ``DUMP``: two servers, and even one at two times, spell the same value in different ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from redis.exceptions import ResponseError

from redis_models.client.commands import Argument, Reply, RoundTrips, check, hash_of

from .results import is_another_type

__all__ = ["Clock", "Content", "clock_of", "contents_of"]

_GONE: Final = -2  # what PEXPIRETIME and PTTL say of a key that is not there
_SLACK_MS: Final = 5_000  # how much a remaining TTL may differ: it was read, and set again, a while later


@dataclass(frozen=True)
class Clock:
    """What a server can tell of ends.

    Attributes:
        has_instants: It has ``PEXPIRETIME`` (Redis 7); others only tell what remains.
        has_fields: It has ``HPEXPIRETIME`` (Redis 7.4, Valkey 9).
    """

    has_instants: bool
    has_fields: bool

    def __and__(self, other: "Clock") -> "Clock":
        """What both can tell."""
        return Clock(self.has_instants and other.has_instants, self.has_fields and other.has_fields)


@dataclass(frozen=True)
class Content:
    """What one key holds.

    Attributes:
        value: Fields of a hash, bytes of a string, members of a list; of another type, its name.
        end: Milliseconds since 1970, or those that remain, as the clock can tell; -1 for never.
        field_ends: Ends of fields that have one, milliseconds since 1970.
    """

    value: object
    end: int
    field_ends: Mapping[str, int] = field(default_factory=dict[str, int])

    def is_as(self, other: "Content", clock: Clock) -> bool:
        """Whether two keys hold the same, and end at the same time."""
        if self.value != other.value or self.field_ends != other.field_ends:
            return False
        if clock.has_instants or -1 in (self.end, other.end):
            return self.end == other.end
        return abs(self.end - other.end) <= _SLACK_MS

    def is_about_to_end(self, clock: Clock) -> bool:
        """Whether a key that is restored a while later may have expired by then."""
        return not clock.has_instants and 0 <= self.end <= _SLACK_MS


def clock_of(key: str) -> RoundTrips[Clock]:
    """Ask what a server can tell of ends, with a key that need not be there."""
    times, field_times = yield [("PEXPIRETIME", key), ("HPEXPIRETIME", key, "FIELDS", 1, "_v")]
    return Clock(not _is_unknown(times), not _is_unknown(field_times))


def contents_of(keys: Sequence[bytes], clock: Clock) -> RoundTrips[list[Content | None]]:
    """Give what keys hold, None for those that do not exist; two round trips, and two more for each of another type
    than a hash.

    Raises:
        ServerError: The server refuses to tell.
    """
    ends: str = "PEXPIRETIME" if clock.has_instants else "PTTL"
    replies = yield [command for key in keys for command in (("HGETALL", key), (ends, key))]
    ttls = cast("list[int]", check(replies[1::2]))
    values: list[object] = []
    for key, reply in zip(keys, replies[::2], strict=True):
        values.append((yield from _other(key)) if is_another_type(reply) else hash_of(check([reply])[0]))
    field_ends = (yield from _field_ends(keys, values)) if clock.has_fields else {}
    return [
        None if not value or end == _GONE else Content(value, end, field_ends.get(key, {}))
        for key, value, end in zip(keys, values, ttls, strict=True)
    ]


def _other(key: bytes) -> RoundTrips[object]:
    """Give what a key of another type than a hash holds."""
    [reply] = check((yield [("TYPE", key)]))
    type = cast(bytes, reply).decode()
    commands: dict[str, tuple[Argument, ...]] = {"string": ("GET", key), "list": ("LRANGE", key, 0, -1)}
    if type not in commands:
        return "" if type == "none" else type
    [value] = check((yield [commands[type]]))
    return value


def _field_ends(keys: Sequence[bytes], values: Sequence[object]) -> RoundTrips[Mapping[bytes, Mapping[str, int]]]:
    pairs = zip(keys, values, strict=True)
    names = {key: list(cast("dict[str, bytes]", value)) for key, value in pairs if value and isinstance(value, dict)}
    if not names:
        return {}
    replies = check((yield [("HPEXPIRETIME", key, "FIELDS", len(fields), *fields) for key, fields in names.items()]))
    found: dict[bytes, Mapping[str, int]] = {}
    for (key, fields), ends in zip(names.items(), cast("list[list[int]]", replies), strict=True):
        found[key] = {name: end for name, end in zip(fields, ends or [], strict=False) if end >= 0}
    return found


def _is_unknown(reply: Reply) -> bool:
    return isinstance(reply, ResponseError) and "unknown command" in str(reply).lower()
