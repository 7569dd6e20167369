"""Read records, as generators of round trips (see ``commands``)."""

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
from .tracking import track_read

__all__ = [
    "INDEX_COMMAND_COUNT",
    "NOT_A_SORTED_SET",
    "READ_CHUNK",
    "SWEEP_CHUNK",
    "FetchedRecord",
    "count",
    "exists",
    "fetch",
    "index_after",
    "index_commands",
    "index_error",
    "index_members",
    "keys_at",
    "make_instance",
    "parse_keys",
    "parse_records",
    "read",
    "read_commands",
    "sweep",
    "ttl",
]

M = TypeVar("M", bound=StoredModel)
READ_CHUNK: Final = 500  # records per batch: large enough to hide the round trip, a few MB at most
NOT_A_SORTED_SET: Final = "is not a sorted set"
INDEX_COMMAND_COUNT: Final = 3  # commands of ``asking_index``
SWEEP_CHUNK: Final = 1000  # members of the index that one script checks
_SWEEP: Final = load_script("redis_models", "permissions", "sweep", is_repeatable=True)

# One record: its stored fields at the model's version, the error if it cannot be read, or None if it does not exist.
FetchedRecord = dict[str, bytes] | DataError | None


def read(mapper: Mapper[M], upgrader: Upgrader | None, key: str) -> RoundTrips[M]:
    """Read one record.

    Raises:
        NotFoundError: There is none.
        DecodeError: It does not read back as the model.
        RecordTooNewError: Newer code wrote it.
        RecordTooOldError: Older code wrote it, and no migration is known here.
        WrongKeyTypeError: The key does not hold a hash.

    Cost:
        One round trip; two if the record is of an older version or does not exist.
    """
    [record] = yield from fetch(mapper, upgrader, [key])
    if record is None:
        raise NotFoundError(mapper.model.__name__, key)
    return make_instance(mapper, key, record)


def fetch(
    mapper: Mapper[M], upgrader: Upgrader | None, keys: Sequence[str], names: Sequence[str] | None = None
) -> RoundTrips[list[FetchedRecord]]:
    """Read the stored fields of records, at the model's version.

    Args:
        mapper: The model.
        upgrader: Upgrades older records in memory; without one they are refused.
        keys: Keys of the records.
        names: Stored fields to read; None means all fields of the model, and extra ones if it takes them.

    Returns:
        One entry for each key, in order.

    Cost:
        One round trip for every 500; one more for older or missing records; two more if older ones are written back.
    """
    found: list[FetchedRecord] = []
    for start in range(0, len(keys), READ_CHUNK):
        chunk = keys[start : start + READ_CHUNK]
        found += yield from parse_records(mapper, upgrader, names, chunk, (yield read_commands(mapper, names, chunk)))
    return found


def read_commands(mapper: Mapper[M], names: Sequence[str] | None, keys: Sequence[str]) -> list[Command]:
    """Give the commands that read the fields of records."""
    if names is None and mapper.reads_whole:
        return [("HGETALL", key) for key in keys]
    fields = (*(mapper.names if names is None else names), STAMP)
    return [("HMGET", key, *fields) for key in keys]


def parse_records(
    mapper: Mapper[M],
    upgrader: Upgrader | None,
    names: Sequence[str] | None,
    keys: Sequence[str],
    replies: Sequence[Reply],
) -> RoundTrips[list[FetchedRecord]]:
    """Parse the replies to ``read_commands``; read older and apparently missing records again, whole."""
    if names is None and mapper.reads_whole:
        whole = [_parse_whole(mapper, upgrader, None, key, reply) for key, reply in zip(keys, replies, strict=True)]
        yield from _write_back(mapper, upgrader, keys, replies)
        return whole
    names = mapper.names if names is None else names
    # One cast for all rows: a call of ``cast`` for each record would be measurable in a select.
    rows = cast("Sequence[list[bytes | None] | ResponseError]", replies)
    records = [_parse_fields(mapper, names, key, row) for key, row in zip(keys, rows, strict=True)]
    to_read_whole = [
        position for position, record in enumerate(records) if record is None or isinstance(record, RecordTooOldError)
    ]
    if to_read_whole:
        # Whole: an upgrade needs the old fields, and an existing record may lack all fields that were read.
        whole_replies = yield [("HGETALL", keys[position]) for position in to_read_whole]
        for position, reply in zip(to_read_whole, whole_replies, strict=True):
            records[position] = _parse_whole(mapper, upgrader, names, keys[position], reply)
        yield from _write_back(mapper, upgrader, [keys[position] for position in to_read_whole], whole_replies)
    return records


