"""pydantic-redis: its blocking ``Model``; documents are JSON, the index is a sorted set."""

import importlib
from collections.abc import Sequence
from typing import Any

from ..records import Kind, Row
from ..server import Server
from .redispy import nested_of
from .table import NotComparableError, Table

__all__ = ["PydanticRedis"]


class PydanticRedis(Table):
    """Objects are its models."""

    name = "pydantic-redis"
    share = 0.1

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        library: Any = importlib.import_module("pydantic_redis")
        if nested_of(kind):
            raise NotComparableError("its nested models are records of their own")
        store = library.Store(name="bench", redis_config=library.RedisConfig(host="127.0.0.1", port=server.port))
        body = {"__module__": __name__, "__annotations__": kind.annotations, "_primary_key_field": "id"}
        self._model: Any = type("Customer", (library.Model,), body)
        store.register_model(self._model)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self._model(**row) for row in rows]

    def plain(self, instance: Any) -> Row:
        row: Row = instance.model_dump()
        return row

    def insert(self, objects: Sequence[Any]) -> None:
        self._model.insert(list(objects))

    def select(self) -> list[Any]:
        found: list[Any] = self._model.select()
        return found

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            self._model.insert(instance)

    def get(self, ids: Sequence[str]) -> list[Any]:
        return [self._model.select(ids=[id])[0] for id in ids]

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        for id, value in zip(ids, visits, strict=True):
            self._model.update(_id=id, data={"visits": value})

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value
            self._model.insert(instance)

    def page(self, skip: int, limit: int) -> list[Any]:
        found: list[Any] = self._model.select(skip=skip, limit=limit)
        return found
