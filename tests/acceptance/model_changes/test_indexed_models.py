"""Models with indexes: commands change them as any other, and queries are right before, during and after."""

from typing import Any

import pytest

from redis_models import on
from redis_models.errors import IndexNotReadyError

from ...runtime.indexes.index_check import differences

_OLD = "city: str = Field(default='', index=True)\nage: str = Field(default='0')"
_NEW = "town: str = Field(default='', index=True)\nage: int = Field(default=0, index=True)"


def _ids(query: Any) -> list[str]:
    return sorted(query.sync.ids())


def test_an_indexed_field_is_renamed_and_another_one_retyped(shop: Any, client: Any) -> None:
    shop.release(_OLD)
    item = shop.code().Item
    item.sync.insert([item(id=f"i{number}", city=f"c{number % 3}", age=str(number)) for number in range(30)])
    assert item.sync.build_indexes() == ["city"]
    wanted = sorted(f"i{number}" for number in range(1, 30, 3))
    assert _ids(item.where(item.city == "c1")) == wanted
    before = shop.records()

    shop.release(_NEW, version=2, answers=("--rename", "Item.city=town"))

    item = shop.code().Item
    assert differences(client, item.__mapper__.keys) == []
    assert item.sync.build_indexes() == ["age", "town"]
    assert differences(client, item.__mapper__.keys) == []
    assert _ids(item.where(item.town == "c1")) == wanted
    assert _ids(item.where(item.age >= 28)) == ["i28", "i29"]
    assert item.sync.build_indexes(drop=["city"]) == []

    assert shop.migrate("shop", "1") == 0, shop.err

    assert shop.records() == before
    assert differences(client, item.__mapper__.keys) == []


def test_new_code_finds_records_of_both_versions_while_they_are_rewritten(shop: Any, client: Any) -> None:
    shop.release("city: str = Field(default='', index=True)")
    item = shop.code().Item
    item.sync.insert([item(id=f"i{number}", city="Bern") for number in range(5)])
    item.sync.build_indexes()
    shop.declare("city: str = Field(default='', index=True)\nzip: str = '3000'", version=2)
    assert shop.run("makemigrations") == 0, shop.err

    new = shop.code().Item
    new.sync.insert(new(id="new", city="Bern"))
    new.sync.patch("i0", zip="3001")

    with pytest.raises(IndexNotReadyError, match=r"'city' is built for other versions of the model; run Item.build"):
        new.where(new.city == "Bern").sync.all()
    assert differences(client, new.__mapper__.keys) == []
    assert new.sync.build_indexes() == ["city"]
    assert differences(client, new.__mapper__.keys) == []
    assert client.exists("item:__index:_others") == 0
    assert _ids(new.where(new.city == "Bern")) == ["i0", "i1", "i2", "i3", "i4", "new"]
    assert _ids(new.where(on(new.city).startswith("Be"))) == ["i0", "i1", "i2", "i3", "i4", "new"]
    assert shop.migrate() == 0, shop.err
    assert _ids(new.where(new.city == "Bern")) == ["i0", "i1", "i2", "i3", "i4", "new"]
    assert differences(client, new.__mapper__.keys) == []


def test_records_whose_values_change_are_found_before_they_are_rewritten(shop: Any, client: Any) -> None:
    shop.release("price: int = Field(default=0, index=True)")
    item = shop.code().Item
    item.sync.insert([item(id=f"i{number}", price=number) for number in range(5)])
    item.sync.build_indexes()
    shop.declare("price: int = Field(default=0, index=True)\ncents: int = 0", version=2)
    assert shop.run("makemigrations") == 0, shop.err
    shop.edit(
        "]\n", "    migrations.Transform('Item', lambda old, new: setattr(new, 'price', old.price * 100)),\n    ]\n"
    )

    new = shop.code().Item
    assert new.sync.build_indexes() == ["price"]

    assert _ids(new.where(new.price >= 300)) == ["i3", "i4"]
    assert differences(client, new.__mapper__.keys) == []
    assert shop.migrate() == 0, shop.err
    assert _ids(new.where(new.price >= 300)) == ["i3", "i4"]
    assert differences(client, new.__mapper__.keys) == []
