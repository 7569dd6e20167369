"""The way back over a type that was widened: old code reads every record, or the run stops and names one."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from redis_models.errors import RecordError
from redis_models.migrations.chain.upgrade_path import UpgradePath, make_version_step
from redis_models.migrations.edits.stored_values import is_equal
from redis_models.migrations.operations import AlterField, CreateModel
from redis_models.migrations.schema.snapshot import FieldSchema, Snapshot
from redis_models.migrations.schema.type_compatibility import is_widening

# What the field was and is, what stands before the model, what new code writes, and how it is named.
_PLACE = "class Place(BaseModel):\n    zip: {zip}\n    town: str = ''\n"
_COLOR = "class Color(enum.Enum):\n    RED = 'red'\n    BLUE = 'blue'\n{more}"
_WIDER = {
    "None": ("rank: int = 0", "rank: int | None = None", "", "", "null", "rank"),
    "None in a list": ("tags: list[str] = []", "tags: list[str | None] = []", "", "", '["a", null]', "tags"),
    "another kind": ("size: int = 0", "size: int | list[int] = 0", "", "", "[4, 5]", "size"),
    "text that looks like a number": ("size: list[int] = []", "size: list[int | str] = []", "", "", '["7"]', "size"),
    "a number that looks like a moment": (
        "at: datetime | None = None",
        "at: datetime | int | None = None",
        "",
        "",
        "1700000000",
        "at",
    ),
    "a value of a dict": (
        "sums: dict[str, int] = {}",
        "sums: dict[str, int | None] = {}",
        "",
        "",
        '{"a": null}',
        "sums",
    ),
    "a key of a nested object": (
        "place: Place",
        "place: Place",
        _PLACE.format(zip="int"),
        _PLACE.format(zip="int | None = None"),
        '{"zip": null, "town": "Rome"}',
        "place.zip",
    ),
    "a key of objects in a list": (
        "places: list[Place]",
        "places: list[Place]",
        _PLACE.format(zip="int"),
        _PLACE.format(zip="int | None = None"),
        '[{"zip": 4, "town": "Rome"}, {"zip": null, "town": ""}]',
        "places.zip",
    ),
    "a member of an enum in a list": (
        "colors: list[Color] = []\nmore: int = 0",
        "colors: list[Color] = []\nmore: float = 0",
        _COLOR.format(more=""),
        _COLOR.format(more="    GREEN = 'green'\n"),
        '["red", "green"]',
        "colors",
    ),
    "a member of an enum": (
        "color: Color = Color.RED\nmore: int = 0",
        "color: Color = Color.RED\nmore: float = 0",
        _COLOR.format(more=""),
        _COLOR.format(more="    GREEN = 'green'\n"),
        '"green"',
        "color",
    ),
}
_DEFAULTS = {"place": '{"zip": 1, "town": "Oslo"}', "places": '[{"zip": 1, "town": "Oslo"}]'}


@pytest.mark.parametrize(("old", "new", "before", "after", "raw", "path"), _WIDER.values(), ids=_WIDER)
def test_a_value_that_old_code_cannot_read_stops_the_way_back_which_names_it(
    shop: Any, old: str, new: str, before: str, after: str, raw: str, path: str
) -> None:
    name = path.partition(".")[0]
    shop.release(old, before, 1)
    shop.put("old", **{name: _DEFAULTS[name]} if name in _DEFAULTS else {})
    shop.release(new, after, 2)
    shop.put("new", **{name: raw})
    there = shop.records()

    code = shop.migrate("shop", "1")

    assert code == 6, shop.out + shop.err
    assert "item:new" in shop.err
    assert f"field {path!r}" in shop.err
    assert "give back= a function" in shop.err
    assert shop.records()["new"] == there["new"]


def test_back_converts_what_the_older_type_cannot_hold_and_leaves_the_rest_alone(shop: Any) -> None:
    shop.release("rank: int = 0")
    shop.put("old", rank="7")
    before = shop.records()
    shop.release("rank: int | None = None", version=2)
    shop.edit('"int | None"', '"int | None", back=lambda rank: -1')
    assert shop.run("migrate", "shop", "2", "--fake") == 0, shop.err
    shop.put("none", rank="null")
    shop.put("spelled", rank="None")
    shop.put("some", rank="12")

    code = shop.migrate("shop", "1")
    shop.declare("rank: int = 0")
    items = {item.id: item.rank for item in shop.code().Item.sync.select()}

    assert code == 0, shop.err
    assert items == {"old": 7, "none": -1, "spelled": -1, "some": 12}
    assert shop.records()["old"] == before["old"]


def test_the_way_back_over_several_migrations_looks_at_each_of_them(shop: Any) -> None:
    shop.release("a: int = 0\nb: str = ''")
    shop.put("one", a="1", b="x")
    before = shop.records()
    shop.release("a: int | None = None\nb: str = ''", version=2)
    shop.release("a: int | None = None\nc: str = ''", version=3, answers=("--rename", "Item.b=c"))
    shop.release("d: int | list[int] | None = None\nc: str = ''", version=4, answers=("--rename", "Item.a=d"))
    shop.put("list", d="[1]", c="y")
    shop.put("null", d="null", c="y")

    assert shop.migrate("shop", "3") == 6
    assert "item:list" in shop.err
    assert "item:null" not in shop.err
    with shop.server.client() as client:
        client.hset("item:list", "d", "5")
    assert shop.migrate("shop", "3") == 0, shop.err
    assert shop.migrate("shop", "1") == 6
    assert "item:null" in shop.err
    with shop.server.client() as client:
        client.hset("item:null", "a", "6")
    assert shop.migrate("shop", "1") == 0, shop.err

    assert shop.records()["one"] == before["one"]
    assert (shop.records()["list"]["a"], shop.records()["null"]["a"]) == (b"5", b"6")


def test_a_value_written_by_new_code_before_a_run_that_is_given_up_is_looked_at(shop: Any) -> None:
    shop.release("rank: int = 0\nname: str = ''")
    shop.put("bad", rank="1", name="x")
    shop.declare("rank: int | None = None\nname: int = 0", version=2)
    assert shop.run("makemigrations") == 0
    shop.put("new", rank="null", name="4")
    assert shop.migrate("--ignore-sample") == 6

    code = shop.migrate("shop", "1")

    assert code == 6
    assert "item:new" in shop.err
    assert "give back= a function" in shop.err


def test_the_way_back_is_described_before_the_run(shop: Any) -> None:
    shop.release("rank: int = 0")
    shop.release("rank: int | None = None", version=2)

    shop.run("explain", "shop", "2")
    without = shop.out
    shop.run("-v", "migrate", "shop", "1", "--plan")
    plan = shop.out
    shop.edit('"int | None"', '"int | None", back=abs')
    shop.run("explain", "shop", "2")

    for text in (without, plan):
        assert "back: values that int reads as the same stay; others stop the run, because there is no back=" in text
    assert "others are converted by back=" in shop.out


# Types by canonical text, with values as JSON has them.
# Types by canonical text, with a value as JSON has it.
@dataclass(frozen=True)
class _Drawn:
    old: str
    new: str
    value: object


_LEAVES = {
    "int": st.integers(-(2**53), 2**53),
    "bool": st.booleans(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "JSON[str]": st.text(max_size=5) | st.sampled_from(["5", "true", "null", "1.5", "None"]),
    "None": st.none(),
    "Literal['a', 'b']": st.sampled_from(["a", "b"]),
    "Enum(A='a', B='c')": st.sampled_from(["a", "c"]),
    "UUID": st.uuids().map(str),
}


def _in_json(text: str) -> str:
    return text.replace("JSON[str]", "str")


@st.composite
def _members(draw: st.DrawFn, least: int) -> list[str]:
    names = draw(st.lists(st.sampled_from(sorted(_LEAVES)), min_size=least, max_size=4, unique=True))
    return [name for name in names if name != "None"] + [name for name in names if name == "None"]


@st.composite
def wider_types(draw: st.DrawFn) -> _Drawn:
    """Draw a type, one that has a member more, and values of that; perhaps in a container."""
    new = draw(_members(2))
    gone = draw(st.sampled_from(new))
    old = [member for member in new if member != gone]
    values = st.one_of([_LEAVES[member] for member in new])
    frame, drawn = draw(
        st.sampled_from(
            [
                ("{}", values),
                ("list[{}]", st.lists(values, max_size=3)),
                ("dict[str, {}]", st.dictionaries(st.text(max_size=3), values, max_size=3)),
                ("tuple[int, {}]", st.tuples(st.integers(0, 9), values).map(list)),
                ("Object(k={}, n=int)", st.fixed_dictionaries({"k": values, "n": st.integers(0, 9)})),
            ]
        )
    )
    before, after = (" | ".join(name if frame == "{}" else _in_json(name) for name in part) for part in (old, new))
    return _Drawn(frame.format(before), frame.format(after), draw(drawn))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(wider_types())
@example(_Drawn("list[bool]", "list[bool | int]", [1]))
@example(_Drawn("list[float]", "list[float | int]", [1]))
@example(_Drawn("int", "int | None", None))
def test_what_comes_back_is_what_the_older_type_reads_as_the_same_value(drawn: _Drawn) -> None:
    if not is_widening(drawn.old, drawn.new):
        return
    old, new = FieldSchema("x", drawn.old), FieldSchema("x", drawn.new)
    value = new.codec.validate_jsonable(drawn.value)
    raw = new.codec.encode(value)
    before = CreateModel("M", {"id": "str", "x": drawn.old}, "id", "m").apply(Snapshot())
    upgrade_path = UpgradePath(
        "M", (make_version_step("M", before, [AlterField("M", "x", drawn.old, drawn.new)], 2),), 1
    )
    record = {"_v": b"2", "id": b"1", "x": raw}

    try:
        back = upgrade_path.rewrite(record, 1).fields
    except RecordError as exc:
        assert exc.field == "x"
        assert not _reads_as(old, raw, value)
    else:
        assert back == {**record, "_v": b"1"}
        assert is_equal(old.codec.decode(back["x"]), value)
        assert json.loads(json.dumps(old.codec.jsonable(old.codec.decode(raw)))) == new.codec.jsonable(value)


def _reads_as(old: FieldSchema, raw: bytes, value: object) -> bool:
    try:
        return is_equal(old.codec.decode(raw), value)
    except ValueError:
        return False
