"""Faults 23 to 33 of pydantic-aioredis, absent here: values that come back as something else, and keys that meet."""

import datetime as dt
from collections import deque
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pydantic
import pytest

from redis_models import Field, Model, Store


class Color(Enum):
    RED = "r"
    BLUE = 2


class Kind(str, Enum):  # noqa: UP042  # whose text differs by Python's version
    A = "x"


class Maybe(Model):
    _primary_key_field = "k"
    k: str
    text: str | None = None
    flag: bool | None = None
    days: list[dt.date] | None = None


class Anything(Model):
    _primary_key_field = "k"
    k: str
    any: Any = None
    text_or_day: str | dt.date = ""
    mapping: dict = Field(default_factory=dict)  # type: ignore[type-arg]  # the bare one lost the types of its keys
    both: tuple = ()  # type: ignore[type-arg]  # likewise


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Maybe, Anything]
    for model in models:
        store.register_model(model)


def same(value: object, other: object) -> bool:
    """Equal, and of the same types all through."""
    return value == other and repr(value) == repr(other)


@pytest.mark.parametrize("text", ["None", "null", "\\None", "", None])
async def test_fault_23_the_text_none_is_not_none(text: str | None) -> None:
    await Maybe.insert(Maybe(k="1", text=text))

    found = await Maybe.select()

    assert found is not None and same(found[0].text, text)


async def test_fault_24_none_is_spelled_one_way_in_text_and_one_way_in_json(client: Any) -> None:
    await Maybe.insert(Maybe(k="1"))

    assert client.hmget("maybe:1", "text", "flag", "days") == [b"None", b"null", b"null"]


async def test_fault_24_every_spelling_of_pydantic_aioredis_is_read(client: Any) -> None:
    await Maybe.insert(Maybe(k="1", text="t", flag=True, days=[dt.date(2020, 1, 1)]))
    client.hset("maybe:1", mapping={"text": "None", "flag": "null", "days": '"null"'})

    found = await Maybe.select()

    assert found == [Maybe(k="1", text=None, flag=None, days=None)]


async def test_fault_25_json_is_encoded_once(store: Store, client: Any) -> None:
    class Lists(Model):
        _primary_key_field = "k"
        k: str
        flags: list[bool]
        days: list[dt.date]
        mixed: dict[str, Any]

    store.register_model(Lists)

    await Lists.insert(Lists(k="1", flags=[True], days=[dt.date(2020, 1, 1)], mixed={"a": None}))

    stored = client.hmget("lists:1", "flags", "days", "mixed")
    assert [raw.replace(b" ", b"") for raw in stored] == [b"[true]", b'["2020-01-01"]', b'{"a":null}']


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (set[int], {1, 2}),
        (frozenset[str], frozenset({"a"})),
        (Decimal, Decimal("1.10")),
        (dt.time, dt.time(1, 2, 3, 4)),
        (dt.timedelta, dt.timedelta(days=-1, microseconds=7)),
        (bytes, b"\xff\x00a"),
        (Path, Path("a/b")),
        (Color, Color.BLUE),
        (deque[int], deque([1, 2])),
    ],
)
async def test_fault_26_common_types_are_stored(store: Store, annotation: Any, value: object) -> None:
    made: Any = pydantic.create_model("Common", __base__=Model, k=(str, ...), it=(annotation, ...))
    made._primary_key_field = "k"
    store.register_model(made)

    await made.insert(made(k="1", it=value))

    [found] = await made.select()
    assert same(found.it, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("any", dt.date(2020, 1, 1)),
        ("any", (1, 2)),
        ("any", {1: "a"}),
        ("any", "None"),
        ("any", ["x", (1, {dt.date(2020, 1, 1)})]),
        ("text_or_day", dt.date(2020, 1, 1)),
        ("text_or_day", "2020-01-01"),
        ("mapping", {1: "a", "1": "b"}),
        ("both", ((1, 2), [3])),
    ],
)
async def test_fault_27_values_with_the_same_json_come_back_as_they_were(field: str, value: object) -> None:
    made: Any = Anything
    await Anything.insert(made(**{"k": "1", field: value}))

    [found] = await made.select()

    assert same(getattr(found, field), value)


