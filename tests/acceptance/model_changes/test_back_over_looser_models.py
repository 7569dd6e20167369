"""The way back over what no migration tells: bounds that were loosened, members that came, fields that are missing."""

import json
from typing import Any

import pytest

_SIZE = "class Size(enum.Enum):\n    S = 's'\n    L = 'l'\n{more}"
_BOX = "class Box(BaseModel):\n    weight: int = Field(default=1, le={le})\n"
# What the field was and is, what stands before the model, what old code wrote, and new code; what is named.
_LOOSER = {
    "a bound": ("age: int = Field(le=120)", "age: int = Field(le=200)", "", "", "100", "150", "150", "le=120"),
    "a bound that went": ("n: float = Field(gt=0)", "n: float", "", "", "1.5", "-2.5", "-2.5", "gt=0"),
    "a length": ("t: str = Field(max_length=3)", "t: str = Field(max_length=9)", "", "", "abc", "abcdef", "abcdef",
        "max_length=3"),
    "a pattern": ("t: str = Field(pattern='^[a-c]+$')", "t: str", "", "", "abc", "xyz", "xyz", "pattern="),
    "an item": ("t: list[Annotated[int, Field(ge=0)]]", "t: list[int]", "", "", "[1]", "[1, -7]", "-7", "ge=0"),
    "a key of a dict": ("t: dict[Annotated[str, Field(max_length=2)], int]", "t: dict[str, int]", "", "",
        '{"ab": 1}', '{"abcd": 1}', "abcd", "max_length=2"),
    "an optional decimal": ("t: Decimal | None = Field(None, lt=Decimal('9.5'))", "t: Decimal | None = None", "", "",
        '"1.5"', '"10.25"', "10.25", "lt=9.5"),
    "a nested bound": ("b: Box", "b: Box", _BOX.format(le=9), _BOX.format(le=99), '{"weight": 4}', '{"weight": 40}',
        "40", "le=9"),
    "a nested bound in a list": ("b: list[Box]", "b: list[Box]", _BOX.format(le=9), _BOX.format(le=99),
        '[{"weight": 4}]', '[{"weight": 4}, {"weight": 41}]', "41", "le=9"),
}  # fmt: skip


def _name(fields: str) -> str:
    return fields.partition(":")[0]


@pytest.mark.parametrize("case", _LOOSER.values(), ids=_LOOSER)
def test_a_value_that_an_older_constraint_refuses_stops_the_way_back(shop: Any, case: tuple[str, ...]) -> None:
    old, new, before, after, good, bad, shown, rule = case
    shop.release(old, before)
    shop.put("old", **{_name(old): good})
    there = shop.records()["old"]
    shop.release(f"{new}\nextra: int = 0", after, 2)
    shop.put("new", **{_name(old): bad}, extra="4")
    now = shop.records()["new"]

    code = shop.migrate("shop", "1")

    assert code == 6, shop.out + shop.err
    assert f"item:new: field '{_name(old)}" in shop.err
    assert f"{shown}" in shop.err
    assert rule in shop.err
    assert "the code of 0001_initial cannot read it" in shop.err
    assert shop.records()["new"] == now
    with shop.server.client() as client:
        client.hset("item:new", _name(old), good)
    assert shop.migrate("shop", "1") == 0, shop.err
    assert shop.records()["old"] == there
    shop.declare(old, before)
    assert {record.id for record in shop.code().Item.sync.select()} == {"old", "new"}


def test_values_that_meet_the_older_constraint_go_back_without_a_word(shop: Any) -> None:
    shop.release("age: int = Field(le=120)")
    shop.put("old", age="7")
    shop.release("years: int = Field(le=200, renamed_from='age')", version=2, answers=("--rename", "Item.age=years"))
    shop.put("new", years="119")

    assert shop.migrate("shop", "1") == 0, shop.err
    assert "!" not in shop.err
    assert shop.records()["new"]["age"] == b"119"


def test_a_constraint_follows_a_field_that_is_renamed_and_loosened(shop: Any) -> None:
    shop.release("age: int = Field(le=120)")
    shop.release("years: int = Field(renamed_from='age')", version=2, answers=("--rename", "Item.age=years"))
    shop.release("years: int", version=3, is_run=True, before="")
    shop.put("new", years="121")

    assert shop.migrate("shop", "2") == 0, shop.err
    assert shop.migrate("shop", "1") == 6
    assert "field 'age' holds b'121': 121 does not meet le=120" in shop.err