def exists(key: str) -> RoundTrips[bool]:
    """Tell whether a record exists.

    Raises:
        WrongKeyTypeError: The key does not hold a hash.
    """
    [fields] = yield [("HLEN", key)]
    if isinstance(fields, ResponseError):
        raise _error_of(key, fields)
    return fields != 0


def ttl(mapper: Mapper[M], key: str) -> RoundTrips[float | None]:
    """Give the remaining TTL of a record in seconds, to the millisecond; None if it has no TTL.

    Raises:
        NotFoundError: There is no such record.
        WrongKeyTypeError: The key does not hold a hash.
    """
    fields, left_ms = yield [("HLEN", key), ("PTTL", key)]
    if isinstance(fields, ResponseError):
        raise _error_of(key, fields)
    check([left_ms])
    if left_ms == -2:
        raise NotFoundError(mapper.model.__name__, key)
    return None if left_ms == -1 else cast(int, left_ms) / 1000


def count(mapper: Mapper[M]) -> RoundTrips[int]:
    """Count the records that exist now; members of the index without a record are removed.

    A record is a hash under a key of the model that is a member of the index. Other members are not counted; they stay
    in the index, and ``verify`` reports them.

    Cost:
        Two round trips for every 1,000 records.
    """
    total, after = 0, None
    while True:
        page = yield from index_after(mapper, after, SWEEP_CHUNK)
        if not page:
            return total
        total += yield from sweep(mapper, page)
        after = page[-1]


def index_after(mapper: Mapper[M], after: str | None, limit: int) -> RoundTrips[list[str]]:
    """Give the next ``limit`` record keys of the index after ``after``, or the first ones.

    The order is stable while other clients write. Only keys of the model are given, even if the index has other
    members, and fewer than ``limit`` only at the end.
    """
    return (yield from parse_keys(mapper, (yield index_commands(mapper, after, limit)), after, limit))


def index_commands(mapper: Mapper[M], after: str | None, limit: int) -> list[Command]:
    """Give the commands that read the next keys of the index, and the scores of its first and last member."""
    index = mapper.keys.index
    return [
        ("ZRANGEBYLEX", index, "-" if after is None else f"({after}", "+", "LIMIT", 0, limit),
        ("ZRANGE", index, 0, 0, "WITHSCORES"),
        ("ZRANGE", index, -1, -1, "WITHSCORES"),
    ]


def parse_keys(mapper: Mapper[M], replies: Sequence[Reply], after: str | None, limit: int) -> RoundTrips[list[str]]:
    """Parse the replies to ``index_commands`` into the keys that ``index_after`` gives.

    Cost:
        No round trip if all members are keys of the model with score 0; else two, and one for 1,000 other members.
    """
    reply, *ends = replies
    found = index_members(mapper, reply)
    last = None if after is None else bytes_of(after)
    # If members have other scores than 0, a range by name may end too early or never.
    if mapper.keys.are_next(found, last) and not any(map(_has_score, ends)):
        return [text_of(raw) for raw in found]
    if last is None:
        return (yield from keys_at(mapper, 0, limit))
    [rank] = check((yield [("ZRANK", mapper.keys.index, last)]))
    if rank is not None:
        return (yield from keys_at(mapper, cast(int, rank) + 1, limit))
    return (yield from keys_at(mapper, 0, limit, last))


def keys_at(mapper: Mapper[M], position: int, limit: int, after: bytes | None = None) -> RoundTrips[list[str]]:
    """Give the next ``limit`` record keys of the index from a position on; only keys after ``after``."""
    own: list[bytes] = []
    count = limit
    while len(own) < limit:
        [reply] = yield [("ZRANGE", mapper.keys.index, position, position + count - 1)]
        found = index_members(mapper, reply)
        own += [key for key in mapper.keys.owned_members(found) if after is None or key > after]
        if len(found) < count:
            break
        position, count = position + count, SWEEP_CHUNK
    return [text_of(raw) for raw in own[:limit]]


