"""Names that are not UTF-8, in the index and in records: others wrote them, and they stop nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ConfigDict

from redis_models import Field, Model, Store

from .conftest import Call

_KEY = b"item:\xff\xfe"
_FIELD = b"\xff\xfe"


class Item(Model):
    id: str = Field(primary_key=True)
    size: int = 0


class Open(Model):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)
    size: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Open):
        store.register_model(model)
    yield
    for model in (Item, Open):
        model._store = None


@pytest.fixture(params=["dead", "alive"])
async def strange(request: pytest.FixtureRequest, client: Any) -> list[str]:
    """Three records and a member of the index that is not UTF-8; gives the primary keys that are to be found."""
    await Item.insert([Item(id=letter) for letter in "abc"])
    client.zadd("item:__index", {_KEY: 0})
    if request.param == "dead":
        return ["a", "b", "c"]
    client.hset(_KEY, mapping={"_v": 1, "id": "z", "size": 7})
    return ["a", "b", "c", "z"]


async def test_a_member_that_is_not_utf_8_does_not_stop_counting_or_reading(call: Call, strange: list[str]) -> None:
    paged = [*await call(Item, "page", 2), *await call(Item, "page", 2, "b")]

    assert [record.id for record in paged] == strange
    assert [item.id for item in await call(Item, "select")] == strange
    assert [item["id"] for item in await call(Item, "select", columns=["id"])] == strange
    assert [item.id for item in await call(Item, "iterate", 1)] == strange
    assert await call(Item, "count") == len(strange)


@pytest.mark.parametrize("verb", ["count", "select"])
async def test_a_member_that_is_not_utf_8_is_removed_if_its_record_is_gone(
    call: Call, client: Any, strange: list[str], verb: str
) -> None:
    await call(Item, verb)

    assert client.zcard("item:__index") == len(strange)


async def test_a_record_whose_key_is_not_utf_8_is_saved_under_its_key(call: Call, client: Any) -> None:
    client.hset(_KEY, mapping={"_v": 1, "id": "z", "size": 7})
    client.zadd("item:__index", {_KEY: 0})

    [item] = await call(Item, "select")
    item.size = 8
    await call(item, "save")

    assert client.hget(_KEY, "size") == b"8"
    assert sorted(client.keys("*")) == [b"item:__index", _KEY]


async def test_delete_all_deletes_a_member_that_is_not_utf_8(call: Call, client: Any, strange: list[str]) -> None:
    assert await call(Item, "delete_all") == len(strange)

    assert client.dbsize() == 0


async def test_a_stored_field_whose_name_is_not_utf_8_is_left_alone(call: Call, client: Any) -> None:
    client.hset("open:a", mapping={"_v": 1, "id": "a", "size": 1, "color": '"red"', _FIELD: b"\xfd"})
    client.zadd("open:__index", {"open:a": 0})

    record = await call(Open, "get", "a")
    record.size, record.weight = 2, 3
    del record.color
    await call(record, "save")
    await call(record, "save", if_unchanged=True)
    await call(Open, "patch", "a", size=4)
    await call(Open, "select", columns=["size"])
    await call(Open, "insert", await call(Open, "get", "a"))

    assert client.hgetall("open:a") == {
        b"_v": b"1", b"id": b"a", b"size": b"4", b"weight": b"3", _FIELD: b"\xfd"
    }  # fmt: skip


async def test_an_extra_field_beside_one_whose_name_is_not_utf_8_comes_back(call: Call, client: Any) -> None:
    client.hset("open:a", mapping={"_v": 1, "id": "a", "color": '"red"', _FIELD: b"\xfd"})

    record = await call(Open, "get", "a")

    assert (record.id, record.color) == ("a", "red")
