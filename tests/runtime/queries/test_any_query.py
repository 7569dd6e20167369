"""Random data, random conditions and orders: a query gives what a filter over all records gives."""

import enum
import operator
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from redis_models import Condition, Field, Model, Store, asc, desc, on
from redis_models.errors import QueryError
from redis_models.indexes.conditions import Order as Sorting
from redis_models.indexes.matcher import judge, resolved, resolved_order, sort_key

from ...conftest import Server


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"
    DARK_GREEN = "green dark"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 10


class Crate(Model):
    id: str = Field(primary_key=True)
    count_of: int | None = Field(default=None, index=True)
    weight: float | None = Field(default=0.5, index=True)
    price: Decimal | None = Field(default=None, index=True)
    is_open: bool = Field(default=False, index=True)
    name: str | None = Field(default=None, index=True)
    label: str = Field(default="", index=True, nocase=True)
    colour: Colour | None = Field(default=None, index=True)
    size: Size = Field(default=Size.SMALL, index=True)
    grade: Literal["a", "b", "ab"] = Field(default="a", index=True)
    packed: date | None = Field(default=None, index=True)
    seen: datetime | None = Field(default=None, index=True)
    code: UUID | None = Field(default=None, index=True)
    plain: int = 0  # no index has it

    class Meta:
        indexes = (("colour", "count_of"), ("grade", "is_open", "name"), ("size", "weight"))


_LONG: Final = "é" * 128  # 256 bytes
_ZONE: Final = timezone(timedelta(hours=-5, minutes=-30))
VALUES: Final[dict[str, list[Any]]] = {
    "count_of": [None, 0, -1, 1, 9, 10, 99, 2**53, 2**53 + 1, -(10**20), 10**45],
    "weight": [None, 0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 0.1],
    "price": [None, Decimal("1.10"), Decimal("1.1"), Decimal("-3"), Decimal("1E+20"), Decimal("0.001"), Decimal(0)],
    "is_open": [True, False],
    "name": [None, "", "a", "ab", "a\0b", "B", "b", "None", "\\None", "null", "ä", _LONG, _LONG + "x", _LONG + "y"],
    "label": ["", "Ann", "ann", "ANNA", "bob", "Bob", "Ä", "ä", "ann\0"],
    "colour": [None, *Colour],
    "size": [*Size],
    "grade": ["a", "b", "ab"],
    "packed": [None, date(1, 1, 1), date(2026, 2, 3), date(2026, 11, 3), date(9999, 12, 31)],
    "seen": [
        None,
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2025, 12, 31, 18, 30, tzinfo=_ZONE),
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    "code": [None, UUID(int=0), UUID(int=5), UUID(int=2**127)],
    "plain": [0, 1, 2],
    "id": ["k1", "k2", "k10", "k:3", "ä"],
}  # fmt: skip
_ORDERED: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_OPERATORS: Final[dict[str, Any]] = {**_ORDERED, "!=": operator.ne}
_TEXTS: Final = ("name", "label", "colour", "grade")
_PREFIXES: Final = ["", "a", "A", "ann", "green", "None", _LONG, _LONG + "x", "é", "a\0"]


def _records(rng: random.Random) -> list[Crate]:
    fields = [name for name in VALUES if name != "id"]
    return [Crate(id=f"k{number}", **{name: rng.choice(VALUES[name]) for name in fields}) for number in range(30)]


def _comparison(rng: random.Random) -> Condition:
    name = rng.choice(list(VALUES))
    reference, values = on(Crate, name), VALUES[name]
    known = [value for value in values if value is not None]
    kind = rng.choice(["==", "==", "!=", "<", "<=", ">", ">=", "one_of", "between", "is_none", "startswith"])
    if kind == "startswith" and name in _TEXTS:
        return reference.startswith(rng.choice(_PREFIXES))
    if kind == "one_of":
        return reference.one_of(rng.sample(values, rng.randint(0, min(4, len(values)))))
    if kind == "between":
        return reference.between(rng.choice(known), rng.choice(known))
    if kind == "is_none" and None in values:
        return reference.is_none()
    value = rng.choice(values)
    if value is None and kind in _ORDERED:
        kind = "=="
    compare = _OPERATORS.get(kind, operator.eq)
    condition: Condition = compare(reference, value)
    return condition


