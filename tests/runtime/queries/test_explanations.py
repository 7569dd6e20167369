"""``explain`` tells which indexes a query reads, what it filters, and how much there is; its text is held here."""

from typing import Any

from redis_models import Condition, desc, on

from .conftest import Ask
from .orders import Order, Status, insert_orders

PAID: Condition = on(Order.status) == Status.PAID


async def _lines(ask: Ask, query: object) -> list[str]:
    return str(await ask(query, "explain")).splitlines()


async def test_the_text_of_each_shape(orders: type[Order], ask: Ask, client: Any) -> None:
    insert_orders(30)

    assert await _lines(ask, Order.where(Order.day == 3)) == [
        "Order.day == 3",
        "  reads index day (day): Order.day == 3; 3 members",
    ]
    assert await _lines(ask, Order.where(PAID, on(Order.day) > 5)) == [
        "(Order.status == Status.PAID) & (Order.day > 5)",
        "  reads index status_day (status, day): Order.status == Status.PAID & Order.day > 5; 4 members",
    ]
    assert await _lines(
        ask, Order.where(on(Order.day).one_of([2, 3]), Order.note == "x").order_by(desc(Order.day))
    ) == [
        "on(Order.day).one_of([2, 3]) & (Order.note == 'x'), order_by(desc(Order.day))",
        "  reads index day (day): on(Order.day).one_of([2, 3]); 6 members, 2 ranges; then filtered by "
        "Order.note == 'x'",
    ]
    assert await _lines(ask, Order.where(PAID | (Order.day == 4))) == [
        "(Order.status == Status.PAID) | (Order.day == 4)",
        "  reads index status (status): Order.status == Status.PAID; 10 members",
        "  reads index day (day): Order.day == 4; 3 members",
    ]
    assert await _lines(ask, Order.where(on(Order.id).one_of(["o01"]))) == [
        "on(Order.id).one_of(['o01'])",
        "  reads primary key: every record; 1 member; then filtered by on(Order.id).one_of(['o01'])",
    ]
    assert await _lines(ask, Order.where().order_by(Order.day)) == [
        "order_by(asc(Order.day))",
        "  reads index day (day): every record; 30 members",
    ]
    assert await _lines(ask, Order.where()) == ["all records", "  reads every record of the table"]
    assert await _lines(ask, Order.where(Order.note == "x", allow_scan=True).order_by(Order.day)) == [
        "Order.note == 'x', order_by(asc(Order.day))",
        "  reads index day (day): every record; 30 members; then filtered by Order.note == 'x'",
    ]
    assert await _lines(ask, Order.where(Order.note == "x", allow_scan=True).order_by(Order.note)) == [
        "Order.note == 'x', order_by(asc(Order.note))",
        "  reads every record of the table",
        "  sorts the results in memory",
    ]


async def test_its_fields_say_the_same(orders: type[Order], ask: Ask, client: Any) -> None:
    insert_orders(9)
    client.zadd("order:__index:_others", {"o01": 0})

    found = await ask(Order.where(PAID, Order.tenant == "t").order_by(Order.email), "explain")

    assert [(scan.index, scan.is_chosen, scan.is_ordered, scan.count) for scan in found.candidates] == [
        ("tenant_number", False, False, 9),
        ("status", True, False, 3),
        ("email", False, True, 9),
    ]
    assert (found.reads_table, found.sorts, found.others) == (False, True, 1)
    assert dict(found.states) == dict.fromkeys(("day", "email", "status", "status_day", "tenant_number"), "ready")
    assert "reads 1 record with a value that has no entry" in str(found)


async def test_a_limit_makes_the_index_in_the_wanted_order_the_cheaper_one(orders: type[Order], ask: Ask) -> None:
    insert_orders(300)
    await Order.where(on(Order.day) > 0).update(status=Status.PAID)
    query = Order.where(PAID, on(Order.email).is_none()).order_by(Order.day)

    found = await ask(query.limit(3), "explain")

    assert [scan.index for scan in found.candidates if scan.is_chosen] == ["status_day"]
