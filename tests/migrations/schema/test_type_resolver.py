"""Types of the past, made of their text: what they hold, what they write back, and which text is refused."""

import enum
import typing as t
from typing import Any

import pytest

from redis_models.encoding.codec import codec_for
from redis_models.errors import SchemaError
from redis_models.migrations.schema.type_resolver import resolve
from redis_models.migrations.schema.type_text import describe


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


class Airline(enum.StrEnum):
    AA = "American"
    UA = "United"


def test_an_enum_of_the_past_equals_its_stored_values() -> None:
    stored, texts = t.cast(Any, resolve(describe(Colour))), t.cast(Any, resolve(describe(Airline)))

    assert [(record.name, record.value) for record in stored] == [("RED", "red"), ("GREEN", 2)]
    assert stored("red") == "red"
    assert {stored(2)} == {2}
    assert texts("American") == "American" and isinstance(texts("American"), str)


def test_an_object_of_the_past_keeps_undeclared_keys_their_order_and_absent_ones() -> None:
    codec = codec_for(resolve("Object(city=str, json=int, zip=NotRequired[int | None])"))
    stored = b'{"note": [1.0, {"a": null}], "json": 2, "city": "Rome"}'

    value = t.cast(Any, codec.decode(stored))

    assert (value.city, value.zip, value.note) == ("Rome", None, [1.0, {"a": None}])
    assert codec.encode(value) == stored


def test_a_changed_object_of_the_past_stores_the_change() -> None:
    codec = codec_for(resolve("Object(city=str, zip=NotRequired[int])"))
    value = t.cast(Any, codec.decode(b'{"city": "Rome"}'))

    value.zip = 123
    value.added = [1]

    assert codec.encode(value) == b'{"city": "Rome", "zip": 123, "added": [1]}'


def test_an_object_of_the_past_without_a_required_key_is_refused() -> None:
    codec = codec_for(resolve("Object(city=str)"))

    with pytest.raises(ValueError, match="city"):
        codec.decode(b"{}")


def test_objects_of_the_past_compare_by_what_is_stored() -> None:
    codec = codec_for(resolve("Object(a=int, b=int)"))
    other = codec_for(resolve("Object(a=int, b=NotRequired[int])"))

    assert codec.decode(b'{"a": 1, "b": 2}') == other.decode(b'{"b": 2, "a": 1}')
    assert codec.decode(b'{"a": 1, "b": 2}') != codec.decode(b'{"a": 1, "b": 3}')


def test_two_orders_of_a_union_stay_two_types_everywhere() -> None:
    first, other = resolve("dict[str, list[int | str]] | None"), resolve("dict[str, list[str | int]] | None")

    assert first != other
    assert codec_for(first) is not codec_for(other)


def test_the_order_of_a_union_survives_its_reverse() -> None:
    texts = ["float | Literal['a'] | None", "Literal['a'] | float | None", "list[float | Literal['a'] | None]"]

    assert [describe(resolve(text)) for text in texts] == texts


def test_the_same_text_gives_the_same_type() -> None:
    text = "dict[str, Object(a=list[int | str])]"

    assert resolve(text) is resolve(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: expected a type, not the end"),
        ("list[int", "character 5: '\\[' was never closed"),
        ("lst[int]", "character 1, at 'lst\\[int\\]': unknown type; did you mean list"),
        ("int | str | Strin", "character 13, at 'Strin'"),
        ("Literal['é'] | Foo", "character 16, at 'Foo'"),
        ("dict[int]", "dict takes two types, not 1"),
        ("tuple[int, ...] | list[...]", "character 24, at '...': unknown type"),
        ("Object(a=5)", "character 10, at '5': unknown type"),
        ("Object(**names)", "character 10: expected '{'"),
        ("Object(a=int, **{'a': str})", "the key 'a' occurs twice"),
        ("Object('T1', a=Object('T1', b=int))", "the label 'T1' is used twice"),
        ("Object('T1', a=Ref('T2'))", "a reference is"),
        ("Enum()", "an enum is"),
        ("Enum(mro=1)", "it cannot become an enum"),
        ("Flag(A='x')", "it cannot become an enum"),
        ("Literal[open('x')]", "character 9, at \"open\\('x'\\)\": expected a constant"),
        ("__import__('os').system('true')", "character 17: '.' does not belong here"),
        ("Custom(int)", "expected a name in quotes"),
        ("(" * 5000 + "int" + ")" * 5000, "."),
        ("int\0", "."),
    ],
)
def test_broken_text_is_refused_with_the_text_and_the_place(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        resolve(text)
