"""Every verb of a model, in the loop and blocking, on a real server; and what an AutoModel writes by itself."""

import datetime as dt
import inspect
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, TypeVar, cast

import pydantic
import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, PlainValidator, field_validator
from pydantic import model_validator as validator_of_model

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import (
    ConflictError,
    DataError,
    DecodeError,
    EncodeError,
    InvalidPrimaryKeyError,
    ModelDeclarationError,
    NotFoundError,
)

T = TypeVar("T")


class Book(Model):
    title: str = Field(primary_key=True)
    pages: int = Field(default=0, ge=0)
    tags: list[str] = Field(default_factory=list)
    note: str | None = None


class Note(AutoModel):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = Field(default=0, ge=0)


class Stamped(AutoModel):
    """Assigns to itself while it is made."""

    id: str = Field(primary_key=True)
    seen: int = 0

    def model_post_init(self, _: object) -> None:
        self.seen = self.seen + 1


class Odd(Model):
    """Types that make their values from something else."""

    id: str = Field(primary_key=True)
    document: pydantic.Json[list[int]] = Field(default_factory=list[int])
    blob: pydantic.Base64Bytes = b""
    word: pydantic.SecretStr = pydantic.SecretStr("")
    stranger: Annotated["Stranger | None", PlainValidator(lambda it: Stranger.of(it)), PlainSerializer(str)] = None
    even: Annotated[int, AfterValidator(lambda it: it)] = 0


class Stranger:
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, value: object) -> "Stranger | None":
        return value if isinstance(value, Stranger) else cls(str(value))


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    models: list[type[Model]] = [Book, Note, Stamped, Odd]
    for model in models:
        store.register_model(model)
    yield
    for model in models:
        model._store = None


async def _result(value: object) -> Any:
    if inspect.isasyncgen(value):
        return [one async for one in cast("AsyncIterator[object]", value)]
    if inspect.isawaitable(value):
        return await value
    return list(cast("Iterator[object]", value)) if isinstance(value, Iterator) else value


@pytest.fixture(params=["async", "sync"])
def table(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a class verb of ``Book``, in the loop or blocking; always awaited."""

    async def call(verb: str, *arguments: object, **options: object) -> Any:
        owner = Book if request.param == "async" else Book.sync
        return await _result(getattr(owner, verb)(*arguments, **options))

    return call


@pytest.fixture(params=["async", "sync"])
def save(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Save an instance, in the loop or blocking; always awaited."""

    async def call(instance: Model) -> None:
        if request.param == "async":
            await instance.save()
        else:
            instance.sync.save()

    return call


def _writes(client: Any) -> int:
    """How many commands the server executed that write a hash."""
    stats: dict[str, dict[str, int]] = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("hset", "hdel", "zadd"))


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


async def test_insert_gives_the_figures_of_the_seed(table: Any) -> None:
    books = [Book(title="A"), Book(title="B")]

    assert await table("insert", books) == [4, 1, 4, 1]
    assert await table("insert", books) == [0, 0, 0, 0]
    assert await table("insert", books[0], life_span_seconds=60) == [0, True, 0, True]
    assert await table("insert", []) == []
    assert await table("insert", iter([Book(title="C"), Book(title="C")])) == [4, 1, 0, 0]


async def test_insert_leaves_fields_that_the_model_does_not_know(table: Any, client: Any) -> None:
    client.hset("book:A", mapping={"other": "x", "_b7": "y"})

    await table("insert", Book(title="A"))

    assert client.hmget("book:A", "other", "_b7") == [b"x", b"y"]


@pytest.mark.parametrize("wrong", [None, 5, {"title": "A"}, "A", Note.model_construct(id="a"), [Book(title="A"), 5]])
async def test_insert_of_anything_else_names_it_and_writes_nothing(table: Any, client: Any, wrong: object) -> None:
    with pytest.raises(EncodeError, match="it is no Book"):
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


async def test_get_of_a_record_that_is_not_there_raises(table: Any) -> None:
    with pytest.raises(NotFoundError, match="Book: no record at 'book:None at all'"):
        await table("get", "None at all")


async def test_get_many_keeps_the_order_of_the_ids(table: Any) -> None:
    await table("insert", [Book(title="A"), Book(title="B")])

    found = await table("get_many", ["B", "x", "A", "B"])

    assert [one and one.title for one in found] == ["B", None, "A", "B"]


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

    for ids, titles in (("B", "B"), (["C", "x", "A"], "AC"), (("B", "A"), "AB"), ({"C"}, "C")):
        assert "".join(book.title for book in await table("select", ids=ids)) == titles
    assert "".join(book.title for book in await table("select", ids=list("ABC"), skip=1, limit=1)) == "B"


