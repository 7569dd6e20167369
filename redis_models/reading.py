"""Read records: each verb once, as a generator of command batches (see ``batches``)."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar, cast

from pydantic import BaseModel
from redis.exceptions import ResponseError

from .batches import Batches, Command, Reply, call, check, load_script, refused, send
from .errors import DataError, NotFoundError, RecordTooNewError, RecordTooOldError, WrongKeyTypeError
from .shape import STAMP, Shape, stored_version
from .store import Upgrader

__all__ = ["READ_CHUNK", "count", "exists", "fetch", "hash_of", "index_after", "index_page", "loaded", "read", "select", "select_columns"]

M = TypeVar("M", bound=BaseModel)
READ_CHUNK: Final = 500  # records asked for in one batch: large enough to hide the round trip, a few MB at most
_SWEEP: Final = load_script("redis_models", "sweep")


def read(shape: Shape[M], upgrader: Upgrader | None, key: str) -> Batches[M]:
    """Read one record.

    Raises:
        NotFoundError: There is none.
        DecodeError: It does not read back as the model.
        RecordTooNewError: Newer code wrote it.
        RecordTooOldError: Older code wrote it, and no migration is known here.
        WrongKeyTypeError: The key holds no hash.

    Cost:
        One round trip; two for a record of an older version.
    """
    [record] = yield from fetch(shape, upgrader, [key])
    if record is None:
        raise NotFoundError(shape.model.__name__, key)
    return loaded(shape, key, record)


def fetch(
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str], bad: list[DataError] | None = None
) -> Batches[list[dict[str, bytes] | None]]:
    """Read the stored fields of records, at the model's version.

    Args:
        shape: The model.
        upgrader: What brings older records up in memory; without one they are refused.
        keys: Where they lie.
        bad: Where errors of single records go; without it the first is raised.

    Returns:
        One entry a key, in order: the stored fields that the model declares, or None where there is no record, or a bad
        one that was reported.
    """
    found: list[dict[str, bytes] | None] = []
    for start in range(0, len(keys), READ_CHUNK):
        chunk = keys[start : start + READ_CHUNK]
        replies = yield [("HMGET", key, STAMP, *shape.names) for key in chunk]
        for key, reply in zip(chunk, replies, strict=True):
            record = None
            try:
                try:
                    record = _opened(shape, key, reply)
                except RecordTooOldError as old:
                    record = yield from _upgraded(shape, upgrader, old)
            except DataError as exc:
                _report(exc, bad)
            found.append(record)
    return found


def select(
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str] | None, skip: int | None, limit: int | None,
    bad: list[DataError] | None,
) -> Batches[list[M]]:
    """Read many records, all or by key, in the order of their keys.

    Cost:
        O(log n + page) for a page of the index; members whose record is gone are swept and do not shorten the page.
    """
    found: list[M] = []
    position, wanted = skip or 0, limit
    while wanted is None or wanted > 0:
        if keys is None:
            page = yield from index_page(shape, position, READ_CHUNK if wanted is None else min(wanted, READ_CHUNK))
        else:
            page = list(keys[position : None if wanted is None else position + wanted])
        records = yield from fetch(shape, upgrader, page, bad)
        present = [(key, record) for key, record in zip(page, records, strict=True) if record is not None]
        swept = 0
        if keys is None and len(present) < len(page):
            swept = yield from _sweep(shape, [key for key, one in zip(page, records, strict=True) if one is None])
        for key, record in present:
            try:
                found.append(loaded(shape, key, record))
            except DataError as exc:
                _report(exc, bad)
        position += len(page) - swept
        wanted = None if wanted is None else wanted - len(present)
        if not page or keys is not None and position >= len(keys):
            break
    return found


def select_columns(
    shape: Shape[M], upgrader: Upgrader | None, keys: Sequence[str] | None, columns: Sequence[str], skip: int | None,
    limit: int | None,
) -> Batches[list[dict[str, object]]]:
    """Read some fields of many records: a dict a record, in the order of ``columns``; an absent field is None."""
    fields = [shape.field(name) for name in columns]
    if keys is None:
        keys = yield from index_page(shape, skip or 0, limit)
    else:
        keys = keys[skip or 0 : None if limit is None else (skip or 0) + limit]
    records = yield from fetch(shape, upgrader, keys)
    found: list[dict[str, object]] = []
    for key, record in zip(keys, records, strict=True):
        if record is not None:
            values = {field.name: record.get(field.name) for field in fields}
            found.append(
                {
                    field.name: None if (raw := values[field.name]) is None else shape.decode_field(key, field, raw)
                    for field in fields
                }
            )
    return found


def exists(keys: Sequence[str]) -> Batches[list[bool]]:
    """Tell for each key whether it exists, in one round trip."""
    replies = yield from send([("EXISTS", key) for key in keys])
    return [reply == 1 for reply in replies]


def count(shape: Shape[M]) -> Batches[int]:
    """Count the records that exist now; members of the index whose record is gone are swept.

    Cost:
        One script call for every 1,000 records.
    """
    total, after = 0, None
    while True:
        page = yield from index_after(shape, after, 1000)
        if not page:
            return total
        [alive] = check((yield from call(_SWEEP, [_SWEEP.command([shape.keys.index, *page], ())])))
        total += cast(int, alive)
        after = page[-1]


def index_page(shape: Shape[M], skip: int, limit: int | None) -> Batches[list[str]]:
    """Give ``limit`` record keys of the index from position ``skip`` on, in lexicographic order."""
    [reply] = yield from send([("ZRANGE", shape.keys.index, skip, -1 if limit is None else skip + limit - 1)])
    return _texts(reply)


def index_after(shape: Shape[M], after: str | None, limit: int) -> Batches[list[str]]:
    """Give the next ``limit`` record keys of the index after ``after``, or the first: stable while others write."""
    start = "-" if after is None else f"({after}"
    [reply] = yield from send([("ZRANGEBYLEX", shape.keys.index, start, "+", "LIMIT", 0, limit)])
    return _texts(reply)


def loaded(shape: Shape[M], key: str, record: dict[str, bytes]) -> M:
    """Make an instance of stored fields that remembers them, so that a save writes what changed."""
    instance = shape.decode(key, record)
    object.__setattr__(instance, "__record__", (key, record))
    return instance


def _opened(shape: Shape[M], key: str, reply: Reply) -> dict[str, bytes] | None:
    """Give the stored fields in an HMGET reply; None where there is no record.

    Raises:
        RecordTooOldError: It must be upgraded first.
    """
    if isinstance(reply, ResponseError):
        raise WrongKeyTypeError(key) if str(reply).startswith("WRONGTYPE") else refused(reply)
    stamp, *raws = cast("list[bytes | None]", reply)
    if stamp is None and all(raw is None for raw in raws):
        return None
    version = stored_version(key, stamp)
    if version > shape.version:
        raise RecordTooNewError(key, version, shape.version)
    if version < shape.version:
        raise RecordTooOldError(key, version, shape.version)
    return {name: raw for name, raw in zip(shape.names, raws, strict=True) if raw is not None}


def _upgraded(shape: Shape[M], upgrader: Upgrader | None, old: RecordTooOldError) -> Batches[dict[str, bytes] | None]:
    """Read a record of an older version whole, and bring it up in memory; None where it is gone by now."""
    if upgrader is None:
        raise old
    [reply] = yield from send([("HGETALL", old.key)])
    record = hash_of(reply)
    if not record:
        return None
    if stored_version(old.key, record.get(STAMP)) < shape.version:
        record = upgrader.upgrade(shape.model, old.key, record)
    return {name: record[name] for name in shape.names if name in record}


def hash_of(reply: Reply) -> dict[str, bytes]:
    """Give the reply of HGETALL as a dict, under either protocol."""
    if isinstance(reply, Mapping):
        pairs = cast("Mapping[bytes, bytes]", reply).items()
    else:
        flat = iter(cast("list[bytes]", reply))
        pairs = zip(flat, flat, strict=True)
    return {name.decode("utf-8", "surrogateescape"): raw for name, raw in pairs}


def _sweep(shape: Shape[M], keys: Sequence[str]) -> Batches[int]:
    """Take dead members out of the index; give how many of ``keys`` were dead."""
    [alive] = check((yield from call(_SWEEP, [_SWEEP.command([shape.keys.index, *keys], ())])))
    return len(keys) - cast(int, alive)


def _report(exc: DataError, bad: list[DataError] | None) -> None:
    if bad is None:
        raise exc
    bad.append(exc)


def _texts(reply: Reply) -> list[str]:
    return [raw.decode("utf-8", "surrogatepass") for raw in cast("list[bytes]", reply)]
