"""A table that pydantic-aioredis wrote: its index, its keys, and what must be changed. Writes nothing.

That library wrote the text of a primary key into the key unescaped, so that the same key may be a record of two models,
``shop:order:7`` of ``shop`` and of ``shop:order``. The primary key that is stored in the record decides.
"""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import Reply, RoundTrips, check, send
from redis_models.client.drivers import run
from redis_models.encoding.raw_text import text_of
from redis_models.errors import ConflictError, DecodeError, InvalidPrimaryKeyError
from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import STAMP
from redis_models.records.read import index_error

from ..keyspace.results import HASH_EXPECTED

__all__ = ["COUNT", "KeyFinding", "Verdict", "judge", "look", "pages", "size_of_index", "state_of_index"]


@dataclass(frozen=True)
class Verdict:
    """What a record of a model needs.

    Attributes:
        target: The key that it must have; None if it cannot be taken over.
        problem: Why it cannot be taken over, and what to do; None if it can.
    """

    target: str | None = None
    problem: str | None = None


def judge(shape: Mapper[Any], key: str, raw: bytes | None, *, is_listed: bool) -> Verdict | None:
    """Decide what a hash needs to become a record of a model.

    Args:
        shape: The model.
        key: Of the hash.
        raw: Its value of the model's primary key, or None.
        is_listed: Whether the model's index has the key.

    Returns:
        None for a hash that does not seem to belong to this model.
    """
    target, problem, spelled = None, None, False
    if raw is None:
        if _says_itself(shape, key):
            return Verdict(key)
        name = shape.primary_key
        problem = (
            f"has no field {name!r}, the primary key, and its key does not tell it; add the field, or delete the hash"
        )
    else:
        try:
            value = shape.decode_one(key, shape.primary_key, raw)
            spelled = _spells(shape, key, _spellings(value))
            target = shape.key_of(value)
        except DecodeError as exc:
            problem = f"its primary key {exc.field!r} holds {exc.raw!r}: {exc.reason}; correct it, or delete the hash"
        except InvalidPrimaryKeyError as exc:
            problem = f"its primary key {exc.value!r} {exc.reason}"
        if target == key:
            return Verdict(target)
        spelled = spelled or _spells(shape, key, _texts(raw))
        if target is not None and spelled:
            return Verdict(target)
        problem = (
            problem
            or f"holds the primary key {raw!r}, which belongs to the key {target!r}; correct it, or rename the key"
        )
    return Verdict(problem=problem) if spelled or is_listed or shape.keys.owns(key) else None


def _says_itself(shape: Mapper[Any], key: str) -> bool:
    """Whether a key contains the primary key as this library writes it; a key that must be renamed may be ambiguous."""
    try:
        return shape.key_of(shape.primary_key_in(key)) == key
    except (DecodeError, InvalidPrimaryKeyError):
        return False


def _spells(shape: Mapper[Any], key: str, texts: Iterable[str]) -> bool:
    return key in (shape.keys.start + text for text in texts)


def _texts(raw: bytes) -> Iterator[str]:
    """How a key may contain a stored value of any type: unchanged, or without the quotes of JSON."""
    with suppress(ValueError):
        text = raw.decode()
        yield text
        inner: object = json.loads(text)
        if isinstance(inner, str):
            yield inner


def _spellings(value: object) -> Iterator[str]:
    """How pydantic-aioredis wrote a value into a key; for enums it depended on the version of Python."""
    yield str(value)
    if isinstance(value, Enum):
        yield f"{type(value).__name__}.{value.name}"
        yield str(cast(object, value.value))


COUNT: Final = 1000  # keys or members of one step, as in passes


@dataclass(frozen=True)
class KeyFinding:
    """A key that was found, and what to do with it.

    Attributes:
        key: The key.
        raw: Its value of the primary key.
        is_stamped, is_indexed, is_left: Whether it has a stamp, is in the index, and is in the rest of the old index.
        is_gone, is_hash: Whether the key does not exist, and whether it holds a hash.
        verdict: What it needs; None if it does not belong to the model.
    """

    key: str
    raw: bytes | None
    is_stamped: bool
    is_indexed: bool
    is_left: bool
    is_gone: bool
    is_hash: bool
    verdict: Verdict | None

    @property
    def is_record(self) -> bool:
        """Whether it can be taken over, or was taken over already."""
        return self.target is not None

    @property
    def is_listed(self) -> bool:
        """Whether an index has it."""
        return self.is_indexed or self.is_left

    @property
    def target(self) -> str | None:
        """The key that it must have."""
        return None if self.verdict is None else self.verdict.target

    @property
    def problem(self) -> str | None:
        """Why it cannot be taken over."""
        return None if self.verdict is None else self.verdict.problem


