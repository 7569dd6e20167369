"""The rest of the contract's table of values: records that are not whole, and clients of another kind.

The bytes of each type are in the tests of types.
"""

from typing import Any

import pytest
import redis.asyncio

from redis_models import Field, Model, RedisConfig, Store
from redis_models.errors import DecodeError


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 7
    tags: list[str] = Field(default_factory=list[str])


class Strict(Model):
    _primary_key_field = "k"
    k: str
    needed: int


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Item, Strict]
    for model in models:
        store.register_model(model)


async def test_fields_that_are_not_stored_take_their_defaults(client: Any) -> None:
    client.hset("item:1", "k", "1")

    assert await Item.select(ids=["1"]) == [Item(k="1", v=7, tags=[])]


async def test_a_required_field_that_is_not_stored_is_an_error_that_names_it(client: Any) -> None:
    client.hset("strict:1", "k", "1")

    with pytest.raises(DecodeError, match=r"strict:1.*'needed'"):
        await Strict.select(ids=["1"])


async def test_undeclared_stored_fields_are_ignored(client: Any) -> None:
    client.hset("item:1", mapping={"k": "1", "other": "x"})

    assert await Item.select(ids=["1"]) == [Item(k="1")]


async def test_records_of_pydantic_aioredis_are_read(client: Any) -> None:
    class Old(Model):
        _primary_key_field = "k"
        k: str
        flags: list[bool]
        days: list[str] | None
        on: bool | None
        note: str | None

    Old._store = Item._store
    client.hset("old:1", mapping={"k": "1", "flags": '"[true]"', "days": '"null"', "on": "null", "note": "None"})

    assert await Old.select(ids=["1"]) == [Old(k="1", flags=[True], days=None, on=None, note=None)]


async def test_one_bad_record_raises_or_is_reported(client: Any) -> None:
    # Fault 38.
    await Item.insert([Item(k="a"), Item(k="b")])
    client.hset("item:a", "v", "many")
    bad: list[Any] = []

    assert await Item.select(bad_records=bad) == [Item(k="b")]
    assert [error.key for error in bad] == ["item:a"]
    with pytest.raises(DecodeError):
        await Item.select()


@pytest.mark.parametrize("decode_responses", [True, False])
async def test_a_client_may_answer_text_or_bytes(server: Any, decode_responses: bool) -> None:
    # In pydantic-aioredis, select() raised TypeError with a client that answers bytes.
    own = redis.asyncio.Redis(unix_socket_path=server.socket_path, decode_responses=decode_responses)
    store = Store("other", RedisConfig(port=1), redis_store=own)
    store.register_model(Item)

    await Item.insert(Item(k="a", tags=["x"]))

    assert await Item.select() == [Item(k="a", tags=["x"])]
    assert await Item.select(columns=["tags"]) == [{"tags": ["x"]}]
    await own.aclose()
    await store.aclose()
