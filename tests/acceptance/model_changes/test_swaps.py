"""Fields whose types change places: the values may have gone along, so that is asked."""

from typing import Any

import pytest

_OLD = "age: int = 0\nnick: str = ''"
_NEW = "age: str = ''\nnick: int = 0"
_STORY = "it was int, as nick is now; its values may have moved there, or stayed"


def test_two_fields_that_swap_names_and_types_are_asked_about(shop: Any) -> None:
    shop.release(_OLD)
    shop.declare(_NEW, version=2)

    assert shop.run("makemigrations") == 3

    assert f"Item.age: {_STORY}" in shop.err
    assert "use --rename Item.age=nick or --rename Item.age=age" in shop.err


@pytest.mark.parametrize("answers", [("--rename", "Item.age=nick", "--rename", "Item.nick=age")])
def test_values_that_changed_places_change_places_and_come_back(shop: Any, answers: tuple[str, ...]) -> None:
    shop.release(_OLD)
    shop.put("one", age="7", nick="Al")
    before = shop.records()
    shop.release(_NEW, version=2, answers=answers)
    [item] = shop.code().Item.sync.select()

    assert shop.migrate("shop", "1") == 0, shop.err

    assert (item.age, item.nick) == ("Al", 7)
    assert shop.records() == before


def test_values_that_stay_are_converted(shop: Any) -> None:
    shop.release(_OLD)
    shop.put("one", age="7", nick="12")
    before = shop.records()
    shop.release(_NEW, version=2, answers=("--rename", "Item.age=age"))
    [item] = shop.code().Item.sync.select()

    assert shop.migrate("shop", "1") == 0, shop.err

    assert (item.age, item.nick) == ("7", 12)
    assert shop.records() == before


@pytest.mark.parametrize(
    ("old", "new", "question"),
    [
        ("a: int\nb: str\nc: float", "a: str\nb: float\nc: int", "--rename Item.a=c or --rename Item.a=a"),
        ("a: int | None = None\nb: str", "a: str\nb: int", "--rename Item.a=b or --rename Item.a=a"),
        ("a: int\nb: int\nc: str", "a: str\nb: int\nc: int", "--rename Item.a=c or --rename Item.a=a"),
    ],
    ids=["three", "optional", "among others"],
)
def test_every_possible_cycle_of_renames_is_asked_about(shop: Any, old: str, new: str, question: str) -> None:
    shop.release(old)
    shop.declare(new, version=2)

    assert shop.run("makemigrations") == 3

    assert question in shop.err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a: int\nb: str", "a: str\nb: str | None = None"),
        ("a: int\nb: str", "a: float\nb: bool"),
        ("a: int\nb: str | int", "a: str | int\nb: str | int"),
    ],
    ids=["one type", "other types", "a wider one"],
)
def test_other_changes_of_types_are_not(shop: Any, old: str, new: str) -> None:
    shop.release(old)
    shop.declare(new, version=2)

    assert shop.run("makemigrations") == 0, shop.err


def test_a_function_that_converts_one_of_them_in_its_place_answers_it(shop: Any) -> None:
    shop.release(_OLD)
    shop.declare(_NEW, version=2)

    assert shop.run("makemigrations", "--compute", "Item.age") in (0, 1), shop.err

    assert "may have moved there" not in shop.err


def test_an_answer_without_a_question_is_refused(shop: Any) -> None:
    shop.release(_OLD)
    shop.declare("age: str = ''\nnick: str = ''", version=2)

    assert shop.run("makemigrations", "--rename", "Item.nick=nick") == 1

    assert "--rename Item.nick=nick: both names are the same" in shop.err
