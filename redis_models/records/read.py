"""Read records: each verb once, as a generator of command batches (see ``commands``)."""

from collections.abc import Sequence
from typing import Final, TypeVar, cast

from redis.exceptions import NoPermissionError, ResponseError

from ..client.commands import Command, Reply, RoundTrips, call, check, hash_of, load_script
from ..client.errors import translate
from ..encoding.raw_text import bytes_of, text_of
from ..errors import (
    ConflictError,
    DataError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    WrongKeyTypeError,
)
from ..mapping.mapper import Mapper
from ..mapping.stored_field import RESERVED, STAMP, stored_version
from ..mapping.stored_model import StoredModel
from ..store import Upgrader
from .tracking import remember

__all__ = [
    "ASKED",
    "NO_INDEX",
    "READ_CHUNK",
    "SWEPT",
    "Found",
    "asking",
    "asking_index",
    "count",
    "exists",
    "fetch",
    "index_after",
    "keys_from",
    "loaded",
    "members",
    "no_index",
    "own_keys",
    "read",
    "settled",
    "sweep",
    "ttl",
]

M = TypeVar("M", bound=StoredModel)
READ_CHUNK: Final = 500  # records asked for in one batch: large enough to hide the round trip, a few MB at most
NO_INDEX: Final = "is not a sorted set"
ASKED: Final = 3  # commands of ``asking_index``
SWEPT: Final = 1000  # members of the index that one script looks at
_SWEEP: Final = load_script("redis_models", "permissions", "sweep", is_repeatable=True)

# What is known of one record: its stored fields at the model's version, why they cannot be had, or that there is none.
Found = dict[str, bytes] | DataError | None


def read(shape: Mapper[M], upgrader: Upgrader | None, key: str) -> RoundTrips[M]:
    """Read one record.

    Raises:
        NotFoundError: There is none.
        DecodeError: It does not read back as the model.
        RecordTooNewError: Newer code wrote it.
        RecordTooOldError: Older code wrote it, and no migration is known here.
        WrongKeyTypeError: The key holds no hash.

    Cost:
        One round trip; two for a record of an older version, or none at all.
    """
    [record] = yield from fetch(shape, upgrader, [key])
    if record is None:
        raise NotFoundError(shape.model.__name__, key)
    return loaded(shape, key, record)


def fetch(
    shape: Mapper[M], upgrader: Upgrader | None, keys: Sequence[str], names: Sequence[str] | None = None
) -> RoundTrips[list[Found]]:
    """Read the stored fields of records, at the model's version.

    Args:
        shape: The model.
        upgrader: What brings older records up in memory; without one they are refused.
        keys: Where they lie.
        names: Stored fields to read; None means all that the model knows, extra ones included where it takes them.

    Returns:
        One entry a key, in order.

    Cost:
        One round trip for every 500; one more for those of an older version and those that are not there; where these
        are written back, two more.
    """
    found: list[Found] = []
    for start in range(0, len(keys), READ_CHUNK):
        chunk = keys[start : start + READ_CHUNK]
        found += yield from settled(shape, upgrader, names, chunk, (yield asking(shape, names, chunk)))
    return found


def asking(shape: Mapper[M], names: Sequence[str] | None, keys: Sequence[str]) -> list[Command]:
    """Give what asks for the fields of some records."""
    if names is None and shape.reads_whole:
        return [("HGETALL", key) for key in keys]
    asked = (*(shape.names if names is None else names), STAMP)
    return [("HMGET", key, *asked) for key in keys]


def settled(
    shape: Mapper[M],
    upgrader: Upgrader | None,
    names: Sequence[str] | None,
    keys: Sequence[str],
    replies: Sequence[Reply],
) -> RoundTrips[list[Found]]:
    """Give what the replies to ``asking`` say of records; where they do not say enough, ask again."""
    if names is None and shape.reads_whole:
        whole = [_opened_whole(shape, upgrader, None, key, reply) for key, reply in zip(keys, replies, strict=True)]
        yield from _write_back(shape, upgrader, keys, replies)
        return whole
    names = shape.names if names is None else names
    records = [_opened(shape, names, key, reply) for key, reply in zip(keys, replies, strict=True)]
    unsettled = [
        place for place, record in enumerate(records) if record is None or isinstance(record, RecordTooOldError)
    ]
    if unsettled:
        # Whole: an upgrade needs the fields of old, and a record may have none of those that were asked for.
        second = yield [("HGETALL", keys[place]) for place in unsettled]
        for place, reply in zip(unsettled, second, strict=True):
            records[place] = _opened_whole(shape, upgrader, names, keys[place], reply)
        yield from _write_back(shape, upgrader, [keys[place] for place in unsettled], second)
    return records


