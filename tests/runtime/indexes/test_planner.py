"""The planner: which ranges of which indexes find the records of a condition, and which way is the cheapest."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import pytest

from redis_models import Condition, Field, Model, asc, desc, on
from redis_models.indexes.conditions import AllOf, AnyOf, Not
from redis_models.indexes.conditions import Order as SortOrder
from redis_models.indexes.declarations import definitions_of
from redis_models.indexes.matcher import resolved, resolved_order
from redis_models.indexes.plan import AnyScan, Choices, KeyScan, Plan, Scan
from redis_models.indexes.planner import choices_of, decide, simplified
from redis_models.indexes.scans import usable_indexes


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Ship(Model):
    id: str = Field(primary_key=True)
    name: str = Field(index=True)
    tag: str | None = Field(default=None, unique=True)
    tons: int | None = Field(default=None, index=True)
    speed: float = Field(default=0.0, index=True)
    colour: Colour = Field(default=Colour.RED, index=True)
    port: str = Field(default="", index=True, nocase=True)
    note: str = ""

    class Meta:
        indexes = (("colour", "tons"), ("port", "colour", "name"))


def _choices(condition: Condition, *orders: SortOrder) -> Choices:
    mapper = Ship.__mapper__
    indexes = usable_indexes(mapper, definitions_of(mapper))
    wanted = [resolved_order(order, mapper) for order in orders]
    return choices_of(mapper, indexes, resolved(condition, mapper), wanted)


def _branch(condition: Condition, *orders: SortOrder) -> tuple[AnyScan, ...]:
    """Give the scans of the only branch of a condition."""
    branches = _choices(condition, *orders).branches
    assert branches is not None and len(branches) == 1
    return branches[0]


def _scan(condition: Condition, index: str, *orders: SortOrder) -> Scan:
    branch = _branch(condition, *orders)
    found = [scan for scan in branch if isinstance(scan, Scan) and scan.target.name == index]
    assert len(found) == 1, list(branch)
    return found[0]


def _ranges(condition: Condition, index: str, *orders: SortOrder) -> list[tuple[bytes, bytes]]:
    return [(span.first, span.end) for span in _scan(condition, index, *orders).ranges]


def _names(plan: Plan | None) -> list[str]:
    assert plan is not None
    return [scan.target.name if isinstance(scan, Scan) else "keys" for scan in plan.scans or ()]


ALL: Final = AllOf(())
EVERYTHING: Final[Any] = ALL
RED: Final[Condition] = on(Ship.colour) == Colour.RED


@pytest.mark.parametrize(
    ("condition", "index", "first", "end"),
    [
        (on(Ship.name) == "ab", "name", b"=ab\0", b"=ab\0\xff"),
        (on(Ship.name) < "ab", "name", b'"', b"=ab\0"),
        (on(Ship.name) <= "ab", "name", b'"', b"=ab\0\xff"),
        (on(Ship.name) > "ab", "name", b"=ab\0\xff", b"\xff"),
        (on(Ship.name) >= "ab", "name", b"=ab\0", b"\xff"),
        (on(Ship.name).startswith("ab"), "name", b"=ab", b"=ab\xff"),
        (on(Ship.name).startswith(""), "name", b"=", b"=\xff"),
        (on(Ship.name) == "a\0b", "name", b"=a\0\xffb\0", b"=a\0\xffb\0\xff"),
        (on(Ship.tons) == 5, "tons", b"Q5\0", b"Q5\0\xff"),
        (on(Ship.tons).is_none(), "tons", b"!\0", b"!\0\xff"),
        (on(Ship.tons).between(5, 10), "tons", b"Q5\0", b"R10\0\xff"),
        ((on(Ship.tons) > 5) & (on(Ship.tons) > 7), "tons", b"Q7\0\xff", None),
        (on(Ship.port) == "ROME", "port", b"=rome\0", b"=rome\0\xff"),
        (RED & (on(Ship.tons) < 10), "colour_tons", None, b"=red\0R10\0"),
        (RED & (on(Ship.tons) == 10), "colour_tons", b"=red\0R10\0", b"=red\0R10\0\xff"),
        (RED & (on(Ship.note) == "x"), "colour", b"=red\0", b"=red\0\xff"),
    ],
)
def test_the_range_of_a_condition(condition: Condition, index: str, first: bytes | None, end: bytes | None) -> None:
    [(low, high)] = _ranges(condition, index)

    inside = {b'"': b"=", None: low}.get(first, first)
    assert low == inside or (first == b'"' and b"!" < low <= b"=")
    assert high == end or end is None or (end == b"\xff" and high > b"=\xf4")


def test_values_are_ranges_in_the_order_of_the_index_each_once() -> None:
    days = on(Ship.tons).one_of([10, 9, None, 9])

    assert [first for first, _ in _ranges(days, "tons")] == [b"!\0", b"Q9\0", b"R10\0"]
    assert _ranges(on(Ship.tons).one_of([]), "tons") == []
    both = on(Ship.colour).one_of([Colour.RED, Colour.BLUE]) & on(Ship.tons).one_of([1, 2])
    assert [first for first, _ in _ranges(both, "colour_tons")] == [
        b"=blue\0Q1\0", b"=blue\0Q2\0", b"=red\0Q1\0", b"=red\0Q2\0",
    ]  # fmt: skip


def test_at_most_a_hundred_ranges_are_read() -> None:
    colours = on(Ship.colour).one_of([Colour.RED, Colour.BLUE])

    assert len(_ranges(colours & on(Ship.tons).one_of(range(50)), "colour_tons")) == 100
    # Of one more, both colours are read whole.
    assert len(_ranges(colours & on(Ship.tons).one_of(range(51)), "colour")) == 2


def test_ranges_that_exclude_each_other_find_nothing() -> None:
    assert _ranges((on(Ship.tons) > 5) & (on(Ship.tons) < 5), "tons") == []
    assert _ranges(on(Ship.speed) > float("nan"), "speed") == []


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        (on(Ship.name) == "ab", 0),
        (on(Ship.name) == "a" * 255, 0),
        (on(Ship.name) == "a" * 256, 1),  # longer texts have this entry, too
        (on(Ship.name) > "é" * 200, 1),
        (on(Ship.name).startswith("a" * 300), 1),
        (on(Ship.speed) == 1.5, 0),
        (on(Ship.speed) < 1.5, 1),
        (on(Ship.speed) == float("nan"), 1),
        ((on(Ship.tons) == 5) & (on(Ship.tons) < 9), 1),
        (RED & (on(Ship.tons) > 3), 0),
        (RED & (on(Ship.tons) != 3), 1),
        (RED & ~(on(Ship.tons) < 3) & ((on(Ship.note) == "a") | (on(Ship.note) == "b")), 2),
    ],
)
def test_what_ranges_do_not_say_in_full_is_left_over(condition: Condition, left: int) -> None:
    branch = _branch(condition)

    assert min(len(scan.left) for scan in branch if isinstance(scan, Scan)) == left


@pytest.mark.parametrize(
    "condition",
    [
        on(Ship.note) == "x",
        on(Ship.tons) != 5,
        ~(on(Ship.tons) == 5),
        on(Ship.name).contains("x"),
        (on(Ship.tons) == 5) | (on(Ship.note) == "x"),
        on(Ship.id) > "x",
    ],
)
def test_what_no_index_serves_has_no_branches(condition: Condition) -> None:
    choices = _choices(condition)

    assert choices.branches is None
    assert decide(choices, None, None) is None


def test_the_primary_key_is_an_index_of_its_own() -> None:
    choices = _choices((on(Ship.id) == "a") & (on(Ship.tons) == 3))

    assert choices.branches is not None
    [[scan]] = choices.branches
    assert isinstance(scan, KeyScan)
    assert scan.values == ("a",)


def test_a_unique_value_beats_every_other_way() -> None:
    choices = _choices((on(Ship.tag) == "x") & (on(Ship.tons) == 3) & (on(Ship.name) == "y"))

    assert _names(decide(choices, None, None)) == ["tag"]
    assert _scan(on(Ship.tag).is_none(), "tag").most is None


def test_the_smallest_index_is_read() -> None:
    choices = _choices((on(Ship.name) == "y") & (on(Ship.tons) == 3))

    assert [scan.target.name for scan in choices.scans if isinstance(scan, Scan)] == ["name", "tons"]
    assert _names(decide(choices, [5, 4], None)) == ["tons"]
    assert _names(decide(choices, [4, 5], None)) == ["name"]


def test_what_is_common_is_served_before_a_branch_is_spread() -> None:
    either = (on(Ship.name) == "a") | (on(Ship.name) == "b")

    assert _names(decide(_choices((on(Ship.tons) == 3) & either), None, None)) == ["tons"]
    assert _names(decide(_choices((on(Ship.note) == "x") & either), None, None)) == ["name", "name"]
    nested = (on(Ship.note) == "x") & (either | ((on(Ship.note) == "y") & (RED | (on(Ship.tons) == 1))))
    assert _names(decide(_choices(nested), None, None)) == ["name", "name", "colour", "tons"]


def test_a_composite_index_may_take_its_parts_from_within_and_without_a_branch() -> None:
    spread = (on(Ship.tons) > 5) & (RED | (on(Ship.colour) == Colour.BLUE)) & (on(Ship.note) == "x")

    assert _names(decide(_choices(spread), None, None)) == ["tons"]


def test_no_more_than_eight_branches_are_made() -> None:
    def either(count: int) -> Condition:
        return AnyOf(tuple(on(Ship.tons) == number for number in range(count)))

    assert len(_choices(either(8)).branches or ()) == 8
    assert _choices(either(9)).branches is None
    assert len(_choices(either(4) | (either(4) & (on(Ship.note) == "x"))).branches or ()) == 8
    assert _choices((either(9) & (on(Ship.note) == "x")) | RED).branches is None
    deep: Condition = on(Ship.note) == "x"
    for _ in range(40):
        deep = (deep & (on(Ship.note) != "y")) | (on(Ship.note) == "z")
        deep = deep & ((on(Ship.note) == "v") | (on(Ship.note) == "w"))
    assert _choices(deep).branches is None  # and at once


@pytest.mark.parametrize(
    ("condition", "orders", "index", "start", "is_descending"),
    [
        (RED, [asc(Ship.tons)], "colour_tons", 1, False),
        (RED, [desc(Ship.tons)], "colour_tons", 1, True),
        (RED, [asc(Ship.colour), asc(Ship.tons)], "colour_tons", 0, False),
        (RED, [desc(Ship.colour), asc(Ship.tons)], "colour_tons", 1, False),
        (RED, [asc(Ship.colour)], "colour", 0, False),
        (on(Ship.colour).one_of([Colour.RED, Colour.BLUE]), [desc(Ship.tons)], "colour_tons", 1, True),
        (
            on(Ship.colour).one_of([Colour.RED, Colour.BLUE]),
            [asc(Ship.colour), asc(Ship.tons)],
            "colour_tons",
            0,
            False,
        ),
        (on(Ship.tons) > 5, [desc(Ship.tons)], "tons", 0, True),
        (on(Ship.port) == "x", [asc(Ship.colour), asc(Ship.name)], "port_colour_name", 1, False),
    ],
)
def test_an_index_that_has_the_wanted_order(
    condition: Condition, orders: Sequence[SortOrder], index: str, start: int, is_descending: bool
) -> None:
    scan = _scan(condition, index, *orders)

    assert (scan.order_start, scan.is_descending) == (start, is_descending)


@pytest.mark.parametrize(
    ("condition", "orders"),
    [
        (RED, [asc(Ship.colour), desc(Ship.name)]),
        (on(Ship.port) == "x", [asc(Ship.name)]),
        (on(Ship.port) == "x", [asc(Ship.colour), desc(Ship.name)]),
        (on(Ship.name) > "x", [asc(Ship.tons)]),
    ],
)
def test_an_order_that_no_index_of_the_condition_has(condition: Condition, orders: Sequence[SortOrder]) -> None:
    branch = _branch(condition, *orders)

    assert [scan.order_start for scan in branch if isinstance(scan, Scan)] in ([None], [None, None])


def test_none_apart_is_a_range_of_its_own() -> None:
    [first, last] = _scan(RED, "colour_tons", asc(Ship.tons, nulls="last")).ranges

    assert (first.rank, last.rank) == (0, 1)
    assert first.first > b"=red\0!\0" and first.end == b"=red\0\xff"
    assert (last.first, last.end) == (b"=red\0!\0", b"=red\0!\0\xff")
    assert [span.rank for span in _scan(RED, "colour_tons", asc(Ship.tons, nulls="first")).ranges] == [0]
    bounded = RED & (on(Ship.tons) > 5)
    assert [span.rank for span in _scan(bounded, "colour_tons", asc(Ship.tons, nulls="last")).ranges] == [0]


def test_a_limit_decides_between_the_index_of_the_condition_and_that_of_the_order() -> None:
    choices = _choices((on(Ship.name) == "x"), asc(Ship.tons))
    assert [scan.target.name for scan in choices.scans if isinstance(scan, Scan)] == ["name", "tons"]

    def chosen(name: int, tons: int, limit: int | None, *, in_order: bool = False) -> list[str]:
        return _names(decide(choices, [name, tons], limit, in_order=in_order))

    assert chosen(1000, 10_000, None) == ["name"]
    assert chosen(1000, 10_000, 10) == ["tons"]  # a hundred are read to find ten
    assert chosen(20, 10_000, 10) == ["name"]
    assert chosen(20, 10_000, None, in_order=True) == ["tons"]
    assert chosen(0, 0, 10) == ["name"]


def test_an_order_without_an_index_is_refused_unless_there_are_few_records() -> None:
    order = asc(Ship.note)

    assert decide(_choices(RED, order), None, None) is None
    assert decide(_choices(EVERYTHING, order), None, None) is None
    unique = decide(_choices(on(Ship.tag) == "x", order), None, None)
    assert unique is not None
    assert not unique.is_sorted
    keys = decide(_choices(on(Ship.id).one_of(["a", "b"]), order), None, None)
    assert keys is not None
    assert not keys.is_sorted


def test_branches_are_merged_only_by_one_order() -> None:
    alike = _choices((RED & (on(Ship.note) == "x")) | (on(Ship.tons) > 3), asc(Ship.tons))
    apart = _choices((on(Ship.name) == "x") | (on(Ship.tons) == 3), asc(Ship.tons))

    merged, sorted_after = decide(alike, None, None), decide(apart, [4, 2, 100], None)
    assert merged is not None and merged.is_sorted
    assert _names(merged) == ["colour_tons", "tons"]
    assert sorted_after is not None and not sorted_after.is_sorted
    assert _names(decide(apart, [4, 2, 100], None, in_order=True)) == ["tons"]


def test_branches_of_one_value_each_are_sorted_by_it() -> None:
    either = (on(Ship.tons) == 7) | on(Ship.tons).is_none() | (on(Ship.tons) == 3)

    plan = decide(_choices(either, asc(Ship.tons, nulls="last")), None, None)

    assert plan is not None and plan.is_sorted
    ranks = [[span.rank for span in scan.ranges] for scan in plan.scans or () if isinstance(scan, Scan)]
    assert ranks == [[0], [1], [0]]
    assert {scan.order_start for scan in plan.scans or () if isinstance(scan, Scan)} == {0}


def test_not_is_pushed_down_and_nothing_else_changes() -> None:
    a, b, c = on(Ship.tons) == 1, on(Ship.tons) == 2, on(Ship.tons) == 3

    assert simplified(Not(Not(a))) == a
    assert simplified(Not(a & (b | c))) == AnyOf((Not(a), AllOf((Not(b), Not(c)))))
    assert simplified(AllOf((AllOf((a, b)), AllOf((c,))))) == AllOf((a, b, c))
    assert simplified(AnyOf((a, AnyOf((b, c))))) == AnyOf((a, b, c))
    assert simplified(Not(ALL)) == AnyOf(())


def test_no_record_is_wanted_of_no_alternatives() -> None:
    choices = _choices(AnyOf(()))

    assert choices.branches == ()
    plan = decide(choices, None, None)
    assert plan is not None
    assert plan.scans == ()


def test_an_index_of_another_type_is_not_read() -> None:
    class Other(Model):
        id: str = Field(primary_key=True)
        name: str | None = None
        tons: str = ""
        colour: str = ""

    readable = {index.name for index in usable_indexes(Other.__mapper__, definitions_of(Ship.__mapper__))}

    # Text and enums of text have the same entries; text and numbers have not; and other fields are not there.
    assert readable == {"name", "colour"}