async def test_fault_28_a_field_with_an_alias_comes_back(store: Store, client: Any) -> None:
    class Aliased(Model):
        _primary_key_field = "k"
        k: str
        x: int = pydantic.Field(default=0, alias="ex")

    store.register_model(Aliased)

    await Aliased.insert(Aliased(k="1", ex=7))

    found = await Aliased.select()
    assert found is not None and found[0].x == 7
    assert client.hget("aliased:1", "x") == b"7"


async def test_fault_28_a_field_that_others_do_not_see_is_stored(store: Store) -> None:
    class Secretive(Model):
        _primary_key_field = "k"
        k: str
        x: int = pydantic.Field(default=0, exclude=True)

    store.register_model(Secretive)

    await Secretive.insert(Secretive(k="1", x=7))

    found = await Secretive.select()
    assert found is not None and found[0].x == 7


async def test_fault_28_extra_values_keep_their_types(store: Store) -> None:
    class Open(Model):
        model_config = pydantic.ConfigDict(extra="allow")
        _primary_key_field = "k"
        k: str

    store.register_model(Open)
    extras: dict[str, Any] = {"number": 1, "text": "1", "items": [1, "a"], "nothing": None, "half": 1.5}

    await Open.insert(Open.model_validate({"k": "1", **extras}))

    found = await Open.select()
    assert found is not None and found[0].__pydantic_extra__ == extras


@pytest.mark.parametrize("order", [(1, True), (True, 1)])
async def test_fault_29_the_key_depends_on_the_record_alone_not_on_the_call_before(
    store: Store, client: Any, order: tuple[object, object]
) -> None:
    class Keyed(Model):
        _primary_key_field = "k"
        k: Any

    store.register_model(Keyed)

    for pk in order:
        await Keyed.insert(Keyed(k=pk))

    assert set(client.keys("keyed:*")) == {b"keyed:1", b"keyed:True", b"keyed:__index"}


async def test_fault_30_a_changed_prefix_counts_at_once(store: Store, client: Any) -> None:
    class Moving(Model):
        _primary_key_field = "k"
        k: str

    store.register_model(Moving)
    await Moving.insert(Moving(k="1"))

    Moving._redis_prefix = "new"
    await Moving.insert(Moving(k="2"))

    assert Moving.get_table_index_key() == "new:moving:__index"
    assert client.exists("moving:1", "new:moving:2") == 2


@pytest.mark.parametrize("first", [True, False])
async def test_fault_31_a_record_called_as_the_index_is_a_record(first: bool) -> None:
    odd, plain = Maybe(k="__index", text="odd"), Maybe(k="1")

    for record in (odd, plain) if first else (plain, odd):
        await Maybe.insert(record)

    found = await Maybe.select()
    assert found is not None
    assert sorted(record.k for record in found) == ["1", "__index"]
    assert await Maybe.select(ids=["__index"]) == [odd]


async def test_fault_32_no_primary_key_reaches_the_records_of_another_model(store: Store) -> None:
    class Inner(Model):
        _primary_key_field = "k"
        _redis_prefix = "p"
        _table_name = "x"
        k: str

    class Outer(Model):
        _primary_key_field = "k"
        _table_name = "p"
        k: str
        note: str = ""

    store.register_model(Inner)
    store.register_model(Outer)

    await Inner.insert(Inner(k="1"))
    await Outer.insert(Outer(k="x:1", note="outer"))

    assert await Inner.select() == [Inner(k="1")]
    assert await Outer.select() == [Outer(k="x:1", note="outer")]
    await Outer.delete("x:1")
    assert await Inner.select() == [Inner(k="1")]


async def test_fault_33_an_enum_is_keyed_by_its_value_on_every_python(store: Store, client: Any) -> None:
    class Sorted(Model):
        _primary_key_field = "k"
        k: Kind

    store.register_model(Sorted)

    await Sorted.insert(Sorted(k=Kind.A))

    assert client.exists("sorted:x") == 1
    assert await Sorted.select(ids=[Kind.A]) == await Sorted.select(ids=["x"]) == [Sorted(k=Kind.A)]
