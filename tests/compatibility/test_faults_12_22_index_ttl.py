"""Faults 12 to 22 of pydantic-aioredis, absent here: TTLs, the index, and pages."""

import asyncio
import datetime as dt
from typing import Any

import pytest

import redis_models
from redis_models import Field, Model, Store


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0


class Rich(Model):
    _primary_key_field = "k"
    k: str
    done: bool = False
    day: dt.date = dt.date(2020, 1, 1)
    tags: list[str] = Field(default_factory=list[str])


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Item, Rich]
    for model in models:
        store.register_model(model)


def expire_now(client: Any, *keys: str) -> None:
    """Remove records as an expired TTL does."""
    for key in keys:
        client.pexpire(key, 1)
        while client.exists(key):
            pass


def members(client: Any, index: str) -> set[bytes]:
    kind = client.type(index)
    return set(client.smembers(index) if kind == b"set" else client.zrange(index, 0, -1))


def calls(client: Any) -> dict[str, int]:
    """How often the server has executed each command, in scripts too."""
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in client.info("commandstats").items()}


def new_calls(client: Any, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in calls(client).items() if count > before.get(name, 0)}


async def items(*keys: str) -> list[Item]:
    made = [Item(k=key, v=number) for number, key in enumerate(keys)]
    await Item.insert(made)
    return made


def keys_of(found: list[Item] | None) -> list[str]:
    return [] if found is None else [record.k for record in found]


async def test_fault_12_expired_records_leave_the_index_when_it_is_read(client: Any) -> None:
    await items("a", "b", "c")
    expire_now(client, "item:a")

    await Item.select()

    assert members(client, "item:__index") == {b"item:b", b"item:c"}


async def test_fault_13_a_missing_first_record_hides_no_other(client: Any) -> None:
    await items("a", "b", "c")
    expire_now(client, "item:a")

    assert keys_of(await Item.select()) == ["b", "c"]
    assert keys_of(await Item.select(ids=["0missing", "b"])) == ["b"]
    assert keys_of(await Item.select(ids=["b", "zmissing"])) == ["b"]


async def test_fault_14_columns_of_expired_records_are_left_out(client: Any) -> None:
    await items("a", "b")
    await Rich.insert([Rich(k="a"), Rich(k="b", done=True)])
    expire_now(client, "item:a", "rich:a")

    assert await Item.select(columns=["k", "v"]) == [{"k": "b", "v": "1"}]
    assert await Rich.select(columns=["done", "day", "tags"]) == [{"done": True, "day": "2020-01-01", "tags": []}]
    assert await Rich.select(columns=["done", "day"], ids=["a"]) is None


async def test_fault_15_the_index_never_expires(client: Any) -> None:
    await Item.insert(Item(k="permanent"))
    await Item.insert(Item(k="long"), life_span_seconds=1000)
    await Item.insert(Item(k="short"), life_span_seconds=1)

    assert client.ttl("item:__index") == -1
    expire_now(client, "item:short")
    assert keys_of(await Item.select()) == ["long", "permanent"]


@pytest.mark.parametrize("life_span", [0, -1, dt.timedelta(0)])
async def test_fault_16_a_ttl_of_zero_is_refused_and_nothing_is_lost(client: Any, life_span: Any) -> None:
    await items("a", "b")

    with pytest.raises(ValueError, match="a TTL must be"):
        await Item.insert(Item(k="a", v=9), life_span_seconds=life_span)

    assert client.hget("item:a", "v") == b"0"
    assert keys_of(await Item.select()) == ["a", "b"]


async def test_fault_17_a_save_keeps_the_ttl(client: Any, store: Store) -> None:
    store.life_span_in_seconds = 50
    record = Item(k="a")
    await Item.insert(record, life_span_seconds=1000)

    record.v = 1
    await record.save()

    assert 900 < client.ttl("item:a") <= 1000


async def test_fault_17_a_record_can_refuse_the_ttl_of_its_store(client: Any, store: Store) -> None:
    store.life_span_in_seconds = 50
    await Item.insert(Item(k="a"), life_span_seconds=redis_models.FOREVER)
    client.expire("item:a", 1000)
    await Item.insert(Item(k="a", v=1), life_span_seconds=redis_models.KEEP)

    assert 900 < client.ttl("item:a") <= 1000
    await Item.insert(Item(k="a", v=2), life_span_seconds=redis_models.FOREVER)
    assert client.ttl("item:a") == -1


