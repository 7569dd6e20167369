"""The contract's table of the settings of a model class."""

from typing import Any

import pytest
from pydantic import ValidationError

from redis_models import AutoModel, Model, Store


class Plain(Model):
    _primary_key_field = "k"
    k: str


class Annotated(Model):
    _primary_key_field: str = "k"
    _table_name: str | None = "TabName"
    _redis_prefix: str | None = "PreFix"
    _redis_separator: str | None = "!SEP!"
    _auto_save: bool = False
    _auto_sync: bool = False
    k: str


@pytest.mark.parametrize(("name", "default"), [("_auto_save", False), ("_auto_sync", False), ("_table_name", None)])
def test_each_setting_has_the_default_of_pydantic_aioredis(name: str, default: object) -> None:
    assert getattr(Plain, name) == default


def test_the_primary_key_has_no_default() -> None:
    class Nameless(Model):
        k: str

    with pytest.raises(AttributeError, match="_primary_key_field"):
        Nameless.get_primary_key_field()


def test_prefix_and_separator_are_lower_cased_and_the_table_is_not() -> None:
    assert Annotated.get_table_index_key() == "prefix!sep!TabName!sep!__index"
    assert Plain.get_table_index_key() == "plain:__index"


def test_an_annotation_makes_no_field_of_a_setting() -> None:
    assert list(Annotated.model_fields) == ["k"]
    assert Annotated.get_primary_key_field() == "k"


def test_settings_can_be_read_and_set_on_the_class_later(store: Store) -> None:
    class Later(Model):
        k: str
        other: str = ""

    Later._primary_key_field = "k"
    Later._table_name = "Tab"
    Later._redis_prefix = "P"
    Later._redis_separator = "/"
    Later._auto_save = Later._auto_sync = True
    Later._store = store

    assert (Later._primary_key_field, Later._table_name, Later._redis_prefix) == ("k", "Tab", "P")
    assert Later.get_table_index_key() == "p/Tab/__index"
    assert (Later._auto_save, Later._auto_sync, Later._store) == (True, True, store)
    Later._primary_key_field = "other"
    assert Later.get_primary_key_field() == "other"


async def test_a_store_set_by_hand_is_used(store: Store, client: Any) -> None:
    class Bound(Model):
        _primary_key_field = "k"
        k: str

    Bound._store = store
    await Bound.insert(Bound(k="1"))

    assert client.exists("bound:1") == 1


def test_an_auto_model_saves_and_syncs_by_itself() -> None:
    class Auto(AutoModel):
        _primary_key_field = "k"
        k: str

    assert (Auto._auto_save, Auto._auto_sync) == (True, True)


def test_a_model_takes_types_that_pydantic_does_not_know() -> None:
    class Thing:
        pass

    class Holder(Model):
        _primary_key_field = "k"
        k: str
        thing: Thing

    thing = Thing()

    assert Holder(k="1", thing=thing).thing is thing


def test_values_of_undeclared_names_are_ignored() -> None:
    made: Any = Plain

    assert made(k="1", other=2) == Plain(k="1")


def test_assigned_values_are_validated() -> None:
    # Fault 37: pydantic-aioredis accepted anything.
    record: Any = Plain(k="1")

    with pytest.raises(ValidationError):
        record.k = None


async def test_a_child_has_the_prefix_of_its_parent_but_a_table_of_its_own(store: Store) -> None:
    # Fault 46: in pydantic-aioredis a child had its parent's table, and wrote to that store unregistered.
    class Parent(Model):
        _primary_key_field = "k"
        _redis_prefix = "p"
        _table_name = "shared"
        k: str

    class Child(Parent):
        pass

    store.register_model(Parent)

    assert Child.get_table_index_key() == "p:child:__index"
    with pytest.raises(AttributeError):
        await Child.insert(Child(k="1"))
