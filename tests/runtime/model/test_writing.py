"""Every verb that writes, in the loop and blocking, on a real server."""

from typing import Any

import pytest
from pydantic import model_validator as validator_of_model

from redis_models import Field, Model, Store
from redis_models.errors import (
    EncodeError,
    InvalidPrimaryKeyError,
    ModelDeclarationError,
)

from .models import Book, Note, writes


async def test_insert_stores_whole_records_and_get_reads_them(table: Any, client: Any) -> None:
    book = Book(title="Emma", pages=400, tags=["a"])

    result = await table("insert", book)

    assert result == [4, 1]
    assert await table("get", "Emma") == book
    assert client.hgetall("book:Emma") == {
        b"_v": b"1",
        b"title": b"Emma",
        b"pages": b"400",
        b"tags": b'["a"]',
        b"note": b"None",
    }
    assert client.zrange("book:__index", 0, -1) == [b"book:Emma"]


async def test_insert_gives_the_counts_of_pydantic_aioredis(table: Any) -> None:
    books = [Book(title="A"), Book(title="B")]

    assert await table("insert", books) == [4, 1, 4, 1]
    assert await table("insert", books) == [0, 0, 0, 0]
    assert await table("insert", books[0], life_span_seconds=60) == [0, 0]
    assert await table("insert", []) == []
    assert await table("insert", iter([Book(title="C"), Book(title="C")])) == [4, 1, 0, 0]


async def test_the_counts_show_what_the_index_lacked_record_by_record(table: Any, client: Any) -> None:
    await table("insert", [Book(title="A"), Book(title="B")])
    client.delete("book:A")  # which leaves a member without a record
    client.zrem("book:__index", "book:B")

    assert await table("insert", [Book(title="A"), Book(title="B"), Book(title="C")]) == [4, 0, 0, 1, 4, 1]
    assert client.zrange("book:__index", 0, -1) == [b"book:A", b"book:B", b"book:C"]


async def test_insert_leaves_fields_that_the_model_does_not_know(table: Any, client: Any) -> None:
    client.hset("book:A", mapping={"other": "x", "_b7": "y"})

    await table("insert", Book(title="A"))

    assert client.hmget("book:A", "other", "_b7") == [b"x", b"y"]


@pytest.mark.parametrize("wrong", [None, 5, {"title": "A"}, "A", Note.model_construct(id="a"), [Book(title="A"), 5]])
async def test_insert_of_anything_else_names_it_and_writes_nothing(table: Any, client: Any, wrong: object) -> None:
    with pytest.raises(EncodeError, match="it is not a Book"):
        await table("insert", wrong)

    assert client.dbsize() == 0


async def test_insert_writes_nothing_when_one_value_cannot_be_stored(table: Any, client: Any) -> None:
    wrong = Book.model_construct(title="B", pages="many", tags=[], note=None)

    with pytest.raises(EncodeError, match=r"Book\.pages: 'many' cannot be stored"):
        await table("insert", [Book(title="A"), wrong])

    assert client.dbsize() == 0


async def test_thousands_of_records_come_back_in_the_order_of_their_keys(table: Any) -> None:
    titles = [f"{number:05}" for number in range(2345)]
    await table("insert", [Book(title=title) for title in reversed(titles)])

    assert [book.title for book in await table("select")] == titles
    assert [book.title for book in await table("iterate", 1000)] == titles
    assert [book.title for book in await table("select", skip=1200, limit=700)] == titles[1200:1900]
    assert await table("count") == 2345


async def test_save_of_a_new_instance_inserts_it(save: Any, client: Any) -> None:
    await save(Book(title="A", pages=1))

    assert client.hget("book:A", "pages") == b"1"


async def test_save_writes_only_what_changed(save: Any, client: Any) -> None:
    await Book.insert(Book(title="A", pages=1, note="mine"))
    book = await Book.get("A")
    client.hset("book:A", "note", "theirs")

    book.pages = 2
    await save(book)

    assert client.hmget("book:A", "pages", "note") == [b"2", b"theirs"]


async def test_save_of_an_unchanged_instance_sends_nothing(save: Any, client: Any) -> None:
    await Book.insert(Book(title="A"))
    book = await Book.get("A")
    before = writes(client)

    await save(book)

    assert writes(client) == before


