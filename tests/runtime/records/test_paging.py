"""Pages: by position, by key, of ids; full whatever has died, in order, and never the whole index."""

from collections.abc import Iterator
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import DecodeError, InvalidPrimaryKeyError, WrongKeyTypeError

from .conftest import Call


class Item(Model):
    id: str = Field(primary_key=True)
    size: int = 0


class Numbered(Model):
    id: int = Field(primary_key=True)


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Numbered):
        store.register_model(model)
    yield
    for model in (Item, Numbered):
        model._store = None


def _ids(found: Any) -> str:
    records: list[Any] = found or []
    return "".join([getattr(record, "id", None) or record["id"] for record in records])


def _kill(client: Any, ids: str) -> None:
    """As expiry does: the records go, their members of the index stay."""
    for id in ids:
        client.pexpireat(f"item:{id}", 1)


async def test_pages_follow_each_other_by_primary_key_until_an_empty_one(call: Call) -> None:
    await Item.insert([Item(id=id) for id in "gfedcba"])
    pages: list[str] = []
    after = None
    while page := await call(Item, "page", 3, after):
        pages.append(_ids(page))
        after = page[-1].id

    assert pages == ["abc", "def", "g"]
    assert await call(Item, "page", 3, "zz") == []
    assert _ids(await call(Item, "page", 2, after="bb")) == "cd"
    assert _ids(await call(Item, "page", limit=9, after="f")) == "g"


async def test_a_page_begins_after_a_key_as_keys_are_ordered_not_as_numbers(call: Call) -> None:
    await Numbered.insert([Numbered(id=number) for number in (1, 2, 10, 11)])

    assert [numbered.id for numbered in await call(Numbered, "page", 2, 1)] == [10, 11]
    assert [numbered.id for numbered in await call(Numbered, "page", 9, 11)] == [2]


async def test_a_primary_key_that_is_escaped_is_found_again_by_its_page(call: Call) -> None:
    ids = ["a", "a:b", "a%b", "__index", "\u00e9", "a:b:c"]
    await Item.insert([Item(id=id) for id in ids])
    seen: list[str] = []
    after = None
    while page := await call(Item, "page", 1, after):
        seen.append(page[0].id)
        after = page[0].id

    assert sorted(seen) == sorted(ids)


async def test_pages_are_full_and_remove_dead_members(call: Call, client: Any) -> None:
    await Item.insert([Item(id=id) for id in "abcdefgh"])
    _kill(client, "bcf")

    assert _ids(await call(Item, "page", 3)) == "ade"
    assert _ids(await call(Item, "page", 3, "e")) == "gh"
    assert client.zcard("item:__index") == 5


@pytest.mark.parametrize("columns", [None, ["id"]])
async def test_pages_by_position_are_full_and_follow_each_other(
    call: Call, client: Any, columns: list[str] | None
) -> None:
    await Item.insert([Item(id=id) for id in "abcdef"])
    _kill(client, "bc")

    first = _ids(await call(Item, "select", columns, skip=0, limit=2))
    second = _ids(await call(Item, "select", columns, skip=2, limit=2))

    assert (first, second) == ("ad", "ef")
    assert await call(Item, "select", columns, skip=4, limit=2) is None


async def test_a_short_page_does_not_meet_thousands_of_dead_one_by_one(call: Call, client: Any) -> None:
    await Item.insert([Item(id=f"{number:04}") for number in range(2500)])
    keys = [f"item:{number:04}" for number in range(1, 2499)]
    client.delete(*keys)
    client.config_resetstat()

    assert [item.id for item in await call(Item, "page", 2)] == ["0000", "2499"]

    stats = client.info("commandstats")
    assert stats["cmdstat_zrangebylex"]["calls"] < 10
    assert client.zcard("item:__index") == 2


@pytest.mark.parametrize("columns", [None, ["id"]])
async def test_ids_are_selected_in_their_own_order(call: Call, columns: list[str] | None) -> None:
    await Item.insert([Item(id=id) for id in "abcde"])

    async def select(ids: object, **options: int) -> str:
        return _ids(await call(Item, "select", columns, ids, **options))

    assert await select(["c", "a", "b"]) == "cab"
    assert await select(("e", "d")) == "ed"
    assert await select({"d", "a", "c"}) == "acd"
    assert await select(frozenset("ba")) == "ab"
    assert await select("b") == "b"
    assert await select(["a", "a"]) == "aa"
    assert await select([]) == ""