def _condition(rng: random.Random, depth: int) -> Condition:
    kind = rng.choice(["one", "and", "and", "or", "not"]) if depth else "one"
    if kind == "and":
        return _condition(rng, depth - 1) & _condition(rng, depth - 1)
    if kind == "or":
        return _condition(rng, depth - 1) | _condition(rng, depth - 1)
    return ~_condition(rng, depth - 1) if kind == "not" else _comparison(rng)


def _orders(rng: random.Random) -> list[Sorting]:
    names = rng.sample([name for name in VALUES if name != "plain"], rng.choice([0, 0, 1, 1, 2]))
    is_mixed, is_descending = rng.random() < 0.2, rng.random() < 0.5
    return [
        (desc if is_descending is not (is_mixed and rng.random() < 0.5) else asc)(
            on(Crate, name), nulls=rng.choice([None, None, "first", "last"])
        )
        for name in names
    ]


@pytest.fixture
def crates(server: Server) -> Iterator[Store]:
    store = Store.from_url(server.url)
    store.register_model(Crate)
    Crate.sync.build_indexes()
    yield store
    store.close()
    Crate._store = None


def _check(records: list[Crate], condition: Condition, orders: list[Sorting], rng: random.Random) -> None:
    mapper = Crate.__mapper__
    meets = judge(resolved(condition, mapper))
    expected = [record for record in records if meets(record)]
    key = sort_key([resolved_order(order, mapper) for order in orders], mapper)
    query = Crate.sync.where(condition, allow_scan=True)
    if orders:
        query = query.order_by(*orders)

    found = query.all()

    assert sorted(record.id for record in found) == sorted(record.id for record in expected)
    keys = [key(record)[:-1] for record in found]
    assert keys == sorted(keys)
    if orders:
        # Records that are equal by the order may come by the further fields of an index.
        assert keys == sorted(key(record)[:-1] for record in expected)
    assert query.count() == len(expected)
    assert query.exists() is bool(expected)
    assert query.ids() == [record.id for record in found]
    assert query.values(Crate.id, Crate.plain) == [(record.id, record.plain) for record in found]
    limit = rng.randint(1, 5)
    first_ones = query.limit(limit).all()
    assert [key(record)[:-1] for record in first_ones] == keys[:limit]
    assert {record.id for record in first_ones} <= {record.id for record in expected}
    assert [record.id for record in query] == [record.id for record in found]
    _check_pages(query, [record.id for record in found], rng)


def _check_pages(query: Any, ids: list[str], rng: random.Random) -> None:
    after, paged, size = None, list[str](), rng.randint(1, 7)
    try:
        while True:
            page = query.page(size, after)
            assert len(page.records) == size or page.next is None
            paged += [record.id for record in page.records]
            after = page.next
            if after is None:
                break
    except QueryError:
        event("no pages in this order")
        return
    assert sorted(paged) == sorted(ids)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 2**32))
def test_a_query_gives_what_a_filter_over_all_records_gives(crates: Store, seed: int) -> None:
    rng = random.Random(seed)
    Crate.sync.delete_all()
    records = _records(rng)
    Crate.sync.insert(records)
    for _ in range(15):
        condition, orders = _condition(rng, rng.choice([0, 1, 1, 2, 3])), _orders(rng)
        try:
            is_served = not Crate.sync.where(condition).order_by(*orders).explain().reads_table
        except QueryError:
            is_served = False
        event(f"served by an index: {is_served}")
        try:
            _check(records, condition, orders, rng)
        except BaseException:
            print(seed, condition, orders)
            raise