async def test_save_notices_what_changed_inside_a_value(save: Any, client: Any) -> None:
    book = Book(title="A")
    await save(book)

    book.tags.append("x")
    await save(book)

    assert client.hget("book:A", "tags") == b'["x"]'


async def test_save_keeps_the_ttl(save: Any, client: Any) -> None:
    await Book.insert(Book(title="A"), life_span_seconds=1000)
    book = await Book.get("A")

    book.pages = 2
    await save(book)

    assert 900_000 < int(client.pttl("book:A")) <= 1_000_000


async def test_save_under_another_primary_key_is_refused(save: Any, client: Any) -> None:
    book = Book(title="A")
    await save(book)

    book.title = "B"
    with pytest.raises(InvalidPrimaryKeyError, match="'B' was changed, but the record is stored at 'book:A'"):
        await save(book)

    assert client.zrange("book:__index", 0, -1) == [b"book:A"]


async def test_save_puts_a_record_back_into_the_index(save: Any, client: Any) -> None:
    book = Book(title="A")
    await save(book)
    client.delete("book:__index")

    book.pages = 1
    await save(book)

    assert client.zrange("book:__index", 0, -1) == [b"book:A"]


async def test_patch_writes_some_fields_without_reading(table: Any, client: Any) -> None:
    await table("insert", Book(title="A", note="n"))

    await table("patch", "A", pages="7", tags=("x",))

    assert client.hmget("book:A", "pages", "tags", "note") == [b"7", b'["x"]', b"n"]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"pages": -1}, EncodeError, r"Book\.pages: -1 cannot be stored: Input should be greater than or equal to 0"),
        ({"pages": 5, "tags": 5}, EncodeError, r"Book\.tags: 5 cannot"),
        ({"author": "x"}, ModelDeclarationError, "has no stored field 'author'"),
        ({"title": "B"}, InvalidPrimaryKeyError, "cannot be patched"),
    ],
)
async def test_a_patch_that_is_not_valid_changes_nothing(
    table: Any, client: Any, changes: dict[str, object], error: type[Exception], text: str
) -> None:
    await table("insert", Book(title="A"))
    before = client.hgetall("book:A")

    with pytest.raises(error, match=text):
        await table("patch", "A", **changes)

    assert client.hgetall("book:A") == before


async def test_a_patch_that_needs_the_whole_record_says_so(store: Store) -> None:
    class Span(Model):
        id: str = Field(primary_key=True)
        low: int
        high: int

        @validator_of_model(mode="after")
        def ordered(self) -> "Span":
            if self.low > self.high:
                raise ValueError("low above high")
            return self

    store.register_model(Span)
    await Span(id="a", low=1, high=2).save()

    with pytest.raises(EncodeError, match="needs the other fields"):
        await Span.patch("a", low=5)


async def test_delete_takes_records_and_their_index_members(table: Any, client: Any) -> None:
    await table("insert", [Book(title=title) for title in "ABC"])
    client.delete("book:B")

    assert await table("delete", "A") == [1, 1]
    assert await table("delete", ["B", "x"]) == [0, 1]
    assert await table("delete", []) is None
    assert client.zrange("book:__index", 0, -1) == [b"book:C"]


async def test_delete_without_ids_is_an_error_not_the_end_of_the_table(table: Any, client: Any) -> None:
    await table("insert", Book(title="A"))

    for ids in ((), (None,)):
        with pytest.raises(TypeError, match=r"Book\.delete needs primary keys: .* Book\.delete_all\(\) deletes all"):
            await table("delete", *ids)

    assert client.exists("book:A")


async def test_delete_of_an_instance_deletes_its_record_alone(client: Any) -> None:
    first, second = Book(title="A"), Book(title="B")
    Book.sync.insert([first, second])

    assert first.sync.delete() == [1, 1]
    assert client.zrange("book:__index", 0, -1) == [b"book:B"]


async def test_delete_all_deletes_every_record_and_nothing_else(table: Any, client: Any) -> None:
    client.set("book", "mine")
    client.hset("book:x:1", "a", "b")
    await table("insert", [Book(title=str(number)) for number in range(2345)])

    assert await table("delete_all") == 2345
    assert sorted(client.keys()) == [b"book", b"book:x:1"]
