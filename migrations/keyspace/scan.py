"""SCAN: the keys of a model, one step at a time, and about how many there are."""

from typing import Final, cast

from redis.exceptions import ResponseError

from redis_models.client.commands import Command, Reply, RoundTrips, call, check, load_script
from redis_models.mapping.keys import KeySpace

__all__ = ["index_size", "scan", "scan_rest", "scanned", "scanning"]

_COUNT: Final = 1000  # keys that SCAN looks at in one step; measured: a tenth of the calls' cost, under a millisecond

_REST: Final = load_script("redis_models.migrations", "not_at_version", is_repeatable=True)


def index_size(keys: KeySpace) -> RoundTrips[int]:
    """Count the members of a model's index: about as many as it has records; 0 where that key holds another type.

    A pass does not need the index, so that a foreign one, as of pydantic-aioredis, does not stop it.
    """
    [reply] = yield [("ZCARD", keys.index)]
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return 0
    return cast(int, check([reply])[0])


def scan_rest(cursor: str, keys: KeySpace, version: int, most: int) -> RoundTrips[tuple[str, list[bytes], int]]:
    """Do what ``scan`` does, without the records that have a version; give the number of these, too.

    Args:
        cursor: Of this step.
        keys: Of the model.
        version: Records that have it are left out by the server, so that fewer keys travel.
        most: Keys to look at in one step; at most 1,000.
    """
    command = _REST.command((), (cursor, keys.pattern, min(most, _COUNT), version))
    [reply] = check((yield from call(_REST, [command])))
    following, met, found = cast("tuple[bytes, int, list[bytes]]", reply)
    return following.decode(), keys.owned(found), met - len(found)


def scan(cursor: str, keys: KeySpace) -> RoundTrips[tuple[str, list[bytes]]]:
    """Give the cursor of the next step, "0" after the last, and the keys of records that this step found."""
    [reply] = check((yield [scanning(cursor, keys)]))
    return scanned(reply, keys)


def scanning(cursor: str, keys: KeySpace, count: int | None = None) -> Command:
    """Give the command of one step, which looks at about ``count`` keys, otherwise 1,000."""
    return ("SCAN", cursor, "MATCH", keys.pattern, "COUNT", count or _COUNT)


def scanned(reply: Reply, keys: KeySpace) -> tuple[str, list[bytes]]:
    """Give what ``scan`` gives, from the reply to ``scanning``."""
    following, found = cast("tuple[bytes, list[bytes]]", reply)
    return following.decode(), keys.owned(found)