async def test_select_of_columns_gives_typed_values_in_their_order(table: Any, client: Any) -> None:
    await table("insert", [Book(title="A", pages=3, tags=["x"]), Book(title="B")])
    client.hdel("book:B", "pages")

    found = await table("select", columns=["tags", "pages"])

    assert [list(one.items()) for one in found] == [[("tags", ["x"]), ("pages", 3)], [("tags", []), ("pages", None)]]
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

    titles = [one.title if isinstance(one, Book) else one["title"] for one in page]
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
    client.hdel("book:C", "title")
    bad: list[DataError] = []

    with pytest.raises(DecodeError, match=r"book:B: field 'pages' holds b'many'"):
        await table("select")
    found = await table("select", bad_records=bad)

    assert [book.title for book in found] == ["A", "D"]
    assert [str(one).partition(":")[0] for one in bad] == ["book", "book"]
    assert [getattr(one, "field", "") for one in bad] == ["pages", "title"]
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


async def test_a_hash_without_any_field_of_the_model_is_a_bad_record_not_an_absent_one(table: Any, client: Any) -> None:
    client.hset("book:A", mapping={"name": "old"})

    with pytest.raises(DecodeError, match="book:A: field 'title' is missing"):
        await table("get", "A")


@pytest.mark.parametrize("argument", [{"skip": -1}, {"limit": -1}])
async def test_pages_cannot_be_negative(table: Any, argument: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"Book.select: \w+ must be 0 or more, not -1"):
        await table("select", **argument)
    with pytest.raises(ValueError, match=r"batch_size must be 1 or more, not 0"):
        await table("iterate", 0)


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
    before = _writes(client)

    await save(book)

    assert _writes(client) == before


async def test_save_notices_what_changed_inside_a_value(save: Any, client: Any) -> None:
    book = Book(title="A")
    await save(book)

    book.tags.append("x")
    await save(book)

    assert client.hget("book:A", "tags") == b'["x"]'


async def test_save_keeps_the_life_span(save: Any, client: Any) -> None:
    await Book.insert(Book(title="A"), life_span_seconds=1000)
    book = await Book.get("A")

    book.pages = 2
    await save(book)

    assert 900_000 < int(client.pttl("book:A")) <= 1_000_000


async def test_save_under_another_primary_key_is_refused(save: Any, client: Any) -> None:
    book = Book(title="A")
    await save(book)

    book.title = "B"
    with pytest.raises(InvalidPrimaryKeyError, match="primary key 'B' was changed, but the record lies at 'book:A'"):
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

    with pytest.raises(TypeError):
        await table("delete")
    with pytest.raises(InvalidPrimaryKeyError):
        await table("delete", None)

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


async def test_a_life_span_is_given_and_taken(table: Any, client: Any) -> None:
    await table("insert", Book(title="A"))

    await table("expire", "A", 1.5)
    soon = int(client.pttl("book:A"))
    await table("expire", "A", dt.timedelta(minutes=1))
    later = int(client.pttl("book:A"))
    await table("persist", "A")

    assert 0 < soon <= 1500 < later <= 60_000
    assert client.pttl("book:A") == -1
    for verb in (("expire", "x", 5), ("persist", "x")):
        with pytest.raises(NotFoundError):
            await table(*verb)


@pytest.mark.parametrize("life_span", [0, -1, True, float("nan"), float("inf"), 1e30, "5", dt.timedelta(0)])
async def test_a_life_span_that_is_none_is_refused_before_anything_is_written(
    table: Any, client: Any, life_span: object
) -> None:
    with pytest.raises(ValueError, match="Book: a life span must be a number of seconds above 0"):
        await table("insert", Book(title="A"), life_span_seconds=life_span)

    assert client.dbsize() == 0


async def test_the_life_span_is_the_arguments_the_models_or_the_stores(store: Store, client: Any) -> None:
    class Short(Model):
        id: str = Field(primary_key=True)

        class Meta:
            ttl = 100

    store.register_model(Short)
    store.life_span_in_seconds = 1000

    await Short.insert(Short(id="model"))
    await Short.insert(Short(id="argument"), 10)
    await Book.insert(Book(title="store"))

    ttls = [round(int(client.pttl(key)) / 1000) for key in ("short:argument", "short:model", "book:store")]
    assert ttls == [10, 100, 1000]
    assert client.ttl("book:__index") == -1


