"""Queries on fakeredis, whose sorted sets and Lua are others."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import RedisConfig, Store, asc, desc, on

from .conftest import Ask
from .orders import Order, Status, insert_orders

fakeredis: Any = pytest.importorskip("fakeredis.aioredis")


@pytest.fixture
def fake() -> Iterator[Any]:
    client = fakeredis.FakeRedis(decode_responses=True)
    store = Store("fake", RedisConfig())
    store.redis_store = client
    store.register_model(Order)
    Order.sync.build_indexes()
    yield client
    Order._store = None


async def test_queries_do_there_what_they_do_on_a_server(fake: Any, ask: Ask) -> None:
    insert_orders(12)
    late = Order.where(on(Order.day) >= 5)

    assert await ask(late, "ids") == ["o05", "o06", "o07", "o08", "o09"]
    assert await ask(late.order_by(desc(Order.day)).limit(2), "ids") == ["o09", "o08"]
    assert [order.id for order in await ask(Order.where(Order.day == 1), "all")] == ["o01", "o11"]
    either = Order.where((Order.status == Status.PAID) | (Order.day == 1)).order_by(asc(Order.day, nulls="last"))
    assert await ask(either, "ids") == ["o01", "o11", "o03", "o06", "o09", "o00"]
    page = await ask(either, "page", 4)
    assert [order.id for order in (await ask(either, "page", 4, page.next)).records] == ["o09", "o00"]
    assert "reads index day (day)" in str(await ask(late, "explain"))
    assert await ask(late.where(Order.status == Status.NEW), "update", note="x", day=2) == 3
    assert await ask(Order.where(Order.day == 2), "delete") == 4
    assert await ask(late, "count") == 2


async def test_what_is_stale_leaves_an_index_there_too(fake: Any, ask: Ask) -> None:
    insert_orders(6)
    await fake.delete("order:o02")
    await fake.hset("order:o03", "day", "4")

    assert await ask(Order.where(on(Order.day) > 0), "ids") == ["o01", "o04", "o05"]
    assert await fake.zcard("order:__index:day") == 4
