"""What type checkers see of a model: run by ``test_typing.py``, never imported.

A line that must be an error carries ``# expect: CODE``, mypy's code for it.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, assert_type

from redis_models import FOREVER, KEEP, AutoModel, Field, Model, RedisConfig, Store
from redis_models.ext.FastAPI import FastAPIModel


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


class Page(FastAPIModel):
    id: str = Field(primary_key=True)


class Seed(Model):
    _primary_key_field: str = "name"
    _redis_prefix = "old"
    name: str


async def in_the_loop(book: Book) -> None:
    assert_type(await Book.get("a"), Book)
    assert_type(await Book.get_many(["a"]), list[Book | None])
    assert_type(await Book.get_many(["a"], bad_records=[]), list[Book | None])
    assert_type(await Book.select(), list[Book] | None)
    assert_type(await Book.select(ids=["a"], skip=1, limit=2, bad_records=[]), list[Book] | None)
    assert_type(await Book.select(["title"]), list[dict[str, object]] | None)
    assert_type(await Book.select(columns=["title"]), list[dict[str, object]] | None)
    assert_type(await Book.exists("a"), bool)
    assert_type(await Book.count(), int)
    assert_type(await Book.insert(book), list[int])
    assert_type(await Book.insert([book], timedelta(hours=1)), list[int])
    assert_type(await Book.delete("a"), list[int] | None)
    assert_type(await Book.delete_all(), int)
    assert_type(await Book.select(columns=["title"], bad_records=[]), list[dict[str, object]] | None)
    assert_type(Book.iterate(), AsyncIterator[Book])
    assert_type(Book.iterate(100, bad_records=[]), AsyncIterator[Book])
    assert_type(await Book.page(10), list[Book])
    assert_type(await Book.page(10, after="a"), list[Book])
    assert_type(await Book.page(10, bad_records=[]), list[Book])
    assert_type(await Book.insert(book, FOREVER, only="new"), list[int])
    assert_type(await Book.increment("a", "pages"), int | float)
    assert_type(await Book.ttl("a"), float | None)
    assert_type(await book.delete(), list[int] | None)
    await book.save(KEEP, only="existing", if_unchanged=True)
    assert_type(await Page.select_or_404(), list[Page])
    assert_type(await Page.select_or_404(["id"]), list[dict[str, object]])
    await Book.patch("a", pages=5)
    await Book.expire("a", 1.5)
    await Book.persist("a")
    await book.save()
    async for found in Book.iterate():
        assert_type(found, Book)
    async with book.update() as same:
        assert_type(same, Book)


def blocking(book: Book) -> None:
    assert_type(Book.sync.get("a"), Book)
    assert_type(Book.sync.get_many(["a"]), list[Book | None])
    assert_type(Book.sync.get_many(["a"], bad_records=[]), list[Book | None])
    assert_type(Book.sync.select(columns=["title"], bad_records=[]), list[dict[str, object]] | None)
    assert_type(Book.sync.select(), list[Book] | None)
    assert_type(Book.sync.select(["title"]), list[dict[str, object]] | None)
    assert_type(Book.sync.iterate(), Iterator[Book])
    assert_type(Book.sync.iterate(bad_records=[]), Iterator[Book])
    assert_type(Book.sync.page(10, bad_records=[]), list[Book])
    assert_type(Book.sync.count(), int)
    assert_type(book.sync.delete(), list[int] | None)
    assert_type(Book.sync.page(10), list[Book])
    assert_type(Book.sync.increment("a", "pages", by=2), int | float)
    assert_type(Book.sync.ttl("a"), float | None)
    assert_type(Book.sync.insert(book, only="existing"), list[int])
    book.sync.save(if_unchanged=True)
    with book.sync.update() as same:
        assert_type(same, Book)


def declared(store: Store) -> None:
    store.register_model(Book)
    assert_type(Book(title="a").pages, int)
    assert_type(Book(title="a").author, str | None)
    assert_type(Book(title="a").tags, list[str])
    assert_type(Note.get_primary_key_field(), str)
    assert_type(Seed(name="a").name, str)
    assert_type(Seed.get_primary_key_field(), str)
    assert_type(Book(title="a").dict(), dict[str, Any])
    assert_type(Book(title="a").json(indent=1), str)
    assert_type(Book(title="a").copy(), Book)
    assert_type(Book.parse_obj({}), Book)
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
    book.size = 5  # expect: attr-defined
    await Book.insert(note)  # expect: arg-type
    await Book.delete()  # expect: call-arg
    await Book.select(columns=["title"], bad_records=())  # expect: call-overload
    Book.sync.iterate(bad_records=())  # expect: arg-type
    Book.sync.save()  # expect: attr-defined
    book.sync.insert(book)  # expect: attr-defined
    Field(primary_kee=True)  # expect: call-overload
