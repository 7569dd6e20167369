"""Faults 34 to 43 of pydantic-aioredis, absent here: lost writes, bad records, and answers that vary."""

from typing import Any, cast

import pydantic
import pytest
import redis.asyncio
import redis.connection

from redis_models import AutoModel, Model, RedisConfig, Store
from redis_models.errors import DataError, InvalidPrimaryKeyError, NotFoundError


class Item(Model):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0


class Auto(AutoModel):
    _primary_key_field = "k"
    k: str
    v: int = 0
    w: int = 0


@pytest.fixture(autouse=True)
def _bound(store: Store) -> None:
    models: list[type[Model]] = [Item, Auto]
    for model in models:
        store.register_model(model)


async def loaded(model: Any, key: str = "a") -> Any:
    [found] = await model.select(ids=[key])
    return found


async def test_fault_34_two_copies_write_only_what_each_changed(client: Any) -> None:
    Auto(k="a")
    record, other = await loaded(Auto), await loaded(Auto)

    record.v = 1
    other.w = 1

    assert client.hmget("auto:a", "v", "w") == [b"1", b"1"]


async def test_fault_34_so_do_saves(client: Any) -> None:
    await Item.insert(Item(k="a"))
    record, other = await loaded(Item), await loaded(Item)

    record.v = other.w = 1
    await record.save()
    await other.save()

    assert client.hmget("item:a", "v", "w") == [b"1", b"1"]


async def test_fault_35_an_assignment_does_not_bring_a_deleted_record_back(client: Any) -> None:
    record = Auto(k="a")
    await Auto.delete("a")

    with pytest.raises(NotFoundError, match="auto:a"):
        record.v = 1

    assert client.keys("*") == []
    assert record.v == 0


async def test_fault_36_a_changed_primary_key_leaves_no_second_record(client: Any) -> None:
    record = Auto(k="6")

    with pytest.raises(InvalidPrimaryKeyError):
        record.k = "7"

    assert set(client.keys("auto:*")) == {b"auto:6", b"auto:__index"}
    assert record.k == "6"


async def test_fault_37_assigned_values_are_validated(client: Any) -> None:
    record = Item(k="a")
    wrong: Any = "notint"

    with pytest.raises(pydantic.ValidationError):
        record.v = wrong
    await record.save()

    assert client.hget("item:a", "v") == b"0"
    assert await Item.select() == [Item(k="a")]


async def test_fault_38_one_bad_record_does_not_hide_the_others(client: Any) -> None:
    await Item.insert([Item(k="a"), Item(k="b"), Item(k="c")])
    client.hset("item:b", "v", "notint")
    bad: list[DataError] = []

    found = await Item.select(bad_records=bad)

    assert found == [Item(k="a"), Item(k="c")]
    assert [str(error) for error in bad] == [
        str(error) for error in bad if "item:b" in str(error) and "'v'" in str(error)
    ]
    assert len(bad) == 1
    with pytest.raises(DataError, match=r"item:b.*'v'"):
        await Item.select()


def test_fault_39_a_removed_field_leaves_the_records_with_its_migration(project: Any) -> None:
    project.deploy(1)
    project.fill(20)
    project.deploy(2)

    assert project.migrate().code == 0

    records = [record for key, record in project.records().items() if key.startswith("customer:")]
    assert len(records) == 20
    assert all("legacy_ref" not in record for record in records)


async def test_fault_39_an_extra_value_that_was_removed_leaves_the_record(store: Store, client: Any) -> None:
    class Open(Model):
        model_config = pydantic.ConfigDict(extra="allow")
        _primary_key_field = "k"
        k: str

    store.register_model(Open)
    record: Any = Open.model_validate({"k": "a", "note": "n", "rest": 1})
    await record.save()

    del record.note
    await record.save()

    assert client.hmget("open:a", "note", "rest") == [None, b"1"]


async def test_fault_40_insert_answers_the_same_with_and_without_a_ttl() -> None:
    records = [Item(k="a"), Item(k="b")]

    assert await Item.insert([]) == []
    assert await Item.insert(records) == [3, 1, 3, 1]
    assert await Item.insert(records) == [0, 0, 0, 0]
    assert await Item.insert(Item(k="c"), life_span_seconds=60) == [3, 1]
    assert await Item.insert(Item(k="c"), life_span_seconds=60) == [0, 0]


@pytest.mark.parametrize("kind", [list, tuple])
async def test_fault_41_records_come_in_the_order_of_the_ids(kind: Any) -> None:
    await Item.insert([Item(k="A"), Item(k="B"), Item(k="C")])

    found = await Item.select(ids=kind(("C", "A")))

    assert found == [Item(k="C"), Item(k="A")]


async def test_fault_41_a_set_of_ids_is_several_ids() -> None:
    await Item.insert([Item(k="A"), Item(k="B"), Item(k="C")])

    found = await Item.select(ids={"A", "B"})

    assert found is not None
    assert sorted(record.k for record in found) == ["A", "B"]


@pytest.mark.parametrize("password", ["p@ss/w#1", "a:b?c=%d", "pässwort 1"])
def test_fault_42_a_password_survives_its_url_and_is_never_shown(password: str) -> None:
    config = RedisConfig(host="h", port=1, password=password)

    options: dict[str, object] = cast(Any, redis.connection).parse_url(config.redis_url)

    assert (options["password"], options["host"], options["port"]) == (password, "h", 1)
    for shown in (repr(config), str(config), repr(Store("s", config)), str(Store("s", config))):
        assert password not in shown


async def test_fault_43_a_client_given_to_the_constructor_is_used(server: Any, client: Any) -> None:
    mine = redis.asyncio.Redis(port=1)
    store = Store("s", RedisConfig(port=1), redis_store=mine)
    assert store.redis_store is mine

    own = redis.asyncio.Redis(unix_socket_path=server.socket_path, decode_responses=True)
    other = Store("s", RedisConfig(port=1), redis_store=own)
    other.register_model(Item)
    await Item.insert(Item(k="a"))

    assert client.exists("item:a") == 1
    await mine.aclose()
    await own.aclose()
    await other.aclose()
