"""An application written for pydantic-aioredis: a stock of bottles.

Run by tests/compatibility/test_contract_shim.py.
"""

# Old applications are not typed against the new library.
# mypy: ignore-errors
# pyright: reportCallIssue=false

import asyncio
import sys
from datetime import date
from typing import Any, Optional

import redis.asyncio
from pydantic_aioredis import AutoModel, Model, RedisConfig, Store
from pydantic_aioredis.abstract import _AbstractModel
from pydantic_aioredis.config import RedisConfig as ConfigOfModule
from pydantic_aioredis.ext.FastAPI import FastAPIModel, PydanticAioredisCRUDRouter
from pydantic_aioredis.model import Model as ModelOfModule
from pydantic_aioredis.store import Store as StoreOfModule


class Bottle(Model):
    _primary_key_field: str = "label"
    _redis_prefix = "Cellar"
    label: str
    litres: float = 0.7
    filled: date
    note: Optional[str]  # noqa: UP045  # as it was written


class Shelf(AutoModel):
    _primary_key_field = "name"
    name: str
    bottles: int = 0


class Guest(FastAPIModel):
    _primary_key_field = "name"
    name: str


async def main(socket_path: str) -> None:
    assert (ConfigOfModule, ModelOfModule, StoreOfModule) == (RedisConfig, Model, Store)
    store = Store(name="cellar", redis_config=RedisConfig(port=1024, db=1), life_span_in_seconds=3600)
    store.redis_store = redis.asyncio.Redis(unix_socket_path=socket_path, decode_responses=True)
    models: list[type[Model]] = [Bottle, Shelf]
    for model in models:
        store.register_model(model)
    PydanticAioredisCRUDRouter(schema=Guest, store=store)
    assert store.model("bottle") is Bottle and store.model("Guest") is Guest

    records = [Bottle(label=name, filled=date(1990, 1, day), note=None) for day, name in enumerate("abc", 1)]
    assert await Bottle.insert(records) == [4, 1, 4, 1, 4, 1]
    assert await Bottle.select() == records
    assert await Bottle.select(columns=["litres", "filled"], ids=["b"]) == [{"litres": "0.7", "filled": "1990-01-02"}]
    stored: Any = await store.redis_store.hgetall("cellar:bottle:a")
    assert Bottle(**Bottle.deserialize_partially(stored)) == records[0]
    async with records[0].update() as bottle:
        bottle.litres = 1.5
    assert await Bottle.select(ids=["a"]) == records[:1]
    assert await Bottle.delete(ids=["a", "b"]) == [2, 2]
    assert await Bottle.delete() == [1, 1]
    assert await Bottle.delete() is None
    assert await Bottle.select() is None

    shelf = Shelf(name="top")
    shelf.bottles = 5
    assert await Shelf.select() == [shelf]
    await Guest.insert(Guest(name="Ann"))
    assert await Guest.select_or_404() == [Guest(name="Ann")]
    assert await Guest.delete() == [1, 1]
    assert _AbstractModel.json_object_hook({"a": 1}) == {"a": 1}

    await store.redis_store.aclose()
    await store.aclose()


asyncio.run(main(sys.argv[1]))
print("done")
