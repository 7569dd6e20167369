"""The scripts of the verbs on fakeredis, whose Lua is another one: refusals too, which take other ways there."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Field, Model, RedisConfig, Store
from redis_models.errors import ConflictError, EncodeError, NotFoundError, RecordTooNewError, WrongKeyTypeError

from .conftest import Call

fakeredis: Any = pytest.importorskip("fakeredis.aioredis")


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    stock: int = Field(default=5, ge=0)
    price: float = 1.0


@pytest.fixture
def fake() -> Iterator[Any]:
    client = fakeredis.FakeRedis(decode_responses=True)
    store = Store("fake", RedisConfig())
    store.redis_store = client
    store.register_model(Item)
    yield client
    Item._store = None


async def test_new_verbs_do_there_what_they_do_on_a_server(call: Call, fake: Any) -> None:
    assert await call(Item, "insert", [Item(id=id) for id in "abc"], 100) == [4, 1] * 3
    assert await call(Item, "increment", "a", "stock", -2) == 3
    assert await call(Item, "increment", "a", "price", 0.5) == 1.5
    assert 0 < await call(Item, "ttl", "a") <= 100
    await call(Item, "persist", "a")
    item = await Item.get("a")
    item.name = "new"
    await call(item, "save", if_unchanged=True)

    assert await fake.hgetall("item:a") == {"_v": "1", "id": "a", "name": "new", "stock": "3", "price": "1.5"}
    assert await call(Item, "ttl", "a") is None
    assert [item.id for item in await call(Item, "page", 2, "a")] == ["b", "c"]


async def test_what_a_server_refuses_is_refused_there(call: Call, fake: Any) -> None:
    await Item.insert([Item(id="a"), Item(id="b")])
    item = await Item.get("a")
    await fake.hset("item:a", "name", "theirs")
    await fake.hset("item:b", "_v", "9")
    await fake.set("item:text", "x")

    with pytest.raises(ConflictError, match="another client changed name"):
        await call(item, "save", if_unchanged=True)
    with pytest.raises(ConflictError, match="exists already"):
        await call(Item, "insert", Item(id="a"), only="new")
    with pytest.raises(EncodeError, match="would leave 0 to"):
        await call(Item, "increment", "a", "stock", -6)
    with pytest.raises(RecordTooNewError):
        await call(Item, "increment", "b", "stock")
    with pytest.raises(RecordTooNewError):
        await call(Item, "patch", "b", name="x")
    for verb, argument in (("increment", "stock"), ("expire", 5)):
        with pytest.raises(WrongKeyTypeError, match="item:text"):
            await call(Item, verb, "text", argument)
        with pytest.raises(NotFoundError):
            await call(Item, verb, "x", argument)