@pytest.mark.parametrize("is_begun", [False, True])
def test_back_of_an_operation_that_changes_nothing_is_given_to_an_applied_file(shop: Any, is_begun: bool) -> None:
    shop.release("age: int = Field(le=120)")
    shop.put("old", age="7")
    shop.release("age: int = Field(le=200)\nmore: int = 0", version=2)
    shop.put("new", age="150", more="1")
    assert shop.migrate("shop", "1", *(("--ignore-sample", "--batch", "1") if is_begun else ())) == 6
    assert ("not started" in shop.err) is not is_begun
    shop.edit(
        "operations = [", 'operations = [\n        migrations.AlterField("Item", "age", "int", "int", back=at_most),'
    )
    shop.edit("class Migration", "def at_most(age):\n    return min(age, 120)\n\n\nclass Migration")

    assert shop.run("check") == 0, shop.out + shop.err
    assert shop.migrate("shop", "1") == 0, shop.err

    records = shop.records()
    assert (records["old"]["age"], records["new"]["age"]) == (b"7", b"120")


@pytest.mark.parametrize(("raw", "becomes"), [('"c"', b'"a"'), ('"b"', b'"b"')])
def test_a_member_of_which_no_migration_tells_goes_through_back(shop: Any, raw: str, becomes: bytes) -> None:
    shop.release("k: Literal['a', 'b']")
    shop.release("k: Literal['a', 'b']\nmore: int = 0", version=2)
    shop.declare("k: Literal['a', 'b', 'c']\nmore: int = 0", version=2)
    shop.put("new", k=raw, more="1")
    refused = shop.migrate("shop", "1")
    cure = """AlterField('Item', 'k', "Literal['a', 'b']", "Literal['a', 'b']", back=FUNCTION)"""
    assert (refused == 6) is (cure in shop.err) is (raw == '"c"')
    assert refused == 6 or shop.migrate() == 0
    shop.edit("operations = [", f"operations = [migrations.{cure.replace('FUNCTION', 'known')},")
    shop.edit("class Migration", "def known(value):\n    return 'a' if value == 'c' else value\n\n\nclass Migration")

    assert shop.migrate("shop", "1") == 0, shop.err
    assert shop.records()["new"]["k"] == becomes


def test_a_constraint_that_is_loosened_in_the_code_alone_is_looked_at_too(shop: Any) -> None:
    shop.release("age: int = Field(le=120)")
    shop.release("age: int = Field(le=120)\nmore: int = 0", version=2)
    shop.declare("age: int\nmore: int = 0", version=2)
    shop.put("new", age="150", more="1")

    assert shop.migrate("shop", "1") == 6
    assert "150 does not meet le=120" in shop.err


def test_who_accepts_it_is_not_stopped(shop: Any) -> None:
    shop.release("age: int = Field(le=120)")
    shop.release("age: int\nmore: int = 0", version=2)
    shop.put("new", age="150", more="1")

    assert shop.migrate("shop", "1", "--accept-unreadable") == 0, shop.err
    assert shop.records()["new"]["age"] == b"150"


def test_what_takes_the_older_code_is_said_to_be_unlooked_at(shop: Any) -> None:
    before = "def even(value):\n    assert value % 2 == 0\n    return value\nfrom pydantic import AfterValidator\n"
    shop.release("n: Annotated[int, AfterValidator(even)]", before)
    shop.release("n: int\nmore: int = 0", version=2)
    shop.put("new", n="3", more="1")

    assert shop.migrate("shop", "1") == 0
    assert (
        "! shop.Item: the code of 0001_initial has constraints that newer code does not have (n: after validator even)"
        in shop.err
    )


def test_where_nothing_was_noted_that_is_said(shop: Any) -> None:
    shop.release("age: int = Field(le=120)")
    (shop.root / "shop/redis_migrations/constraints.json").unlink()
    shop.release("age: int\nmore: int = 0", version=2)
    shop.put("new", age="150", more="1")

    assert shop.migrate("shop", "1") == 0
    assert "! shop: only the types of Item at 0001_initial are known, not the constraints" in shop.err
    assert shop.migrate() == 0, shop.err
    assert "are known, not" not in shop.err


