"""What a write must not overlook: another's new extra field, a record that is gone, a key that comes twice."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ConfigDict

from redis_models import Field, Model, Store
from redis_models.errors import ConflictError, NotFoundError

from .conftest import Call


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


async def test_if_unchanged_notices_an_extra_field_that_another_client_added(call: Call, client: Any) -> None:
    await Open.insert(Open(id="a"))
    mine, theirs = [await call(Open, "get", "a") for _ in range(2)]
    theirs.color = "red"
    await call(theirs, "save", if_unchanged=True)
    before = client.dump("open:a")

    mine.color, mine.size = "blue", 1
    with pytest.raises(ConflictError, match="another client changed color since") as caught:
        await call(mine, "save", if_unchanged=True)

    assert caught.value.fields == ("color",)
    assert client.dump("open:a") == before


async def test_if_unchanged_minds_another_extra_field_than_its_own(call: Call, client: Any) -> None:
    await Open.insert(Open.model_validate({"id": "a", "color": "red"}))
    mine = await call(Open, "get", "a")
    client.hset("open:a", mapping={"_b2": "undo", "weight": 5})

    mine.color = "blue"
    with pytest.raises(ConflictError) as caught:
        await call(mine, "save", if_unchanged=True)

    assert caught.value.fields == ("weight",)


async def test_if_unchanged_ignores_undo_fields(call: Call, client: Any) -> None:
    await Open.insert(Open.model_validate({"id": "a", "color": "red"}))
    mine = await call(Open, "get", "a")
    client.hset("open:a", "_b2", "undo")

    mine.color = "blue"
    await call(mine, "save", if_unchanged=True)

    assert client.hmget("open:a", "color", "_b2") == [b'"blue"', b"undo"]


async def test_only_existing_finds_out_that_the_record_of_an_unchanged_instance_is_gone(
    call: Call, client: Any
) -> None:
    item = Item(id="a")
    await call(item, "save")
    await call(item, "save", only="existing")
    client.delete("item:a")

    with pytest.raises(NotFoundError, match="item:a"):
        await call(item, "save", only="existing")

    assert not client.exists("item:a")


async def test_a_patch_without_changes_reports_a_missing_record(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a"))
    before = client.dump("item:a")

    await call(Item, "patch", "a")
    with pytest.raises(NotFoundError, match="item:b"):
        await call(Item, "patch", "b")

    assert client.dump("item:a") == before
    assert not client.exists("item:b")


async def test_a_key_that_comes_twice_among_a_thousand_new_ones_is_named_before_any_is_written(
    call: Call, client: Any
) -> None:
    items = [Item(id=f"{number:03}") for number in [*range(999), 7]]

    with pytest.raises(ConflictError, match="item:007: is inserted twice") as caught:
        await call(Item, "insert", items, only="new")

    assert caught.value.key == "item:007"
    assert client.dbsize() == 0
