"""A table that pydantic-aioredis wrote, as it is found: its index, its keys, and what they need. Writes nothing.

That library put the text of a primary key into the key as it is, so that the same key may be a record of two models,
``shop:order:7`` of ``shop`` and of ``shop:order``. What decides is the primary key that the record itself holds.
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
from redis_models.records.read import no_index

__all__ = ["COUNT", "KeyFinding", "Verdict", "judge", "look", "pages", "size_of_index", "state_of_index"]


@dataclass(frozen=True)
class Verdict:
    """What a record of a model needs.

    Attributes:
        target: The key that it is to have; None where it must stay as it is.
        problem: Why it must, and what to do; None where it need not.
    """

    target: str | None = None
    problem: str | None = None


def judge(shape: Mapper[Any], key: str, raw: bytes | None, *, is_listed: bool) -> Verdict | None:
    """Say what a hash needs to become a record of a model.

    Args:
        shape: The model.
        key: Where the hash lies.
        raw: What it holds as the model's primary key, or None.
        is_listed: Whether the model's index has the key.

    Returns:
        None for a hash that seems to be none of this model's.
    """
    target, problem, spelled = None, None, False
    if raw is None:
        if _says_itself(shape, key):
            return Verdict(key)
        name = shape.primary_key
        problem = f"has no field {name!r}, the primary key, and its key does not say it; add it, or delete the hash"
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
            problem or f"holds the primary key {raw!r}, which belongs under {target!r}; correct it, or rename the key"
        )
    return Verdict(problem=problem) if spelled or is_listed or shape.keys.owns(key) else None


def _says_itself(shape: Mapper[Any], key: str) -> bool:
    """Whether a key says the primary key as this library spells it; one that is to be renamed may mean another's."""
    try:
        return shape.key_of(shape.primary_key_in(key)) == key
    except (DecodeError, InvalidPrimaryKeyError):
        return False


def _spells(shape: Mapper[Any], key: str, texts: Iterable[str]) -> bool:
    return key in (shape.keys.start + text for text in texts)


def _texts(raw: bytes) -> Iterator[str]:
    """How a key could spell what is stored, whatever its type: as it is, or without the quotes of JSON."""
    with suppress(ValueError):
        text = raw.decode()
        yield text
        inner: object = json.loads(text)
        if isinstance(inner, str):
            yield inner


def _spellings(value: object) -> Iterator[str]:
    """How that library spelled a value in a key; for enums it depended on the version of Python."""
    yield str(value)
    if isinstance(value, Enum):
        yield f"{type(value).__name__}.{value.name}"
        yield str(cast(object, value.value))


COUNT: Final = 1000  # keys or members of one step, as in passes
_NO_HASH: Final = "the key holds no hash; move it out of the model's prefix, or delete it"


@dataclass(frozen=True)
class KeyFinding:
    """A key that was met, and what is to be done about it.

    Attributes:
        key: The key.
        raw: What it holds as the primary key.
        is_stamped, is_indexed, is_left: Whether it has a stamp, is in the index, and in what is left of the old one.
        is_gone, is_hash: Whether nothing lies there, and whether a hash does.
        verdict: What it needs; None where it is no record of the model's.
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
        """Whether it is a record that can be taken over, or is already."""
        return self.target is not None

    @property
    def is_listed(self) -> bool:
        """Whether an index has it."""
        return self.is_indexed or self.is_left

    @property
    def target(self) -> str | None:
        """The key that it is to have."""
        return None if self.verdict is None else self.verdict.target

    @property
    def problem(self) -> str | None:
        """Why it cannot be taken over."""
        return None if self.verdict is None else self.verdict.problem


def look(shape: Mapper[Any], kind: str, keys: Sequence[bytes]) -> RoundTrips[list[KeyFinding]]:
    """Find out what is to be done about keys of a model whose index is of the type ``kind``.

    Cost:
        One round trip; one more where a key has gone.
    """
    if not keys:
        return []
    primary_key = shape.primary_key
    *records, indexed, left = yield [
        *(("HMGET", key, STAMP, primary_key) for key in keys),
        ("SMISMEMBER" if kind == "set" else "ZMSCORE", shape.keys.index, *keys),
        ("SMISMEMBER", shape.keys.beside("left"), *keys),
    ]
    if isinstance(indexed, Exception) and str(indexed).startswith("WRONGTYPE"):
        raise no_index(shape)
    indexed, left = cast("list[list[bytes | int | None]]", check([indexed, left]))
    # What has neither field may be a hash all the same.
    empty = [place for place, reply in enumerate(records) if reply == [None, None]]
    alive = yield from send([("EXISTS", keys[place]) for place in empty])
    gone = {place for place, reply in zip(empty, alive, strict=True) if reply == 0}
    return [
        _met(shape, text_of(key), records[place], indexed[place] not in (None, 0), left[place] == 1, place in gone)
        for place, key in enumerate(keys)
    ]


def _met(shape: Mapper[Any], key: str, reply: Reply, is_indexed: bool, is_left: bool, is_gone: bool) -> KeyFinding:
    is_listed = is_indexed or is_left
    if isinstance(reply, Exception):
        if not str(reply).startswith("WRONGTYPE"):
            check([reply])
        verdict = Verdict(problem=_NO_HASH) if is_listed or shape.keys.owns(key) else None
        return KeyFinding(key, None, False, is_indexed, is_left, is_gone=False, is_hash=False, verdict=verdict)
    stamp, raw = cast("list[bytes | None]", reply)
    verdict = None if is_gone else judge(shape, key, raw, is_listed=is_listed)
    return KeyFinding(key, raw, stamp is not None, is_indexed, is_left, is_gone, is_hash=not is_gone, verdict=verdict)


def state_of_index(shape: Mapper[Any]) -> RoundTrips[tuple[str, int]]:
    """Give the type of what lies at the index, none, set or zset, and its life span in ms, negative without one.

    Raises:
        ConflictError: Something else lies there.
    """
    key = shape.keys.index
    [kind, life_ms] = yield from send([("TYPE", key), ("PTTL", key)])
    text = cast(bytes, kind).decode()
    if text == "hash":
        raise ConflictError(
            key,
            "holds a hash, a record whose primary key is the name of the index; move it with"
            f" 'RENAME {key} {shape.key_of('__index')}', and run 'adopt' again",
        )
    if text not in ("none", "set", "zset"):
        raise no_index(shape)
    return text, cast(int, life_ms)


def pages(client: SyncClient, command: tuple[str, ...], options: tuple[str, ...]) -> Generator[list[bytes]]:
    """Give what SCAN or SSCAN finds, page by page."""
    cursor = "0"
    while True:
        [reply] = run(client, send([(*command, cursor, *options, "COUNT", COUNT)]))
        following, met = cast("tuple[bytes, list[bytes]]", reply)
        found = list(dict.fromkeys(met))
        # A small set comes whole, however large its server lets it become.
        for start in range(0, len(found), COUNT):
            yield found[start : start + COUNT]
        cursor = following.decode()
        if cursor == "0":
            return


def size_of_index(client: SyncClient, shape: Mapper[Any], kind: str) -> int:
    """Count the members of an index of that type; 0 where there is none."""
    [size] = run(client, send([("SCARD" if kind == "set" else "ZCARD", shape.keys.index)]))
    return cast(int, size)
