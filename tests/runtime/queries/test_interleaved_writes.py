"""Others write between the round trips of a query: no wrong record is given, and none is lost that they left alone."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from redis_models import asc, desc, on
from redis_models.client.commands import Command
from redis_models.indexes.matcher import judge, sort_key
from redis_models.model.query import Query
from redis_models.queries import search, streams

from ..indexes.index_check import differences
from .orders import Order, Status, run_interrupted

_TOUCHED: Final = [f"t{number:02}" for number in range(20)]
_LEFT_ALONE: Final = [f"u{number:02}" for number in range(20)]
_QUERIES: Final[list[Callable[[], Query[Order]]]] = [
    lambda: Order.where(on(Order.day) >= 3),
    lambda: Order.where(on(Order.day) >= 3).order_by(desc(Order.day)),
    lambda: Order.where(on(Order.day) >= 3, Order.note != "x").order_by(Order.day),
    lambda: Order.where(on(Order.day).one_of([1, 3, 5, 7, None])),
    lambda: Order.where((Order.status == Status.NEW) | (on(Order.day) > 4)),
    lambda: Order.where((Order.status == Status.NEW) | (on(Order.day) > 4)).order_by(asc(Order.day, nulls="last")),
    lambda: Order.where(Order.status == Status.PAID).order_by(Order.day),
    lambda: Order.where(Order.note == "x", allow_scan=True),
    lambda: Order.where(Order.day == 4),
]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "READ_CHUNK", 4)
    monkeypatch.setattr(streams, "MOST_MEMBERS", 3)
    monkeypatch.setattr(streams, "_FEWEST_MEMBERS", 2)


def _values(rng: random.Random) -> dict[str, Any]:
    return {
        "day": rng.choice([None, *range(9)]),
        "status": rng.choice([*Status]),
        "note": rng.choice(["", "x"]),
    }


def _write(rng: random.Random, client: Any, *, raw: bool) -> None:
    """Let another client write something."""
    pk = rng.choice(_TOUCHED)
    match rng.randrange(6 if raw else 4):
        case 0:
            Order.sync.delete(pk)
        case 1:
            Order.sync.insert(Order(id=pk, number=int(pk[1:]), **_values(rng)))
        case 2 | 3:
            if Order.sync.exists(pk):
                Order.sync.patch(pk, **_values(rng))
        case 4:
            client.delete(f"order:{pk}")  # as one that expires
        case _:
            if client.exists(f"order:{pk}"):
                client.hset(f"order:{pk}", "day", rng.randrange(9))


@pytest.mark.parametrize("seed", range(40))
def test_queries_amid_writes(orders: type[Order], client: Any, seed: int) -> None:
    rng = random.Random(seed)
    alone = [Order(id=pk, number=100 + int(pk[1:]), **_values(rng)) for pk in _LEFT_ALONE]
    Order.sync.insert([*alone, *(Order(id=pk, number=int(pk[1:]), **_values(rng)) for pk in _TOUCHED)])

    def interrupt(commands: Sequence[Command]) -> None:
        for _ in range(rng.choice([0, 0, 1, 3])):
            _write(rng, client, raw=seed % 2 == 0)

    for make in _QUERIES:
        query = make()
        condition, wanted = query._request.condition, query._request.orders
        meets, key = judge(condition), sort_key(wanted, Order.__mapper__)

        found: list[Order] = run_interrupted(query._results.all(), interrupt)

        assert [order for order in found if not meets(order)] == []
        ids = [order.id for order in found]
        assert len(ids) == len(set(ids))
        assert {order.id for order in alone if meets(order)} == {pk for pk in ids if pk in _LEFT_ALONE}
        if wanted:
            keys = [key(order)[:-1] for order in found]
            assert keys == sorted(keys)
        _check_pages(query, interrupt, {order.id for order in alone if meets(order)})
        count = run_interrupted(query._results.count(), interrupt)
        assert len({order.id for order in alone if meets(order)}) <= count


def _check_pages(query: Query[Order], interrupt: Callable[[Sequence[Command]], None], alone: set[str]) -> None:
    given, after = list[str](), None
    while True:
        records, after = run_interrupted(query._results.page(3, after), interrupt)
        given += [order.id for order in records]
        if after is None:
            break
    assert sorted(pk for pk in given if pk in _LEFT_ALONE) == sorted(alone)


@pytest.mark.parametrize("seed", range(20))
def test_changes_amid_writes(orders: type[Order], client: Any, seed: int) -> None:
    rng = random.Random(seed)
    everything = [Order(id=pk, number=place, **_values(rng)) for place, pk in enumerate((*_TOUCHED, *_LEFT_ALONE))]
    Order.sync.insert(everything)

    def interrupt(commands: Sequence[Command]) -> None:
        for _ in range(rng.choice([0, 0, 1])):
            _write(rng, client, raw=False)

    paid = Order.where(Order.status == Status.PAID, on(Order.day) >= 2)
    run_interrupted(paid._changes.update({"note": "paid", "day": 1}), interrupt)
    run_interrupted(Order.where(on(Order.day) >= 5)._changes.delete(), interrupt)

    for order in everything:
        if order.id in _LEFT_ALONE:
            is_paid = order.status == Status.PAID and (order.day or 0) >= 2
            is_gone = not is_paid and (order.day or 0) >= 5
            assert Order.sync.exists(order.id) is not is_gone
            if not is_gone:
                expected = ("paid", 1) if is_paid else (order.note, order.day)
                stored = Order.sync.get(order.id)
                assert (stored.note, stored.day) == expected
    assert differences(client, Order.__mapper__.keys) == []
