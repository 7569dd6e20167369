"""popoto: its ``Model``; a hash of msgpack, with indexes of its own."""

import importlib
import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..records import Kind, Row
from ..server import Server
from .table import Table

__all__ = ["Popoto"]


class Popoto(Table):
    """Objects are its models."""

    name = "popoto"
    share = 0.1

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        os.environ["REDIS_URL"] = server.url  # which it reads when it is imported
        library: Any = importlib.import_module("popoto")
        importlib.import_module("popoto.redis_db").set_REDIS_DB_settings(host="127.0.0.1", port=server.port)
        body: dict[str, Any] = {"__module__": __name__, "id": library.UniqueKeyField(type=str)}
        for name, type_ in kind.annotations.items():
            if name != "id":
                is_plain = type_ in (str, int, float, bool, datetime)
                body[name] = library.Field(type=type_ if is_plain else dict)
        self._model: Any = type("Customer", (library.Model,), body)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self._model(**row) for row in rows]

    def plain(self, instance: Any) -> Row:
        return {name: getattr(instance, name) for name in self.kind.columns}

    def insert(self, objects: Sequence[Any]) -> None:
        self._model.bulk_create(list(objects))

    def select(self) -> list[Any]:
        return list(self._model.query.all())

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            instance.save()

    def get(self, ids: Sequence[str]) -> list[Any]:
        return [self._model.query.get(id=id) for id in ids]

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        self.assign(self.get(ids), visits)

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value
            instance.save(update_fields=["visits"])
