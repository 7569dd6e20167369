"""TTL, primary keys, and values of every kind that a model makes."""

import datetime as dt
from typing import Any, Generic

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from redis_models import Field, Model, Store
from redis_models.errors import (
    InvalidPrimaryKeyError,
    ModelDeclarationError,
    NotFoundError,
)

from .models import Book, Odd, T


async def test_a_ttl_can_be_set_and_removed(table: Any, client: Any) -> None:
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
async def test_an_invalid_ttl_is_refused_before_anything_is_written(table: Any, client: Any, life_span: object) -> None:
    with pytest.raises(ValueError, match="Book: a TTL must be a number of seconds above 0"):
        await table("insert", Book(title="A"), life_span_seconds=life_span)

    assert client.dbsize() == 0


async def test_the_ttl_is_that_of_the_argument_the_model_or_the_store(store: Store, client: Any) -> None:
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

    with pytest.raises(ModelDeclarationError, match=r"Loose: is not bound to a store; call redis_models.setup\(\)"):
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

    assert (back.id, back.inner, back.secret) == ("a", {"x": 1}, "s")
    assert set(client.hkeys("aliased:a")) == {b"_v", b"id", b"inner", b"secret"}


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
