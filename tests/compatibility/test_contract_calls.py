"""The contract's table of the calls of a model: arguments, answers, and errors."""

import datetime as dt
from ipaddress import IPv4Address, IPv4Interface, IPv6Network, ip_address
from typing import Any, List  # noqa: UP035
from uuid import UUID

import pytest

from redis_models import Field, Model, Store
from redis_models.abstract import _AbstractModel
from redis_models.errors import DataError, InvalidPrimaryKeyError, ModelDeclarationError


class Book(Model):
    _primary_key_field = "title"
    title: str
    author: str = ""
    pages: int = 0
    price: float = 1.5
    in_stock: bool = True
    published_on: dt.date = dt.date(2020, 1, 1)
    tags: list[str] = Field(default_factory=list[str])
    note: str | None = None


class Loose(Model):
    _primary_key_field = "k"
    k: str
    number: int = 0
    real: float = 0.0
    maybe: int | None = None
    address: IPv4Address = IPv4Address("1.2.3.4")
    anything: Any = None
    items: List = Field(default_factory=list)  # type: ignore[type-arg]  # noqa: UP006  # the bare one of old code


class Unregistered(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Book, Loose]
    for model in models:
        store.register_model(model)


def titles(found: list[Book] | None) -> list[str] | None:
    return None if found is None else [book.title for book in found]


async def books(*names: str) -> list[Book]:
    made = [Book(title=name) for name in names]
    await Book.insert(made)
    return made


async def test_insert_answers_the_new_fields_and_whether_the_index_is_longer() -> None:
    assert await Book.insert([Book(title="A"), Book(title="B")]) == [8, 1, 8, 1]
    assert await Book.insert(Book(title="A")) == [0, 0]
    assert await Book.insert([]) == []


async def test_insert_answers_the_same_with_a_ttl() -> None:
    # Fault 40: pydantic-aioredis returned two more entries for each record.
    assert await Book.insert(Book(title="A"), life_span_seconds=60) == [8, 1]


async def test_insert_overwrites_a_record_and_keeps_undeclared_fields(client: Any) -> None:
    await Book.insert(Book(title="A", pages=1))
    client.hset("book:A", "other", "kept")

    await Book.insert(Book(title="A", pages=2))

    assert client.hmget("book:A", "pages", "other") == [b"2", b"kept"]


async def test_insert_takes_one_or_any_iterable() -> None:
    await Book.insert(Book(title="A"))
    await Book.insert((Book(title="B"),))
    await Book.insert(Book(title=title) for title in "CD")

    assert titles(await Book.select()) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("wrong", [None, {"title": "A"}, Unregistered(k="1"), "A", 5])
async def test_insert_refuses_values_that_are_not_instances(wrong: Any, client: Any) -> None:
    # pydantic-aioredis: AttributeError of the primary key's name.
    with pytest.raises(TypeError):
        await Book.insert(wrong)
    with pytest.raises(TypeError):
        await Book.insert([Book(title="B"), wrong])

    assert client.keys("*") == []


async def test_insert_accepts_a_ttl_of_seconds_or_a_timedelta(client: Any) -> None:
    await Book.insert(Book(title="A"), 60)
    await Book.insert(Book(title="B"), life_span_seconds=dt.timedelta(minutes=2))

    assert 50 < client.ttl("book:A") <= 60 < client.ttl("book:B") <= 120


async def test_save_writes_a_new_instance_whole_and_gives_nothing(client: Any) -> None:
    book = Book(title="A", pages=3)

    assert await book.save() is None  # type: ignore[func-returns-value]  # which is what is tested

    assert client.hmget("book:A", "title", "pages", "in_stock") == [b"A", b"3", b"true"]
    assert titles(await Book.select()) == ["A"]


async def test_select_gives_all_in_the_order_of_their_keys() -> None:
    await books("C", "A", "B", "10", "9")

    assert titles(await Book.select()) == ["10", "9", "A", "B", "C"]


async def test_select_gives_instances_that_are_equal() -> None:
    book = Book(title="A", author="x", pages=3, price=2.5, in_stock=False, tags=["t"], note="n")
    await Book.insert(book)

    assert await Book.select() == [book]


async def test_select_gives_none_where_there_is_nothing() -> None:
    assert await Book.select() is None
    assert await Book.select(ids=["nope"]) is None
    assert await Book.select(columns=["title"]) is None
    assert await Book.select(columns=["title"], ids=["nope"]) is None
    await books("A")
    assert await Book.select(skip=5) is None
    assert await Book.select(limit=0) is None