@pytest.mark.parametrize("pk", ["", None, [1], {"a": 1}, b"a", "\ud800"])
async def test_a_primary_key_that_cannot_be_one_is_refused(table: Any, pk: object) -> None:
    with pytest.raises(InvalidPrimaryKeyError):
        await table("get", pk)


@pytest.mark.parametrize("pk", ["a:b", "__index", "%3A", "caf\u00e9 \u4e16", "a*[b]?", "a\nb", " "])
async def test_any_text_can_be_a_primary_key(table: Any, pk: str) -> None:
    await table("insert", Book(title=pk))

    assert (await table("get", pk)).title == pk
    assert [book.title for book in await table("select")] == [pk]
    assert await table("delete", pk) == [1, 1]


async def test_a_model_without_a_store_says_what_to_do() -> None:
    class Loose(Model):
        id: str = Field(primary_key=True)

    with pytest.raises(ModelDeclarationError, match=r"Loose: is bound to no store; call redis_models.setup\(\)"):
        await Loose.get("a")


async def test_types_that_are_made_from_something_else_are_not_made_twice() -> None:
    odd = Odd.model_validate({"id": "a", "document": "[1, 2]", "blob": b"aGk=", "word": "s3cret", "stranger": "Ann"})
    await Odd.insert(odd)

    back = await Odd.get("a")

    assert (back.document, back.blob, back.word.get_secret_value()) == ([1, 2], b"hi", "s3cret")
    assert str(back.stranger) == "Ann"


async def test_aliases_are_for_the_application_and_names_for_redis(store: Store, client: Any) -> None:
    class Aliased(Model):
        id: str = Field(primary_key=True, alias="ID")
        inner: dict[str, int] = Field(default_factory=dict, alias="In", validation_alias="In2")
        secret: str = Field(default="", exclude=True)

    store.register_model(Aliased)
    await Aliased.model_validate({"ID": "a", "In2": {"x": 1}, "secret": "s"}).save()

    back = await Aliased.get("a")

    assert (back.id, back.inner, back.secret) == ("a", {"x": 1}, "")
    assert set(client.hkeys("aliased:a")) == {b"_v", b"id", b"inner"}


async def test_nested_models_frozen_models_and_generic_models_load(store: Store) -> None:
    class Part(BaseModel):
        name: str

    class Whole(Model, Generic[T]):
        model_config = ConfigDict(frozen=True)
        id: str = Field(primary_key=True)
        parts: dict[str, list[Part]]
        value: T

    store.register_model(Whole[int])
    whole = Whole[int](id="a", parts={"x": [Part(name="p")]}, value=5)
    await whole.save()

    assert await Whole[int].get("a") == whole


async def test_validators_run_once_when_a_record_is_loaded(store: Store) -> None:
    calls: list[object] = []

    class Checked(Model):
        id: str = Field(primary_key=True)
        tags: list[str] = Field(default_factory=list)

        @field_validator("tags")
        @classmethod
        def seen(cls, value: list[str]) -> list[str]:
            calls.append(value)
            return value

    store.register_model(Checked)
    await Checked(id="a", tags=["x"]).save()
    calls.clear()

    await Checked.get("a")

    assert calls == [["x"]]


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
    before = _writes(client)

    await Note.get("a")
    await Note.select()
    await Note.get_many(["a"])
    assert [one.id async for one in Note.iterate()] == ["a"]
    seen = (await Stamped.get("a")).seen
    Note.model_validate({"id": "b"})
    Note.model_validate_json('{"id": "b"}')
    Note(id="a", auto_save=False).model_copy(update={"id": "b"})

    assert _writes(client) == before
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
    before = _writes(client)

    with pytest.raises(pydantic.ValidationError):
        note.size = -1

    assert note.size == 0
    assert _writes(client) == before


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
    before = _writes(client)

    async for inside in _updated(kind, note):
        inside.text, inside.size = "x", 5
        assert client.hget("note:a", "text") == b""
    async for inside in _updated(kind, book):
        inside.pages, inside.note = 5, "n"

    assert _writes(client) == before + 4
    assert client.hmget("note:a", "text", "size") == [b"x", b"5"]
    assert client.hmget("book:B", "pages", "note") == [b"5", b"n"]
    assert note.auto_sync


async def test_an_exception_in_update_writes_nothing_and_restores_what_syncs(client: Any) -> None:
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
    # A plain model holds what was assigned until somebody saves it, as after any assignment.
    assert (book.pages, client.hget("book:B", "pages")) == (2, b"1")


