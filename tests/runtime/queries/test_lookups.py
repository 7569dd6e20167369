"""Records by one value take a short way, and it gives what a search gives whatever lies in the index."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Field, Model, Store, on
from redis_models.errors import IndexNotReadyError

from .conftest import Ask
from .orders import Order, ids_of, insert_orders

DAY = "order:__index:day"


class Place(Model):
    id: str = Field(primary_key=True)
    city: str = Field(index=True)

    class Meta:
        table = "place"


class FoldedPlace(Model):
    """The same table, by code for which the case of a city does not count."""

    id: str = Field(primary_key=True)
    city: str = Field(index=True, nocase=True)

    class Meta:
        table = "place"


@pytest.fixture
def places(store: Store) -> Iterator[None]:
    other = Store.from_url(store.address)
    store.register_model(Place)
    other.register_model(FoldedPlace)
    with other:
        yield
    Place._store = FoldedPlace._store = None


async def _warm(ask: Ask) -> None:
    """Let the process know the indexes: from then on a query asks for their state with its first members."""
    await ask(Order.where(Order.day == 1), "all")


async def test_a_stale_member_is_not_given_and_removed(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(5)
    await _warm(ask)
    client.hset("order:o03", "day", 77)
    client.delete("order:o04")

    assert await ask(Order.where(Order.day == 3), "all") == []
    assert await ask(Order.where(Order.day == 4), "first") is None
    assert client.zcard(DAY) == 3


async def test_records_without_an_entry_are_looked_at_as_well(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(5)
    await _warm(ask)
    client.hset("order:o04", "day", "003")
    client.zadd("order:__index:_others", {"o04": 0})

    assert ids_of(await ask(Order.where(Order.day == 3), "all")) == ["o03", "o04"]


async def test_more_records_than_it_gives_are_found(orders: type[Order], ask: Ask) -> None:
    await Order.insert([Order(id=f"{number:03}", number=number, day=5) for number in range(150)])
    await _warm(ask)

    assert len(await ask(Order.where(Order.day == 5), "all")) == 150
    assert len(await ask(Order.where(Order.day == 5).limit(120), "all")) == 120
    assert len(await ask(Order.where(Order.day == 5).limit(100), "all")) == 100
    assert ids_of(await ask(Order.where(Order.day == 5).limit(2), "all")) == ["000", "001"]


async def test_members_that_name_no_record_are_passed_over(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(5)
    await _warm(ask)
    client.zadd(DAY, {b"Q3\0a:b": 0, b"Q3\0": 0, b"Q3\0__index": 0})

    assert ids_of(await ask(Order.where(Order.day == 3), "all")) == ["o03"]


@pytest.mark.parametrize("day", [on(Order.day) == 3, on(Order.day) <= 3])
async def test_an_index_that_is_not_defined_any_more_is_not_read(
    orders: type[Order], client: Any, ask: Ask, day: Any
) -> None:
    insert_orders(5)
    await _warm(ask)
    client.hset("order:__index:_definitions", "states", '{"day":"building 5"}')

    with pytest.raises(IndexNotReadyError, match="the index 'day' is building"):
        await ask(Order.where(day), "all")


async def test_an_index_that_another_process_has_built_is_read_at_once(places: None, store: Store, ask: Ask) -> None:
    class Twin(Model):
        id: str = Field(primary_key=True)
        city: str = Field(index=True)

        class Meta:
            table = "place"

    await Place.insert(Place(id="a", city="Rome"))
    with pytest.raises(IndexNotReadyError, match="'city' is missing"):
        await ask(Place.where(Place.city == "Rome"), "all")
    with Store.from_url(store.address) as other:
        other.register_model(Twin)
        Twin.sync.build_indexes()

    assert ids_of(await ask(Place.where(Place.city == "Rome"), "all")) == ["a"]


@pytest.mark.parametrize("verb", ["all", "ids"])
async def test_an_index_that_folds_case_serves_code_for_which_it_counts_not_at_all(
    places: None, ask: Ask, verb: str
) -> None:
    await FoldedPlace.insert([FoldedPlace(id="a", city="Rome"), FoldedPlace(id="b", city="ROME")])
    await FoldedPlace.build_indexes()

    assert len(await ask(FoldedPlace.where(FoldedPlace.city == "rome"), verb)) == 2
    for condition in (on(Place.city) == "rome", on(Place.city) >= "rome"):
        with pytest.raises(IndexNotReadyError, match="'city' is built for other versions"):
            await ask(Place.where(condition), verb)