@pytest.mark.parametrize(
    ("old", "new", "before", "after", "raw"),
    [
        ("k: Literal['a', 'b'] = 'a'", "k: Literal['a', 'b', 'c'] = 'a'", "", "", '"c"'),
        ("k: Size", "k: Size", _SIZE.format(more=""), _SIZE.format(more="    XL = 'xl'\n"), '"xl"'),
        ("k: list[Size]", "k: list[Size]", _SIZE.format(more=""), _SIZE.format(more="    XL = 'xl'\n"), '["s", "xl"]'),
        ("k: dict[str, Literal[1, 2]]", "k: dict[str, Literal[1, 2, 3]]", "", "", '{"a": 3}'),
    ],
)
@pytest.mark.parametrize("is_noted", [True, False])
def test_a_member_that_came_without_a_migration_stops_the_way_back(
    shop: Any, is_noted: bool, old: str, new: str, before: str, after: str, raw: str
) -> None:
    shop.release(f"{old}", before)
    shop.release(f"{old}\nmore: int = 0", before, 2)
    shop.put("broken", k='"neither"', more="1")
    shop.declare(f"{new}\nmore: int = 0", after, 2)
    if is_noted:
        assert shop.run("makemigrations") == 0, shop.err
        assert "No changes" in shop.out
    shop.put("new", k=raw, more="1")

    assert shop.migrate("shop", "1") == 6, shop.err
    assert "item:new: field 'k'" in shop.err
    assert "is not one of" in shop.err
    assert "so that the code of 0001_initial cannot read it" in shop.err
    with shop.server.client() as client:
        client.delete("item:new")
    assert shop.migrate("shop", "1") == 0, shop.err


def test_a_member_that_the_code_had_at_the_older_migration_does_not_stop_the_run(shop: Any) -> None:
    shop.release("k: Literal['a', 'b'] = 'a'")
    shop.declare("k: Literal['a', 'b', 'c'] = 'a'")
    assert shop.run("makemigrations") == 0, shop.err
    shop.put("old", k='"c"')
    shop.release("k: Literal['a', 'b', 'c'] = 'a'\nmore: int = 0", version=2)
    shop.put("new", k='"c"', more="1")

    assert shop.migrate("shop", "1") == 0, shop.err


def test_a_member_that_came_without_a_migration_goes_through_the_next_one(shop: Any) -> None:
    shop.release("k: Literal['a', 'b']")
    shop.declare("k: Literal['a', 'b', 'c']")
    assert shop.run("makemigrations") == 0, shop.err
    shop.put("a", k='"a"')
    shop.put("c", k='"c"')
    shop.declare("k: Literal['b', 'c']", version=2)
    assert shop.run("makemigrations", "--map", "Item.k:a=b") == 0, shop.err

    assert shop.migrate() == 0, shop.err
    assert "cannot be converted" not in shop.out
    assert {key: record["k"] for key, record in shop.records().items()} == {"a": b'"b"', "c": b'"c"'}
    assert shop.migrate("shop", "1") == 0, shop.err
    assert {key: record["k"] for key, record in shop.records().items()} == {"a": b'"a"', "c": b'"c"'}


def test_a_required_field_that_records_made_since_lack_stops_the_way_back(shop: Any) -> None:
    shop.release("ref: str\nn: int = 0")
    shop.put("old", ref="r", n="1")
    shop.put("broken", n="1")
    before = shop.records()
    shop.release("n: int = 0", version=2, answers=("--drop", "Item.ref"))
    shop.put("new", n="2")

    assert shop.migrate("shop", "1") == 6
    assert "item:new: field 'ref': the record was created without it" in shop.err
    assert "give back= a value in 0002_" in shop.err
    assert shop.migrate("shop", "1", "--accept-unreadable") == 0, shop.err
    records = shop.records()
    assert {key: records[key] for key in before} == before
    assert shop.migrate() == 0
    shop.put("newer", n="3")
    shop.edit('"ref"', '"ref", back="none"')
    assert shop.migrate("shop", "1") == 0, shop.err
    assert shop.records()["newer"]["ref"] == b"none"


def test_a_field_with_a_default_in_the_class_may_be_missing(shop: Any) -> None:
    shop.release("ref: str = 'x'\nn: int = 0")
    shop.release("n: int = 0", version=2, answers=("--drop", "Item.ref"))
    shop.put("new", n="2")

    assert shop.migrate("shop", "1") == 0, shop.err
    shop.declare("ref: str = 'x'\nn: int = 0")
    [item] = shop.code().Item.sync.select()
    assert item.ref == "x"