async def test_a_failed_write_at_the_end_of_update_restores_what_syncs(client: Any) -> None:
    note = Note(id="a", text="x")
    client.delete("note:a")

    with pytest.raises(NotFoundError):
        async with note.update():
            note.text = "y"

    assert (note.text, note.auto_sync) == ("x", True)


if TYPE_CHECKING:  # a checker holds such fields to be bad overrides, and is right
    Stock: Any = None
else:

    class Stock(AutoModel):
        id: str = Field(primary_key=True)
        count: int
        get: str = "g"
        exists: Annotated[bool, "it"]
        update: list[int] = Field(default_factory=list)
        select: "str | None" = None
        sync: int = Field(default=0, ge=0)
        save: bool = False
        iterate: ClassVar[int] = 5


async def test_a_field_named_like_a_verb_is_a_field_on_instances_and_a_verb_on_the_class(store: Store) -> None:
    store.register_model(Stock)
    stock = Stock(id="a", count=3, exists=True)
    stock.count = 4
    stock.update = [1]

    back = await Stock.get("a")

    assert (back.count, back.get, back.exists, back.update, back.select, back.sync) == (4, "g", True, [1], None, 0)
    assert Stock.sync.count() == 1
    assert set(Stock.model_fields) == {"id", "count", "get", "exists", "update", "select", "sync", "save"}


def test_such_a_field_is_required_constrained_and_inherited_as_any_other() -> None:
    Child: Any = type("Child", (Stock,), {"__annotations__": {"save": bool}, "__module__": __name__})

    with pytest.raises(pydantic.ValidationError) as caught:
        Child(id="a", sync=-1)

    assert {error["loc"][0] for error in caught.value.errors()} == {"count", "exists", "sync", "save"}
    assert list(Child.model_fields)[:4] == ["id", "count", "get", "exists"]


def test_such_a_field_gives_no_warning_and_others_still_do() -> None:
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")

        class Quiet(Model):  # pyright: ignore[reportUnusedClass]
            id: str = Field(primary_key=True)
            count: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # on purpose

        class Loud(Model):  # pyright: ignore[reportUnusedClass]
            id: str = Field(primary_key=True)
            copy: int  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]

    assert ['"copy"' in str(one.message) for one in met] == [True]


@pytest.mark.parametrize("name", ["auto_save", "auto_sync"])
def test_a_field_named_like_a_word_of_the_constructor_is_refused(name: str) -> None:
    with pytest.raises(ModelDeclarationError, match=f"field '{name}' is a word of the constructor; name it otherwise"):
        type("Wrong", (Model,), {"__annotations__": {"id": str, name: bool}, "__module__": __name__})


def test_a_store_finds_models_by_name_in_any_case(store: Store) -> None:
    assert store.model("BOOK") is Book
    with pytest.raises(KeyError, match="nope"):
        store.model("nope")


def test_a_model_without_a_primary_key_is_not_registered(store: Store) -> None:
    class Bare(Model):
        id: str

    with pytest.raises(AttributeError, match="_primary_key_field"):
        store.register_model(Bare)
    Bare._primary_key_field = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # as some do
    with pytest.raises(NotImplementedError, match="Bare should have a _primary_key_field"):
        store.register_model(Bare)


def test_two_models_cannot_share_keys_nor_can_an_abstract_one_have_any(store: Store) -> None:
    class Other(Model):
        _table_name = "book"
        id: str = Field(primary_key=True)

    class Base(Model):
        _abstract = True
        id: str = Field(primary_key=True)

    with pytest.raises(ModelDeclarationError, match=r"Other: has the keys of .*Book \(book:\*\)"):
        store.register_model(Other)
    with pytest.raises(ModelDeclarationError, match="Base: is abstract"):
        store.register_model(Base)


async def test_an_index_that_the_seed_wrote_is_named_and_nothing_is_written(table: Any, client: Any) -> None:
    client.sadd("book:__index", "book:A")
    client.hset("book:A", mapping={"title": "A"})
    before = client.hgetall("book:A")

    for verb in (("insert", Book(title="A", pages=5)), ("patch", "A"), ("select",), ("delete", "A"), ("count",)):
        options = {"pages": 5} if verb[0] == "patch" else {}
        with pytest.raises(ConflictError, match="book:__index: is no sorted set, hence no index"):
            await table(*verb, **options)

    assert client.hgetall("book:A") == before
