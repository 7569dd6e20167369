"""What is refused, by name, before anything is written."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from redis_models import Field, Model, Store
from redis_models.errors import EncodeError, InvalidPrimaryKeyError, UnboundModelError


class Parent(Model):
    id: str = Field(primary_key=True)
    name: str


class Child(Parent):
    more: str = ""


class Alike(Parent):
    """Has the fields of its parent, and no other."""


class Keyed(Model):
    id: Any = Field(primary_key=True)


class Inside(BaseModel):
    x: int = 0


@pytest.fixture(autouse=True)
def _parents(store: Store) -> Any:
    store.register_model(Parent)
    store.register_model(Keyed)
    yield
    Parent._store = Keyed._store = None


@pytest.mark.parametrize(
    "key",
    [
        SecretStr("a"),
        SecretBytes(b"a"),
        Secret[str]("a"),
        frozenset({1}),
        {1},
        iter([1]),
        {1: 2}.keys(),
        range(2),
        b"a",
        [1],
        {},
        Inside(),
    ],
    ids=lambda key: type(key).__name__,
)
async def test_only_a_plain_value_can_be_a_primary_key(client: Any, key: object) -> None:
    record = Keyed(id=key)

    with pytest.raises(InvalidPrimaryKeyError, match="cannot be used as a primary key"):
        await Keyed.insert(record)
    with pytest.raises(InvalidPrimaryKeyError, match="cannot be used as a primary key"):
        record.sync.save()
    with pytest.raises(InvalidPrimaryKeyError, match="cannot be used as a primary key"):
        await Keyed.get(key)
    assert client.dbsize() == 0


async def test_secrets_frozensets_and_iterators_are_refused_as_primary_keys(store: Store, client: Any) -> None:
    class Secretive(Model):
        id: SecretStr = Field(primary_key=True)

    class Several(Model):
        id: frozenset[int] = Field(primary_key=True)

    class Running(Model):
        id: Iterable[int] = Field(primary_key=True)

    ones: list[Model] = [Secretive(id=SecretStr("a")), Several(id=frozenset({1})), Running(id=[1])]
    for one_ in ones:
        store.register_model(type(one_))

        with pytest.raises(InvalidPrimaryKeyError, match="cannot be used as a primary key"):
            await one_.save()

    assert client.dbsize() == 0


async def test_a_child_with_more_fields_is_not_inserted_through_its_parent(client: Any) -> None:
    child = Child(id="a", name="n", more="x")

    with pytest.raises(
        EncodeError, match=r"it is a Child, which has fields that this table does not store; use Child\.insert"
    ):
        await Parent.insert(child)
    with pytest.raises(EncodeError, match=r"use Child\.insert"):
        Parent.sync.insert([Parent(id="b", name="n"), child])
    assert client.dbsize() == 0

    await Parent.insert(Alike(id="c", name="n"))
    assert await Parent.get("c") == Parent(id="c", name="n")


async def test_a_child_is_not_bound_by_its_parent(store: Store, client: Any) -> None:
    assert Parent._store is store
    assert Child._store is None
    with pytest.raises(UnboundModelError, match="Child"):
        await Child(id="a", name="n").save()
    assert client.dbsize() == 0


async def test_an_instance_without_a_required_value_is_refused_by_the_name_of_that_field(client: Any) -> None:
    with pytest.raises(EncodeError, match=r"Parent\.name: .*this instance has no such value") as caught:
        await Parent.insert([Parent(id="b", name="n"), Parent.construct(id="a")])

    assert (caught.value.model, caught.value.field) == ("Parent", "name")
    assert client.dbsize() == 0
