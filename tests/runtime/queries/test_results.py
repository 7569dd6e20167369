"""The verbs of a query give the records that meet its conditions, in order, in the loop and blocking alike."""

import pytest

from redis_models import Condition, asc, desc, on
from redis_models.errors import EncodeError, ManyRecordsError, NotFoundError, QueryError

from .conftest import Ask
from .orders import Order, Status, ids_of, insert_orders

PAID: Condition = on(Order.status) == Status.PAID


async def test_each_verb_gives_what_its_name_says(orders: type[Order], ask: Ask) -> None:
    insert_orders(10)
    query = Order.where(PAID).order_by(desc(Order.day))

    assert ids_of(await ask(query, "all")) == ["o09", "o06", "o03", "o00"]
    assert ids_of(await ask(query, "iterate")) == ["o09", "o06", "o03", "o00"]
    assert ids_of(await ask(query.limit(2), "all")) == ["o09", "o06"]
    assert ids_of(await ask(query.limit(3), "iterate")) == ["o09", "o06", "o03"]
    assert await ask(query.limit(0), "all") == []
    assert (await ask(query, "first")).id == "o09"
    assert await ask(query, "count") == 4
    assert await ask(query.limit(3), "count") == 3
    assert await ask(query, "estimate") == 4
    assert await ask(query.limit(3), "estimate") == 3
    assert await ask(query, "exists") is True
    assert await ask(query, "ids") == ["o09", "o06", "o03", "o00"]
    assert await ask(query, "values", Order.day, Order.id) == [(9, "o09"), (6, "o06"), (3, "o03"), (None, "o00")]


async def test_a_query_of_no_record_gives_nothing(orders: type[Order], ask: Ask) -> None:
    insert_orders(10)
    query = Order.where(Order.day == 77)

    assert await ask(query, "all") == []
    assert await ask(query, "first") is None
    assert await ask(query, "count") == 0
    assert await ask(query, "exists") is False
    assert await ask(query, "ids") == []
    page = await ask(query, "page", 5)
    assert (page.records, page.next) == ([], None)
    with pytest.raises(NotFoundError, match=r"Order: no record matches Order\.day == 77"):
        await ask(query, "one")


async def test_one_wants_one_record(orders: type[Order], ask: Ask) -> None:
    insert_orders(10)
    await Order.patch("o04", email="Ann@x")

    assert (await ask(Order.where(Order.email == "aNN@X"), "one")).id == "o04"
    with pytest.raises(ManyRecordsError, match="more than one record matches"):
        await ask(Order.where(PAID), "one")


async def test_a_query_is_immutable_and_runs_anew_each_time(orders: type[Order]) -> None:
    insert_orders(3)
    query = Order.where(PAID)
    query.where(Order.day == 5).limit(0)

    assert await query.ids() == ["o00"]
    await Order.patch("o01", status=Status.PAID)
    assert await query.ids() == ["o00", "o01"]
    assert await query.where(Order.day == 1).ids() == ["o01"]


async def test_for_and_async_for_go_through_a_query(orders: type[Order]) -> None:
    insert_orders(10)
    query = Order.where(PAID)

    assert [order.id async for order in query] == [order.id for order in query.sync]
    assert [order.id for order in Order.sync.where(PAID).order_by(Order.day).limit(2)] == ["o00", "o03"]


async def test_where_without_conditions_gives_all_records(orders: type[Order], ask: Ask) -> None:
    insert_orders(25)
    every = [f"o{number:02}" for number in range(25)]

    assert ids_of(await ask(Order.where(), "all")) == every
    assert ids_of(await ask(Order.where(), "iterate")) == every
    assert ids_of(await ask(Order.where().limit(7), "all")) == every[:7]
    assert await ask(Order.where(), "estimate") == 25


async def test_records_are_found_by_primary_key(orders: type[Order], ask: Ask) -> None:
    insert_orders(5)

    assert await ask(Order.where(Order.id == "o03"), "ids") == ["o03"]
    assert await ask(Order.where(on(Order.id).one_of(["o04", "o01", "x"]), Order.number > 1), "ids") == ["o04"]
    assert await ask(Order.where((Order.id == "o03") | (Order.day == 2)), "ids") == ["o03", "o02"]
    named = Order.where(on(Order.id).one_of(["o04", "o01", "o00"])).order_by(desc(Order.day))
    assert await ask(named, "ids") == ["o04", "o01", "o00"]


