"""Queries of models with what makes records special: validators, extra fields, defaults, long texts, other keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ConfigDict, field_validator

from redis_models import AutoModel, Field, Model, Store, desc, on
from redis_models.errors import DecodeError

from .conftest import Ask


class Strict(Model):
    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    size: int = Field(default=0, index=True)

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()


class Open(Model):
    model_config = ConfigDict(extra="allow")
    id: int = Field(primary_key=True)
    size: int = Field(default=0, index=True)


class Text(AutoModel):
    id: str = Field(primary_key=True)
    body: str = Field(index=True)
    place: str = Field(default="", index=True, nocase=True)


class Tenant(Model):
    id: str = Field(primary_key=True)
    size: int = Field(default=0, index=True)

    @classmethod
    def _get_prefix(cls) -> str:
        return f"{_tenant[0]}:"


_tenant = ["a"]


@pytest.fixture(autouse=True)
def _tables(store: Store) -> Iterator[None]:
    models: list[Any] = [Strict, Open, Text]
    for model in models:
        store.register_model(model)
        model.sync.build_indexes()
    yield
    for model in models:
        model._store = None


async def test_validators_decide_what_a_value_is(client: Any, ask: Ask) -> None:
    await Strict.insert([Strict(id="a", name="Ann", size=1), Strict(id="b", name="bob", size=2)])
    client.hset("strict:c", mapping={"id": "c", "name": "ANN", "size": 3, "_v": 1})
    client.zadd("strict:__index", {"strict:c": 0})
    client.zadd("strict:__index:_others", {"c": 0})

    assert sorted(await ask(Strict.where(Strict.name == "ann"), "ids")) == ["a", "c"]
    client.hset("strict:d", mapping={"id": "d", "name": "BOB", "size": 0, "_v": 1})
    client.zadd("strict:__index:name", {b"=BOB\0d": 0})
    assert await ask(Strict.where(Strict.name == "BOB"), "all") == []
    assert await ask(Strict.where(Strict.name == "BOB"), "ids") == []
    client.zrem("strict:__index:_others", "c")
    client.zadd("strict:__index:name", {b"=BOB\0d": 0})
    assert await ask(Strict.where(Strict.name == "BOB"), "all") == []
    client.zadd("strict:__index:_others", {"c": 0})
    assert await ask(Strict.where(on(Strict.size) > 1), "values", Strict.name) == [("bob",), ("ann",)]
    assert await ask(Strict.where(Strict.name == "ann"), "count") == 2
    assert await ask(Strict.where(Strict.name == "ann", on(Strict.size) < 2), "delete") == 1
    assert [strict.name for strict in await ask(Strict.where().order_by(desc(Strict.size)), "all")] == ["ann", "bob"]


async def test_extra_fields_come_with_their_records(ask: Ask) -> None:
    await Open.insert([Open.model_validate({"id": number, "size": number % 3, "more": "x"}) for number in range(9)])

    found = await ask(Open.where(Open.size == 2), "all")

    assert [(record.id, record.model_extra) for record in found] == [
        (2, {"more": "x"}),
        (5, {"more": "x"}),
        (8, {"more": "x"}),
    ]
    assert await ask(Open.where(Open.size == 2), "ids") == [2, 5, 8]
    assert await ask(Open.where(on(Open.id).one_of([3, 5, 99])), "ids") == [3, 5]
    assert await ask(Open.where(Open.size == 2), "update", size=7) == 3
    assert await ask(Open.where(Open.size == 7), "delete") == 3
    assert await Open.count() == 6


async def test_texts_of_which_an_entry_has_the_same_beginning_are_found_apart(ask: Ask) -> None:
    start = "é" * 127 + "x"  # 255 bytes
    bodies = [start, start + "a", start + "é", start + "ab", start + "ac", start + "é1", "z"]
    for number, body in enumerate(bodies):
        Text(id=str(number), body=body)

    for number, body in enumerate(bodies):
        assert await ask(Text.where(Text.body == body), "ids") == [str(number)]
        assert [text.id for text in await ask(Text.where(Text.body == body), "all")] == [str(number)]
        found = await ask(Text.where(on(Text.body).startswith(body)), "ids")
        assert sorted(found) == [str(other) for other, text in enumerate(bodies) if text.startswith(body)]
        found = await ask(Text.where(on(Text.body) > body), "ids")
        assert sorted(found) == [str(other) for other, text in enumerate(bodies) if text > body]
        found = await ask(Text.where(on(Text.body) <= body), "ids")
        assert sorted(found) == [str(other) for other, text in enumerate(bodies) if text <= body]
    assert await ask(Text.where(on(Text.body).one_of([bodies[3], bodies[5], start + "abc"])), "count") == 2


async def test_the_entry_of_a_longer_text_is_not_that_of_its_beginning(client: Any, ask: Ask) -> None:
    Text(id="x", body="a\0b")
    client.hset("text:x", "body", "a")

    assert await ask(Text.where(on(Text.body).startswith("a")), "ids") == []
    assert client.zcard("text:__index:body") == 0


async def test_case_is_folded_where_the_field_says_so(ask: Ask) -> None:
    for number, place in enumerate(["Rome", "ROME", "rome", "romä", "ROMÄ", "Bonn"]):
        Text(id=str(number), body="b", place=place)

    assert await ask(Text.where(Text.place == "rOmE"), "ids") == ["0", "1", "2"]
    assert sorted(await ask(Text.where(on(Text.place).startswith("ROM")), "ids")) == ["0", "1", "2", "3", "4"]
    assert await ask(Text.where(Text.place == "romä"), "ids") == ["3"]
    assert await ask(Text.where().order_by(Text.place), "ids") == ["5", "0", "1", "2", "4", "3"]
    assert (await ask(Text.where(Text.place == "BONN"), "one")).place == "Bonn"


@pytest.mark.parametrize("pk", ["a\0b", "%", "a:b", "__index", "_others", "body", "ä", "\uffff", " ", "1\n"])
async def test_any_primary_key_is_found(ask: Ask, pk: str) -> None:
    Text(id=pk, body="found")
    Text(id="other", body="found\0")

    assert await ask(Text.where(Text.body == "found"), "ids") == [pk]
    assert await ask(Text.where(Text.body == "found").order_by(desc(Text.body)), "ids") == [pk]
    assert (await ask(Text.where(Text.body == "found"), "page", 5)).records == [await Text.get(pk)]
    assert await ask(Text.where(Text.body == "found"), "delete") == 1


async def test_a_model_that_is_elsewhere_the_next_time_has_indexes_in_each_place(store: Store, ask: Ask) -> None:
    store.register_model(Tenant)
    for tenant in ("a", "b"):
        _tenant[0] = tenant
        await Tenant.build_indexes()
        await Tenant.insert([Tenant(id=f"{tenant}{number}", size=number % 2) for number in range(4)])
    for tenant in ("a", "b", "a"):
        _tenant[0] = tenant

        assert await ask(Tenant.where(Tenant.size == 1), "ids") == [f"{tenant}1", f"{tenant}3"]
        assert (await ask(Tenant.where(Tenant.size == 1).limit(1), "all"))[0].id == f"{tenant}1"
    Tenant._store = None


async def test_instances_of_a_query_are_saved_as_any_others(ask: Ask) -> None:
    await Strict.insert([Strict(id="a", name="ann", size=1), Strict(id="b", name="bob", size=2)])
    [found] = await ask(Strict.where(Strict.size == 2), "all")

    found.size = 5
    await found.save()

    assert await ask(Strict.where(Strict.size == 5), "ids") == ["b"]
    assert await ask(Strict.where(Strict.size == 2), "ids") == []
    with pytest.raises(TypeError, match="has no truth value"):
        bool(Strict.where(Strict.size == 5))


async def test_a_lookup_names_a_record_that_does_not_read_back(client: Any, ask: Ask) -> None:
    await Open.insert([Open(id=1, size=4), Open(id=2, size=4)])
    client.hset("open:2", "id", "two")
    bad: list[Any] = []

    with pytest.raises(DecodeError, match="open:2"):
        await ask(Open.where(Open.size == 4), "all")
    assert [record.id for record in await ask(Open.where(Open.size == 4), "all", bad_records=bad)] == [1]
    assert len(bad) == 1
