"""A query that no index serves is refused with its cure, and so is one whose index cannot be trusted."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

import redis_models
from redis_models import Condition, Field, Model, Store, desc, on
from redis_models.errors import (
    IndexDamagedError,
    IndexNotReadyError,
    NoIndexError,
    QueryError,
    TooManyOthersError,
)

from .conftest import Ask
from .orders import Order, Status, insert_orders

DEFINITIONS = "order:__index:_definitions"
HEAD = """
class Visit(Model):
    id: str = Field(primary_key=True)
    city: str
    guests: int | None = None
    paid: bool = False
"""


def _declared(store: Store, body: str) -> Any:
    names: dict[str, Any] = {**vars(redis_models), "Model": Model, "Field": Field, "__name__": "visits"}
    exec(HEAD + body, names)
    names["Visit"].__module__ = "visits"
    store.register_model(names["Visit"])
    return names["Visit"]


_SERVED_WHEN_DECLARED: Final[list[Callable[[Any], Any]]] = [
    lambda visit: visit.where(visit.city == "Rome"),
    lambda visit: visit.where(on(visit.guests) > 3, visit.city != "Rome"),
    lambda visit: visit.where((visit.city == "Rome") | (on(visit.guests).is_none())),
    lambda visit: visit.where(visit.paid == True).order_by(desc(visit.city)),  # noqa: E712
    lambda visit: visit.where(visit.paid == True, visit.city == "R").order_by(visit.guests),  # noqa: E712
    lambda visit: visit.where().order_by(visit.guests),
    lambda visit: visit.where().order_by(visit.guests, visit.city),
]


@pytest.mark.parametrize("make", _SERVED_WHEN_DECLARED)
def test_the_line_that_an_error_names_serves_the_query_when_it_is_pasted(
    store: Store, make: Callable[..., Any]
) -> None:
    body, tried = "", 0
    while True:
        model = _declared(store, body)
        model.sync.build_indexes()
        model.sync.insert([model(id="a", city="Rome", guests=4, paid=True), model(id="b", city="Bonn")])
        try:
            found = make(model).sync.all()
        except NoIndexError as exc:
            line = exc.declare.partition("'")[2].rpartition("'")[0]
            body += f"    class Meta:\n        {line}\n" if "indexes" in line else f"    {line}\n"
            tried += 1
            assert tried <= 3
            continue
        break

    assert tried > 0
    assert found == make(model).sync.all()


@pytest.mark.parametrize(
    "condition",
    [
        on(Order.day) != 3,
        ~(on(Order.day) == 3),
        ~(on(Order.day) < 3),
        on(Order.id).startswith("o"),
        on(Order.id) > "o",
        on(Order.note).contains("x"),
    ],
)
async def test_what_no_index_can_serve_says_so(orders: type[Order], ask: Ask, condition: Condition) -> None:
    insert_orders(5)
    assert isinstance(condition, Condition)

    with pytest.raises(QueryError, match=r"no index can serve .* allow_scan=True") as caught:
        await ask(Order.where(condition), "all")
    assert not isinstance(caught.value, NoIndexError)
    await ask(Order.where(condition, allow_scan=True), "all")


async def test_more_than_eight_alternatives_are_refused(orders: type[Order], ask: Ask) -> None:
    insert_orders(12)
    days = [on(Order.day) == day for day in range(1, 10)]
    either = days[0]
    for day in days[1:]:
        either = either | day

    with pytest.raises(QueryError, match="8 alternatives"):
        await ask(Order.where(either), "all")
    assert await ask(Order.where(on(Order.day).one_of(list(range(1, 10)))), "count") == 10


async def test_a_hundred_values_are_ranges_and_more_are_not(orders: type[Order], ask: Ask) -> None:
    insert_orders(5)

    assert await ask(Order.where(on(Order.day).one_of(range(100))), "count") == 4
    with pytest.raises(QueryError, match="at most 100 values"):
        await ask(Order.where(on(Order.day).one_of(range(101))), "count")
    assert await ask(Order.where(on(Order.day).one_of([])), "all") == []


@pytest.mark.parametrize("verb", ["all", "count", "first", "ids", "exists", "iterate", "estimate", "explain", "delete"])
async def test_each_verb_waits_for_the_index_and_scans_where_it_may(
    orders: type[Order], client: Any, ask: Ask, verb: str
) -> None:
    insert_orders(5)
    states = json.loads(client.hget(DEFINITIONS, "states"))
    client.hset(DEFINITIONS, "states", json.dumps(states | {"day": "building 5"}))

    with pytest.raises(IndexNotReadyError, match="the index 'day' is building") as caught:
        await ask(Order.where(Order.day == 2), verb)
    assert (caught.value.index, caught.value.state) == ("day", "building")
    await ask(Order.where(Order.day == 2, allow_scan=True), verb)
    assert await ask(Order.where(Order.status == Status.PAID, Order.day == 3), "ids") == ["o03"]


async def test_an_index_that_was_declared_and_not_built_is_missing(store: Store, ask: Ask) -> None:
    store.register_model(Order)
    await Order.insert(Order(id="a", day=2))

    with pytest.raises(IndexNotReadyError, match=r"the index 'day' is missing; run Order.build_indexes\(\)"):
        await ask(Order.where(Order.day == 2), "all")
    assert await ask(Order.where(Order.day == 2, allow_scan=True), "ids") == ["a"]
    await Order.build_indexes()
    assert await ask(Order.where(Order.day == 2), "ids") == ["a"]


async def test_an_empty_index_beside_records_is_damaged(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(5)
    client.delete("order:__index:day")

    with pytest.raises(IndexDamagedError, match="the index 'day' is empty at 'order:__index:day'"):
        await ask(Order.where(Order.day == 2), "all")
    assert await ask(Order.where(Order.day == 2, allow_scan=True), "ids") == ["o02"]
    assert await ask(Order.where(allow_scan=True).order_by(desc(Order.day)).limit(2), "ids") == ["o04", "o03"]
    assert await ask(Order.where(Order.status == Status.PAID), "count") == 2


async def test_an_index_without_records_is_not_damaged(orders: type[Order], client: Any, ask: Ask) -> None:
    assert await ask(Order.where(Order.day == 2), "all") == []
    insert_orders(3)
    client.delete(*[f"order:o{number:02}" for number in range(3)])  # expired: the indexes do not know
    for name in ("day", "status", "status_day"):
        client.delete(f"order:__index:{name}")
    assert await ask(Order.where(Order.day == 2), "all") == []
    client.hset("order:x", mapping={"id": "x", "day": "007", "status": '"new"', "_v": 1})
    client.zadd("order:__index", {"order:x": 0})
    client.zadd("order:__index:_others", {"x": 0})
    assert await ask(Order.where(Order.day == 7), "ids") == ["x"]


async def test_too_many_records_without_an_entry_are_refused(orders: type[Order], client: Any, ask: Ask) -> None:
    insert_orders(3)
    client.zadd("order:__index:_others", {f"x{number}": 0 for number in range(1001)})

    with pytest.raises(TooManyOthersError, match="1,001 records have a value that no index holds") as caught:
        await ask(Order.where(Order.day == 2), "all")
    assert (caught.value.count, caught.value.limit) == (1001, 1000)
    client.zrem("order:__index:_others", "x0")
    assert await ask(Order.where(Order.day == 2), "ids") == ["o02"]
    assert client.zcard("order:__index:_others") == 0  # none of them exists


@pytest.fixture
def own_text(store: Store) -> Iterator[Any]:
    class OwnText(Model):
        id: str = Field(primary_key=True)
        size: int = 0

        @classmethod
        def serialize_partially(cls, data: Any) -> Any:
            return {**super().serialize_partially(data), "size": f"{data['size']:05}"}

        @classmethod
        def deserialize_partially(cls, data: Any) -> Any:
            return super().deserialize_partially(data)

    store.register_model(OwnText)
    yield OwnText
    OwnText._store = None


def test_a_model_whose_records_go_through_hooks_is_scanned_only(own_text: Any) -> None:
    own_text.sync.insert([own_text(id="a", size=7), own_text(id="b", size=9)])

    with pytest.raises(QueryError, match="overrides serialize_partially and deserialize_partially, so no index serves"):
        own_text.sync.where(own_text.size == 7).all()
    assert own_text.sync.where(own_text.size == 7, allow_scan=True).ids() == ["a"]
