"""Every verb that reads, in the loop and blocking, on a real server."""

from typing import Any

import pytest

from redis_models import Store
from redis_models.errors import (
    DataError,
    DecodeError,
    ModelDeclarationError,
    NotFoundError,
)

from .models import Book


async def test_get_of_a_record_that_is_not_there_raises(table: Any) -> None:
    with pytest.raises(NotFoundError, match="Book: no record at 'book:None at all'"):
        await table("get", "None at all")


async def test_get_many_keeps_the_order_of_the_ids(table: Any) -> None:
    await table("insert", [Book(title="A"), Book(title="B")])

    found = await table("get_many", ["B", "x", "A", "B"])

    assert [record and record.title for record in found] == ["B", None, "A", "B"]


async def test_exists_tells_and_creates_nothing(table: Any, client: Any) -> None:
    await table("insert", Book(title="A"))

    assert (await table("exists", "A"), await table("exists", "B")) == (True, False)
    assert client.dbsize() == 2


async def test_select_gives_none_where_there_is_nothing(table: Any) -> None:
    assert await table("select") is None
    assert await table("select", ids=["x"]) is None
    await table("insert", Book(title="A"))
    assert await table("select", limit=0) is None
    assert await table("select", skip=1) is None


async def test_select_takes_one_id_a_list_a_tuple_or_a_set(table: Any) -> None:
    await table("insert", [Book(title=title) for title in "ABC"])

    for ids, titles in (("B", "B"), (["C", "x", "A"], "CA"), (("B", "A"), "BA"), ({"C", "A"}, "AC")):
        assert "".join(book.title for book in await table("select", ids=ids)) == titles
    assert "".join(book.title for book in await table("select", ids=list("ABC"), skip=1, limit=1)) == "B"


async def test_select_of_columns_gives_typed_values_in_their_order(table: Any, client: Any) -> None:
    await table("insert", [Book(title="A", pages=3, tags=["x"]), Book(title="B")])
    client.hdel("book:B", "pages")

    found = await table("select", columns=["tags", "pages"])

    assert [list(record.items()) for record in found] == [
        [("tags", ["x"]), ("pages", "3")],
        [("tags", []), ("pages", None)],
    ]
    with pytest.raises(ModelDeclarationError, match="has no stored field 'author'; it has title, pages"):
        await table("select", columns=["author"])
    with pytest.raises(TypeError, match=r"columns must be a list of fields: \['title'\]"):
        await table("select", columns="title")


@pytest.mark.parametrize("columns", [None, ["title"]])
async def test_records_that_are_gone_do_not_shorten_a_page_and_leave_the_index(
    table: Any, client: Any, columns: list[str] | None
) -> None:
    await table("insert", [Book(title=f"{number:04}") for number in range(1400)])
    dead = [f"book:{number:04}" for number in range(1400) if number % 3]
    client.delete(*dead)

    page = await table("select", columns=columns, limit=300)

    titles = [item.title if isinstance(item, Book) else item["title"] for item in page]
    assert titles == [f"{number:04}" for number in range(0, 900, 3)]
    assert len(await table("select", columns=columns)) == 467
    assert client.zcard("book:__index") == 467


async def test_count_leaves_out_and_sweeps_what_has_expired(table: Any, client: Any) -> None:
    await table("insert", [Book(title="A"), Book(title="B")])
    client.pexpireat("book:A", 1)

    assert await table("count") == 1
    assert client.zrange("book:__index", 0, -1) == [b"book:B"]


async def test_reading_whole_tables_misses_nothing_while_others_delete(store: Store, client: Any) -> None:
    Book.sync.insert([Book(title=f"{number:05}") for number in range(1500)])
    seen: set[str] = set()
    pages = Book.sync.iterate(100)
    for book in pages:
        seen.add(book.title)
        if book.title == "00500":
            Book.sync.delete([f"{number:05}" for number in range(400)])

    assert {f"{number:05}" for number in range(400, 1500)} <= seen


async def test_one_bad_record_is_named_or_left_out_and_reported(table: Any, client: Any) -> None:
    await table("insert", [Book(title=title) for title in "ABCD"])
    client.hset("book:B", "pages", "many")
    client.hset("book:C", "note", b"\xff")
    bad: list[DataError] = []

    with pytest.raises(DecodeError, match=r"book:B: field 'pages' holds b'many'"):
        await table("select")
    found = await table("select", bad_records=bad)

    assert [book.title for book in found] == ["A", "D"]
    assert [str(error).partition(":")[0] for error in bad] == ["book", "book"]
    assert [getattr(error, "field", "") for error in bad] == ["pages", "note"]
    # What is reported stays in its page, or the next page would show the same record again.
    assert [book.title for book in await table("select", limit=2, bad_records=bad)] == ["A"]
    assert client.zcard("book:__index") == 4


async def test_a_record_that_breaks_the_models_own_rules_does_not_load(table: Any, client: Any) -> None:
    await table("insert", Book(title="A"))
    client.hset("book:A", "pages", "-1")

    with pytest.raises(DecodeError, match="book:A: field 'pages' holds b'-1': Input should be greater than or equal"):
        await table("get", "A")


async def test_fields_that_are_not_stored_take_their_defaults(table: Any, client: Any) -> None:
    client.hset("book:A", mapping={"title": "A"})

    assert await table("get", "A") == Book(title="A")


async def test_a_hash_without_any_field_of_the_model_is_there_and_its_key_names_it(table: Any, client: Any) -> None:
    client.hset("book:A", mapping={"name": "old"})

    assert await table("get", "A") == Book(title="A")


@pytest.mark.parametrize("argument", [{"skip": -1}, {"limit": -1}])
async def test_pages_cannot_be_negative(table: Any, argument: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"Book.select: \w+ must be 0 or more, not -1"):
        await table("select", **argument)
    with pytest.raises(ValueError, match=r"batch_size must be 1 or more, not 0"):
        await table("iterate", 0)