async def test_ties_go_by_primary_key_and_none_where_it_is_wanted(orders: type[Order], ask: Ask) -> None:
    insert_orders(22)
    query = Order.where(on(Order.day).one_of([1, 2]) | on(Order.day).is_none())

    async def sorted_by(*fields: object) -> object:
        return await ask(Order.where().order_by(*fields), "ids")

    assert await ask(query.order_by(Order.day), "ids") == [
        "o00", "o10", "o20", "o01", "o11", "o21", "o02", "o12",
    ]  # fmt: skip
    assert await ask(query.order_by(desc(Order.day)), "ids") == [
        "o12", "o02", "o21", "o11", "o01", "o20", "o10", "o00",
    ]  # fmt: skip
    by_day = [f"o{number:02}" for day in range(1, 10) for number in range(22) if number % 10 == day]
    none = ["o00", "o10", "o20"]
    assert await sorted_by(asc(Order.day)) == none + by_day
    assert await sorted_by(asc(Order.day, nulls="last")) == by_day + none
    assert await sorted_by(desc(Order.day)) == (none + by_day)[::-1]
    assert await sorted_by(desc(Order.day, nulls="first")) == none[::-1] + by_day[::-1]


async def test_alternatives_give_each_record_once_and_in_order(orders: type[Order], ask: Ask) -> None:
    insert_orders(30)
    either = Order.where((Order.status == Status.PAID) | (on(Order.day) >= 5))
    expected = [number for number in range(30) if number % 3 == 0 or number % 10 >= 5]
    in_order = sorted(expected, key=lambda number: (number % 10, number))

    assert sorted(await ask(either, "ids")) == [f"o{number:02}" for number in expected]
    assert await ask(either.order_by(Order.day), "ids") == [f"o{number:02}" for number in in_order]
    assert await ask(either.order_by(desc(Order.day)), "ids") == [f"o{number:02}" for number in in_order[::-1]]
    assert await ask(either.order_by(Order.day).limit(8), "ids") == [f"o{number:02}" for number in in_order[:8]]
    assert await ask(either, "count") == len(expected)


async def test_an_order_that_the_index_of_the_condition_lacks_is_made_in_memory(orders: type[Order], ask: Ask) -> None:
    insert_orders(12)
    query = Order.where(on(Order.day) < 4).order_by(Order.status)

    assert await ask(query, "ids") == ["o01", "o02", "o11", "o03"]
    assert await ask(query.limit(3), "ids") == ["o01", "o02", "o11"]
    assert (await ask(query, "first")).id == "o01"
    assert [order.id for order in await ask(query, "iterate")] == ["o01", "o02", "o11", "o03"]


async def test_values_are_those_of_the_field_and_defaults_where_nothing_is_stored(
    orders: type[Order], client: object, ask: Ask
) -> None:
    insert_orders(2)
    client.hdel("order:o01", "note", "tenant")  # type: ignore[attr-defined]

    found = await ask(Order.where(Order.day == 1), "values", Order.status, Order.note, Order.tenant)

    assert found == [(Status.NEW, "", "t")]


def test_what_is_no_condition_order_field_or_limit_is_refused(orders: type[Order]) -> None:
    order = Order(id="a", day=3)

    with pytest.raises(TypeError, match="write the class on the left"):
        Order.where(order.day == 3)
    with pytest.raises(EncodeError):
        Order.where(Order.number == "five")  # type: ignore[comparison-overlap]
    with pytest.raises(TypeError, match="takes a field of a model class"):
        Order.where().order_by("day")
    with pytest.raises(TypeError, match=r"such as Order\.id"):
        Order.sync.where().values("day")
    with pytest.raises(TypeError, match="at least one field"):
        Order.sync.where().values()
    with pytest.raises(ValueError, match="must be 0 or more"):
        Order.where().limit(-1)
    with pytest.raises(TypeError, match="whole number"):
        Order.where().limit(True)
    with pytest.raises(ValueError, match="must be 1 or more"):
        Order.sync.where().page(0)
    with pytest.raises(TypeError, match="page\\(\\) has its own size"):
        Order.sync.where().limit(3).page(5)
    with pytest.raises(QueryError):
        Order.where(on(Order, "day").contains(3))


def test_a_query_shows_what_it_asks_for(orders: type[Order]) -> None:
    query = Order.where(on(Order.day) > 3).order_by(desc(Order.day)).limit(5)

    assert repr(query) == "<Query of Order: Order.day > 3, order_by(desc(Order.day)), limit(5)>"
    assert repr(Order.sync.where()) == "<SyncQuery of Order: all records>"
