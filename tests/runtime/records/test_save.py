"""What a save writes: what its instance changed, and nothing that anybody else did."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, field_validator

from redis_models import AutoModel, Field, Model, Store
from redis_models.client.commands import RoundTrips
from redis_models.errors import EncodeError, NotFoundError
from redis_models.mapping.ttl import KEEP
from redis_models.records.repository import repository_of

from .conftest import Call


class Part(BaseModel):
    name: str = ""


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = 0
    tags: list[str] = Field(default_factory=list)
    marks: list[bool] = Field(default_factory=list[bool])
    counts: dict[str, int] = Field(default_factory=dict)
    kinds: set[str] = Field(default_factory=set)
    part: Part = Field(default_factory=Part)
    parts: list[Part] = Field(default_factory=list[Part])
    word: str = "as it was"
    token: str = Field(default_factory=lambda: uuid4().hex)

    @field_validator("word")
    @classmethod
    def _plain(cls, value: str) -> str:
        return value.strip()


class Live(AutoModel):
    id: str = Field(primary_key=True)
    size: int = 0
    tags: list[Any] = Field(default_factory=list[Any])
    counts: dict[str, Any] = Field(default_factory=dict[str, Any])
    part: Part = Field(default_factory=Part)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Book, Live):
        store.register_model(model)
    yield
    for model in (Book, Live):
        model._store = None


def _changes(client: Any, key: str, work: Any) -> set[str]:
    """Which fields of a record ``work`` writes, seen by what others had put there in the meantime."""
    names = [name for name in client.hkeys(key) if name != b"_v"]
    theirs = dict.fromkeys(names, b"theirs")
    before = client.hgetall(key)
    client.hset(key, mapping=theirs)
    work()
    after = client.hgetall(key)
    client.hset(key, mapping=before)
    return {name.decode() for name, raw in after.items() if name in theirs and raw != b"theirs"}


@pytest.mark.parametrize("is_loaded", [True, False])
def test_each_way_to_change_a_value_inside_is_seen_and_writes_its_field_alone(client: Any, is_loaded: bool) -> None:
    made = Book(title="A", tags=["x"], counts={"a": 1}, kinds={"k"}, parts=[Part(name="p")])
    Book.sync.insert(made)
    book = Book.sync.get("A") if is_loaded else made
    ways: dict[str, Any] = {
        "tags": lambda: book.tags.append("y"),
        "marks": lambda: book.marks.extend([True, False]),
        "counts": lambda: book.counts.update(a=2),
        "kinds": lambda: book.kinds.add("j"),
        "part": lambda: setattr(book.part, "name", "n"),
        "parts": lambda: setattr(book.parts[0], "name", "q"),
    }

    for name, way in ways.items():
        book.sync.save()  # so that it has been looked at once
        way()
        assert _changes(client, "book:A", book.sync.save) == {name}
        assert _changes(client, "book:A", book.sync.save) == set()


def test_one_and_true_are_different_in_a_list(client: Any) -> None:
    live = Live(id="a", tags=[1], counts={"a": 0})
    live.sync.save()

    live.tags[0], live.counts["a"] = True, False
    live.sync.save()

    assert client.hmget("live:a", "tags", "counts") == [b"[true]", b'{"a": false}']


def test_an_assignment_writes_what_was_changed_inside_values_before_it(client: Any) -> None:
    live = Live(id="a")
    live.size = 1

    live.tags.append("x")
    live.size = 2
    live.part = Part(name="new")
    live.part.name = "newer"
    live.size = 3

    assert client.hmget("live:a", "size", "tags", "part") == [b"3", b'["x"]', b'{"name": "newer"}']


def test_a_value_that_was_put_inside_by_a_failed_write_is_written_by_the_next(client: Any) -> None:
    live = Live(id="a", tags=["x"])
    live.sync.save()
    kept = client.dump("live:a")
    client.delete("live:a")

    live.tags.append("y")
    with pytest.raises(NotFoundError):
        live.sync.save()
    client.restore("live:a", 0, kept)
    live.sync.save()

    assert client.hget("live:a", "tags") == b'["x", "y"]'


async def test_other_spellings_of_pydantic_aioredis_are_not_written_again(call: Call, client: Any) -> None:
    client.hset(
        "book:A",
        mapping={"title": "A", "pages": 3, "tags": '["a","b"]', "marks": '"[true]"', "token": "t", "word": "w"},
    )
    book = await Book.get("A")

    client.hset("book:A", "marks", '"[false]"')
    book.pages = 4
    await call(book, "save")

    assert client.hmget("book:A", "pages", "tags", "marks") == [b"4", b'["a","b"]', b'"[false]"']
    book.marks.append(False)
    await call(book, "save")
    assert client.hget("book:A", "marks") == b"[true, false]"


async def test_what_a_validator_made_of_a_stored_value_is_written_by_the_next_save(call: Call, client: Any) -> None:
    await Book.insert(Book(title="A"))
    client.hset("book:A", "word", " spaces ")

    await call(await Book.get("A"), "save")

    assert client.hget("book:A", "word") == b"spaces"


async def test_defaults_of_fields_that_were_not_stored_are_filled_in_but_undo_nothing(call: Call, client: Any) -> None:
    client.hset("book:A", mapping={"title": "A"})
    first, second = await Book.get("A"), await Book.get("A")

    second.tags.append("theirs")
    await call(second, "save")
    first.pages = 5
    await call(first, "save")
    await call(first, "save")

    assert client.hmget("book:A", "pages", "tags", "token") == [b"5", b'["theirs"]', second.token.encode()]


async def test_a_list_that_was_not_stored_and_was_added_to_is_written(call: Call, client: Any) -> None:
    client.hset("book:A", mapping={"title": "A"})
    book = await Book.get("A")

    book.tags.append("mine")
    client.hset("book:A", "tags", '["theirs"]')
    await call(book, "save")

    assert client.hget("book:A", "tags") == b'["mine"]'


async def test_a_save_writes_no_assigned_value_that_equals_the_one_it_remembers(call: Call, client: Any) -> None:
    await Book.insert(Book(title="A", pages=3))
    book = await Book.get("A")
    client.hset("book:A", "pages", 9)

    book.pages = 3
    await call(book, "save")

    assert client.hget("book:A", "pages") == b"9"


async def test_a_value_that_cannot_be_stored_writes_nothing_and_stays_to_be_written(call: Call, client: Any) -> None:
    book = Book(title="A")
    await Book.insert(book)
    before = client.hgetall("book:A")

    book.pages = 7
    book.tags.append(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
    with pytest.raises(EncodeError, match=r"Book\.tags"):
        await call(book, "save")
    assert client.hgetall("book:A") == before
    book.tags.clear()
    await call(book, "save")

    assert client.hget("book:A", "pages") == b"7"


async def test_a_saved_instance_loads_again_with_a_default_that_cannot_be_stored(call: Call, client: Any) -> None:
    class Odd(Model):
        id: str = Field(primary_key=True)
        size: int = 0
        wrong: list[int] = Field(default_factory=lambda: ["no number"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]

    Odd._store = Book._store
    client.hset("odd:a", mapping={"id": "a"})

    odd = await call(Odd, "get", "a")

    with pytest.raises(EncodeError, match=r"Odd\.wrong"):
        await call(odd, "save")


async def test_save_keeps_the_ttl_and_gives_new_records_that_of_the_store(
    call: Call, client: Any, store: Store
) -> None:
    store.life_span_in_seconds = 50
    await Book.insert(Book(title="A"), 1000)
    book = await Book.get("A")

    book.pages = 1
    await call(book, "save")
    await call(Book(title="A", pages=2), "save")
    await call(Book(title="B"), "save")
    await call(Book(title="C"), "save", KEEP)
    Live(id="a").size = 2

    ttls = [round(client.pttl(key) / 1000) for key in ("book:A", "book:B", "book:C", "live:a")]
    assert ttls == [1000, 50, 50, 50]
    assert client.hget("book:A", "pages") == b"2"


def test_what_is_assigned_while_a_save_is_under_way_is_written_by_the_next(client: Any, store: Store) -> None:
    book = Book(title="A")
    tags = book.tags

    works: list[Callable[[], RoundTrips[object]]] = [
        lambda: repository_of(Book).insert(book),
        lambda: repository_of(Book).save(book),
    ]
    for work in works:
        book.pages += 1
        under_way = work()
        commands = next(under_way)
        book.pages += 1
        tags.append("x")
        with pytest.raises(StopIteration):
            under_way.send(store.sync_client.exchange(commands))
        book.sync.save()
        assert client.hmget("book:A", "pages", "tags") == [str(book.pages).encode(), json.dumps(tags).encode()]


@pytest.mark.parametrize("is_loaded", [True, False])
def test_what_is_put_back_as_it_was_is_written_too(client: Any, is_loaded: bool) -> None:
    made = Book(title="A", pages=1, tags=["x"])
    Book.sync.insert(made)
    book = Book.sync.get("A") if is_loaded else made
    book.sync.save()
    tag, pages = book.tags[0], book.pages

    for _ in range(3):
        book.pages, book.tags[0] = 2, "y"
        book.sync.save()
        assert client.hmget("book:A", "pages", "tags") == [b"2", b'["y"]']
        book.pages, book.tags[0] = pages, tag
        book.sync.save()
        assert client.hmget("book:A", "pages", "tags") == [b"1", b'["x"]']
