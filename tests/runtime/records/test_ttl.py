"""TTL: given, kept, taken away, asked for; refused before anything is sent."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ConflictError, NotFoundError, WrongKeyTypeError
from redis_models.mapping.ttl import FOREVER, KEEP

from .conftest import Call


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""


class Brief(Model):
    id: str = Field(primary_key=True)

    class Meta:
        ttl = 100


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Brief):
        store.register_model(model)
    yield
    for model in (Item, Brief):
        model._store = None


def _seconds(client: Any, key: str) -> int:
    left = int(client.pttl(key))
    return left if left < 0 else round(left / 1000)


@pytest.mark.parametrize(
    ("life_span", "least_ms", "most_ms"),
    [
        (60, 59_000, 60_000),
        (1.5, 500, 1500),
        (dt.timedelta(minutes=1), 59_000, 60_000),
        (10**11, 10**14 - 9999, 10**14),
    ],
)
async def test_a_ttl_is_an_int_a_float_or_a_timedelta(
    call: Call, client: Any, life_span: Any, least_ms: int, most_ms: int
) -> None:
    await call(Item, "insert", Item(id="a"), life_span)

    assert least_ms < client.pttl("item:a") <= most_ms


async def test_less_than_a_millisecond_is_one(call: Call, client: Any) -> None:
    await call(Item, "insert", Item(id="a"), 0.0001)
    while client.exists("item:a"):
        pass

    assert await call(Item, "get_many", ["a"]) == [None]


@pytest.mark.parametrize(
    "life_span",
    [
        0,
        0.0,
        -1,
        True,
        False,
        float("nan"),
        float("inf"),
        1e30,
        "5",
        b"5",
        Decimal(5),
        dt.timedelta(0),
        dt.timedelta(-1),
    ],
)
async def test_an_invalid_ttl_is_refused_before_anything_is_written(call: Call, client: Any, life_span: object) -> None:
    kept = Item(id="kept")
    await Item.insert(kept, 1000)
    kept.name = "new"
    client.config_resetstat()

    for owner, verb, arguments in (
        (Item, "insert", [Item(id="a"), life_span]),
        (Item(id="a"), "save", [life_span]),
        (kept, "save", [life_span]),
        (Item, "expire", ["kept", life_span]),
    ):
        with pytest.raises(ValueError, match="Item: a TTL must be a number of seconds above 0"):
            await call(owner, verb, *arguments)

    assert "cmdstat_evalsha" not in client.info("commandstats")
    assert (_seconds(client, "item:kept"), client.hget("item:kept", "name"), client.dbsize()) == (1000, b"", 2)


async def test_the_ttl_of_the_store_is_checked_in_the_same_way(call: Call, client: Any, store: Store) -> None:
    store.life_span_in_seconds = 0

    with pytest.raises(ValueError, match="a TTL must be"):
        await call(Item, "insert", Item(id="a"))

    assert client.dbsize() == 0


async def test_insert_keeps_renews_or_takes_away_by_choice(call: Call, client: Any, store: Store) -> None:
    store.life_span_in_seconds = 500
    seen: list[int] = []

    for life_span in (1000, KEEP, None, FOREVER, KEEP, dt.timedelta(seconds=7)):
        await call(Item, "insert", Item(id="a"), life_span)
        seen.append(_seconds(client, "item:a"))
    await call(Item, "insert", Item(id="b"), KEEP)

    assert seen == [1000, 1000, 500, -1, -1, 7]
    assert client.pttl("item:b") == client.pttl("item:__index") == -1


async def test_save_keeps_the_ttl_unless_one_is_passed(call: Call, client: Any, store: Store) -> None:
    store.life_span_in_seconds = 500
    item = Item(id="a")
    seen: list[int] = []

    for life_span in ((), (1000,), (), (KEEP,), (None,), (FOREVER,), (dt.timedelta(seconds=7),)):
        await call(item, "save", *life_span)
        seen.append(_seconds(client, "item:a"))

    assert seen == [500, 1000, 1000, 1000, 500, -1, 7]


async def test_of_records_that_are_written_together_each_keeps_its_own(call: Call, client: Any) -> None:
    await Item.insert([Item(id="a"), Item(id="b")])
    await Item.expire("a", 1000)

    await call(Item, "insert", [Item(id="a"), Item(id="b"), Item(id="c")])

    assert [_seconds(client, f"item:{id}") for id in "abc"] == [1000, -1, -1]


async def test_the_models_ttl_goes_before_the_stores(call: Call, client: Any, store: Store) -> None:
    store.life_span_in_seconds = 500

    await call(Brief, "insert", Brief(id="a"))
    await call(Brief, "insert", Brief(id="b"), 10)
    await call(Brief, "insert", Brief(id="c"), FOREVER)
    await call(Brief(id="d"), "save")
    await call(Brief(id="e"), "save", FOREVER)

    assert [_seconds(client, f"brief:{id}") for id in "abcde"] == [100, 10, -1, 100, -1]


async def test_ttl_gives_the_seconds_left_or_none(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a"))
    await Item.insert(Item(id="b"), 12.5)

    left = await call(Item, "ttl", "b")

    assert await call(Item, "ttl", "a") is None
    assert isinstance(left, float) and 0 < left <= 12.5


async def test_expire_and_persist_change_nothing_else(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a"))
    before = client.hgetall("item:a")

    await call(Item, "expire", "a", 1.5)
    soon = client.pttl("item:a")
    await call(Item, "expire", "a", dt.timedelta(minutes=1))
    await call(Item, "expire", "a", KEEP)
    later = client.pttl("item:a")
    await call(Item, "persist", "a")

    assert 0 < soon <= 1500 < later <= 60_000
    assert client.pttl("item:a") == -1
    await call(Item, "expire", "a", 5)
    await call(Item, "expire", "a", FOREVER)
    assert (client.pttl("item:a"), client.hgetall("item:a")) == (-1, before)


@pytest.mark.parametrize("verb", [("expire", "a", 5), ("persist", "a"), ("ttl", "a")])
async def test_ttls_of_other_keys_are_not_touched(call: Call, client: Any, verb: tuple[Any, ...]) -> None:
    with pytest.raises(NotFoundError, match="Item: no record at 'item:a'"):
        await call(Item, *verb)
    client.set("item:a", "x", ex=1000)

    with pytest.raises(WrongKeyTypeError, match="item:a"):
        await call(Item, *verb)

    assert _seconds(client, "item:a") == 1000


@pytest.mark.parametrize("verb", [("expire", "a", 5), ("persist", "a")])
async def test_ttls_are_left_alone_if_the_index_is_invalid(call: Call, client: Any, verb: tuple[Any, ...]) -> None:
    await Item.insert(Item(id="a"), 1000)
    client.delete("item:__index")
    client.set("item:__index", "x")

    with pytest.raises(ConflictError, match="item:__index: is not a sorted set"):
        await call(Item, *verb)

    assert _seconds(client, "item:a") == 1000


def test_the_words_show_as_they_are_written() -> None:
    assert (repr(KEEP), repr(FOREVER)) == ("KEEP", "FOREVER")
