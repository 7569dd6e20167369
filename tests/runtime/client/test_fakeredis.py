"""A store on fakeredis: every verb in both worlds, on one and the same fake server."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from redis_models import Store
from redis_models.errors import NotFoundError, ServerUnreachableError

pytest.importorskip("lupa")  # what fakeredis runs scripts with
fakeredis: Any = pytest.importorskip("fakeredis")
aioredis: Any = pytest.importorskip("fakeredis.aioredis")
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]

WAYS: dict[str, Callable[[], Any]] = {
    "a server of its own": lambda: aioredis.FakeRedis(decode_responses=True),
    "bytes": lambda: aioredis.FakeRedis(),
    "a server object": lambda: aioredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True),
    "a url": lambda: aioredis.FakeRedis.from_url("redis://fake:1/3", decode_responses=True),
    "RESP3": lambda: aioredis.FakeRedis(decode_responses=True, protocol=3),
    "RESP2": lambda: aioredis.FakeRedis(decode_responses=True, protocol=2),
}


@pytest.fixture(params=WAYS)
async def fake_store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    store = Store.from_url("redis://nowhere.invalid")
    store.redis_store = fake = WAYS[request.param]()
    yield store
    await fake.flushall()
    await store.aclose()
    await fake.aclose()


async def test_the_verbs(fake_store: Store, models_of: ModelsOf) -> None:
    item, _ = models_of(fake_store)
    record = item(id="a", text="\u00e9")

    assert await item.insert([record, item(id="b")]) == [2, 1, 2, 1]
    assert await item.get("a") == record
    assert await item.get_many(["b", "c"]) == [item(id="b"), None]
    assert (await item.exists("a"), await item.exists("c"), await item.count()) == (True, False, 2)
    assert [each.id async for each in item.iterate()] == ["a", "b"]
    assert await item.select(skip=1) == [item(id="b")]
    assert await item.select(columns=["text"], ids=["a"]) == [{"text": "\u00e9"}]
    record.text = "y"
    await record.save()
    await item.patch("b", text="z")
    await item.expire("b", 100)
    await item.persist("b")
    assert [each.text for each in await item.select()] == ["y", "z"]
    assert await item.delete(["a", "c"]) == [1, 1]
    assert await item.delete_all() == 1
    assert await item.select() is None
    with pytest.raises(NotFoundError):
        await item.get("a")


async def test_the_blocking_verbs_see_the_same_server(fake_store: Store, models_of: ModelsOf) -> None:
    item, live = models_of(fake_store)

    live(id="x").text = "y"  # inside the running loop
    item.sync.insert([item(id="a", text="\u00e9"), item(id="b")])
    assert (await live.get("x")).text == "y"
    assert await item.select() == item.sync.select() == [item(id="a", text="\u00e9"), item(id="b")]
    await item.delete("a")
    assert item.sync.count() == await asyncio.to_thread(item.sync.count) == 1
    keys = {key if isinstance(key, str) else key.decode() for key in await cast(Any, fake_store.redis_store).keys("*")}
    assert keys == {"item:__index", "item:b", "live:__index", "live:x"}


async def test_many_tasks_and_threads(fake_store: Store, models_of: ModelsOf) -> None:
    item, live = models_of(fake_store)
    await asyncio.gather(
        *(item.insert(item(id=str(number))) for number in range(300)),
        *(asyncio.to_thread(live, id=str(number)) for number in range(50)),
    )

    assert (await item.count(), await live.count(), item.sync.count()) == (300, 50, 300)


def test_one_fake_serves_many_loops(models_of: ModelsOf) -> None:
    store = Store.from_url("redis://nowhere.invalid")
    store.redis_store = aioredis.FakeRedis(decode_responses=True)
    item, live = models_of(store)

    async def work(name: str) -> list[str]:
        live(id=name)
        await item.insert(item(id=name))
        return [record.id for record in await item.select()]

    assert [asyncio.run(work(name)) for name in "ab"] == [["a"], ["a", "b"]]
    assert live.sync.count() == 2


async def test_another_fake_is_another_server(models_of: ModelsOf) -> None:
    store = Store.from_url("redis://nowhere.invalid")
    item, _ = models_of(store)
    for _number in range(3):
        store.redis_store = aioredis.FakeRedis(decode_responses=True)
        assert (await item.count(), item.sync.count()) == (0, 0)
        await item.insert(item(id="a"))
        assert (await item.count(), item.sync.count()) == (1, 1)
    assert store.address == "fakeredis"
    await store.aclose()


async def test_a_fake_that_plays_dead_cannot_be_reached(models_of: ModelsOf) -> None:
    server = fakeredis.FakeServer()
    async with Store("s", redis_store=aioredis.FakeRedis(server=server)) as store:
        item, _ = models_of(store)
        await item.insert(item(id="a"))
        item.sync.insert(item(id="a"))
        server.connected = False
        with pytest.raises(ServerUnreachableError):
            await item.count()
        with pytest.raises(ServerUnreachableError):
            item.sync.count()
        server.connected = True
        assert (await item.count(), item.sync.count()) == (1, 1)


WITHOUT_LUA = """
import asyncio, sys
for name in ("lupa", "lupa.lua51", "lupa.lua52", "lupa.lua53", "lupa.lua54"):
    sys.modules[name] = None
from fakeredis.aioredis import FakeRedis
from redis_models import Field, Model, RedisModelsError, Store

class Item(Model):
    id: str = Field(primary_key=True)

store = Store("s", redis_store=FakeRedis())
store.register_model(Item)

async def main():
    for write in (Item.insert(Item(id="a")), asyncio.to_thread(Item.sync.insert, Item(id="a"))):
        try:
            await write
        except RedisModelsError as exc:
            print(exc)
asyncio.run(main())
"""


def test_without_its_lua_extra_the_error_says_so() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_LUA], capture_output=True, text=True, check=True)

    assert ran.stdout.count("fakeredis needs its lua extra: pip install 'fakeredis[lua]'") == 2
    assert ran.stdout.count("\n") == 2
