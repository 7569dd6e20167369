"""The contract's tables of keys: what a record and its index are called."""

import datetime as dt
from enum import Enum, IntEnum
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pydantic
import pytest

from redis_models import Model, Store
from redis_models.errors import InvalidPrimaryKeyError


class Word(str, Enum):  # noqa: UP042  # whose text differs by Python's version
    A = "x"


class Number(IntEnum):
    ONE = 1


class Custom(Model):
    _primary_key_field = "k"
    _redis_prefix = "PreFix"
    _redis_separator = "!SEP!"
    _table_name = "TabName"
    k: int


def keyed(store: Store, annotation: Any) -> Any:
    """A model called M with a primary key of that type."""
    made: Any = pydantic.create_model("M", __base__=Model, k=(annotation, ...))
    made._primary_key_field = "k"
    store.register_model(made)
    return made


async def test_a_custom_key_has_all_its_parts(store: Store, client: Any) -> None:
    store.register_model(Custom)

    await Custom.insert(Custom(k=1))

    assert set(client.keys("*")) == {b"prefix!sep!TabName!sep!1", b"prefix!sep!TabName!sep!__index"}
    assert Custom.get_table_index_key() == "prefix!sep!TabName!sep!__index"


async def test_the_separator_of_the_oldest_releases_can_be_kept(store: Store, client: Any) -> None:
    class Old(Model):
        _primary_key_field = "k"
        _redis_separator = "_%&_"
        k: str

    store.register_model(Old)

    await Old.insert(Old(k="a"))

    assert set(client.keys("*")) == {b"old_%&_a", b"old_%&___index"}


@pytest.mark.parametrize(
    ("annotation", "pk", "key"),
    [
        (str, "a", b"m:a"),
        (str, "a b\xe9", "m:a b\xe9".encode()),
        (str, "a:b", b"m:a%3Ab"),  # fault 32: not escaped there
        (int, 7, b"m:7"),
        (float, 1.0, b"m:1.0"),
        (bool, True, b"m:True"),
        (dt.date, dt.date(2020, 1, 1), b"m:2020-01-01"),
        (UUID, UUID(int=1), b"m:00000000-0000-0000-0000-000000000001"),
        (Any, ip_address("1.2.3.4"), b"m:1.2.3.4"),
        (tuple[int, int], (1, 2), b"m:(1, 2)"),
        (Word, Word.A, b"m:x"),  # fault 33: on Python 3.11 m:Word.A there
        (Number, Number.ONE, b"m:1"),
    ],
)
async def test_each_kind_of_primary_key_has_the_key_of_pydantic_aioredis(
    store: Store, client: Any, annotation: Any, pk: Any, key: bytes
) -> None:
    model = keyed(store, annotation)

    await model.insert(model(k=pk))

    assert set(client.keys("*")) == {key, b"m:__index"}
    assert client.zrange("m:__index", 0, -1) == [key]
    assert await model.select(ids=[pk]) == await model.select() == [model(k=pk)]


async def test_the_key_of_an_instant_has_a_space_and_its_value_a_t(store: Store, client: Any) -> None:
    model = keyed(store, dt.datetime)

    await model.insert(model(k=dt.datetime(2020, 1, 1)))

    assert await model.select(ids=[dt.datetime(2020, 1, 1)]) == [model(k=dt.datetime(2020, 1, 1))]
    [value] = [client.hget(key, "k") for key in client.keys("m:2020*")]
    assert value == b'"2020-01-01T00:00:00"'


@pytest.mark.parametrize("pk", ["", None, [1], "\ud800"])
async def test_what_can_be_no_part_of_a_key_is_refused(store: Store, client: Any, pk: Any) -> None:
    # pydantic-aioredis stored m: and m:None; the other two failed elsewhere.
    model = keyed(store, Any)

    with pytest.raises(InvalidPrimaryKeyError):
        await model.insert(model(k=pk))

    assert client.keys("*") == []


async def test_a_record_called_as_the_index_does_not_lie_there(store: Store, client: Any) -> None:
    # Fault 31.
    model = keyed(store, str)

    await model.insert(model(k="__index"))

    assert client.type("m:__index") == b"zset"
    assert await model.select(ids=["__index"]) == [model(k="__index")]


async def test_subclasses_can_ask_for_the_parts_of_keys_and_for_keys(store: Store) -> None:
    custom: Any = Custom  # underscore names, as in pydantic-aioredis
    store.register_model(Custom)
    await Custom.insert([Custom(k=2), Custom(k=1)])
    start = "prefix!sep!TabName!sep!"

    assert [custom._get_prefix(), custom._get_separator(), custom._get_tablename()] == [start[:11], "!sep!", "TabName"]
    assert await custom._ids_to_primary_keys(5) == ([f"{start}5"], f"{start}__index")
    assert await custom._ids_to_primary_keys([2, 1]) == ([f"{start}2", f"{start}1"], f"{start}__index")
    assert await custom._ids_to_primary_keys() == ([f"{start}1", f"{start}2"], f"{start}__index")
