"""Extra fields that become fields of their own, and models that take extra fields no longer: nothing goes unsaid."""

import json
from typing import Any

import pytest

_ALLOW = "model_config = ConfigDict(extra='allow')\nname: str = ''"
_IGNORE = "model_config = ConfigDict(extra='ignore')\nname: str = ''"
_CITY = "\ncity: str = 'none'"
_QUESTION = "Item.city: str is new, and records may already have an extra field of this name"


def _begin(shop: Any, **extras: object) -> dict[str, dict[str, bytes]]:
    shop.release(_ALLOW)
    shop.put("with", name="a", **{name: json.dumps(value) for name, value in extras.items()})
    shop.put("without", name="b")
    return dict(shop.records())


def test_an_extra_field_that_becomes_a_field_is_asked_about_with_the_count_of_those_that_hold_one(shop: Any) -> None:
    _begin(shop, city="Rome")
    shop.declare(_ALLOW + _CITY, version=2)

    assert shop.run("makemigrations") == 3

    assert _QUESTION in shop.err
    assert "(1 record holds one)" in shop.err
    assert "--extra Item.city=take or --extra Item.city=replace or --compute Item.city" in shop.err


def test_the_stored_extra_is_taken_and_comes_back_byte_for_byte(shop: Any) -> None:
    before = _begin(shop, city="Rome", other=[1])
    shop.release(_ALLOW + _CITY, version=2, answers=("--extra", "Item.city=take"))
    items = {item.id: item for item in shop.code().Item.sync.select()}

    assert shop.migrate("shop", "1") == 0, shop.err

    assert {key: item.city for key, item in items.items()} == {"with": "Rome", "without": "none"}
    assert items["with"].other == [1]
    assert shop.records() == before


def test_what_new_code_wrote_into_the_field_is_an_extra_field_of_old_code_afterwards(shop: Any) -> None:
    _begin(shop, city="Rome")
    shop.release(_ALLOW + _CITY, version=2, answers=("--extra", "Item.city=take"))
    shop.put("with", name="a", city="Oslo")
    shop.put("new", name="c", city='a "b"')

    assert shop.migrate("shop", "1") == 0, shop.err
    shop.declare(_ALLOW)
    items = {item.id: item.model_extra for item in shop.code().Item.sync.select()}

    assert items == {"with": {"city": "Oslo"}, "new": {"city": 'a "b"'}, "without": {}}


def test_replaced_extra_fields_become_undo_fields_and_come_back(shop: Any) -> None:
    before = _begin(shop, city="Rome")
    shop.release(_ALLOW + _CITY, version=2, answers=("--extra", "Item.city=replace"))
    cities = {item.city for item in shop.code().Item.sync.select()}

    assert shop.migrate("shop", "1") == 0, shop.err

    assert cities == {"none"}
    assert shop.records() == before


@pytest.mark.parametrize(
    ("stored", "field", "becomes"),
    [
        ("5", "city: int = 0", 5),
        (5, "city: str = ''", "5"),
        (["a"], "city: list[str] = []", ["a"]),
        ({"a": 1}, "city: dict[str, int] = {}", {"a": 1}),
        (None, "city: str | None = None", None),
        (2.5, "city: Decimal = Decimal(0)", "2.5"),
    ],
)
def test_an_extra_is_taken_as_pydantic_takes_it(shop: Any, stored: object, field: str, becomes: object) -> None:
    shop.release(_ALLOW)
    shop.put("one", name="a", city=json.dumps(stored))
    before = shop.records()
    shop.release(f"{_ALLOW}\n{field}", version=2, answers=("--extra", "Item.city=take"))
    [item] = shop.code().Item.sync.select()

    assert shop.migrate("shop", "1") == 0, shop.err

    assert item.city == (becomes if not field.startswith("city: Decimal") else type(item.city)(becomes))
    assert shop.records() == before


@pytest.mark.parametrize("is_begun", [False, True], ids=["before it begins", "half-way"])
def test_an_extra_that_is_none_of_the_type_stops_the_run_and_a_function_that_sees_it_leads_on(
    shop: Any, is_begun: bool
) -> None:
    before = _begin(shop, city=["Rome", "Oslo"])
    shop.declare(_ALLOW + _CITY, version=2)
    assert shop.run("makemigrations", "--extra", "Item.city=take") == 0, shop.err
    assert shop.migrate(*(("--ignore-sample", "--batch", "1") if is_begun else ())) == 6
    assert "field 'city' holds b'[\"Rome\", \"Oslo\"]': is an extra field and cannot become str" in shop.err
    assert "replace extra= by a function fill=, which sees it as old.get('city')" in shop.err
    assert shop.records()["with"] == before["with"]
    shop.edit('fill="none", extra="take"', 'fill=lambda old: "+".join(old.get("city", ["none"]))')

    assert shop.migrate() == 0, shop.err
    cities = {item.id: item.city for item in shop.code().Item.sync.select()}
    assert shop.migrate("shop", "1") == 0, shop.err

    assert cities == {"with": "Rome+Oslo", "without": "none"}
    assert shop.records() == before