def exists(key: str) -> RoundTrips[bool]:
    """Tell whether there is a record.

    Raises:
        WrongKeyTypeError: The key holds no hash.
    """
    [fields] = yield [("HLEN", key)]
    if isinstance(fields, ResponseError):
        raise _refused(key, fields)
    return fields != 0


def ttl(shape: Mapper[M], key: str) -> RoundTrips[float | None]:
    """Give the seconds that a record still has, to the millisecond; None if it has no TTL.

    Raises:
        NotFoundError: There is no such record.
        WrongKeyTypeError: The key holds no hash.
    """
    fields, left_ms = yield [("HLEN", key), ("PTTL", key)]
    if isinstance(fields, ResponseError):
        raise _refused(key, fields)
    check([left_ms])
    if left_ms == -2:
        raise NotFoundError(shape.model.__name__, key)
    return None if left_ms == -1 else cast(int, left_ms) / 1000


def count(shape: Mapper[M]) -> RoundTrips[int]:
    """Count the records that exist now; members of the index whose record is gone are swept.

    A record is what the index names, lies under a key of the model, and is a hash; anything else in the
    index is passed over, and stays for ``verify``, which names it.

    Cost:
        Two round trips for every 1,000 records.
    """
    total, after = 0, None
    while True:
        page = yield from index_after(shape, after, SWEPT)
        if not page:
            return total
        total += yield from sweep(shape, page)
        after = page[-1]


def index_after(shape: Mapper[M], after: str | None, limit: int) -> RoundTrips[list[str]]:
    """Give the next ``limit`` record keys of the index after ``after``, or the first: stable while others write.

    Only keys that the model owns, whatever else is in its index; fewer than ``limit`` at the end only.
    """
    return (yield from own_keys(shape, (yield asking_index(shape, after, limit)), after, limit))


def asking_index(shape: Mapper[M], after: str | None, limit: int) -> list[Command]:
    """Give what asks for the next keys of the index: ``ASKED`` commands, the scores of its ends among them."""
    index = shape.keys.index
    return [
        ("ZRANGEBYLEX", index, "-" if after is None else f"({after}", "+", "LIMIT", 0, limit),
        ("ZRANGE", index, 0, 0, "WITHSCORES"),
        ("ZRANGE", index, -1, -1, "WITHSCORES"),
    ]


def own_keys(shape: Mapper[M], replies: Sequence[Reply], after: str | None, limit: int) -> RoundTrips[list[str]]:
    """Give the keys of ``index_after`` out of the replies to ``asking_index``.

    Cost:
        No further round trip while all members are the model's, with score 0; else two, and one for 1,000 of others.
    """
    reply, *ends = replies
    found = members(shape, reply)
    last = None if after is None else bytes_of(after)
    # Members with other scores than 0 make a range by name end too early, or begin anew for ever.
    if shape.keys.are_next(found, last) and not any(map(_is_scored, ends)):
        return [text_of(raw) for raw in found]
    if last is None:
        return (yield from keys_from(shape, 0, limit))
    [place] = check((yield [("ZRANK", shape.keys.index, last)]))
    if place is not None:
        return (yield from keys_from(shape, cast(int, place) + 1, limit))
    return (yield from keys_from(shape, 0, limit, last))


def keys_from(shape: Mapper[M], place: int, limit: int, after: bytes | None = None) -> RoundTrips[list[str]]:
    """Give the next ``limit`` record keys of the index from a position on, and only those behind ``after``."""
    own: list[bytes] = []
    count = limit
    while len(own) < limit:
        [reply] = yield [("ZRANGE", shape.keys.index, place, place + count - 1)]
        found = members(shape, reply)
        own += [key for key in shape.keys.owned_members(found) if after is None or key > after]
        if len(found) < count:
            break
        place, count = place + count, SWEPT
    return [text_of(raw) for raw in own[:limit]]


def loaded(shape: Mapper[M], key: str, record: Found) -> M:
    """Make an instance of stored fields that remembers them, so that a save writes what changed.

    Raises:
        DataError: The record cannot be read.
    """
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    instance = shape.decode(key, stored)
    pk = remember(shape, instance, key, stored)
    if type(pk) is not str or shape.start + pk != key:  # nearly always they are equal
        shape.check_key(key, pk)
    return instance


