"""Members of enums that are gone: asked about wherever the type can stand, and mapped there, there and back."""

import json
from typing import Any

import pytest

_OLD = "class Color(enum.Enum):\n    RED = 'red'\n    BLUE = 'blue'\n    GRAY = 'gray'\n"
_NEW = "class Color(enum.Enum):\n    RED = 'red'\n    BLUE = 'blue'\n    BLACK = 'black'\n"
_SIZE = "class Size(enum.Enum):\n    GRAY = 'gray'\n    BIG = 'big'\n"
_NESTED = "class Part(BaseModel):\n    color: Color\n    others: dict[Color, list[Color | int]] = {}\n"
_MAP = ("--map", "Item.x:gray=black")
# The type, what is stored, and what it is afterwards; the last is what new code writes, and what old code has then.
_PLACES: dict[str, tuple[str, Any, Any]] = {
    "alone": ("Color", "gray", "black"),
    "optional": ("Color | None", "gray", "black"),
    "a list": ("list[Color]", ["red", "gray"], ["red", "black"]),
    "a list of lists": ("list[list[Color]]", [["gray"], []], [["black"], []]),
    "keys of a dict": ("dict[Color, int]", {"red": 1, "gray": 2}, {"red": 1, "black": 2}),
    "keys and values of a dict": ("dict[Color, Color]", {"gray": "gray"}, {"black": "black"}),
    "keys of a dict of text": ("dict[Color, str]", {"gray": "gray"}, {"black": "gray"}),
    "values of a dict": ("dict[str, Color]", {"gray": "gray"}, {"gray": "black"}),
    "an item of a tuple": ("tuple[str, Color]", ["gray", "gray"], ["gray", "black"]),
    "some items of a tuple": ("tuple[Color, int, Color]", ["gray", 1, "red"], ["black", 1, "red"]),
    "a tuple of any length": ("tuple[Color, ...]", ["gray", "blue"], ["black", "blue"]),
    "a union": ("Color | int", "gray", "black"),
    "a union in a list": ("list[Color | int | None]", ["gray", 5, None], ["black", 5, None]),
    "a union of containers": ("list[Color] | dict[Color, int]", {"gray": 1}, {"black": 1}),
    "beside an enum that has it still": ("tuple[Color, Size]", ["gray", "gray"], ["black", "gray"]),
    "a set": ("set[Color]", ["gray"], ["black"]),
    "deep": ("dict[str, list[tuple[Color, int]]]", {"gray": [["gray", 1]]}, {"gray": [["black", 1]]}),
    "an object in a union": ("Part | int", {"color": "gray", "others": {}}, {"color": "black", "others": {}}),
}
_LITERALS = {
    "literals": ("list[Literal['a', 'gray'] | int]", "list[Literal['a', 'black'] | int]"),
    "numbers": ("dict[str, Literal[1, 2] | str]", "dict[str, Literal[1, 3] | str]"),
}


def _declare(shop: Any, type: str, colors: str, version: int) -> None:
    shop.declare(f"x: {type}", colors + _SIZE + _NESTED, version)


@pytest.mark.parametrize(("type", "stored", "becomes"), _PLACES.values(), ids=_PLACES)
def test_a_member_that_is_gone_is_asked_about_and_mapped_there_and_back(
    shop: Any, type: str, stored: object, becomes: object
) -> None:
    _declare(shop, type, _OLD, 1)
    assert shop.run("makemigrations") == 0, shop.err
    assert shop.migrate() == 0, shop.err
    shop.put("one", x=json.dumps(stored))
    before = shop.records()
    _declare(shop, type, _NEW, 2)

    asked, question = shop.run("makemigrations"), shop.err
    assert shop.run("makemigrations", *_MAP) == 0, shop.err
    assert shop.migrate() == 0, shop.err
    there = json.loads(shop.records()["one"]["x"])
    shop.code().Item.sync.select()
    shop.put("new", x=json.dumps(becomes))
    assert shop.migrate("shop", "1") == 0, shop.err
    _declare(shop, type, _OLD, 1)
    shop.code().Item.sync.select()

    assert asked == 3
    assert "Item.x: the value 'gray' is gone; values now:" in question
    assert "(1 record holds 'gray')  use --map Item.x:gray=" in question
    assert there == becomes
    assert shop.records()["one"] == before["one"]
    assert json.loads(shop.records()["new"]["x"]) == stored


