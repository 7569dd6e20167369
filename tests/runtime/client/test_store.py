"""Stores: what they need, which models they hold, and whose a model is."""

from collections.abc import Callable
from types import new_class
from typing import Any

import pytest

from redis_models import AutoModel, Field, Model, RedisConfig, Store
from redis_models.errors import ModelDeclarationError


def _store(name: str = "s") -> Store:
    return Store(name, RedisConfig(host="nowhere.invalid"))


def _item(module: str = __name__, **options: Any) -> type[Any]:
    """Declare a model ``Item`` in a module of that name."""
    body = {"__module__": module, "__qualname__": "Item", "__annotations__": {"id": str}, **options}
    made: type[Any] = new_class("Item", (Model,), exec_body=lambda names: names.update(_primary_key_field="id", **body))
    return made


def test_a_store_needs_the_address_of_its_server() -> None:
    with pytest.raises(TypeError, match="needs a redis_config, or a url, or a client"):
        Store("s")
    with pytest.raises(TypeError, match="name"):
        Store()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_store_keeps_its_settings() -> None:
    config = RedisConfig()
    store = Store("s", config, None, 60)

    assert (store.name, store.redis_config, store.life_span_in_seconds, store.models) == ("s", config, 60, {})
    store.life_span_in_seconds = None
    store.name = "t"
    assert repr(store) == "Store('t', url='redis://localhost:6379/0')"


def test_a_model_is_found_by_its_name_in_any_case_and_by_its_full_name() -> None:
    store, item = _store(), _item("shop.models")
    store.register_model(item)

    assert store.models == {"item": item}
    assert {store.model(name) for name in ("Item", "item", "ITEM", "shop.models.Item")} == {item}
    assert item._store is store


@pytest.mark.parametrize("name", ["nope", "shop.models.Nope", ""])
def test_a_name_that_no_model_has_is_a_key_error_of_that_name(name: str) -> None:
    with pytest.raises(KeyError) as caught:
        _store().model(name)

    assert caught.value.args == (name,)


def test_two_models_of_one_name_are_distinguished_by_their_modules() -> None:
    store = _store()
    first, second = _item("shop.models"), _item("stock.models", _table_name="stock_item")
    store.register_model(first)
    store.register_model(second)

    assert (store.model("shop.models.Item"), store.model("stock.models.Item")) == (first, second)
    with pytest.raises(KeyError, match=r"Item may be shop\.models\.Item or stock\.models\.Item; use a full name"):
        store.model("Item")


def test_a_model_that_is_declared_again_takes_the_place_of_the_former() -> None:
    store = _store()
    first, second = _item("shop.models"), _item("shop.models")
    store.register_model(first)
    store.register_model(second)
    store.register_model(second)

    assert store.model("item") is store.model("shop.models.Item") is second


def test_the_last_store_has_the_model_and_the_first_forgets_it() -> None:
    first, last = _store("first"), _store("last")
    item, other = _item("shop.models"), _item("stock.models", _table_name="stock_item")
    for model in (item, other):
        first.register_model(model)
    last.register_model(other)

    assert (item._store, other._store) == (first, last)
    assert (first.models, last.models) == ({"item": item}, {"item": other})
    assert (first.model("Item"), last.model("Item")) == (item, other)
    with pytest.raises(KeyError):
        first.model("stock.models.Item")
    last.register_model(item)
    assert first.models == {}
    with pytest.raises(KeyError):
        first.model("Item")


def test_the_store_that_lost_a_model_may_hold_another_on_its_keys() -> None:
    first, last = _store("first"), _store("last")
    item = _item("shop.models")
    first.register_model(item)
    last.register_model(item)
    first.register_model(_item("stock.models"))

    assert first.model("Item") is not item


def test_registering_a_parent_registers_no_child_and_the_other_way_round() -> None:
    class Parent(Model):
        id: str = Field(primary_key=True)

    class Child(Parent):
        _table_name = "child"

    first, last = _store("first"), _store("last")
    first.register_model(Parent)
    assert Child.__dict__.get("_store") is None
    last.register_model(Child)

    assert (Parent.__dict__["_store"], Child.__dict__["_store"]) == (first, last)
    assert (first.models, last.models) == ({"parent": Parent}, {"child": Child})


def test_two_models_on_one_table_are_refused() -> None:
    store = _store()
    store.register_model(_item("shop.models"))

    with pytest.raises(
        ModelDeclarationError, match=r"Item: has the same keys as shop\.models\.Item \(item:\*\); give one"
    ):
        store.register_model(_item("stock.models"))


def test_a_model_without_a_primary_key_is_refused_in_the_words_of_pydantic_aioredis() -> None:
    class Keyless(Model):
        id: str

    with pytest.raises(AttributeError) as caught:
        _store().register_model(Keyless)

    assert str(caught.value) == "type object 'Keyless' has no attribute '_primary_key_field'"


@pytest.mark.parametrize("wrong", [None, 1, ["id"]])
def test_a_primary_key_that_is_not_text_is_refused_in_the_words_of_pydantic_aioredis(wrong: Any) -> None:
    item = _item()
    item._primary_key_field = wrong

    with pytest.raises(NotImplementedError) as caught:
        _store().register_model(item)

    assert str(caught.value) == "Item should have a _primary_key_field"
    assert item.__dict__.get("_store") is None


def test_a_primary_key_that_is_not_a_field_is_refused() -> None:
    item = _item()
    item._primary_key_field = "other"

    with pytest.raises(ModelDeclarationError, match="other"):
        _store().register_model(item)


@pytest.mark.parametrize("base", [Model, AutoModel])
def test_what_only_others_derive_from_is_refused(base: type[Model]) -> None:
    class Base(base):  # type: ignore[valid-type,misc]
        id: str = Field(primary_key=True)

        class Meta:
            abstract = True

    with pytest.raises(ModelDeclarationError, match="is abstract"):
        _store().register_model(Base)


def test_stores_share_nothing(new_server: Callable[..., Any]) -> None:
    here, there = Store.from_url(new_server().url), Store.from_url(new_server().url)
    item, other = _item("here"), _item("there")
    here.register_model(item)
    there.register_model(other)
    item.sync.insert(item(id="a"))

    assert (item.sync.count(), other.sync.count()) == (1, 0)
    here.close()
    there.close()
