"""Read records: each verb once, as a generator of command batches (see ``batches``)."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

from redis.exceptions import NoPermissionError, ResponseError

from . import partial
from .batches import Ahead, Batches, Command, Reply, call, check, hash_of, load_script, refused, send
from .errors import (
    ConflictError,
    DataError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    WrongKeyTypeError,
)
from .remembered import remember
from .shape import RESERVED, STAMP, Shape, stored_version
from .store import Upgrader

if TYPE_CHECKING:
    from .model import Model

__all__ = [
    "READ_CHUNK",
    "Found",
    "Selection",
    "count",
    "exists",
    "fetch",
    "index_after",
    "loaded",
    "no_index",
    "read",
    "select",
    "select_columns",
    "ttl",
]

M = TypeVar("M", bound="Model")
Made = TypeVar("Made")
READ_CHUNK: Final = 500  # records asked for in one batch: large enough to hide the round trip, a few MB at most
_SWEPT: Final = 1000  # members of the index that one script looks at
_SWEEP: Final = load_script("redis_models", "sweep")

# What is known of one record: its stored fields at the model's version, why they cannot be had, or that there is none.
Found = dict[str, bytes] | DataError | None


@dataclass(frozen=True)
class Selection:
    """Which records to read.

    Attributes:
        keys: Where they lie, in the order wanted; None means all of the index, in its order.
        skip: How many to leave out first: of these keys those that exist, else members of the index.
        limit: How many to give at most, or None.
        after: Key of the index to begin after, or None.
    """

    keys: Sequence[str] | None = None
    skip: int = 0
    limit: int | None = None
    after: str | None = None

    def size_after(self, met: int) -> int:
        """How many to ask for next, when ``met`` records were met."""
        return READ_CHUNK if self.limit is None else min(self.limit - met, READ_CHUNK)


def read(shape: Shape[M], upgrader: Upgrader | None, key: str) -> Batches[M]:
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
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str], names: Sequence[str] | None = None
) -> Batches[list[Found]]:
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
        found += yield from _settled(shape, upgrader, names, chunk, (yield _asking(shape, names, chunk)))
    return found


def _asking(shape: Shape[M], names: Sequence[str] | None, keys: Sequence[str]) -> list[Command]:
    """Give what asks for the fields of some records."""
    if names is None and shape.takes_extras:
        return [("HGETALL", key) for key in keys]
    asked = (*(shape.names if names is None else names), STAMP)
    return [("HMGET", key, *asked) for key in keys]


def _settled(
    shape: Shape[M],
    upgrader: Upgrader | None,
    names: Sequence[str] | None,
    keys: Sequence[str],
    replies: Sequence[Reply],
) -> Batches[list[Found]]:
    """Give what the replies to ``_asking`` say of records; where they do not say enough, ask again."""
    if names is None and shape.takes_extras:
        whole = [_opened_whole(shape, upgrader, None, key, one) for key, one in zip(keys, replies, strict=True)]
        yield from _write_back(shape, upgrader, keys, replies)
        return whole
    names = shape.names if names is None else names
    records = [_opened(shape, names, key, reply) for key, reply in zip(keys, replies, strict=True)]
    unsettled = [place for place, one in enumerate(records) if one is None or isinstance(one, RecordTooOldError)]
    if unsettled:
        # Whole: an upgrade needs the fields of old, and a record may have none of those that were asked for.
        again = yield [("HGETALL", keys[place]) for place in unsettled]
        for place, reply in zip(unsettled, again, strict=True):
            records[place] = _opened_whole(shape, upgrader, names, keys[place], reply)
        yield from _write_back(shape, upgrader, [keys[place] for place in unsettled], again)
    return records


def select(
    shape: Shape[M], upgrader: Upgrader | None, selection: Selection, bad: list[DataError] | None
) -> Batches[list[M]]:
    """Read many records as instances.

    Args:
        shape: The model.
        upgrader: As in ``fetch``.
        selection: Which.
        bad: Takes the error of every record that cannot be read, which is then left out; else the first is raised.
    """
    return (yield from _gather(shape, upgrader, selection, None, functools.partial(loaded, shape), bad))


def select_columns(
    shape: Shape[M], upgrader: Upgrader | None, selection: Selection, columns: Sequence[str]
) -> Batches[list[dict[str, object]]]:
    """Read some fields of many records, as the seed gives them.

    Returns:
        A dict a record, in the order of ``columns``; a field that is not stored is None.
    """
    for name in columns:
        if not shape.takes_extras or name.startswith(RESERVED):
            shape.field(name)
    return (yield from _gather(shape, upgrader, selection, columns, functools.partial(_values, shape, columns), None))


def exists(key: str) -> Batches[bool]:
    """Tell whether there is a record.

    Raises:
        WrongKeyTypeError: The key holds no hash.
    """
    [fields] = yield [("HLEN", key)]
    if isinstance(fields, ResponseError):
        raise _refused(key, fields)
    return fields != 0


def ttl(shape: Shape[M], key: str) -> Batches[float | None]:
    """Give the seconds that a record still has, to the millisecond; None if it has no life span.

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