@pytest.mark.parametrize("path", ["x.color", "x.others"])
def test_in_nested_objects_the_path_is_asked_about(shop: Any, path: str) -> None:
    _declare(shop, "list[Part]", _OLD, 1)
    assert shop.run("makemigrations") == 0, shop.err
    assert shop.migrate() == 0, shop.err
    shop.put("one", x='[{"color": "gray", "others": {"gray": ["gray", 1]}}]')
    before = shop.records()
    _declare(shop, "list[Part]", _NEW, 2)

    assert shop.run("makemigrations") == 3
    assert f"Item.{path}: the value 'gray' is gone" in shop.err
    answers = ("--map", "Item.x.color:gray=black", "--map", "Item.x.others:gray=blue")
    assert shop.run("makemigrations", *answers) == 0, shop.err
    assert shop.migrate() == 0, shop.err
    there = json.loads(shop.records()["one"]["x"])
    assert shop.migrate("shop", "1") == 0, shop.err

    assert there == [{"color": "black", "others": {"blue": ["blue", 1]}}]
    assert shop.records() == before


@pytest.mark.parametrize(("old", "new"), _LITERALS.values(), ids=_LITERALS)
def test_literals_are_asked_about_in_the_same_way(shop: Any, old: str, new: str) -> None:
    shop.release(f"x: {old}")
    shop.declare(f"x: {new}", version=2)

    assert shop.run("makemigrations") == 3
    assert "is gone; values now:" in shop.err


def test_keys_that_become_the_same_one_stop_the_run(shop: Any) -> None:
    _declare(shop, "dict[Color, int]", _OLD, 1)
    assert shop.run("makemigrations") == 0, shop.err
    assert shop.migrate() == 0, shop.err
    shop.put("one", x='{"gray": 1, "red": 2}')
    before = shop.records()
    _declare(shop, "dict[Color, int]", _NEW, 2)
    assert shop.run("makemigrations", "--map", "Item.x:gray=red") == 0, shop.err

    assert shop.migrate() == 6

    assert "two of its keys become the same key" in shop.err
    assert shop.records() == before


def test_what_the_rest_of_a_union_still_reads_is_not_gone(shop: Any) -> None:
    _declare(shop, "list[Color | str]", _OLD, 1)
    assert shop.run("makemigrations") == 0, shop.err
    _declare(shop, "list[Color | str]", _NEW, 2)

    assert shop.run("makemigrations") == 0, shop.err


@pytest.mark.parametrize(
    ("type", "stored"),
    [
        ("dict[tuple[Color, int], str]", '~{"dict": [[{"tuple": ["gray", 1]}, "p"]]}'),
        ("dict[frozenset[Color], str]", '~{"dict": [[{"frozenset": ["gray"]}, "p"]]}'),
    ],
    ids=["a tuple", "a frozenset"],
)
def test_members_are_mapped_in_keys_that_are_containers(shop: Any, type: str, stored: str) -> None:
    _declare(shop, type, _OLD, 1)
    assert shop.run("makemigrations") == 0, shop.err
    assert shop.migrate() == 0, shop.err
    shop.put("one", x=stored)
    _declare(shop, type, _NEW, 2)
    assert shop.run("makemigrations") == 3
    assert "1 record holds 'gray'" in shop.err

    assert shop.run("makemigrations") == 3
    assert shop.run("makemigrations", *_MAP) == 0, shop.err
    assert shop.migrate() == 0, shop.err
    [item] = shop.code().Item.sync.select()
    there = shop.records()["one"]["x"]
    assert shop.migrate("shop", "1") == 0, shop.err

    assert json.loads(there[1:])["dict"][0][0] == json.loads(stored[1:].replace("gray", "black"))["dict"][0][0]
    assert len(item.x) == 1
    assert shop.records()["one"]["x"] == stored.encode()
