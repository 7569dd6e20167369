"""Several writers of one instance: saves at once, overlapping blocks, assignments beside another client, deletion."""

import asyncio
from typing import Any

import pytest

from redis_models import Model, Store
from redis_models.errors import NotFoundError

from .models import Book, Note

_ROUNDS = 12  # each with connections of its own: only while these are being made does a later save overtake
_AT_ONCE = 60


def test_of_saves_at_once_the_last_value_stays(server: Any, client: Any) -> None:
    async def race() -> int:
        async with Store.from_url(server.url) as store:
            store.register_model(Book)
            book = Book(title="A")
            await book.save()

            async def save(pages: int) -> None:
                book.pages = pages
                await book.save()

            await asyncio.gather(*[save(pages) for pages in range(1, _AT_ONCE)])
            return book.pages

    for _ in range(_ROUNDS):
        client.flushall()

        last = asyncio.run(race())

        assert client.hget("book:A", "pages") == b"%d" % last


async def test_an_assignment_of_the_same_value_is_written_over_what_another_client_wrote(client: Any) -> None:
    note = Note(id="a", text="x")
    client.hset("note:a", mapping={"text": "theirs", "size": "9"})

    note.text = "x"

    assert client.hmget("note:a", "text", "size") == [b"x", b"9"]


async def test_an_assignment_of_the_same_value_to_a_deleted_record_is_reported(client: Any) -> None:
    note = Note(id="a", text="x")
    client.delete("note:a")

    with pytest.raises(NotFoundError):
        note.text = "x"

    assert not client.exists("note:a")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_save_after_ones_own_delete_finds_no_record(save: Any, client: Any, kind: str) -> None:
    book = Book(title="A", pages=1)
    await book.save()
    if kind == "async":
        await book.delete()
    else:
        book.sync.delete()

    with pytest.raises(NotFoundError):
        await save(book)

    assert client.dbsize() == 0


async def test_overlapping_blocks_leave_auto_sync_as_it_was(client: Any) -> None:
    note = Note(id="a")
    has_begun, has_ended = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with note.update():
            note.text = "first"
            await has_begun.wait()
        has_ended.set()

    async def second() -> None:
        async with note.update():
            has_begun.set()
            await has_ended.wait()
            note.size = 5
            assert client.hmget("note:a", "text", "size") == [b"first", b"0"]  # this block holds its own back

    await asyncio.gather(first(), second())
    note.text = "after"

    assert note.auto_sync
    assert client.hmget("note:a", "text", "size") == [b"after", b"5"]


@pytest.mark.parametrize("is_saved_before", [True, False])
async def test_a_failing_block_undoes_nothing_that_an_overlapping_one_saved(client: Any, is_saved_before: bool) -> None:
    note = Note(id="a", text="old")
    has_begun, has_ended = asyncio.Event(), asyncio.Event()

    async def failing() -> None:
        async with note.update():
            has_begun.set()
            if is_saved_before:
                await has_ended.wait()
            note.text = "never"
            raise ZeroDivisionError

    async def saving() -> None:
        await has_begun.wait()
        async with note.update():
            note.size = 5
        has_ended.set()

    ends = await asyncio.gather(failing(), saving(), return_exceptions=True)

    assert [type(end) for end in ends] == [ZeroDivisionError, type(None)]
    assert (note.text, note.size, note.auto_sync) == ("old", 5, True)
    assert client.hmget("note:a", "text", "size") == [b"old", b"5"]
    assert await Note.get("a") == note


def test_saves_of_one_instance_take_turns_in_every_loop(store: Store, client: Any) -> None:
    class Page(Model):
        _primary_key_field = "id"
        id: str
        number: int = 0

    store.register_model(Page)
    page = Page(id="a")

    async def twice(number: int) -> None:
        page.number = number
        await asyncio.gather(page.save(), page.save())
        await store.aclose()

    for number in (1, 2):  # the lock of a loop that is closed must not be waited for
        asyncio.run(twice(number))

    assert client.hget("page:a", "number") == b"2"