def make_instance(mapper: Mapper[M], key: str, record: FetchedRecord) -> M:
    """Make an instance from stored fields; it tracks them, so that a save writes only changes.

    Raises:
        DataError: The record cannot be read.
    """
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    instance = mapper.decode(key, stored)
    pk = track_read(mapper, instance, key, stored)
    if type(pk) is not str or mapper.start + pk != key:  # nearly never
        mapper.check_key(key, pk)
    return instance


def index_error(mapper: Mapper[M]) -> DataError:
    """Make the error of a key that should be the index but is not a sorted set."""
    key = mapper.keys.index
    return ConflictError(
        key,
        f"{NOT_A_SORTED_SET}, hence no index; if pydantic-aioredis wrote this table, run 'redis-models adopt', else"
        f" look with 'TYPE {key}', and rename that key",
    )


def _parse_fields(
    mapper: Mapper[M], names: Sequence[str], key: str, values: list[bytes | None] | ResponseError
) -> FetchedRecord:
    """Parse a reply of HMGET; RecordTooOldError or None means that the record must be read whole."""
    if isinstance(values, ResponseError):
        return _error_of(key, values)
    stamp = values[-1]
    if stamp == mapper.stamp and None not in values:
        return dict(zip(names, cast("list[bytes]", values), strict=False))  # the stamp comes last
    record = {name: raw for name, raw in zip(names, values, strict=False) if raw is not None}
    if stamp == mapper.stamp:
        return record
    if stamp is None and not record:
        return None
    return _version_error(mapper, key, stamp) or record


def _parse_whole(
    mapper: Mapper[M], upgrader: Upgrader | None, names: Sequence[str] | None, key: str, reply: Reply
) -> FetchedRecord:
    """Parse a reply of HGETALL; an older record is upgraded in memory."""
    if isinstance(reply, ResponseError):
        return _error_of(key, reply)
    record = hash_of(reply)
    if not record:
        return None
    error = _version_error(mapper, key, record.get(STAMP))
    if isinstance(error, RecordTooOldError) and upgrader is not None:
        try:
            record, error = upgrader.upgrade(mapper.model, key, record), None
        except DataError as exc:
            error = exc
    if error is not None:
        return error
    if names is None:
        return {name: raw for name, raw in record.items() if not name.startswith(RESERVED)}
    return {name: record[name] for name in names if name in record}


def _write_back(
    mapper: Mapper[M], upgrader: Upgrader | None, keys: Sequence[str], replies: Sequence[Reply]
) -> RoundTrips[None]:
    """Make the upgrader store the records that it upgraded in memory."""
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
        if isinstance(_version_error(mapper, key, record.get(STAMP)), RecordTooOldError)
    ]
    if older:
        yield from upgrader.write_back(mapper.model, older)


def _version_error(mapper: Mapper[M], key: str, stamp: bytes | None) -> DataError | None:
    try:
        version = stored_version(key, stamp)
    except DataError as exc:
        return exc
    if version == mapper.version:
        return None
    kind = RecordTooNewError if version > mapper.version else RecordTooOldError
    return kind(key, version, mapper.version)


def _error_of(key: str, error: ResponseError) -> DataError:
    translated: RedisModelsError = WrongKeyTypeError(key) if str(error).startswith("WRONGTYPE") else translate(error)
    if isinstance(translated, DataError):
        return translated
    raise translated from error


def sweep(mapper: Mapper[M], keys: Sequence[str]) -> RoundTrips[int]:
    """Remove members without a record from the index; give how many of ``keys`` exist."""
    replies = yield from call(_SWEEP, [_SWEEP.command([mapper.keys.index, *keys], ())])
    if isinstance(replies[0], NoPermissionError):  # a user who may only read can still count
        sizes = yield [("HLEN", key) for key in keys]
        return sum(type(size) is int and size > 0 for size in sizes)
    return cast(int, check(replies)[0])


def _has_score(reply: Reply) -> bool:
    """Whether the reply has a member of the index whose score is not 0."""
    if not isinstance(reply, list) or not reply:
        return False
    last: object = cast("list[object]", reply)[-1]  # RESP3 has a pair in its place
    return float(cast(bytes, cast("list[object]", last)[-1] if isinstance(last, list) else last)) != 0


def index_members(mapper: Mapper[M], reply: Reply) -> list[bytes]:
    """Give the members in a reply; raise if it is an error."""
    if isinstance(reply, ResponseError):
        raise index_error(mapper) if str(reply).startswith("WRONGTYPE") else translate(reply)
    return cast("list[bytes]", reply)
