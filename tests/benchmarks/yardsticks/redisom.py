"""redis-om: its ``HashModel``, without RediSearch, as most servers are; it finds all records by SCAN then."""

import importlib
from collections.abc import Iterator, Sequence
from types import new_class
from typing import Any

from ..records import Kind, Row
from ..server import Server
from .redispy import nested_of
from .table import NotComparableError, Table

__all__ = ["RedisOm"]


class RedisOm(Table):
    """Objects are its models."""

    name = "redis-om"
    share = 0.25

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        library: Any = importlib.import_module("redis_om")
        if nested_of(kind):
            raise NotComparableError("its HashModel refuses nested models")
        meta = type("Meta", (), {"database": library.get_redis_connection(url=server.url, decode_responses=True)})
        body = {
            "__module__": __name__,
            "__annotations__": kind.annotations,
            "id": library.Field(primary_key=True),
            "Meta": meta,
        }
        # Not that anything would be indexed; but without it there are no keys.
        self._model: Any = new_class("Customer", (library.HashModel,), {"index": True}, lambda made: made.update(body))

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self._model(**row) for row in rows]

    def plain(self, instance: Any) -> Row:
        return {name: getattr(instance, name) for name in self.kind.columns}

    def insert(self, objects: Sequence[Any]) -> None:
        self._model.add(objects)

    def select(self) -> list[Any]:
        return [self._model.get(id) for id in self._model.all_pks()]

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            instance.save()

    def get(self, ids: Sequence[str]) -> list[Any]:
        return [self._model.get(id) for id in ids]

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        for id, value in zip(ids, visits, strict=True):
            self._model.get(id).update(visits=value)

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value
            instance.save()

    def iterate(self) -> Iterator[Any]:
        for id in self._model.all_pks():
            yield self._model.get(id)
