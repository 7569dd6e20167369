"""What type checkers see of queries and their results: run by ``test_typing.py``, never imported.

A line that must be an error carries ``# expect: CODE``, mypy's code for it.
"""

from datetime import datetime
from enum import Enum
from typing import Any, assert_type

from redis_models import AutoModel, Field, Model, Page, Query, SyncQuery, desc, on
from redis_models.queries.explanation import Explanation


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Parcel(Model):
    id: str = Field(primary_key=True)
    number: int
    email: str | None = None
    status: Status = Field(default=Status.NEW, index=True)
    created: datetime = Field(index=True)


class Letter(AutoModel):
    id: int = Field(primary_key=True)
    weight: float = Field(default=0.5, index=True)


def build(day: datetime) -> None:
    query = Parcel.where(Parcel.status == Status.NEW, Parcel.created < day)
    assert_type(query, Query[Parcel])
    assert_type(query.where(on(Parcel.email).startswith("a")).order_by(desc(Parcel.created)).limit(5), Query[Parcel])
    assert_type(query.sync, SyncQuery[Parcel])
    assert_type(Parcel.sync.where(Parcel.number > 5), SyncQuery[Parcel])
    assert_type(Letter.where(Letter.weight > 1, allow_scan=True), Query[Letter])


async def give(query: Query[Parcel]) -> None:
    assert_type(await query.all(), list[Parcel])
    assert_type(await query.first(), Parcel | None)
    assert_type(await query.one(), Parcel)
    assert_type(await query.count(), int)
    assert_type(await query.exists(), bool)
    assert_type(await query.ids(), list[Any])
    assert_type(await query.values(Parcel.id), list[tuple[str]])
    assert_type(await query.values(Parcel.id, Parcel.created), list[tuple[str, datetime]])
    assert_type(await query.values(Parcel.email, Parcel.status, Parcel.number), list[tuple[str | None, Status, int]])
    page = await query.page(20, "cursor")
    assert_type(page, Page[Parcel])
    assert_type(page.records, list[Parcel])
    assert_type(page.next, str | None)
    async for parcel in query:
        assert_type(parcel, Parcel)
    assert_type(await query.update(status=Status.PAID), int)
    assert_type(await query.delete(), int)
    assert_type(await query.explain(), Explanation)


def give_blocking(query: SyncQuery[Letter]) -> None:
    assert_type(query.all(), list[Letter])
    assert_type(query.first(), Letter | None)
    assert_type(query.values(Letter.id, Letter.weight), list[tuple[int, float]])
    assert_type(list(query), list[Letter])
    assert_type(query.page(5).records, list[Letter])


def refused() -> None:
    Parcel.where("number > 5")  # expect: arg-type
    Parcel.where(Parcel.nubmer == 5)  # expect: attr-defined
    Parcel.where().limit("5")  # expect: arg-type
    Parcel.where().page(5)  # expect: unused-coroutine
    len(Parcel.where())  # expect: arg-type
