"""Samples: some records of a model, drawn at random, for decisions that need real values."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from redis.exceptions import ResponseError

from redis_models.client.commands import RoundTrips, check, hash_of
from redis_models.encoding.raw_text import text_of
from redis_models.mapping.keys import KeySpace

from ..schema.examples import Sample

__all__ = ["sample"]

_PAGE: Final = 1000  # keys that SCAN looks at in one step
_PAGES: Final = 20  # steps, where there is no index
_AT_ONCE: Final = 20  # records a round trip, which may be large
_BYTES: Final = 16_000_000  # of values, after which it is enough


def sample(keys: KeySpace, limit: int) -> RoundTrips[Sample]:
    """Read at most ``limit`` records of a model, whole: drawn from its index, or found by SCAN where it has none.

    Where records are large it stops early, after some megabytes.

    Cost: a round trip for each 20 records.
    """
    total, chosen = yield from _drawn(keys, limit)
    if not chosen:
        total, chosen = yield from _scanned(keys, limit)
    records: dict[str, Mapping[str, bytes]] = {}
    read = size = 0
    while read < len(chosen) and size < _BYTES:
        batch = chosen[read : read + _AT_ONCE]
        replies = yield [("HGETALL", key) for key in batch]
        read += len(batch)
        for key, reply in zip(batch, replies, strict=True):
            if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
                continue
            record = hash_of(check([reply])[0])
            if record:
                records[key.decode("utf-8", "backslashreplace")] = record
                size += sum(map(len, record.values()))
    # Members of the index whose record is gone do not count.
    return Sample(records, total - (read - len(records)))


def _drawn(keys: KeySpace, limit: int) -> RoundTrips[tuple[int, Sequence[bytes]]]:
    count, members = yield [("ZCARD", keys.index), ("ZRANDMEMBER", keys.index, limit)]
    for reply in (count, members):
        if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
            return 0, ()
    check([count, members])
    drawn = cast("list[bytes]", members)
    own = keys.owned_members(drawn)
    return cast(int, count) - (len(drawn) - len(own)), own


def _scanned(keys: KeySpace, limit: int) -> RoundTrips[tuple[int, Sequence[bytes]]]:
    cursor, found = "0", dict[bytes, None]()
    for _ in range(_PAGES):
        [reply] = check((yield [("SCAN", cursor, "MATCH", keys.pattern, "COUNT", _PAGE)]))
        following, page = cast("tuple[bytes, list[bytes]]", reply)
        found.update(dict.fromkeys(key for key in page if keys.owns(text_of(key))))
        cursor = following.decode()
        if cursor == "0" or len(found) >= limit:
            break
    chosen = list(found)[:limit]
    return len(found) if cursor == "0" else len(found) + 1, chosen
