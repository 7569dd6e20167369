"""The contract's section about TTLs."""

from typing import Any

import pytest

from redis_models import FOREVER, KEEP, Model, Store


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    store.life_span_in_seconds = 100
    store.register_model(Item)


async def test_a_record_gets_the_ttl_of_its_store(client: Any) -> None:
    await Item.insert(Item(k="a"))
    await Item(k="b").save()

    assert 90 < client.ttl("item:a") <= 100
    assert client.pttl("item:__index") == -1  # fault 15: the index had that of the last insert


async def test_the_argument_goes_before_the_store(client: Any) -> None:
    await Item.insert(Item(k="a"), life_span_seconds=1000)

    assert 900 < client.ttl("item:a") <= 1000


async def test_without_either_the_ttl_stays_as_it_is(client: Any, store: Store) -> None:
    await Item.insert(Item(k="a"), life_span_seconds=1000)
    store.life_span_in_seconds = None

    await Item.insert(Item(k="a", v=1))

    assert 900 < client.ttl("item:a") <= 1000


async def test_none_means_what_the_store_says(client: Any) -> None:
    await Item.insert(Item(k="a"), life_span_seconds=1000)

    await Item.insert(Item(k="a"), life_span_seconds=None)

    assert 0 < client.ttl("item:a") <= 100


async def test_a_record_can_be_kept_for_ever_or_keep_what_it_has(client: Any) -> None:
    # pydantic-aioredis had no way to do either with a store that has a TTL.
    await Item.insert(Item(k="a"), life_span_seconds=FOREVER)
    await Item.insert(Item(k="b"), life_span_seconds=1000)
    await Item.insert(Item(k="b", v=1), life_span_seconds=KEEP)

    assert client.ttl("item:a") == -1
    assert 900 < client.ttl("item:b") <= 1000


@pytest.mark.parametrize("life_span", [0, -5])
async def test_zero_is_not_a_ttl(client: Any, life_span: int) -> None:
    # Fault 16: it deleted the record and the index.
    await Item.insert(Item(k="a"), life_span_seconds=FOREVER)

    with pytest.raises(ValueError, match="a TTL must be"):
        await Item.insert(Item(k="a", v=1), life_span_seconds=life_span)

    assert (client.hget("item:a", "v"), client.ttl("item:a")) == (b"0", -1)
    assert await Item.select() == [Item(k="a")]
