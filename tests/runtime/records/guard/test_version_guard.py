"""The guard of every write: what a process must not touch stays as it is, to the byte."""

from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from redis_models import Field, Model, Store
from redis_models.errors import (
    DecodeError,
    NotFoundError,
    RecordTooNewError,
    RecordTooOldError,
    RedisModelsError,
    WrongKeyTypeError,
)

from .items import UPDATES, Item, everything, loaded


def test_a_newer_record_is_refused_by_every_write_and_nothing_changes(
    write: Callable[[Item], None], client: Any
) -> None:
    item = loaded(client, "item:a")
    client.hset("item:a", "_v", 4)
    before = everything(client)

    with pytest.raises(RecordTooNewError, match=r"item:a: stored at version 4, but .* only up to version 3") as caught:
        write(item)

    assert everything(client) == before
    assert (caught.value.key, caught.value.stored, caught.value.supported) == ("item:a", 4, 3)


@pytest.mark.parametrize("stamp", ["2", "1", None])
def test_an_older_record_is_refused_by_every_write_where_no_way_up_is_known(
    write: Callable[[Item], None], client: Any, stamp: str | None
) -> None:
    item = loaded(client, "item:a")
    client.hset("item:a", "_v", stamp) if stamp else client.hdel("item:a", "_v")
    before = everything(client)

    with pytest.raises(RecordTooOldError, match=r"item:a: stored at version \d, but its model is at version 3"):
        write(item)

    assert everything(client) == before


def test_a_stamp_that_is_not_a_number_is_refused_by_every_write(write: Callable[[Item], None], client: Any) -> None:
    item = loaded(client, "item:a")
    client.hset("item:a", "_v", "soon")
    before = everything(client)

    with pytest.raises(DecodeError, match="item:a: field '_v' holds b'soon': the stamp must be a whole number"):
        write(item)

    assert everything(client) == before


@pytest.mark.parametrize("kind", ["string", "list", "set", "zset", "stream"])
def test_a_key_that_does_not_hold_a_hash_is_refused_by_every_write(
    write: Callable[[Item], None], client: Any, kind: str
) -> None:
    item = loaded(client, "item:a")
    client.delete("item:a")
    {
        "string": lambda: client.set("item:a", "x"),
        "list": lambda: client.rpush("item:a", "x"),
        "set": lambda: client.sadd("item:a", "x"),
        "zset": lambda: client.zadd("item:a", {"x": 1}),
        "stream": lambda: client.xadd("item:a", {"x": "1"}),
    }[kind]()
    before = everything(client)

    with pytest.raises(WrongKeyTypeError, match="item:a: does not hold a hash; look at it with 'TYPE item:a'"):
        write(item)

    assert everything(client) == before


@pytest.mark.parametrize("write", UPDATES, ids=lambda write: write.__name__.strip("_"))
def test_a_deleted_record_is_not_brought_back(write: Callable[[Item], None], client: Any) -> None:
    item = loaded(client, "item:a")
    client.delete("item:a")

    with pytest.raises(NotFoundError, match="Item: no record at 'item:a'"):
        write(item)

    assert client.dbsize() == 0


def test_a_hundred_records_are_written_all_or_none(client: Any) -> None:
    Item.sync.insert([Item(id=f"{number:03}") for number in range(0, 250, 2)])
    client.hset("item:150", "_v", 4)

    with pytest.raises(RecordTooNewError, match="item:150"):
        Item.sync.insert([Item(id=f"{number:03}", name="new") for number in range(250)])

    names = [client.hget(f"item:{number:03}", "name") for number in range(250)]
    assert names[:100] == [b"new"] * 100
    assert names[100:200] == [b"" if number % 2 == 0 else None for number in range(100, 200)]
    members: list[bytes] = client.zrange("item:__index", 100, 149)
    assert not [member for member in members if 100 <= int(member[5:]) < 200 and int(member[5:]) % 2]


def test_records_without_a_stamp_are_of_version_one(store: Store, client: Any) -> None:
    class First(Model):
        id: str = Field(primary_key=True)
        name: str = ""

        class Meta:
            table = "item"

    First._store = store
    client.hset("item:a", mapping={"id": "a", "name": "x"})

    first = First.sync.get("a")
    first.name = "y"
    first.sync.save()

    assert client.hgetall("item:a") == {b"id": b"a", b"name": b"y", b"_v": b"1"}