def count(shape: Shape[M]) -> Batches[int]:
    """Count the records that exist now; members of the index whose record is gone are swept.

    Cost:
        Two round trips for every 1,000 records.
    """
    total, after = 0, None
    while True:
        page = yield from index_after(shape, after, _SWEPT)
        if not page:
            return total
        total += yield from _sweep(shape, page)
        after = page[-1]


def index_after(shape: Shape[M], after: str | None, limit: int) -> Batches[list[str]]:
    """Give the next ``limit`` record keys of the index after ``after``, or the first: stable while others write."""
    [reply] = yield [_asking_index(shape, after, limit)]
    return _members(shape, reply)


def _asking_index(shape: Shape[M], after: str | None, limit: int) -> Command:
    return ("ZRANGEBYLEX", shape.keys.index, "-" if after is None else f"({after}", "+", "LIMIT", 0, limit)


def loaded(shape: Shape[M], key: str, record: Found) -> M:
    """Make an instance of stored fields that remembers them, so that a save writes what changed.

    Raises:
        DataError: The record cannot be read.
    """
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    instance = shape.decode(key, stored)
    remember(shape, instance, key, stored)
    return instance


def no_index(shape: Shape[M]) -> DataError:
    """Say that something else lies where the index should be."""
    key = shape.keys.index
    return ConflictError(
        key,
        "is no sorted set, hence no index; if pydantic-aioredis wrote this table, run 'redis-models adopt', else look"
        f" with 'TYPE {key}', and move it out of the way",
    )


def _gather(
    shape: Shape[M],
    upgrader: Upgrader | None,
    selection: Selection,
    names: Sequence[str] | None,
    make: Callable[[str, Found], Made],
    bad: list[DataError] | None,
) -> Batches[list[Made]]:
    """Read page after page until enough records are met; those that are gone do not count, and leave the index.

    While the server reads one page, the records of the page before are made.
    """
    made: list[Made] = []

    def make_all(page: Sequence[str], found: Sequence[Found]) -> None:
        for key, record in zip(page, found, strict=True):
            if record is not None:
                try:
                    made.append(make(key, record))
                except DataError as exc:
                    if bad is None:
                        raise
                    bad.append(exc)

    met, passed = 0, selection.skip
    if selection.keys is not None:
        passed = yield from _place_after(selection.keys, selection.skip)
    size = selection.size_after(met)
    page = yield from _page(shape, selection, passed, selection.after, size)
    former: tuple[Sequence[str], list[Found]] = (), []
    while page:
        passed += len(page)
        # How many more will be wanted if none of these is gone; the index is asked for them with these.
        more = selection.size_after(met + len(page)) if len(page) == size else 0
        asking = _asking(shape, names, page)
        if more and selection.keys is None:
            asking.append(_asking_index(shape, page[-1], more))
        replies = yield Ahead(asking)
        make_all(*former)
        yield ()
        found = yield from _settled(shape, upgrader, names, page, replies[: len(page)])
        former = page, found
        gone = [key for key, record in zip(page, found, strict=True) if record is None]
        if gone and selection.keys is None:
            yield from _sweep(shape, gone)
        if len(page) < size:
            break
        met += len(page) - len(gone)
        size = selection.size_after(met)
        if gone and selection.keys is None and 0 < size < READ_CHUNK:
            # Where some are gone more are; a page of one must not meet thousands of them one by one.
            yield from _sweep(shape, (yield from index_after(shape, page[-1], _SWEPT)))
        if more and more == size and selection.keys is None:
            page = _members(shape, replies[-1])
        else:
            page = yield from _page(shape, selection, passed, page[-1], size)
    make_all(*former)
    return made