def look(shape: Mapper[Any], kind: str, keys: Sequence[bytes]) -> RoundTrips[list[KeyFinding]]:
    """Find out what to do with keys of a model whose index has the type ``kind``.

    Cost:
        One round trip; one more if a key does not exist.
    """
    if not keys:
        return []
    primary_key = shape.primary_key
    *records, indexed, left = yield [
        *(("HMGET", key, STAMP, primary_key) for key in keys),
        ("SMISMEMBER" if kind == "set" else "ZMSCORE", shape.keys.index, *keys),
        ("SMISMEMBER", shape.keys.backup_key("left"), *keys),
    ]
    if isinstance(indexed, Exception) and str(indexed).startswith("WRONGTYPE"):
        raise index_error(shape)
    indexed, left = cast("list[list[bytes | int | None]]", check([indexed, left]))
    # A key without either field may still hold a hash.
    empty = [place for place, reply in enumerate(records) if reply == [None, None]]
    alive = yield from send([("EXISTS", keys[place]) for place in empty])
    gone = {place for place, reply in zip(empty, alive, strict=True) if reply == 0}
    return [
        _finding(shape, text_of(key), records[place], indexed[place] not in (None, 0), left[place] == 1, place in gone)
        for place, key in enumerate(keys)
    ]


def _finding(shape: Mapper[Any], key: str, reply: Reply, is_indexed: bool, is_left: bool, is_gone: bool) -> KeyFinding:
    is_listed = is_indexed or is_left
    if isinstance(reply, Exception):
        if not str(reply).startswith("WRONGTYPE"):
            check([reply])
        verdict = Verdict(problem=HASH_EXPECTED) if is_listed or shape.keys.owns(key) else None
        return KeyFinding(key, None, False, is_indexed, is_left, is_gone=False, is_hash=False, verdict=verdict)
    stamp, raw = cast("list[bytes | None]", reply)
    verdict = None if is_gone else judge(shape, key, raw, is_listed=is_listed)
    return KeyFinding(key, raw, stamp is not None, is_indexed, is_left, is_gone, is_hash=not is_gone, verdict=verdict)


def state_of_index(shape: Mapper[Any]) -> RoundTrips[tuple[str, int]]:
    """Give the type of the index (none, set or zset), and its TTL in ms, negative if it has none.

    Raises:
        ConflictError: It has another type.
    """
    key = shape.keys.index
    [kind, ttl_ms] = yield from send([("TYPE", key), ("PTTL", key)])
    text = cast(bytes, kind).decode()
    if text == "hash":
        raise ConflictError(
            key,
            "holds a hash, a record whose primary key is the name of the index; rename it with"
            f" 'RENAME {key} {shape.key_of('__index')}', and run 'adopt' again",
        )
    if text not in ("none", "set", "zset"):
        raise index_error(shape)
    return text, cast(int, ttl_ms)


def pages(client: SyncClient, command: tuple[str, ...], options: tuple[str, ...]) -> Generator[list[bytes]]:
    """Give the results of SCAN or SSCAN, page by page."""
    cursor = "0"
    while True:
        [reply] = run(client, send([(*command, cursor, *options, "COUNT", COUNT)]))
        following, members = cast("tuple[bytes, list[bytes]]", reply)
        found = list(dict.fromkeys(members))
        # A set with a compact encoding comes in one page, which may be large.
        for start in range(0, len(found), COUNT):
            yield found[start : start + COUNT]
        cursor = following.decode()
        if cursor == "0":
            return


def size_of_index(client: SyncClient, shape: Mapper[Any], kind: str) -> int:
    """Count the members of an index of that type; 0 if it does not exist."""
    [size] = run(client, send([("SCARD" if kind == "set" else "ZCARD", shape.keys.index)]))
    return cast(int, size)