def _reads(id: str) -> list[Callable[[], object]]:
    return [
        lambda: Item.sync.get(id),
        lambda: Item.sync.get_many(["x", id]),
        lambda: Item.sync.select(ids=[id]),
        lambda: Item.sync.select(),
        lambda: Item.sync.select(columns=["name"]),
        lambda: list(Item.sync.iterate()),
        lambda: Item.sync.page(9),
    ]


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize(
    ("stamp", "error"), [("4", RecordTooNewError), ("2", RecordTooOldError), ("soon", DecodeError)]
)
def test_a_record_of_another_version_is_read_by_no_verb(
    client: Any, place: int, stamp: str, error: type[RedisModelsError]
) -> None:
    Item.sync.insert([Item(id="a"), Item(id="b")])
    client.hset("item:a", "_v", stamp)

    with pytest.raises(error, match="item:a"):
        _reads("a")[place]()


@pytest.mark.parametrize("place", range(7))
def test_a_key_that_does_not_hold_a_hash_is_named_by_every_reading_verb(client: Any, place: int) -> None:
    Item.sync.insert([Item(id="a"), Item(id="b")])
    client.delete("item:a")
    client.set("item:a", "x")

    with pytest.raises(WrongKeyTypeError, match="item:a"):
        _reads("a")[place]()


def test_records_of_other_versions_and_kinds_do_not_block_a_table(client: Any) -> None:
    Item.sync.insert([Item(id=id) for id in "abcd"])
    client.hset("item:a", "_v", 4)
    client.hset("item:b", "_v", 2)
    client.delete("item:c")
    client.set("item:c", "x")
    bad: list[Any] = []

    found = Item.sync.select(bad_records=bad)

    assert [item.id for item in found or []] == ["d"]
    assert [type(error) for error in bad] == [RecordTooNewError, RecordTooOldError, WrongKeyTypeError]
    assert client.zcard("item:__index") == 4


def test_deleting_takes_records_of_any_version_but_no_other_keys(client: Any) -> None:
    Item.sync.insert([Item(id=id) for id in "abc"])
    client.hset("item:a", "_v", 4)
    client.delete("item:b")
    client.set("item:b", "mine")

    with pytest.raises(WrongKeyTypeError, match="item:b"):
        Item.sync.delete(["a", "b", "c"])
    assert client.exists("item:a", "item:c") == 2

    assert Item.sync.delete(["a", "c"]) == [2, 2]
    assert client.get("item:b") == b"mine"


def test_a_sibling_whose_prefix_begins_with_ours_is_not_touched(store: Store, client: Any) -> None:
    class Part(Model):
        id: str = Field(primary_key=True)

        class Meta:
            prefix = "item"

    store.register_model(Part)
    Part.sync.insert([Part(id="7"), Part(id="8")])
    before = everything(client)

    Item.sync.insert([Item(id="part:7"), Item(id="part:__index")])
    assert Item.sync.count() == 2
    Item.sync.delete("part:8")
    assert Item.sync.delete_all() == 2

    assert everything(client) == before


def test_ttls_of_records_of_any_version_can_be_changed(client: Any) -> None:
    client.hset("item:a", mapping={"_v": 9, "id": "a"})

    Item.sync.expire("a", 60)
    left = Item.sync.ttl("a") or 0.0
    Item.sync.persist("a")

    assert 0 < left <= 60
    assert (client.pttl("item:a"), client.hgetall("item:a")) == (-1, {b"_v": b"9", b"id": b"a"})


def test_records_with_thousands_of_fields_are_written_whole(store: Store, client: Any) -> None:
    fields: dict[str, Any] = {f"f{number}": (int, number) for number in range(4500)}
    Wide: Any = pydantic.create_model("Wide", __base__=Model, id=(str, Field(primary_key=True)), **fields)
    store.register_model(Wide)

    Wide.sync.insert([Wide(id="a"), Wide(id="b")])

    assert client.hlen("wide:a") == client.hlen("wide:b") == 4502
    assert Wide.sync.get("b") == Wide(id="b")