async def test_skip_and_limit_count_the_ids_that_exist(call: Call) -> None:
    await Item.insert([Item(id=id) for id in "abcde"])
    ids = ["e", "x", "d", "y", "z", "a", "c"]

    pages = [_ids(await call(Item, "select", ids=ids, skip=skip, limit=2)) for skip in (0, 2, 4)]

    assert pages == ["ed", "ac", ""]
    assert _ids(await call(Item, "select", ids=ids, skip=1)) == "dac"
    assert await call(Item, "select", ids=ids, limit=0) is None


async def test_many_ids_are_skipped_and_read_in_pieces(call: Call) -> None:
    await Item.insert([Item(id=f"{number:04}") for number in range(0, 1600, 2)])
    ids = [f"{number:04}" for number in reversed(range(1600))]

    found = await call(Item, "select", ids=ids, skip=550, limit=120)

    assert [record.id for record in found] == ids[1::2][550:670]


async def test_records_that_are_gone_are_in_no_answer(call: Call, client: Any) -> None:
    await Item.insert([Item(id=id) for id in "abc"])
    _kill(client, "a")

    assert await call(Item, "select", ["id"], ids=["a", "x"]) is None
    assert await call(Item, "select", ids=["a", "x"]) is None
    assert _ids(await call(Item, "select", ["id"], ids=["a", "b"])) == "b"
    assert _ids(await call(Item, "select", ["id"])) == "bc"
    assert await call(Item, "exists", "a") is False
    assert await call(Item, "count") == 2


async def test_iterating_meets_every_record_once_while_others_write(store: Store, client: Any) -> None:
    await Item.insert([Item(id=f"{number:04}") for number in range(900)])
    seen: list[str] = []

    async for item in Item.iterate(100):
        seen.append(item.id)
        if item.id == "0250":
            await Item.delete([f"{number:04}" for number in range(240)])
            await Item.insert([Item(id=f"0260{letter}") for letter in "abc"])

    assert len(seen) == len(set(seen))
    assert {f"{number:04}" for number in range(900)} <= set(seen)


async def test_a_bad_record_in_a_page_is_named(call: Call, client: Any) -> None:
    await Item.insert([Item(id=id) for id in "abc"])
    client.hset("item:b", "size", "many")

    with pytest.raises(DecodeError, match="item:b"):
        await call(Item, "page", 3)

    assert _ids(await call(Item, "page", 3, "b")) == "c"


WRONG: list[tuple[str, tuple[object, ...], dict[str, object], type[Exception]]] = [
    ("page", (0,), {}, ValueError),
    ("page", (-1,), {}, ValueError),
    ("page", (1.5,), {}, TypeError),
    ("page", ("3",), {}, TypeError),
    ("page", (True,), {}, TypeError),
    ("page", (3, ""), {}, InvalidPrimaryKeyError),
    ("select", (), {"skip": -1}, ValueError),
    ("select", (), {"limit": -1}, ValueError),
    ("select", (), {"ids": ["a"], "skip": -1}, ValueError),
    ("select", (), {"ids": ["a"], "limit": -1}, ValueError),
    ("select", (["id"],), {"limit": -1}, ValueError),
    ("select", (), {"limit": 1.5}, TypeError),
    ("select", (), {"skip": "1"}, TypeError),
    ("select", ([],), {}, ValueError),
    ("select", ((),), {}, ValueError),
    ("select", ("id",), {}, TypeError),
    ("select", (b"id",), {}, TypeError),
    ("get_many", ("ab",), {}, TypeError),
    ("iterate", (0,), {}, ValueError),
    ("iterate", (2.5,), {}, TypeError),
]


@pytest.mark.parametrize(("verb", "arguments", "options", "error"), WRONG)
async def test_pages_that_are_none_are_refused_before_anything_is_read(
    call: Call, client: Any, verb: str, arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    client.config_resetstat()

    with pytest.raises(error, match="Item"):
        await call(Item, verb, *arguments, **options)

    assert not {"cmdstat_hmget", "cmdstat_zrange", "cmdstat_zrangebylex"} & set(client.info("commandstats"))


async def test_a_key_that_is_not_a_hash_does_not_count_as_missing(call: Call, client: Any) -> None:
    client.set("item:a", "x")

    with pytest.raises(WrongKeyTypeError, match="item:a"):
        await call(Item, "exists", "a")