def _place_after(keys: Sequence[str], skip: int) -> Batches[int]:
    """Give the place in ``keys`` after the first ``skip`` of them that exist: those that do not are on no page."""
    place = 0
    while skip and place < len(keys):
        there = yield from send([("EXISTS", key) for key in keys[place : place + READ_CHUNK]])
        for one in there:
            if skip == 0:
                break
            place, skip = place + 1, skip - cast(int, one)
    return place


def _page(shape: Shape[M], selection: Selection, passed: int, last: str | None, size: int) -> Batches[Sequence[str]]:
    """Give the keys of the next records: of those wanted, without the first ``passed``, or of the index."""
    if size <= 0:
        return ()
    if selection.keys is not None:
        return selection.keys[passed : passed + size]
    if last is not None:
        # By name, not by position: positions move while others insert and delete.
        return (yield from index_after(shape, last, size))
    [reply] = yield [("ZRANGE", shape.keys.index, passed, passed + size - 1)]
    return _members(shape, reply)


def _opened(shape: Shape[M], names: Sequence[str], key: str, reply: Reply) -> Found:
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
    shape: Shape[M], upgrader: Upgrader | None, names: Sequence[str] | None, key: str, reply: Reply
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
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str], replies: Sequence[Reply]
) -> Batches[None]:
    """Let the upgrader bring up in Redis what it brought up in memory."""
    if upgrader is None:
        return
    whole = {
        key: hash_of(one) for key, one in zip(keys, replies, strict=True) if one and not isinstance(one, Exception)
    }
    older = [
        key
        for key, record in whole.items()
        if isinstance(_version_error(shape, key, record.get(STAMP)), RecordTooOldError)
    ]
    if older:
        yield from upgrader.write_back(shape.model, older)


def _version_error(shape: Shape[M], key: str, stamp: bytes | None) -> DataError | None:
    try:
        version = stored_version(key, stamp)
    except DataError as exc:
        return exc
    if version == shape.version:
        return None
    kind = RecordTooNewError if version > shape.version else RecordTooOldError
    return kind(key, version, shape.version)


def _refused(key: str, error: ResponseError) -> DataError:
    translated: RedisModelsError = WrongKeyTypeError(key) if str(error).startswith("WRONGTYPE") else refused(error)
    if isinstance(translated, DataError):
        return translated
    raise translated from error


def _values(shape: Shape[M], columns: Sequence[str], key: str, record: Found) -> dict[str, object]:
    if isinstance(record, DataError):
        raise record
    stored = record or {}
    raws = {name: stored.get(name) for name in columns}
    values = partial.deserialize(shape, raws, getattr(shape.model, "json_object_hook", None), key=key)
    if shape.extras is not None:
        values |= shape._decode_extras(shape.extras, {name: raw for name, raw in stored.items() if name in raws})
    return values


def _sweep(shape: Shape[M], keys: Sequence[str]) -> Batches[int]:
    """Take members out of the index whose record is gone; give how many of ``keys`` are alive."""
    replies = yield from call(_SWEEP, [_SWEEP.command([shape.keys.index, *keys], ())])
    if isinstance(replies[0], NoPermissionError):  # who may only read may read all the same
        return (yield from send([("EXISTS", key) for key in keys])).count(1)
    return cast(int, check(replies)[0])


def _members(shape: Shape[M], reply: Reply) -> list[str]:
    if isinstance(reply, ResponseError):
        raise no_index(shape) if str(reply).startswith("WRONGTYPE") else refused(reply)
    return [raw.decode("utf-8", "surrogateescape") for raw in cast("list[bytes]", reply)]
