"""Pages by cursor: whatever others insert and delete meanwhile, no record comes twice and none is left out."""

import base64
import json
from typing import Any

import pytest

from redis_models import Condition, asc, desc, on
from redis_models.errors import CursorError, IndexNotReadyError, NoIndexError, QueryError
from redis_models.model.query import Query

from .conftest import Ask
from .orders import Order, Status, ids_of, insert_orders


async def _paged(ask: Ask, query: Query[Any], size: int) -> list[str]:
    found, after = list[str](), None
    while True:
        page = await ask(query, "page", size, after)
        found += ids_of(page.records)
        if page.next is None:
            return found
        assert len(page.records) == size
        after = page.next


@pytest.mark.parametrize("size", [1, 3, 7, 100])
async def test_pages_give_what_all_gives(orders: type[Order], ask: Ask, size: int) -> None:
    insert_orders(40)
    paid: Condition = on(Order.status) == Status.PAID
    queries = [
        Order.where(),
        Order.where(paid),
        Order.where(paid).order_by(desc(Order.day)),
        Order.where().order_by(asc(Order.day, nulls="last")),
        Order.where().order_by(desc(Order.day, nulls="first")),
        Order.where(paid | (on(Order.day) > 5)),
        Order.where(paid | (on(Order.day) > 5)).order_by(desc(Order.day)),
        Order.where(on(Order.id).one_of(["o03", "o31", "x", "o00"])),
        Order.where(on(Order.day).one_of([3, 1, 7]), Order.number > 10),
        Order.where(Order.number > 30, allow_scan=True),
        Order.where(on(Order.email).is_none()).order_by(desc(Order.day)),
        Order.where(on(Order.email).is_none() | (Order.day == 3)).order_by(Order.day),
    ]

    for query in queries:
        assert await _paged(ask, query, size) == await ask(query, "ids")


async def test_others_insert_and_delete_between_pages(orders: type[Order], ask: Ask) -> None:
    await Order.insert([Order(id=f"m{number}", number=number, day=10) for number in range(6)])
    query = Order.where(on(Order.day) >= 5).order_by(Order.day)

    first = await ask(query, "page", 3)
    await Order.insert([Order(id="before", number=10, day=5), Order(id="after", number=11, day=20)])
    await Order.insert(Order(id="m2a", number=12, day=10))  # at the cursor, behind it
    await Order.delete("m2")  # the cursor's own record
    second = await ask(query, "page", 3, first.next)
    await Order.delete(["m3", "m4", "m5"])
    third = await ask(query, "page", 3, second.next)

    assert [ids_of(page.records) for page in (first, second, third)] == [
        ["m0", "m1", "m2"],
        ["m2a", "m3", "m4"],
        ["after"],
    ]
    assert third.next is None


async def test_a_page_that_ends_with_the_last_record_has_no_next(orders: type[Order], ask: Ask) -> None:
    insert_orders(3)

    page = await ask(Order.where().order_by(Order.day), "page", 3)

    assert (len(page.records), page.next) == (3, None)


async def test_bad_records_are_on_no_page_but_do_not_end_it(orders: type[Order], ask: Ask, client: Any) -> None:
    insert_orders(9)
    client.hset("order:o04", "note", b"\xff")
    client.hset("order:o03", "number", "x")
    bad: list[Any] = []
    query = Order.where(on(Order.day) >= 1).order_by(Order.day)

    page = await ask(query, "page", 4, bad_records=bad)
    rest = await ask(query, "page", 4, page.next, bad_records=bad)

    assert ids_of(page.records) + ids_of(rest.records) == ["o01", "o02", "o05", "o06", "o07", "o08"]
    assert [error.key for error in bad] == ["order:o03", "order:o04"]


def _changed(cursor: str, place: int, value: object) -> str:
    document = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    document[place] = value
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


async def test_a_cursor_is_of_its_query_and_of_the_indexes_it_was_made_for(orders: type[Order], ask: Ask) -> None:
    insert_orders(9)
    query = Order.where(on(Order.day) >= 1).order_by(Order.day)
    cursor = (await ask(query, "page", 2)).next

    for text in (
        "",
        "x",
        "%%%",
        "ä",
        "e30",
        "W10",
        cursor[:-4],
        "A" * 9000,
        _changed(cursor, 3, "1"),
        _changed(cursor, 1, 5),
    ):
        with pytest.raises(CursorError, match="is not readable; begin with the first page"):
            await ask(query, "page", 2, text)
    for other in (
        query.order_by(desc(Order.day)),
        Order.where(Order.status == Status.NEW),
        Order.where(),
        Order.where(Order.number > 1, allow_scan=True),
    ):
        with pytest.raises(CursorError, match="is of another query"):
            await ask(other, "page", 2, cursor)
    with pytest.raises(CursorError, match="the table had before"):
        await ask(query, "page", 2, _changed(cursor, 0, "0" * 40))
    with pytest.raises(TypeError, match="must be the cursor of a page"):
        await ask(query, "page", 2, 5)
    with pytest.raises(CursorError):
        await ask(Order.where(), "page", 2, cursor)


async def test_a_cursor_keeps_its_index_when_another_one_has_become_smaller(orders: type[Order], ask: Ask) -> None:
    insert_orders(20)
    query = Order.where(on(Order.day) >= 1, Order.tenant == "t", Order.number >= 0)
    first = await ask(query, "page", 5)
    await Order.delete([f"o{number:02}" for number in range(12, 20)])
    await Order.insert([Order(id=f"u{number}", tenant="u", number=number, day=99) for number in range(20)])

    rest = await ask(query, "page", 50, first.next)

    left = {f"o{number:02}" for number in range(12)} - {"o00", "o10"}
    assert {*ids_of(first.records), *ids_of(rest.records)} == {*ids_of(first.records), *left}


async def test_pages_need_an_index_in_their_order(orders: type[Order], ask: Ask) -> None:
    insert_orders(9)

    with pytest.raises(NoIndexError, match="'number: int = Field\\(default=0, index=True\\)'"):
        await ask(Order.where().order_by(Order.number), "page", 2)
    with pytest.raises(QueryError, match="pages"):
        await ask(Order.where(allow_scan=True).order_by(Order.number), "page", 2)
    every = Order.where(Order.number < 5, allow_scan=True).order_by(desc(Order.number))
    assert [order.id for order in await ask(every, "iterate")] == ["o04", "o03", "o02", "o01", "o00"]


async def test_an_index_that_is_dropped_while_it_is_read_ends_the_query_with_an_error(
    orders: type[Order], client: Any
) -> None:
    Order.sync.insert([Order(id=f"o{number:04}", number=number, day=5) for number in range(1200)])

    met = 0
    with pytest.raises(IndexNotReadyError, match="'day' is missing"):
        async for _ in Order.where(Order.day == 5):
            met += 1
            if met == 10:
                document = json.loads(client.hget("order:__index:_definitions", "document"))
                del document["indexes"]["day"]
                _define(client, document)
                client.delete("order:__index:day")

    assert met >= 500


def _define(client: Any, document: Any) -> None:
    from redis_models.indexes.definitions import read_definitions

    definitions = read_definitions(json.dumps(document))
    states = json.dumps({index.name: "ready" for index in definitions.indexes})
    client.hset(
        "order:__index:_definitions",
        mapping={"document": definitions.document, "digest": definitions.digest, "states": states},
    )
