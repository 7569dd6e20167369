"""What type checkers see of conditions: run by ``test_typing.py``, never imported.

A line that must be an error carries ``# expect: CODE``, mypy's code for it.
"""

from datetime import datetime
from enum import Enum
from typing import Any, Literal, assert_type

from redis_models import Condition, Field, Model, asc, desc, on
from redis_models.indexes.conditions import Order as SortOrder
from redis_models.indexes.conditions import Reference


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Order(Model):
    id: str = Field(primary_key=True)
    tenant: str
    number: int
    email: str | None = Field(default=None, unique=True, nocase=True)
    status: Status = Field(default=Status.NEW, index=True)
    kind: Literal["a", "b"] = "a"
    created: datetime = Field(index=True)
    discount: float | None = None
    is_paid: bool = False
    tags: list[str] = Field(default_factory=list)

    class Meta:
        indexes = [("status", "created")]  # noqa: RUF012
        unique = {"by_number": ("tenant", "number")}  # noqa: RUF012


where = Order.where


def plain(day: datetime) -> None:
    where(Order.number >= 18, Order.created < day, Order.status == Status.NEW)
    where(18 <= Order.number, Order.tenant != "a")  # noqa: SIM300
    where((Order.number == 1) | (Order.number == 2) & (Order.tenant == "a"))
    where(Order.email == "a", Order.email == None)  # noqa: E711
    where(Order.is_paid, Order.is_paid & (Order.number > 5))
    where(Order.kind == "a")
    where()


def typed(day: datetime) -> None:
    assert_type(on(Order.number), Reference[int])
    assert_type(on(Order.email), Reference[str])
    assert_type(on(Order.discount), Reference[float])
    assert_type(on(Order, "count"), Reference[Any])
    assert_type(on(Order.discount) >= 5, Condition)
    assert_type(on(Order.discount) == None, Condition)  # noqa: E711
    assert_type(on(Order.email).startswith("a"), Condition)
    assert_type(on(Order.status).startswith("n"), Condition)
    assert_type(on(Order.email).one_of(["a", None]), Condition)
    assert_type(on(Order.status).one_of({Status.NEW}), Condition)
    assert_type(on(Order.created).between(day, day), Condition)
    assert_type(on(Order.email).is_none(), Condition)
    assert_type(on(Order.tags).contains("a"), Condition)
    assert_type(on(Order.tenant).contains("a"), Condition)
    assert_type(~(on(Order.number) == 5), Condition)
    assert_type((on(Order.discount) > 1) & (Order.number == 5), Condition)
    assert_type((Order.number == 5) & (on(Order.discount) > 1), Condition)
    assert_type((Order.number == 5) | (on(Order.discount) > 1), Condition)
    where(~on(Order.email).is_none(), (Order.number == 5) | on(Order.email).is_none())
    assert_type(asc(Order.created), SortOrder)
    assert_type(desc(on(Order, "count"), nulls="last"), SortOrder)


def wrong(day: datetime) -> None:
    where(Order.nubmer >= 18)  # expect: attr-defined
    where(Order.number >= "x")  # expect: operator
    where(Order.discount >= 5)  # expect: operator
    where(Order.number == "x")  # expect: comparison-overlap
    where(Order.number)  # expect: arg-type
    where("number >= 18")  # expect: arg-type
    where(on(Order.number) >= "x")  # expect: operator
    where(on(Order.number).one_of(["x"]))  # expect: list-item
    where(on(Order.number).between("a", "b"))  # expect: arg-type
    where(on(Order.discount) >= None)  # expect: operator
    where(on(Order.tags).contains(5))  # expect: arg-type
    on(Order.number).starts_with("a")  # expect: attr-defined
    desc(Order.created, nulls="middle")  # expect: arg-type
    Field(uniqe=True)  # expect: call-overload
