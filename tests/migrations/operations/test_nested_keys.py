"""Operations on fields that are given a path: what they make of records, and what comes back."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from redis_models.errors import RecordError, SchemaError
from redis_models.migrations import AddField, AlterField, FillNone, MapValues, OldObject, RemoveField, RenameField
from redis_models.migrations.operations import Risk

if TYPE_CHECKING:
    from ...support.nested_fixtures import OneModel  # pytest imports conftest by itself, under another name

Make = Callable[..., "OneModel"]
ADDRESS = "Object(city=str, zip=str)"
LINES = "list[Object(name=str, price=NotRequired[int])]"
PETS = "Object(kind=Literal['cat'], lives=int) | Object(kind=Literal['dog'], lives=int | str) | None"


def test_a_key_is_added_to_every_object_and_goes_again(order: Make) -> None:
    home = order({"address": f"{ADDRESS} | None"}, AddField("Order", "address.country", "str", fill="IT"))

    assert home.types == {"address": "Object(city=str, country=str, zip=str) | None"}
    assert home.there(address=b'{"zip": "00184", "more": [1.50], "city": "Rome"}') == {
        "address": b'{"zip": "00184", "more": [1.5], "city": "Rome", "country": "IT"}'
    }
    assert home.there(address=b"null") == {"address": b"null"}
    assert home.there() == {}
    assert home.down({"id": b"2", "_v": b"2", "address": b'{"city": "Oslo", "zip": "1", "country": "NO"}'}) == {
        "address": b'{"city": "Oslo", "zip": "1"}'
    }


def test_a_key_is_filled_by_a_function_of_its_object(order: Make) -> None:
    def total(line: OldObject) -> object:
        return f"{line.name}: {line.get('price', 0)}"

    lines = order({"lines": LINES}, AddField("Order", "lines.label", "NotRequired[str]", fill=total))

    assert lines.there(lines=b'[{"name": "a", "price": 3}, {"name": "b"}]') == {
        "lines": b'[{"name": "a", "price": 3, "label": "a: 3"}, {"name": "b", "label": "b: 0"}]'
    }
    assert "label=NotRequired[str]" in lines.types["lines"]


def test_a_function_that_fails_names_the_path(order: Make) -> None:
    def fail(line: OldObject) -> object:
        return line.colour

    lines = order({"lines": LINES}, AddField("Order", "lines.label", "str", fill=fail))

    with pytest.raises(RecordError, match=r"field 'lines.label': Add field lines.label to Order: .*no key 'colour'"):
        lines.up(lines=b'[{"name": "a"}]')


def test_a_removed_key_comes_back_byte_for_byte(order: Make) -> None:
    lines = order({"lines": LINES}, RemoveField("Order", "lines.price"))

    assert lines.types == {"lines": "list[Object(name=str)]"}
    assert lines.there(lines=b'[{"price":7,"name":"a"},{"name":"b"}]') == {"lines": b'[{"name": "a"}, {"name": "b"}]'}


def test_a_removed_key_comes_back_in_objects_that_are_still_the_same(order: Make) -> None:
    lines = order({"lines": "list[Object(name=str, price=int)]"}, RemoveField("Order", "lines.price", back=0))
    up = lines.up(lines=b'[{"name": "a", "price": 1}, {"name": "b", "price": 2}]')
    up["lines"] = b'[{"name": "new"}, {"name": "b"}, {"name": "a"}]'

    back = json.loads(lines.down(up)["lines"])

    assert back == [{"name": "new", "price": 0}, {"name": "b", "price": 2}, {"name": "a", "price": 1}]


def test_a_removed_key_of_an_object_that_was_changed_elsewhere_keeps_its_own_value(order: Make) -> None:
    home = order({"address": ADDRESS}, RemoveField("Order", "address.zip", back="?"))
    up = home.up(address=b'{"city": "Rome", "zip": "00184"}')

    assert home.down({**up, "address": b'{"city": "Roma"}'}) == {"address": b'{"city": "Roma", "zip": "00184"}'}
    assert home.down({"id": b"2", "_v": b"2", "address": b'{"city": "Oslo"}'}) == {
        "address": b'{"city": "Oslo", "zip": "?"}'
    }


def test_an_object_that_was_made_without_a_removed_key_needs_a_value_for_the_way_back(order: Make) -> None:
    home = order({"address": ADDRESS}, RemoveField("Order", "address.zip"))

    with pytest.raises(RecordError, match=r"address\.zip': an object was created without it since; give back="):
        home.down({"id": b"2", "_v": b"2", "address": b'{"city": "Oslo"}'})


def test_a_key_is_renamed_in_its_place_through_containers(order: Make) -> None:
    places = order({"places": f"dict[str, tuple[{ADDRESS}, ...]]"}, RenameField("Order", "places.zip", "places.code"))

    assert places.types == {"places": "dict[str, tuple[Object(city=str, code=str), ...]]"}
    assert places.there(places=b'{"a": [{"zip": "1", "city": "x"}], "b": []}') == {
        "places": b'{"a": [{"code": "1", "city": "x"}], "b": []}'
    }


def test_what_the_new_name_held_against_the_schema_comes_back(order: Make) -> None:
    home = order({"address": ADDRESS}, RenameField("Order", "address.zip", "address.code"))

    assert home.there(address=b'{"code": 5, "zip": "1", "city": "x"}') == {"address": b'{"code": "1", "city": "x"}'}


def test_a_key_gets_another_type(order: Make) -> None:
    lines = order({"lines": LINES}, AlterField("Order", "lines.price", "NotRequired[int]", "NotRequired[str]"))

    assert lines.there(lines=b'[{"name": "a", "price": 3}, {"name": "b"}]') == {
        "lines": b'[{"name": "a", "price": "3"}, {"name": "b"}]'
    }
    with pytest.raises(SchemaError, match=r"Order.lines, price: it is 'NotRequired\[int\]' here, not 'int'"):
        order({"lines": LINES}, AlterField("Order", "lines.price", "int", "str"))


def test_a_key_that_becomes_optional_touches_no_record(order: Make) -> None:
    lines = order({"lines": LINES}, AlterField("Order", "lines.name", "str", "NotRequired[str | None]"))

    assert lines.path.version_steps[0].steps == ()


def test_a_key_is_converted_by_functions_both_ways(order: Make) -> None:
    def cents(price: float) -> int:
        return round(price * 100)

    def euros(cents: int) -> float:
        return cents / 100

    lines = order(
        {"lines": "list[Object(price=float)]"},
        AlterField("Order", "lines.price", "float", "int", convert=cents, back=euros),
    )
    up = lines.up(lines=b'[{"price": 1.501}, {"price": 2.5}]')

    assert lines.there(lines=b'[{"price": 1.501}]') == {"lines": b'[{"price": 150}]'}
    assert lines.down({**up, "lines": b'[{"price": 150}, {"price": 7}]'}) == {
        "lines": b'[{"price": 1.501}, {"price": 0.07}]'
    }


def test_one_variant_of_a_union_is_altered_by_the_type_of_its_key(order: Make) -> None:
    pet = order({"pet": PETS}, AlterField("Order", "pet.lives", "int", "int | str", convert=str))

    assert pet.there(pet=b'{"kind": "cat", "lives": 9}') == {"pet": b'{"kind": "cat", "lives": "9"}'}
    assert pet.there(pet=b'{"kind": "dog", "lives": 1}') == {"pet": b'{"kind": "dog", "lives": 1}'}
    assert pet.down({"id": b"2", "_v": b"2", "pet": b'{"kind": "dog", "lives": "x"}'}) == {
        "pet": b'{"kind": "dog", "lives": "x"}'
    }


def test_values_are_mapped_and_filled_at_a_path(order: Make) -> None:
    old, new = "Enum(OPEN='open', SENT='sent')", "Enum(OPEN='open', DONE='done')"
    lines = order(
        {"lines": f"list[Object(n=int | None, status={old})]"},
        AlterField("Order", "lines.status", old, new, convert=MapValues({"sent": "done"})),
        AlterField("Order", "lines.n", "int | None", "int", convert=FillNone(0)),
    )

    assert lines.there(lines=b'[{"n": null, "status": "sent"}, {"n": 2, "status": "open"}]') == {
        "lines": b'[{"n": 0, "status": "done"}, {"n": 2, "status": "open"}]'
    }
    assert lines.down({"id": b"2", "_v": b"2", "lines": b'[{"n": 3, "status": "done"}]'}) == {
        "lines": b'[{"n": 3, "status": "sent"}]'
    }


def test_a_value_goes_into_a_nested_object_and_back(order: Make) -> None:
    inward = order(
        {"address": "Object(geo=Object(lat=float)) | None", "zip": "JSON[str] | None"},
        RenameField("Order", "zip", "address.geo.zip"),
    )

    assert inward.types == {"address": "Object(geo=Object(lat=float, zip=str | None)) | None"}
    assert inward.there(address=b'{"geo":{"lat":1.0}}', zip=b'"00184"') == {
        "address": b'{"geo": {"lat": 1.0, "zip": "00184"}}'
    }
    assert inward.there(address=b"null", zip=b"null") == {"address": b"null"}
    with pytest.raises(RecordError, match=r"address.geo is None, so '1' cannot be stored in it; create the object"):
        inward.up(address=b"null", zip=b'"1"')
    assert inward.down({"id": b"2", "_v": b"2", "address": b'{"geo": {"lat": 2.0, "zip": "x"}}'}) == {
        "address": b'{"geo": {"lat": 2.0}}',
        "zip": b'"x"',
    }


def test_a_value_comes_out_of_a_nested_object_and_goes_back(order: Make) -> None:
    outward = order({"address": f"{ADDRESS} | None"}, RenameField("Order", "address.zip", "zip"))

    assert outward.types == {"address": "Object(city=str) | None", "zip": "str | None"}
    assert outward.there(address=b'{"city": "Rome", "zip": "None", "x": 1}') == {
        "address": b'{"city": "Rome", "x": 1}',
        "zip": b"\\None",
    }
    assert outward.there(address=b"null") == {"address": b"null", "zip": b"None"}
    up = outward.up(address=b'{"city": "Rome", "zip": "1"}')
    assert outward.down({**up, "zip": b"2"}) == {"address": b'{"city": "Rome", "zip": "2"}'}


def test_a_value_moves_between_two_objects_of_one_field(order: Make) -> None:
    moved = order(
        {"place": "Object(geo=Object(lat=float, zip=str), name=str)"},
        RenameField("Order", "place.geo.zip", "place.zip"),
    )

    assert moved.there(place=b'{"geo": {"lat": 1.0, "zip": "7"}, "name": "x"}') == {
        "place": b'{"geo": {"lat": 1.0}, "name": "x", "zip": "7"}'
    }


def test_a_value_does_not_move_into_or_out_of_a_list(order: Make) -> None:
    with pytest.raises(SchemaError, match=r"lines.zip: list\[.* is not a single object.*use Transform"):
        order({"lines": LINES, "zip": "str"}, RenameField("Order", "zip", "lines.zip"))
    with pytest.raises(SchemaError, match=r"lines.name: list\[.* is not a single object"):
        order({"lines": LINES}, RenameField("Order", "lines.name", "name"))


def test_the_primary_key_stays_outside(order: Make) -> None:
    with pytest.raises(SchemaError, match="primary key"):
        order({"address": ADDRESS}, RenameField("Order", "id", "address.id"))


def test_a_path_enters_nothing_that_only_looks_like_an_object(order: Make) -> None:
    mixed = order({"mixed": f"Object(any=Any, at={ADDRESS})"}, RemoveField("Order", "mixed.at.zip"))

    assert mixed.there(mixed=b'{"any": {"zip": "1"}, "at": {"city": "x", "zip": "2"}}') == {
        "mixed": b'{"any": {"zip": "1"}, "at": {"city": "x"}}'
    }


def test_tagged_and_doubly_written_documents_are_changed_too(order: Make) -> None:
    home = order({"address": "Object(at=Decimal, zip=str)"}, RenameField("Order", "address.zip", "address.code"))
    before = home.before.model("Order").field("address").codec

    tagged = before.encode(before.validate({"at": "1.0", "zip": "\ud800\udc00"}))

    assert b"code" in home.there(address=tagged)["address"]
    assert home.there(address=b'"{\\"at\\": \\"1.0\\", \\"zip\\": \\"x\\"}"') == {
        "address": b'{"at": "1.0", "code": "x"}'
    }


def test_what_does_not_read_back_stops_the_run(order: Make) -> None:
    home = order({"address": ADDRESS}, RemoveField("Order", "address.zip"))

    with pytest.raises(RecordError, match=r"field 'address' holds b'\{\"city\": 1\}': does not read back"):
        home.up(address=b'{"city": 1}')


def test_a_fill_that_does_not_fit_is_refused_at_once(order: Make) -> None:
    with pytest.raises(SchemaError, match=r"Add field address.n to Order: fill 'x' is not a valid int"):
        order({"address": ADDRESS}, AddField("Order", "address.n", "NotRequired[int]", fill="x"))


def test_risks_and_ways_back_are_listed() -> None:
    assert RenameField("Order", "zip", "address.zip").describe() == "Move field zip to address.zip on Order"
    assert RenameField("Order", "zip", "address.zip").risk is Risk.CONVERTS
    assert RenameField("Order", "address.zip", "address.code").risk is Risk.NONE
    assert RemoveField("Order", "address.zip").is_destructive
    assert (
        AlterField("Order", "s", "str", "str", MapValues({"a": "b"}))
        .describe_reverse()
        .endswith("those changed since are converted by the reverse of MapValues(mapping={'a': 'b'}, back=None)")
    )
