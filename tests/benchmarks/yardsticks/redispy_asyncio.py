"""Hand-written redis-py in asyncio: as ``redispy``, awaited."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import redis.asyncio

from ..records import Kind, Row
from ..server import Server
from .redispy import INDEX, as_stored, as_typed, key_of, keys_of, nested_of
from .table import BATCH, Table

__all__ = ["RedisPyAsyncio"]


class RedisPyAsyncio(Table):
    """Objects are those of ``RedisPy``."""

    name = "redis-py, asyncio"

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        self._client: Any = redis.asyncio.Redis(port=server.port, decode_responses=True)
        self._loop = asyncio.Runner()
        self._nested = nested_of(kind)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [as_stored(row) for row in rows]

    def plain(self, instance: Any) -> Row:
        return as_typed(self.kind, instance)

    def insert(self, objects: Sequence[Any]) -> None:
        async def work() -> None:
            for start in range(0, len(objects), BATCH):
                batch = objects[start : start + BATCH]
                pipeline = self._client.pipeline(transaction=False)
                for instance in batch:
                    pipeline.hset(key_of(instance["id"]), mapping=self._written(instance))
                pipeline.zadd(INDEX, keys_of(batch))
                await pipeline.execute()

        self._loop.run(work())

    def select(self) -> list[Any]:
        return self._loop.run(self._page(0, -1))

    def save(self, objects: Sequence[Any]) -> None:
        async def work() -> None:
            for instance in objects:
                await self._client.hset(key_of(instance["id"]), mapping=self._written(instance))

        self._loop.run(work())

    def get(self, ids: Sequence[str]) -> list[Any]:
        async def work() -> list[Any]:
            return self._finished([await self._client.hgetall(key_of(id)) for id in ids])

        return self._loop.run(work())

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        async def work() -> None:
            for id, value in zip(ids, visits, strict=True):
                await self._client.hset(key_of(id), "visits", value)

        self._loop.run(work())

    def page(self, skip: int, limit: int) -> list[Any]:
        return self._loop.run(self._page(skip, skip + limit - 1))

    def iterate(self) -> Iterator[Any]:
        async def after(start: str) -> tuple[list[str], list[Any]]:
            keys: list[str] = await self._client.zrangebylex(INDEX, start, "+", 0, BATCH)
            return keys, await self._read(keys)

        start = "-"
        while True:
            keys, found = self._loop.run(after(start))
            if not keys:
                return
            yield from found
            start = f"({keys[-1]}"

    def close(self) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()

    async def _page(self, first: int, last: int) -> list[Any]:
        return await self._read(await self._client.zrange(INDEX, first, last))

    async def _read(self, keys: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(keys), BATCH):
            pipeline = self._client.pipeline(transaction=False)
            for key in keys[start : start + BATCH]:
                pipeline.hgetall(key)
            found += self._finished(await pipeline.execute())
        return found

    def _finished(self, replies: list[Any]) -> list[Any]:
        for name in self._nested:
            for reply in replies:
                reply[name] = json.loads(reply[name])
        return replies

    def _written(self, row: Row) -> Row:
        return row if not self._nested else {**row, **{name: json.dumps(row[name]) for name in self._nested}}