def test_functions_see_extra_fields_and_may_move_them(shop: Any) -> None:
    before = _begin(shop, nick="Al", city="Rome")
    shop.release(_ALLOW + "\nlabel: str", version=2, answers=("--compute", "Item.label"), is_run=False)
    name = "label_of_item" if "def label_of_item" in shop.newest() else shop.newest().split("def ")[1].split("(")[0]
    shop.edit(f"fill={name}", "fill=lambda old: f\"{old.get('nick')} of {old.city}\" if 'city' in old else ''")
    move = "def move(old, new):\n    if 'nick' in old:\n        new.name = old.nick\n        del new.nick\n"
    shop.edit("from redis_models import migrations\n", f"from redis_models import migrations\n\n\n{move}")
    shop.edit("operations = [\n", 'operations = [\n        migrations.AlterExtras("Item", True),\n')
    shop.edit("    ]\n", '        migrations.Transform("Item", move),\n    ]\n')

    assert shop.migrate() == 0, shop.err
    items = {item.id: item for item in shop.code().Item.sync.select()}
    assert shop.migrate("shop", "1") == 0, shop.err

    assert (items["with"].label, items["with"].name) == ("Al of Rome", "Al")
    assert items["with"].model_extra == {"city": "Rome"}
    assert shop.records() == before


@pytest.mark.parametrize("policy", ["ignore", "forbid"])
def test_that_a_model_takes_extras_no_longer_needs_a_consent_where_records_hold_some(shop: Any, policy: str) -> None:
    before = _begin(shop, city="Rome", mood="good")
    shop.declare(_IGNORE.replace("ignore", policy))
    assert shop.run("makemigrations") == 0, shop.err
    assert "Forbid extra fields on Item" in shop.out

    refused, said = shop.run("migrate", "--yes"), shop.err
    done = shop.migrate()

    assert (refused, done) == (5, 0), shop.err
    assert "1 of 2 sampled records of Item holds the extra fields (city, mood)" in said
    assert shop.records() == before


def test_that_a_model_takes_extras_no_longer_needs_no_consent_where_no_record_holds_any(shop: Any) -> None:
    _begin(shop)
    shop.declare(_IGNORE)

    assert shop.run("makemigrations") == 0, shop.err

    assert shop.run("migrate", "--yes") == 0, shop.err
    assert shop.run("makemigrations", "--check") == 0, shop.out


def test_auto_refuses_what_is_ambiguous(shop: Any) -> None:
    shop.declare(_ALLOW)
    assert shop.run("migrate", "--auto", "--yes") == 0, shop.err
    shop.put("with", name="a", city='"Rome"')
    before = shop.records()
    shop.declare(_ALLOW + _CITY, version=2)

    added = shop.run("migrate", "--auto", "--yes"), shop.err
    shop.declare(_IGNORE)
    hidden = shop.run("migrate", "--auto", "--yes"), shop.err

    assert added[0] == 3
    assert _QUESTION in added[1]
    assert hidden[0] == 5
    assert "1 of 1 sampled records of Item holds the extra fields (city)" in hidden[1]
    assert shop.records() == before


@pytest.mark.parametrize("change", [_CITY, "rename"])
def test_an_undeclared_stored_field_is_not_hidden_without_consent(shop: Any, change: str) -> None:
    shop.release(_IGNORE)
    shop.put("one", name="a", city='"Rome"')
    before = shop.records()
    shop.declare(_IGNORE.replace("name:", "city:") if change == "rename" else _IGNORE + change, version=2)
    assert shop.run("makemigrations", *(("--rename", "Item.name=city") if change == "rename" else ())) == 0, shop.err

    assert shop.run("migrate", "--yes") == 5
    assert "1 of 1 sampled records of Item holds the extra field 'city'" in shop.err
    assert shop.migrate() == 0, shop.err
    assert shop.migrate("shop", "1") == 0, shop.err

    assert shop.records() == before


def test_answers_about_extras_that_fit_nothing_are_refused(shop: Any) -> None:
    shop.release(_ALLOW)
    shop.declare(_ALLOW + _CITY, version=2)

    for answers, reason in {
        ("Item.city=keep",): "unknown policy; write one of take, replace",
        ("Item.city=take", "Item.name=take"): "'name' is not a new field of Item",
        ("Item.city",): "write it like --extra Order.city=take",
    }.items():
        flags = [part for answer in answers for part in ("--extra", answer)]
        assert shop.run("makemigrations", *flags) in (1, 2), answers
        assert reason in shop.err


_NESTED = "class Place(BaseModel):\n    model_config = ConfigDict(extra='allow')\n    town: str\n"


@pytest.mark.parametrize(("stored", "code"), [('"10115"', 0), ("10115", 6)], ids=["of the type", "of another"])
def test_an_undeclared_key_of_a_nested_object_that_is_declared_is_tried_on_records(
    shop: Any, stored: str, code: int
) -> None:
    shop.release("places: list[Place]", _NESTED)
    shop.put("one", places=f'[{{"town": "Rome", "zip": {stored}}}]')
    before = shop.records()
    shop.declare("places: list[Place]", _NESTED + "    zip: str = ''\n", version=2)
    assert shop.run("makemigrations") == 0, shop.err

    assert shop.migrate() == code, shop.err

    if code:
        assert "field 'places'" in shop.err
        assert "holds an undeclared key that is declared now, with another type" in shop.err
        assert shop.records() == before
        new = shop.newest().rindex(")")
        text = shop.newest()
        call = text[text.index("migrations.AlterField") : new + 1]
        convert = "convert=lambda some: [{'town': one.town, 'zip': str(one.zip)} for one in some]"
        shop.edit(call, f"{call.removesuffix(')').rstrip().removesuffix(',')}, {convert})")
        assert shop.migrate() == 0, shop.err
    assert shop.code().Item.sync.select()[0].places[0].zip == "10115"
    assert shop.migrate("shop", "1") == 0, shop.err
    assert shop.records() == before