@pytest.mark.parametrize(
    ("skip", "limit", "wanted"),
    [(None, 2, "AB"), (2, None, "CDE"), (1, 2, "BC"), (4, 5, "E"), (0, 5, "ABCDE")],
)
async def test_select_gives_a_page(skip: int | None, limit: int | None, wanted: str) -> None:
    await books(*"ABCDE")

    assert titles(await Book.select(skip=skip, limit=limit)) == list(wanted)
    assert titles(await Book.select(None, list("ABCDE"), skip, limit)) == list(wanted)


@pytest.mark.parametrize("page", [{"skip": -1}, {"limit": -1}])
async def test_select_refuses_negative_pages(page: Any) -> None:
    # pydantic-aioredis took them as Python slices.
    await books("A")

    with pytest.raises(ValueError, match="must be 0 or more"):
        await Book.select(**page)
    with pytest.raises(ValueError, match="must be 0 or more"):
        await Book.select(ids=["A"], **page)


async def test_select_takes_one_id_or_many_and_keeps_their_order() -> None:
    # Fault 41: pydantic-aioredis sorted them, and took a tuple for one id.
    await books(*"ABC")

    assert titles(await Book.select(ids="B")) == ["B"]
    assert titles(await Book.select(ids=["C", "A"])) == ["C", "A"]
    assert titles(await Book.select(ids=("C", "A"))) == ["C", "A"]
    assert titles(await Book.select(ids=["C", "nope", "A"])) == ["C", "A"]
    assert await Book.select(ids=[]) is None


async def test_columns_give_dicts_in_the_order_asked_with_the_values_of_pydantic_aioredis() -> None:
    await Book.insert(Book(title="A", pages=3, price=2.5, in_stock=True, tags=["x"], note=None))

    found = await Book.select(columns=["pages", "price", "title", "in_stock", "published_on", "tags", "note"])

    assert found is not None
    assert list(found[0]) == ["pages", "price", "title", "in_stock", "published_on", "tags", "note"]
    assert list(found[0].values()) == ["3", "2.5", "A", True, "2020-01-01", ["x"], None]


async def test_columns_of_missing_records_are_left_out() -> None:
    # Fault 14.
    await books("A")

    assert await Book.select(columns=["title", "in_stock"], ids=["nope", "A"]) == [{"title": "A", "in_stock": True}]


async def test_columns_that_are_wrong_are_refused() -> None:
    # pydantic-aioredis: a key with None, an error of the server, an IndexError.
    await books("A")
    wrong: Any = "title"

    with pytest.raises(ModelDeclarationError, match="'nope'"):
        await Book.select(columns=["nope"])
    with pytest.raises(ValueError, match="columns"):
        await Book.select(columns=[])
    with pytest.raises(TypeError, match="columns"):
        await Book.select(columns=wrong)


async def test_delete_answers_how_many_records_and_members_went(client: Any) -> None:
    await books(*"ABC")

    assert await Book.delete("A") == [1, 1]
    assert await Book.delete(["B", "nope"]) == [1, 1]
    assert await Book.delete(ids=["nope"]) == [0, 0]
    assert await Book.delete(ids=[]) is None
    assert titles(await Book.select()) == ["C"]
    assert client.exists("book:A") == 0


async def test_delete_without_ids_is_refused() -> None:
    # Fault 22.
    await books("A")
    delete: Any = Book.delete

    with pytest.raises(TypeError, match="delete_all"):
        await delete()

    assert titles(await Book.select()) == ["A"]


def test_the_names_of_the_primary_key_and_of_the_index_are_public() -> None:
    assert Book.get_primary_key_field() == "title"
    assert Book.get_table_index_key() == "book:__index"


def test_serialize_partially_gives_what_pydantic_aioredis_gave() -> None:
    given: dict[str, object] = {
        "title": "A",
        "pages": 3,
        "price": 2.5,
        "in_stock": True,
        "published_on": dt.date(2020, 1, 1),
        "tags": ["x"],
        "note": None,
        "other": b"raw",
    }

    assert Book.serialize_partially(given) == {
        "title": "A",
        "pages": 3,
        "price": 2.5,
        "in_stock": "true",
        "published_on": '"2020-01-01"',
        "tags": '["x"]',
        "note": "None",
        "other": b"raw",
    }


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("number", 2**70, 2**70),
        ("real", float("inf"), float("inf")),
        ("maybe", None, "None"),
        ("address", ip_address("::1"), '"::1"'),
        ("items", [(1, float("nan"))], "[[1, NaN]]"),
        ("items", [dt.date(2020, 1, 1)], '["2020-01-01"]'),
        ("anything", "None", '"None"'),
    ],
)
def test_serialize_partially_accepts_unvalidated_values(field: str, value: object, wanted: object) -> None:
    assert Loose.serialize_partially({field: value}) == {field: wanted}


