"""Split, merge, flatten, nest: the same values in other fields, and back."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from redis_models.errors import RecordError, SchemaError
from redis_models.migrations import FlattenField, MergeFields, NestFields, SplitField
from redis_models.migrations.operations import Risk

if TYPE_CHECKING:
    from ...support.nested_fixtures import OneModel  # pytest imports conftest by itself, under another name

Make = Callable[..., "OneModel"]
NEW = {"id": b"2", "_v": b"2"}


def halves(value: object) -> dict[str, object]:
    first, _, last = str(value).partition(" ")
    return {"first": first, "last": last or None}


def whole(values: Mapping[str, object]) -> object:
    return " ".join(str(name) for name in (values["first"], values.get("last")) if name is not None)


SPLIT = SplitField("Order", "name", {"first": "str", "last": "str | None"}, halves, whole)
MERGE = MergeFields("Order", ["first", "last"], "name", "str", whole, halves)
PARTS = {"first": "str", "last": "str | None"}


def test_a_field_is_split_and_merged_again(order: Make) -> None:
    split = order({"name": "str"}, SPLIT)
    up = split.up(name=b"Ada  Lovelace")

    assert split.types == PARTS
    assert split.there(name=b"Ada  Lovelace") == {"first": b"Ada", "last": b" Lovelace"}
    assert split.there() == {}
    assert split.down({**up, "last": b"King"}) == {"name": b"Ada King"}
    assert split.down({**NEW, "first": b"Bob", "last": b"None"}) == {"name": b"Bob"}


def test_fields_are_merged_and_split_again(order: Make) -> None:
    merged = order(PARTS, MERGE)
    up = merged.up(first=b"Ada", last=b"King")

    assert merged.types == {"name": "str"}
    assert merged.there(first=b"Ada", last=b"None") == {"name": b"Ada"}
    assert merged.there(first=b"Ada") == {"name": b"Ada"}
    assert merged.there() == {}
    assert merged.down({**up, "name": b"Ada Lovelace"}) == {"first": b"Ada", "last": b"Lovelace"}


def test_a_field_may_be_one_of_its_own_parts(order: Make) -> None:
    split = order({"name": "str"}, SplitField("Order", "name", {"name": "str", "age": "int"}, _with_age))

    assert split.there(name=b"Ada 36") == {"name": b"Ada", "age": b"36"}


def _with_age(value: object) -> dict[str, object]:
    name, age = str(value).split()
    return {"name": name, "age": age}


def test_a_function_that_does_not_fit_is_named(order: Make) -> None:
    def half(value: object) -> dict[str, object]:
        return {"first": value}

    def fail(value: object) -> dict[str, object]:
        raise LookupError("no name")

    with pytest.raises(
        RecordError, match=r"field 'name': Split field name .*returned {'first': 'Ada'}, not a mapping with f"
    ):
        order({"name": "str"}, SplitField("Order", "name", PARTS, half)).up(name=b"Ada")
    with pytest.raises(RecordError, match="its function raised LookupError: no name; correct it, or repair the record"):
        order({"name": "str"}, SplitField("Order", "name", PARTS, fail)).up(name=b"Ada")


def test_without_a_way_back_only_untouched_records_go_back(order: Make) -> None:
    split = order({"name": "str"}, SplitField("Order", "name", PARTS, halves))
    merged = order(PARTS, MergeFields("Order", ["first", "last"], "name", "str", whole))

    assert split.there(name=b"Ada King") == {"first": b"Ada", "last": b"King"}
    with pytest.raises(
        RecordError, match=r"field 'name': first, last were changed or created since; .*merge= is needed"
    ):
        split.down({**NEW, "first": b"Bob", "last": b"None"})
    with pytest.raises(RecordError, match=r"field 'name': was changed or created since; .*split= is needed"):
        merged.down({**merged.up(first=b"Ada", last=b"King"), "name": b"Bob"})


ADDRESS = "Object(city=str, note=NotRequired[str], zip=int)"
INTO = {"city": "address_city", "note": None, "zip": "address_zip"}


def test_an_object_is_flattened_and_its_other_keys_come_back(order: Make) -> None:
    flat = order({"address": f"{ADDRESS} | None"}, FlattenField("Order", "address", INTO))
    up = flat.up(address=b'{"zip":7,"note":"x","city":"Rome","more":1}')

    assert flat.types == {"address_city": "str | None", "address_zip": "int | None"}
    assert flat.there(address=b'{"zip":7,"note":"x","city":"Rome","more":1}') == {
        "address_city": b"Rome",
        "address_zip": b"7",
    }
    assert flat.there(address=b"null") == {"address_city": b"None", "address_zip": b"None"}
    assert flat.there() == {}
    assert flat.down({**up, "address_zip": b"8"}) == {"address": b'{"zip": 8, "note": "x", "city": "Rome", "more": 1}'}
    assert flat.down({**NEW, "address_city": b"Oslo", "address_zip": b"9"}) == {
        "address": b'{"city": "Oslo", "zip": 9}'
    }
    assert flat.down({**NEW, "address_city": b"None", "address_zip": b"None"}) == {"address": b"null"}
    with pytest.raises(RecordError, match="field 'address'"):
        flat.down({**NEW, "address_city": b"Oslo", "address_zip": b"None"})


def test_flattening_says_what_it_leaves_out(order: Make) -> None:
    with pytest.raises(SchemaError, match="into= lacks note, zip; give a field, or None to omit it"):
        order({"address": ADDRESS}, FlattenField("Order", "address", {"city": "city"}))
    with pytest.raises(SchemaError, match="has no key street"):
        order({"address": ADDRESS}, FlattenField("Order", "address", {**INTO, "street": "street"}))
    with pytest.raises(SchemaError, match="is not a single object"):
        order({"address": f"list[{ADDRESS}]"}, FlattenField("Order", "address", INTO))

    assert FlattenField("Order", "address", INTO).risk is Risk.HIDES
    assert FlattenField("Order", "address", {"zip": "zip"}).risk is Risk.CONVERTS


def test_fields_become_an_object_and_fields_again(order: Make) -> None:
    nested = order(
        {"zip": "JSON[str] | None", "at": "datetime[aware]", "address": "int"},
        NestFields("Order", {"zip": "zip", "at": "since", "address": "number"}, "address"),
    )
    up = nested.up(zip=b"null", at=b'"2020-01-01T00:00:00+01:00"', address=b"5")

    assert nested.types == {"address": "Object(number=int, since=datetime[aware], zip=str | None)"}
    assert nested.there(zip=b'"7"', at=b'"2020-01-01T00:00:00+01:00"', address=b"5") == {
        "address": b'{"zip": "7", "since": "2020-01-01T00:00:00+01:00", "number": 5}'
    }
    assert nested.there() == {}
    assert nested.down({**up, "address": b'{"zip": "x", "since": "2020-01-01T00:00:00+01:00", "number": 6}'}) == {
        "zip": b'"x"',
        "at": b'"2020-01-01T00:00:00+01:00"',
        "address": b"6",
    }
    with pytest.raises(RecordError, match=r"field 'address'.*Field required"):
        nested.up(zip=b"null")


def test_nesting_refuses_two_fields_in_one_key(order: Make) -> None:
    with pytest.raises(SchemaError, match="two fields become the same key"):
        order({"a": "int", "b": "int"}, NestFields("Order", {"a": "x", "b": "x"}, "c"))


def test_the_primary_key_is_not_taken_apart(order: Make) -> None:
    with pytest.raises(SchemaError, match="primary key"):
        order({}, SplitField("Order", "id", {"a": "str"}, halves))


def test_descriptions_and_ways_back() -> None:
    assert [operation.describe() for operation in (SPLIT, MERGE)] == [
        "Split field name of Order into first, last",
        "Merge fields first, last of Order into name",
    ]
    assert SPLIT.describe_reverse().endswith("those changed or created since go through merge=")
    assert FlattenField("Order", "address", INTO).describe().endswith("address of Order into address_city, address_zip")
    assert NestFields("Order", {"a": "x"}, "b").describe_reverse().endswith("become fields again")
