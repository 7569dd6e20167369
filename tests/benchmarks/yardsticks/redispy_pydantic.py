"""Hand-written redis-py with pydantic: models in, models out, by ``model_dump`` and ``model_validate``."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, create_model

from ..records import Kind, Row
from ..server import Server
from .redispy import RedisPy, key_of

__all__ = ["RedisPyPydantic"]


class RedisPyPydantic(RedisPy):
    """Objects are instances of a pydantic model, validated when they are made and when they are read."""

    name = "redis-py + pydantic"

    def __init__(self, server: Server, kind: Kind) -> None:
        super().__init__(server, kind)
        fields: dict[str, Any] = {name: (type, ...) for name, type in kind.annotations.items()}
        self._model: Any = create_model("Customer", **fields)

    def make(self, rows: Sequence[Row]) -> list[Any]:
        return [self._model(**row) for row in rows]

    def plain(self, instance: Any) -> Row:
        row: Row = instance.model_dump()
        return row

    def insert(self, objects: Sequence[Any]) -> None:
        super().insert([self._dumped(instance) for instance in objects])

    def save(self, objects: Sequence[Any]) -> None:
        for instance in objects:
            super().save([self._dumped(instance)])

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        for instance, value in zip(objects, visits, strict=True):
            instance.visits = value
            self._client.hset(key_of(instance.id), "visits", value)

    def _dumped(self, instance: BaseModel) -> Row:
        dumped = instance.model_dump(mode="json")
        return {name: str(value).lower() if isinstance(value, bool) else value for name, value in dumped.items()}

    def _finished(self, replies: list[Any]) -> list[Any]:
        validate = self._model.model_validate
        return [validate(values) for values in super()._finished(replies)]
