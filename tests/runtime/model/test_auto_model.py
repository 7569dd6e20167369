"""What an AutoModel writes by itself."""

from collections.abc import AsyncIterator
from typing import Any

import pydantic
import pytest

from redis_models import Model
from redis_models.errors import (
    DataError,
    NotFoundError,
)

from .models import Book, Note, Stamped, writes


async def test_an_auto_model_is_stored_when_its_constructor_returns(client: Any) -> None:
    Note(id="a", text="x")

    assert client.hget("note:a", "text") == b"x"


async def test_an_assignment_is_stored_when_it_returns_and_alone(client: Any) -> None:
    note = Note(id="a", text="x")
    client.hset("note:a", "size", "9")

    note.text = "y"

    assert client.hmget("note:a", "text", "size") == [b"y", b"9"]


async def test_loading_writes_nothing(client: Any) -> None:
    Note(id="a")
    Stamped(id="a")
    client.expire("note:a", 1000)
    before = writes(client)

    await Note.get("a")
    await Note.select()
    await Note.get_many(["a"])
    assert [note.id async for note in Note.iterate()] == ["a"]
    seen = (await Stamped.get("a")).seen
    Note.model_validate({"id": "b"})
    Note.model_validate_json('{"id": "b"}')
    Note(id="a", auto_save=False).model_copy(update={"id": "b"})

    assert writes(client) == before
    assert seen == 2
    assert client.hget("stamped:a", "seen") == b"1"
    assert not client.exists("note:b")


async def test_a_loaded_auto_model_writes_its_assignments(client: Any) -> None:
    Note(id="a")

    (await Note.get("a")).text = "y"

    assert client.hget("note:a", "text") == b"y"


async def test_an_assignment_to_a_deleted_record_raises_and_does_not_bring_it_back(client: Any) -> None:
    note = Note(id="a", text="x")
    await Note.delete("a")

    with pytest.raises(NotFoundError):
        note.text = "y"

    assert note.text == "x"
    assert client.dbsize() == 0


async def test_a_failed_write_leaves_the_object_as_it_was(client: Any) -> None:
    note = Note(id="a", text="x")
    client.delete("note:a")
    client.set("note:a", "no hash")

    with pytest.raises(DataError):
        note.text = "y"
    with pytest.raises(DataError):
        note.size = 5

    assert (note.text, note.size, note.model_fields_set) == ("x", 0, {"id", "text"})


async def test_an_invalid_assignment_changes_and_writes_nothing(client: Any) -> None:
    note = Note(id="a")
    before = writes(client)

    with pytest.raises(pydantic.ValidationError):
        note.size = -1

    assert note.size == 0
    assert writes(client) == before


async def test_each_instance_has_switches_of_its_own(client: Any) -> None:
    silent = Note(id="a", auto_save=False, auto_sync=False)
    loud = Book(title="B", auto_save=True, auto_sync=True)
    other = Note(id="c")

    silent.text = "x"
    loud.pages = 5

    assert sorted(client.keys("*[^x]")) == [b"book:B", b"note:c"]
    assert client.hget("book:B", "pages") == b"5"
    assert (silent.auto_save, silent.auto_sync, other.auto_save, other.auto_sync) == (False, False, True, True)
    silent.set_auto_sync()
    silent.text = "y"
    assert client.hget("note:a", "text") == b"y"
    other.auto_sync = False
    other.set_auto_save(False)
    other.text = "z"
    assert client.hget("note:c", "text") == b""


def test_an_auto_model_works_without_a_loop(client: Any) -> None:
    note = Note(id="a")
    note.text = "x"
    note.text = "y"

    assert client.hget("note:a", "text") == b"y"


async def _updated(kind: str, instance: Model) -> AsyncIterator[Any]:
    if kind == "async":
        async with instance.update() as inside:
            yield inside
    else:
        with instance.sync.update() as inside:
            yield inside


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_update_gathers_assignments_into_one_write(client: Any, kind: str) -> None:
    note, book = Note(id="a"), Book(title="B")
    await book.save()
    before = writes(client)

    async for inside in _updated(kind, note):
        inside.text, inside.size = "x", 5
        assert client.hget("note:a", "text") == b""
    async for inside in _updated(kind, book):
        inside.pages, inside.note = 5, "n"

    assert writes(client) == before + 2  # the index has both already
    assert client.hmget("note:a", "text", "size") == [b"x", b"5"]
    assert client.hmget("book:B", "pages", "note") == [b"5", b"n"]
    assert note.auto_sync


async def test_an_exception_in_update_writes_nothing_and_leaves_the_instance_as_it_was(client: Any) -> None:
    note, book = Note(id="a", text="x"), Book(title="B", pages=1)
    await book.save()

    with pytest.raises(ZeroDivisionError):
        async with note.update():
            note.text = "y"
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), book.sync.update():
        book.pages = 2
        raise ZeroDivisionError

    assert client.hget("note:a", "text") == b"x"
    assert (note.text, note.auto_sync, note.auto_save) == ("x", True, True)
    assert (book.pages, client.hget("book:B", "pages")) == (1, b"1")


async def test_an_exception_in_update_takes_back_what_was_changed_inside_a_value_and_keeps_what_was_before() -> None:
    book = Book(title="B", pages=1, tags=["a"])
    await book.save()
    book.pages = 3  # before the block, and unsaved

    with pytest.raises(ZeroDivisionError):
        async with book.update():
            book.tags.append("b")
            book.pages = 4
            raise ZeroDivisionError

    assert (book.tags, book.pages) == (["a"], 3)
    await book.save()
    assert (await Book.get("B")).pages == 3


async def test_a_block_whose_write_fails_leaves_a_plain_model_as_it_was(client: Any) -> None:
    book = Book(title="B", pages=1)
    await book.save()
    client.delete("book:B")

    with pytest.raises(NotFoundError):
        async with book.update():
            book.pages = 2

    assert book.pages == 1


async def test_a_failed_write_at_the_end_of_update_restores_what_syncs(client: Any) -> None:
    note = Note(id="a", text="x")
    client.delete("note:a")

    with pytest.raises(NotFoundError):
        async with note.update():
            note.text = "y"

    assert (note.text, note.auto_sync) == ("x", True)