def no_index(shape: Mapper[M]) -> DataError:
    """Say that something else lies where the index should be."""
    key = shape.keys.index
    return ConflictError(
        key,
        f"{NO_INDEX}, hence no index; if pydantic-aioredis wrote this table, run 'redis-models adopt', else look"
        f" with 'TYPE {key}', and move it out of the way",
    )


def _opened(shape: Mapper[M], names: Sequence[str], key: str, reply: Reply) -> Found:
    """Give what the reply of HMGET says of a record: RecordTooOldError, or None, where more must be read."""
    if isinstance(reply, ResponseError):
        return _refused(key, reply)
    raws = cast("list[bytes | None]", reply)
    stamp = raws[-1]
    if stamp == shape.stamp and None not in raws:
        return dict(zip(names, cast("list[bytes]", raws), strict=False))  # the stamp comes last
    record = {name: raw for name, raw in zip(names, raws, strict=False) if raw is not None}
    if stamp == shape.stamp:
        return record
    if stamp is None and not record:
        return None
    return _version_error(shape, key, stamp) or record


def _opened_whole(
    shape: Mapper[M], upgrader: Upgrader | None, names: Sequence[str] | None, key: str, reply: Reply
) -> Found:
    """Give what the reply of HGETALL says of a record, brought up in memory if it is of an older version."""
    if isinstance(reply, ResponseError):
        return _refused(key, reply)
    record = hash_of(reply)
    if not record:
        return None
    error = _version_error(shape, key, record.get(STAMP))
    if isinstance(error, RecordTooOldError) and upgrader is not None:
        try:
            record, error = upgrader.upgrade(shape.model, key, record), None
        except DataError as exc:
            error = exc
    if error is not None:
        return error
    if names is None:
        return {name: raw for name, raw in record.items() if not name.startswith(RESERVED)}
    return {name: record[name] for name in names if name in record}


def _write_back(
    shape: Mapper[M], upgrader: Upgrader | None, keys: Sequence[str], replies: Sequence[Reply]
) -> RoundTrips[None]:
    """Let the upgrader bring up in Redis what it brought up in memory."""
    if upgrader is None:
        return
    whole = {
        key: hash_of(reply)
        for key, reply in zip(keys, replies, strict=True)
        if reply and not isinstance(reply, Exception)
    }
    older = [
        key
        for key, record in whole.items()
        if isinstance(_version_error(shape, key, record.get(STAMP)), RecordTooOldError)
    ]
    if older:
        yield from upgrader.write_back(shape.model, older)


def _version_error(shape: Mapper[M], key: str, stamp: bytes | None) -> DataError | None:
    try:
        version = stored_version(key, stamp)
    except DataError as exc:
        return exc
    if version == shape.version:
        return None
    kind = RecordTooNewError if version > shape.version else RecordTooOldError
    return kind(key, version, shape.version)


def _refused(key: str, error: ResponseError) -> DataError:
    ours: RedisModelsError = WrongKeyTypeError(key) if str(error).startswith("WRONGTYPE") else translate(error)
    if isinstance(ours, DataError):
        return ours
    raise ours from error


def sweep(shape: Mapper[M], keys: Sequence[str]) -> RoundTrips[int]:
    """Take members out of the index whose record is gone; give how many of ``keys`` are alive."""
    replies = yield from call(_SWEEP, [_SWEEP.command([shape.keys.index, *keys], ())])
    if isinstance(replies[0], NoPermissionError):  # who may only read may read all the same
        sizes = yield [("HLEN", key) for key in keys]
        return sum(type(size) is int and size > 0 for size in sizes)
    return cast(int, check(replies)[0])


def _is_scored(reply: Reply) -> bool:
    """Whether a member of an index, which comes with its score, has another one than 0."""
    if not isinstance(reply, list) or not reply:
        return False
    last: object = cast("list[object]", reply)[-1]  # RESP3 has a pair in its place
    return float(cast(bytes, cast("list[object]", last)[-1] if isinstance(last, list) else last)) != 0


def members(shape: Mapper[M], reply: Reply) -> list[bytes]:
    """Give what an index answers, or raise what it refuses."""
    if isinstance(reply, ResponseError):
        raise no_index(shape) if str(reply).startswith("WRONGTYPE") else translate(reply)
    return cast("list[bytes]", reply)
