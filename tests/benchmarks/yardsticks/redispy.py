"""Hand-written redis-py, blocking: pipelines of 500, a sorted set as the index, dicts in and out, nothing checked."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import redis

from ..records import Kind, Row
from ..server import Server
from .table import BATCH, Table

__all__ = ["INDEX", "RedisPy", "as_stored", "as_typed", "key_of", "keys_of", "nested_of"]

INDEX = "customer:__index"


def key_of(id: str) -> str:
    """Key of a record."""
    return f"customer:{id}"


def keys_of(objects: Sequence[Row]) -> dict[str, int]:
    """What ZADD takes."""
    return {key_of(instance["id"]): 0 for instance in objects}


def nested_of(kind: Kind) -> tuple[str, ...]:
    """Fields that are not scalars: redis-py does not accept them as they are."""
    return tuple(name for name, type in kind.annotations.items() if type not in (str, int, float, bool, datetime))


def as_stored(row: Row) -> Row:
    """Give a row of values that redis-py takes; its documents stay."""
    return {name: _as_stored(value) for name, value in row.items()}


def _as_stored(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, datetime) else value


def as_typed(kind: Kind, row: Row) -> Row:
    """Give the row that stored texts stand for."""
    return {name: _as_typed(type, row[name]) for name, type in kind.annotations.items() if name in row}


def _as_typed(type: Any, text: Any) -> object:
    if type is bool:
        return text == "true"
    if type is datetime:
        return datetime.fromisoformat(text.strip('"'))  # which is how redis_models writes it
    return type(text) if type in (str, int, float) else text


class RedisPy(Table):
    """Objects are dicts of values that redis-py takes, and of texts as it gives them."""

    name = "redis-py"

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        self._client: Any = redis.Redis(port=server.port, decode_responses=True)
        self._nested = nested_of(kind)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [as_stored(row) for row in rows]

    def plain(self, instance: Any) -> Row:
        return as_typed(self.kind, instance)

    def insert(self, objects: Sequence[Any]) -> None:
        for start in range(0, len(objects), BATCH):
            batch = objects[start : start + BATCH]
            pipeline = self._client.pipeline(transaction=False)
            for instance in batch:
                pipeline.hset(key_of(instance["id"]), mapping=self._written(instance))
            pipeline.zadd(INDEX, keys_of(batch))
            pipeline.execute()

    def select(self) -> list[Any]:
        return self._read(self._client.zrange(INDEX, 0, -1))

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            self._client.hset(key_of(instance["id"]), mapping=self._written(instance))

    def get(self, ids: Sequence[str]) -> list[Any]:
        return self._finished([self._client.hgetall(key_of(id)) for id in ids])

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        for id, value in zip(ids, visits, strict=True):
            self._client.hset(key_of(id), "visits", value)

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            self._client.hset(key_of(instance["id"]), "visits", value)

    def page(self, skip: int, limit: int) -> list[Any]:
        return self._read(self._client.zrange(INDEX, skip, skip + limit - 1))

    def iterate(self) -> Iterator[Any]:
        start = "-"
        while keys := self._client.zrangebylex(INDEX, start, "+", 0, BATCH):
            yield from self._read(keys)
            start = f"({keys[-1]}"

    def close(self) -> None:
        self._client.close()

    def _read(self, keys: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(keys), BATCH):
            pipeline = self._client.pipeline(transaction=False)
            for key in keys[start : start + BATCH]:
                pipeline.hgetall(key)
            found += self._finished(pipeline.execute())
        return found

    def _finished(self, replies: list[Any]) -> list[Any]:
        """Make objects of replies, in place."""
        for name in self._nested:
            for reply in replies:
                reply[name] = json.loads(reply[name])
        return replies

    def _written(self, row: Row) -> Row:
        return row if not self._nested else {**row, **{name: json.dumps(row[name]) for name in self._nested}}
