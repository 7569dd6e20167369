"""``select(columns=...)``: dicts in the order asked for, spelled as by pydantic-aioredis."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import DecodeError, ModelDeclarationError

from .conftest import Call


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = 0
    price: float = 1.5
    in_stock: bool = True
    published: dt.date = dt.date(2020, 1, 1)
    tags: list[str] = Field(default_factory=list)
    counts: dict[str, int] = Field(default_factory=dict)
    note: str | None = None
    cost: Decimal = Decimal("1.50")
    kinds: set[str] = Field(default_factory=lambda: {"k"})


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    store.register_model(Book)
    yield
    Book._store = None


async def test_values_are_those_of_pydantic_aioredis_and_its_odd_ones_have_their_type(call: Call) -> None:
    await Book.insert(Book(title="A", pages=3, tags=["x"], counts={"a": 1}))
    columns = ["kinds", "cost", "note", "counts", "tags", "published", "in_stock", "price", "pages", "title"]

    [found] = await call(Book, "select", columns)

    assert list(found.items()) == [
        ("kinds", {"k"}),
        ("cost", Decimal("1.50")),
        ("note", None),
        ("counts", {"a": 1}),
        ("tags", ["x"]),
        ("published", "2020-01-01"),
        ("in_stock", True),
        ("price", "1.5"),
        ("pages", "3"),
        ("title", "A"),
    ]


async def test_a_field_that_is_not_stored_is_none_and_a_record_that_is_not_there_is_in_no_answer(
    call: Call, client: Any
) -> None:
    client.hset("book:A", mapping={"title": "A"})
    client.zadd("book:__index", {"book:A": 0, "book:gone": 0})

    assert await call(Book, "select", ["pages"]) == [{"pages": None}]
    assert await call(Book, "select", ["pages", "tags"], ids=["gone", "A"]) == [{"pages": None, "tags": None}]
    assert await call(Book, "select", ["title"], ids="gone") is None


async def test_columns_can_be_any_sequence(call: Call) -> None:
    await Book.insert(Book(title="A"))

    assert await call(Book, "select", ("title", "pages", "title")) == [{"title": "A", "pages": "0"}]


@pytest.mark.parametrize(
    ("columns", "error", "text"),
    [
        (["author"], ModelDeclarationError, "Book: has no stored field 'author'; it has title, pages"),
        (["title", "_v"], ModelDeclarationError, "'_v'"),
        ([5], ModelDeclarationError, "5"),
        ([], ValueError, "Book.select: columns must name a field"),
        ("title", TypeError, r"columns must be a list of fields: \['title'\]"),
    ],
)
async def test_columns_that_are_none_are_refused(call: Call, columns: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        await call(Book, "select", columns)


async def test_a_column_that_does_not_read_back_names_record_and_field(call: Call, client: Any) -> None:
    await Book.insert(Book(title="A"))
    client.hset("book:A", "tags", "[")

    with pytest.raises(DecodeError, match="book:A: field 'tags' holds"):
        await call(Book, "select", ["tags"])
