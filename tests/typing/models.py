"""What type checkers see of a model: run by ``test_typing.py``, never imported.

A line that must be an error carries ``# expect: CODE``, mypy's code for it.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import assert_type

from redis_models import AutoModel, Field, Model, RedisConfig, Store


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = 0
    author: str | None = Field(default=None, renamed_from="writer", max_length=50)
    tags: list[str] = Field(default_factory=list)

    class Meta:
        version = 2


class Note(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""


async def in_the_loop(book: Book) -> None:
    assert_type(await Book.get("a"), Book)
    assert_type(await Book.get_many(["a"]), list[Book | None])
    assert_type(await Book.select(), list[Book] | None)
    assert_type(await Book.select(ids=["a"], skip=1, limit=2, bad_records=[]), list[Book] | None)
    assert_type(await Book.select(["title"]), list[dict[str, object]] | None)
    assert_type(await Book.select(columns=["title"]), list[dict[str, object]] | None)
    assert_type(await Book.exists("a"), bool)
    assert_type(await Book.count(), int)
    assert_type(await Book.insert(book), list[object])
    assert_type(await Book.insert([book], timedelta(hours=1)), list[object])
    assert_type(await Book.delete("a"), list[int] | None)
    assert_type(await Book.delete_all(), int)
    assert_type(Book.iterate(), AsyncIterator[Book])
    await Book.patch("a", pages=5)
    await Book.expire("a", 1.5)
    await Book.persist("a")
    await book.save()
    async for one in Book.iterate():
        assert_type(one, Book)
    async with book.update() as same:
        assert_type(same, Book)


def blocking(book: Book) -> None:
    assert_type(Book.sync.get("a"), Book)
    assert_type(Book.sync.get_many(["a"]), list[Book | None])
    assert_type(Book.sync.select(), list[Book] | None)
    assert_type(Book.sync.select(["title"]), list[dict[str, object]] | None)
    assert_type(Book.sync.iterate(), Iterator[Book])
    assert_type(Book.sync.count(), int)
    assert_type(book.sync.delete(), list[int] | None)
    book.sync.save()
    with book.sync.update() as same:
        assert_type(same, Book)


def declared(store: Store) -> None:
    store.register_model(Book)
    assert_type(Book(title="a").pages, int)
    assert_type(Book(title="a").author, str | None)
    assert_type(Book(title="a").tags, list[str])
    assert_type(Note.get_primary_key_field(), str)
    assert_type(Note(id="a", auto_save=False, auto_sync=True).auto_sync, bool)
    note = Note(id="a")
    note.auto_sync = False
    assert_type(RedisConfig().redis_url, str)
    assert_type(Store.from_url("embedded:"), Store)


async def wrong(book: Book, note: Note) -> None:
    Book()  # expect: call-arg
    Book(title=5)  # expect: arg-type
    Book(title="a", page=5)  # expect: call-arg
    Book("a")  # expect: arg-type
    book.pages = "many"  # expect: assignment
    book.page = 5  # expect: attr-defined
    await Book.insert(note)  # expect: arg-type
    await Book.delete()  # expect: call-arg
    await Book.select(columns=["title"], bad_records=[])  # expect: call-overload
    Book.sync.save()  # expect: attr-defined
    book.sync.insert(book)  # expect: attr-defined
    Field(primary_kee=True)  # expect: call-overload