async def test_fault_18_a_ttl_may_be_a_fraction_of_a_second(client: Any) -> None:
    await Item.insert(Item(k="a"), life_span_seconds=1500.25)

    assert 1_400_000 < client.pttl("item:a") <= 1_500_250


@pytest.mark.parametrize("life_span", [float("nan"), float("inf"), True])
async def test_fault_18_an_invalid_ttl_is_refused_before_anything_is_written(client: Any, life_span: Any) -> None:
    with pytest.raises(ValueError, match="a TTL must be"):
        await Item.insert(Item(k="a"), life_span_seconds=life_span)

    assert client.keys("*") == []


async def test_fault_19_a_page_costs_as_much_as_it_has_records(client: Any) -> None:
    await Item.insert([Item(k=f"{number:04}") for number in range(2000)])
    before = calls(client)

    first = await Item.select(limit=10)
    middle = await Item.select(skip=1000, limit=10)

    assert sum(new_calls(client, before).values()) < 50
    assert keys_of(first) == [f"{number:04}" for number in range(10)]
    assert keys_of(middle) == [f"{number:04}" for number in range(1000, 1010)]


async def test_fault_19_pages_by_key_stay_the_same_while_others_write() -> None:
    await items(*(f"{number:04}" for number in range(0, 40, 2)))

    first = await Item.page(10)
    await Item.insert([Item(k=f"{number:04}") for number in range(1, 10, 2)])
    await Item.delete(["0000", "0002"])
    second = await Item.page(10, after=first[-1].k)

    assert keys_of(first) == [f"{number:04}" for number in range(0, 20, 2)]
    assert keys_of(second) == [f"{number:04}" for number in range(20, 40, 2)]


async def test_fault_20_expired_records_shorten_no_page(client: Any) -> None:
    await items("a", "b", "c", "d", "e", "f")
    expire_now(client, "item:b", "item:c")

    assert keys_of(await Item.select(limit=3)) == ["a", "d", "e"]
    assert keys_of(await Item.select(skip=1, limit=2)) == ["d", "e"]


async def test_fault_21_no_record_is_given_twice_while_others_delete(server: Any) -> None:
    # A scan of pydantic-aioredis returns members of a set again if the set shrinks: in most rounds, not in all.
    for _ in range(3):
        await Item.insert([Item(k=f"{number:04}") for number in range(5000)])
        with server.client() as other:
            remove = "SREM" if other.type("item:__index") == b"set" else "ZREM"

            async def delete(client: Any = other, remove: str = remove) -> None:
                for start in range(20, 5000, 200):
                    pipeline = client.pipeline(transaction=False)
                    for number in range(start, min(start + 200, 5000)):
                        pipeline.delete(f"item:{number:04}")
                        pipeline.execute_command(remove, "item:__index", f"item:{number:04}")
                    pipeline.execute()
                    await asyncio.sleep(0)

            deleting = asyncio.create_task(delete())
            found = keys_of(await Item.select())
            await deleting

        assert len(found) == len(set(found))
        assert set(found) >= {f"{number:04}" for number in range(20)}


async def test_fault_22_delete_without_ids_deletes_nothing(client: Any) -> None:
    await items("a", "b")
    delete: Any = Item.delete

    for arguments in ((), (None,)):
        with pytest.raises(TypeError, match="delete_all"):
            await delete(*arguments)

    assert client.exists("item:a", "item:b") == 2


async def test_fault_22_an_instance_deletes_its_own_record(client: Any) -> None:
    record, _ = await items("a", "b")

    await record.delete()

    assert (client.exists("item:a"), client.exists("item:b")) == (0, 1)


async def test_fault_22_a_table_is_emptied_in_bounded_steps(client: Any) -> None:
    await Item.insert([Item(k=str(number)) for number in range(1000)])
    before = calls(client)

    assert await Item.delete_all() == 1000

    assert client.keys("*") == []
    steps = new_calls(client, before)
    assert steps.get("del", 0) + steps.get("unlink", 0) >= 10  # a hundred records each, at most