def test_serialize_partially_refuses_what_cannot_be_serialised() -> None:
    with pytest.raises(TypeError):
        Loose.serialize_partially({"items": [object()]})


def test_serialize_partially_leaves_what_it_is_given() -> None:
    # Fault 49.
    given: dict[str, object] = {"tags": ["x"]}

    assert Book.serialize_partially(given) == Book.serialize_partially(given) == {"tags": '["x"]'}
    assert given == {"tags": ["x"]}


def test_deserialize_partially_gives_what_the_constructor_takes() -> None:
    stored: dict[str, Any] = {
        "title": "A",
        "pages": "3",
        "in_stock": "true",
        "published_on": '"2020-01-01"',
        "tags": '["x"]',
        "note": "None",
        "other": "raw",
    }

    found = Book.deserialize_partially(stored)

    assert found == {
        "title": "A",
        "pages": "3",
        "in_stock": True,
        "published_on": "2020-01-01",
        "tags": ["x"],
        "note": None,
        "other": "raw",
    }
    assert stored["tags"] == '["x"]'  # fault 49
    made: Any = Book
    assert made(**found) == Book(title="A", pages=3, tags=["x"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.datetime(2020, 1, 2, 3, 4, 5, 678), "2020-01-02T03:04:05.000678"),
        (ip_address("1.2.3.4"), "1.2.3.4"),
        (ip_address("::1"), "::1"),
        (IPv6Network("::/8"), "::/8"),
        (IPv4Interface("10.0.0.1/8"), "10.0.0.1/8"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
)
def test_json_default_gives_the_text_of_the_types_of_pydantic_aioredis(value: object, text: str) -> None:
    assert Book.json_default(value) == text


def test_json_default_refuses_everything_else_in_the_words_of_pydantic_aioredis() -> None:
    with pytest.raises(TypeError, match=r"^Type <class 'set'> not serializable$"):
        Book.json_default({1})


def test_json_object_hook_gives_what_it_is_given_on_the_abstract_model_too() -> None:
    thing: Any = object()

    assert Book.json_object_hook(thing) is _AbstractModel.json_object_hook(thing) is thing


async def test_both_hooks_can_be_overridden_for_classes_of_ones_own(store: Store, client: Any) -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    class Placed(Model):
        _primary_key_field = "k"
        k: str
        point: Point
        deep: dict[str, Any] = Field(default_factory=dict[str, Any])

        @classmethod
        def json_default(cls, obj: Any) -> Any:
            return {"__point__": obj.x} if isinstance(obj, Point) else super().json_default(obj)

        @classmethod
        def json_object_hook(cls, obj: Any) -> Any:
            return Point(obj["__point__"]) if "__point__" in obj else obj

    store.register_model(Placed)
    await Placed.insert(Placed(k="1", point=Point(3), deep={"a": [Point(4)]}))

    found = await Placed.select()
    columns = await Placed.select(columns=["point"])

    assert client.hget("placed:1", "point") == b'{"__point__": 3}'
    assert found is not None and found[0].point.x == 3 and found[0].deep["a"][0].x == 4
    point: Any = columns[0]["point"] if columns else None
    assert point.x == 3
    assert Placed.serialize_partially({"point": Point(5)}) == {"point": '{"__point__": 5}'}


async def test_a_model_that_is_not_registered_says_so(client: Any) -> None:
    record = Unregistered(k="1")
    table = Unregistered
    for call in (record.save, lambda: table.insert(record), table.select, lambda: table.delete("1")):
        with pytest.raises(AttributeError, match="Unregistered"):
            await call()

    assert client.keys("*") == []


async def test_a_model_that_is_not_registered_can_be_made_assigned_and_updated() -> None:
    record = Unregistered(k="1", auto_save=True, auto_sync=True)
    record.v = 1
    async with record.update() as same:
        same.v = 2

    assert record.v == 2


async def test_a_bad_record_raises_what_names_its_key_and_field(client: Any) -> None:
    await books("A", "B")
    client.hset("book:B", "pages", "many")

    with pytest.raises(DataError, match=r"book:B.*'pages'"):
        await Book.select()


@pytest.mark.parametrize("pk", ["", None])
async def test_an_empty_primary_key_is_refused(pk: Any) -> None:
    with pytest.raises(InvalidPrimaryKeyError):
        await Book.insert(Book.construct(title=pk))
    with pytest.raises(InvalidPrimaryKeyError):
        await Book.select(ids=[pk])
