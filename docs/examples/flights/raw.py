"""Look at the database without any model: the bytes of every record, and keys that belong to no model."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import redis

from both_cores import in_both
from source import record_id

__all__ = ["Print", "key_of", "print_of", "prints_of", "strangers", "text_of"]

_START: Final = "flights:flight:"
_INDEX: Final = "flights:flight:__index"
_BOOKKEEPING: Final = "redis_models:{"
_PIECE: Final = 4_000

Record = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Print:
    """What is kept of a record to recognise it.

    Attributes:
        digest: Of all its fields and their bytes, without the counter.
        views: The counter.
    """

    digest: bytes
    views: int


def key_of(id: str) -> str:
    """Give the Redis key of a flight."""
    return f"{_START}{id}"


def print_of(record: Record) -> Print:
    """Take the print of a record; the order of hash fields means nothing."""
    fields = sorted(pair for pair in record.items() if pair[0] != b"views")
    return Print(hashlib.blake2b(repr(fields).encode(), digest_size=16).digest(), int(record[b"views"]))


def prints_of(socket: str, count: int) -> dict[str, Print]:
    """Take the prints of all flights that are there, by id."""
    ids = [record_id(number) for number in range(1, count + 1)]
    pieces = [ids[start : start + _PIECE] for start in range(0, count, _PIECE)]
    prints: dict[str, Print] = {}
    for some in in_both("reading every byte", partial(_prints, socket), pieces, _nothing):
        prints |= some
    return prints


def _prints(socket: str, ids: Iterable[str]) -> dict[str, Print]:
    with redis.Redis(unix_socket_path=socket) as client:
        pipeline = client.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(key_of(id))
        return {id: print_of(record) for id, record in zip(ids, pipeline.execute(), strict=True) if record}


def _nothing() -> None:
    """A plain client needs no preparation."""


def text_of(client: redis.Redis, key: str) -> dict[str, str]:
    """Give a record as text, as people look at it."""
    record = cast(Record, client.hgetall(key))  # redis-py does not know that this client answers bytes
    return {name.decode(): value.decode() for name, value in record.items()}


def strangers(client: redis.Redis) -> list[str]:
    """Give the keys that are neither a flight, nor the index, nor bookkeeping of the migrations."""
    found: list[str] = []
    for raw in client.scan_iter(count=10_000):
        key = raw.decode()
        is_flight = key.startswith(_START) and key.removeprefix(_START).isdecimal()
        if not is_flight and key != _INDEX and not key.startswith(_BOOKKEEPING):
            found.append(key)
    return found
