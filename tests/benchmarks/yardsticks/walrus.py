"""walrus: its ``Model``, whose instances of datetime have no zone."""

import importlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ..records import Kind, Row
from ..server import Server
from .table import Table

__all__ = ["Walrus"]


class Walrus(Table):
    """Objects are its models."""

    name = "walrus"
    share = 0.1

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        library: Any = importlib.import_module("walrus")
        fields = {
            str: library.TextField, int: library.IntegerField, float: library.FloatField, bool: library.BooleanField,
            datetime: library.DateTimeField,
        }  # fmt: skip
        self._database = library.Database(host="127.0.0.1", port=server.port)
        body: dict[str, Any] = {"__module__": __name__, "__database__": self._database}
        for name, type_ in kind.annotations.items():
            options = {"primary_key": True} if name == "id" else {}
            body[name] = fields.get(type_, library.JSONField)(**options)
        self._model: Any = type("Customer", (library.Model,), body)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self._model(**{name: _without_zone(value) for name, value in row.items()}) for row in rows]

    def plain(self, instance: Any) -> Row:
        return {name: _with_zone(getattr(instance, name)) for name in self.kind.columns}

    def insert(self, objects: Sequence[Any]) -> None:
        self.save(objects)  # it has nothing for many at once

    def select(self) -> list[Any]:
        return list(self._model.all())

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            instance.save()

    def get(self, ids: Sequence[str]) -> list[Any]:
        return [self._model.load(id) for id in ids]

    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        self.assign(self.get(ids), visits)

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value
            instance.save()

    def iterate(self) -> Iterator[Any]:
        return iter(self._model.all())

    def close(self) -> None:
        self._database.close()


def _without_zone(value: object) -> object:
    return value.astimezone().replace(tzinfo=None) if isinstance(value, datetime) else value


def _with_zone(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