def test_a_function_without_a_way_back_refuses_records_made_since(shop: Any) -> None:
    shop.release("cents: int = 0")
    shop.put("old", cents="5")
    shop.declare("cents: int = 0", version=2)
    assert shop.run("makemigrations") == 0, shop.err
    shop.edit("operations = [", 'operations = [migrations.Transform("Item", to_cents)')
    shop.edit("class Migration", "def to_cents(old, new):\n    new.cents = old.cents * 100\n\n\nclass Migration")
    assert shop.migrate() == 0, shop.err
    shop.put("new", cents="700")

    assert shop.migrate("shop", "1") == 6
    assert "item:new: Transform Item with to_cents cannot be undone for a record that was" in shop.err
    assert json.loads(shop.records()["new"]["cents"]) == 700


_OTHER = """
class Other(Model):
    id: str = Field(primary_key=True)
{fields}
    class Meta:
        version = {version}
"""


@pytest.mark.parametrize(
    ("old", "new", "bad"),
    [
        ("age: int = Field(le=120)", "age: int", "150"),
        ("k: Literal['a', 'b']", "k: Literal['a', 'b', 'c']", '"c"'),
    ],
)
def test_records_that_no_migration_rewrites_are_looked_at_too(shop: Any, old: str, new: str, bad: str) -> None:
    name = _name(old)
    shop.release(old, _OTHER.format(fields="", version=1))
    shop.put("old", **{name: "7" if bad == "150" else '"a"'})
    shop.release(old, _OTHER.format(fields="    n: int = 0\n", version=2))
    shop.declare(new, _OTHER.format(fields="    n: int = 0\n", version=2))
    assert shop.run("makemigrations") == 0, shop.err
    shop.release(new, _OTHER.format(fields="    n: int = 0\n    m: int = 0\n", version=3))
    assert shop.migrate("shop", "2") == 0, shop.err
    assert shop.migrate() == 0, shop.err
    shop.put("new", **{name: bad})

    assert shop.migrate("shop", "2") == 0, shop.err
    assert shop.migrate("shop", "1") == 6, shop.err
    assert f"error: item:new: field '{name}' holds" in shop.err
    assert "shop: not started, nothing was changed" in shop.err
    assert shop.migrate("shop", "1", "--accept-unreadable") == 0, shop.err


_PRICE = "class Price(BaseModel):\n    {key}: {type}\n"
_CENTS = "def cents(value):\n    return round(value * 100)\n\n\nclass Migration"


@pytest.mark.parametrize("back", ["", ", back=euros"])
@pytest.mark.parametrize("is_nested", [False, True])
def test_pydantics_way_back_is_taken_only_where_the_function_confirms_it(shop: Any, is_nested: bool, back: str) -> None:
    field, path, spelled = ("p: Price", "p.n", '{"n": %s}') if is_nested else ("n: float", "n", "%s")
    field, newer = (field, field) if is_nested else (field, "n: int")
    name = path.partition(".")[0]
    shop.release(field, _PRICE.format(key="n", type="float"))
    shop.put("old", **{name: spelled % "1.5"})
    before = shop.records()
    shop.declare(newer, _PRICE.format(key="n", type="int"), 2)
    assert shop.run("makemigrations", "--compute", f"Item.{path}") == 0, shop.err
    text = shop.newest()
    function = text.partition("convert=")[2].partition(",")[0].partition(")")[0].strip()
    shop.edit(f"convert={function}", f"convert=cents{back}")
    shop.edit("class Migration", "def euros(value):\n    return value / 100\n\n\n" + _CENTS)
    assert shop.migrate() == 0, shop.err
    shop.put("new", **{name: spelled % "199"})

    code = shop.migrate("shop", "1")

    if back:
        assert code == 0, shop.err
        assert (shop.records()["old"], shop.records()["new"][name].decode()) == (before["old"], spelled % "1.99")
    else:
        assert code == 6, shop.out + shop.err
        assert f"item:new: field '{path}'" in shop.err
        assert (
            "pydantic converts it to 199.0, from which convert= makes another value; give back= a function" in shop.err
        )


def test_pydantics_way_back_is_taken_where_the_function_makes_the_same_again(shop: Any) -> None:
    shop.release("n: str")
    shop.declare("n: int", version=2)
    assert shop.run("makemigrations", "--compute", "Item.n") == 0, shop.err
    shop.edit('raise NotImplementedError("write item_n() first")', "return int(str(value).strip())")
    assert shop.migrate() == 0, shop.err
    shop.put("new", n="12")

    assert shop.migrate("shop", "1") == 0, shop.err
    assert shop.records()["new"]["n"] == b"12"
