"""redis_models, blocking and asyncio."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from redis_models import AutoModel, Model, Store

from ..records import Kind, Row
from ..server import Server
from .table import Table

__all__ = ["Ours", "OursAsyncio", "model_of"]

_PAGE: Final = 500
_CLASS: Final = "Customer"


def model_of(kind: Kind, base: type[Model] = Model) -> type[Model]:
    """Declare a model of a kind of records."""
    body = {"__module__": __name__, "__annotations__": kind.annotations, "_primary_key_field": "id"}
    return type(_CLASS, (base,), body)


class Ours(Table):
    """Its blocking verbs."""

    name = "redis_models"

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        self._store = Store.from_url(server.url)
        self.model: Any = model_of(kind)
        self._auto: Any = model_of(kind, AutoModel)
        self._store.register_model(self.model)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self.model(**row) for row in rows]

    def plain(self, instance: Any) -> Row:
        row: Row = instance.model_dump()
        return row

    def insert(self, objects: Sequence[Any]) -> None:
        self.model.sync.insert(objects)

    def select(self) -> list[Any]:
        found: list[Any] = self.model.sync.select()
        return found

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            instance.sync.save()

    def get(self, ids: Sequence[str]) -> list[Any]:
        get = self.model.sync.get
        return [get(id) for id in ids]

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        patch = self.model.sync.patch
        for id, value in zip(ids, visits, strict=True):
            patch(id, visits=value)

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value

    def automatic(self, rows: Sequence[Row]) -> list[Any]:
        """Give stored objects of an AutoModel, in the place of the model; not timed."""
        self._store.register_model(self._auto)
        self.model = self._auto
        self.model.sync.insert([self.model.model_validate(row) for row in rows])
        found: list[Any] = self.model.sync.select()
        return found

    def page(self, skip: int, limit: int) -> list[Any]:
        found: list[Any] = self.model.sync.select(skip=skip, limit=limit)
        return found

    def iterate(self) -> Iterator[Any]:
        steps: Iterator[Any] = self.model.sync.iterate(_PAGE)
        return steps

    def close(self) -> None:
        self._store.close()


class OursAsyncio(Ours):
    """The same verbs in an event loop."""

    name = "redis_models, asyncio"

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        self._loop = asyncio.Runner()

    def insert(self, objects: Sequence[Any]) -> None:
        self._loop.run(self.model.insert(objects))

    def select(self) -> list[Any]:
        return self._loop.run(self.model.select())

    def save(self, objects: Sequence[Any]) -> None:
        async def work() -> None:
            for instance in objects:
                await instance.save()

        self._loop.run(work())

    def get(self, ids: Sequence[str]) -> list[Any]:
        async def work() -> list[Any]:
            return [await self.model.get(id) for id in ids]

        return self._loop.run(work())

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        async def work() -> None:
            for id, value in zip(ids, visits, strict=True):
                await self.model.patch(id, visits=value)

        self._loop.run(work())

    def page(self, skip: int, limit: int) -> list[Any]:
        return self._loop.run(self.model.select(skip=skip, limit=limit))

    def iterate(self) -> Iterator[Any]:
        steps: AsyncIterator[Any] = self.model.iterate(_PAGE)

        async def some() -> list[Any]:
            found: list[Any] = []
            async for step in steps:
                found.append(step)
                if len(found) == _PAGE:
                    break
            return found

        while page := self._loop.run(some()):
            yield from page

    def close(self) -> None:
        self._loop.run(self._store.aclose())
        self._loop.close()
        super().close()
