"""Functions of migrations may give the objects that they were given, in another container or as another object."""

from typing import Any

import pytest

_OLD = "class Address(BaseModel):\n    zip: str\n    tags: list[str] = []\n"
_RAW = '{"zip": "10115", "tags": ["a"]}'
_NEW = {
    "a list of it": ("list[Address]", "lambda one: [one]", "lambda some: some[0]"),
    "a dict of it": ("dict[str, Address]", "lambda one: {'home': one}", "lambda some: some['home']"),
    "a tuple of it": ("tuple[int, Address]", "lambda one: (1, one)", "lambda pair: pair[1]"),
    "a part of another object": ("Person", "lambda one: {'at': one}", "lambda person: person.at"),
    "deeper": ("list[dict[str, list[Address]]]", "lambda one: [{'a': [one, one]}]", "lambda some: some[0]['a'][1]"),
}
_PERSON = "class Person(BaseModel):\n    at: Address\n    age: int = 0\n"


@pytest.mark.parametrize(("type", "there", "back"), _NEW.values(), ids=_NEW)
def test_an_object_goes_into_another_container_and_back(shop: Any, type: str, there: str, back: str) -> None:
    shop.release("place: Address", _OLD)
    shop.put("one", place=_RAW)
    before = shop.records()
    shop.declare(f"place: {type}", _OLD + _PERSON, version=2)
    assert shop.run("makemigrations", "--compute", "Item.place") in (0, 1), shop.err
    if "def " in shop.newest():
        function = shop.newest().split("def ")[1].split("(")[0]
        shop.edit(f"convert={function}", f"convert={there}, back={back}")
    else:
        assert shop.run("makemigrations") == 0, shop.err
        old = shop.newest()
        call = old[old.index("migrations.AlterField") : old.rindex(")") + 1]
        shop.edit(call, f"{call.rstrip().removesuffix(')').rstrip().removesuffix(',')}, convert={there}, back={back})")

    assert shop.migrate() == 0, shop.err
    read = shop.code().Item.sync.select()[0].place
    shop.put("new", place=shop.records()["one"]["place"].replace(b"10115", b"99999"))
    assert shop.migrate("shop", "1") == 0, shop.err

    assert "10115" in repr(read)
    assert shop.records()["one"] == before["one"]
    assert b'"99999"' in shop.records()["new"]["place"]


def test_transform_and_fill_may_give_objects_that_they_read(shop: Any) -> None:
    shop.release("place: Address", _OLD)
    shop.put("one", place=_RAW)
    shop.declare("place: Address\nplaces: list[Address]\nothers: list[Address] = []", _OLD, version=2)
    assert shop.run("makemigrations", "--compute", "Item.places") == 0, shop.err
    function = shop.newest().split("def ")[1].split("(")[0]
    shop.edit(f"fill={function}", "fill=lambda old: [old.place]")
    move = "def move(old, new):\n    new.others = [old.place, old.place]\n"
    shop.edit("from redis_models import migrations\n", f"from redis_models import migrations\n\n\n{move}")
    shop.edit("    ]\n", '        migrations.Transform("Item", move),\n    ]\n')

    assert shop.migrate() == 0, shop.err

    [item] = shop.code().Item.sync.select()
    assert [place.zip for place in [*item.places, *item.others]] == ["10115"] * 3
