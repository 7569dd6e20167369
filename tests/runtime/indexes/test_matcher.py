"""Which records meet conditions, and how they sort."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, SecretStr

from redis_models import Field, Model, asc, desc, on
from redis_models.indexes.conditions import AllOf, AnyOf, Comparison, Order
from redis_models.indexes.entries import entry_of, member, part_of
from redis_models.indexes.matcher import judge, matches, resolved, resolved_order, sort_key

from .things import COUNT, Rank, Status, Thing, as_condition


def _finds(condition: object, **values: Any) -> bool:
    """Tell whether a condition finds a record of some values."""
    return matches(resolved(as_condition(condition), Thing.__mapper__), Thing.model_construct(id="a", **values))


def test_none_equals_none_and_has_no_order() -> None:
    size = on(Thing.size)

    assert _finds(size == None)  # noqa: E711
    assert _finds(size != 5)
    assert not _finds(size == 5)
    assert not any(_finds(made) for made in (size < 5, size <= 5, size > 5, size >= 5, size.between(0, 9)))
    assert _finds(~(size < 5))
    assert _finds(size.one_of([1, None]))
    assert not _finds(size.one_of([1]))
    assert not _finds(on(Thing.name).startswith(""))


def test_nan_equals_nothing_and_has_no_order() -> None:
    for name, nan in (("size", math.nan), ("price", Decimal("NaN"))):
        field = on(Thing, name)
        held = {name: nan}

        assert _finds(field != nan, **held)
        assert _finds(~(field < 5), **held)
        refused = (field == nan, field < 5, field > 5, field >= nan, field.one_of([nan, 1]))
        assert not any(_finds(made, **held) for made in refused)
        assert not _finds(field < nan, **{name: type(nan)(5)})


def test_numbers_equal_by_value() -> None:
    assert _finds(Thing.size == 0.0, size=-0.0)
    assert _finds(Thing.price == Decimal("1.1"), price=Decimal("1.10"))
    assert _finds(on(Thing.price).one_of([Decimal("1.10")]), price=Decimal("1.1"))
    assert _finds(Thing.number == 2**53 + 1, number=2**53 + 1)
    assert not _finds(Thing.number == 2**53 + 1, number=2**53)
    assert _finds(on(Thing.size) < math.inf, size=1e308)


def test_moments_compare_in_utc_and_never_with_those_without_a_zone() -> None:
    created = on(Thing.created)
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=14)))

    assert _finds(created == noon, created=east)
    assert _finds(created.one_of([noon]), created=east)
    assert not _finds(created == noon.replace(tzinfo=None), created=noon)
    assert _finds(created != noon.replace(tzinfo=None), created=noon)
    for naive in (datetime.min, datetime.max):
        assert not any(_finds(made, created=noon) for made in (created < naive, created >= naive))
    first, last = (datetime.min.replace(tzinfo=timezone(timedelta(hours=hours))) for hours in (14, -14))
    assert _finds(created < last, created=first)
    assert _finds(created > datetime.max.replace(tzinfo=UTC), created=datetime.max.replace(tzinfo=last.tzinfo))


def test_an_hour_that_occurs_twice_has_two_meanings() -> None:
    before = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    after = datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1)))

    assert _finds(on(Thing.created) > before, created=after)
    assert not _finds(on(Thing.created) == before, created=after)


def test_enums_count_by_their_values() -> None:
    assert _finds(Thing.status == Status.NEW, status=Status.NEW)
    assert _finds(on(Thing.rank) > Rank.LOW, rank=Rank.HIGH)
    assert _finds(on(Thing.status) < Status.PAID, status=Status.NEW)
    assert _finds(on(Thing.status).startswith("pa"), status=Status.PAID)
    assert _finds(on(Thing.kind).startswith("a"), kind="a")

    class Valued(Model):
        model_config = ConfigDict(use_enum_values=True)
        id: str = Field(primary_key=True)
        status: Status = Status.NEW

    for value in (Status.PAID, "paid"):
        assert matches(resolved(on(Valued, "status") == value, Valued.__mapper__), Valued(id="a", status=Status.PAID))


def test_text_is_found_by_its_whole_and_by_parts() -> None:
    long = "a" * 300

    assert _finds(Thing.name == long, name=long)
    assert not _finds(Thing.name == long, name=long + "b")
    assert _finds(on(Thing.name).startswith(long), name=long + "b")
    assert _finds(on(Thing.name).contains("bc"), name="abcd")
    assert not _finds(on(Thing.name).contains("BC"), name="abcd")
    assert not _finds(on(Thing.name).contains("bc"))
    assert _finds(on(Thing.name) < "\U0001f600", name="\uffff")  # by code points


def test_nocase_folds_a_to_z_only() -> None:
    email = on(Thing.email)

    held = {"email": "Ann@Ärzte.example"}
    assert _finds(email == "ann@ÄRZTE.EXAMPLE", **held)
    assert not _finds(email == "ann@ärzte.example", **held)
    assert _finds(email.startswith("ANN@"), **held)
    assert _finds(email.contains("RZTE"), **held)
    assert _finds(email.one_of(["x", "ANN@Ärzte.EXAMPLE"]), **held)
    assert _finds(email < "B", **held)
    assert not _finds(Thing.name == "ANN", name="ann")


def test_lists_are_looked_into() -> None:
    assert _finds(on(Thing.tags).contains(2), tags=[1, 2])
    assert not _finds(on(Thing.tags).contains(2), tags=[])
    assert _finds(on(Thing, "tags") == [1, 2], tags=[1, 2])


def test_secrets_and_values_without_an_order_are_compared_as_far_as_they_can_be() -> None:
    assert _finds(on(Thing, "token") == SecretStr("a"), token=SecretStr("a"))
    assert _finds(on(Thing, "token").one_of(["a"]), token=SecretStr("a"))
    assert not _finds(on(Thing, "token") < SecretStr("b"), token=SecretStr("a"))


def test_all_and_any_of_nothing() -> None:
    assert _finds(AllOf(()))
    assert not _finds(AnyOf(()))


_ZONES: st.SearchStrategy[Any] = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))]
)
_MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=_ZONES)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers() | st.integers(min_value=-3, max_value=3),
    "size": st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, math.inf, math.nan]),
    "price": st.none()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.sampled_from([Decimal("1.10")]),
    "name": st.none() | st.text(max_size=4) | st.sampled_from(["", "a", "a\0", "a\0b", "ab", "None", "\\None"]),
    "email": st.none() | st.text(alphabet="aAbBäÄ", max_size=3),
    "status": st.none() | st.sampled_from(Status),
    "rank": st.none() | st.sampled_from(Rank),
    "kind": st.none() | st.sampled_from(["a", "b"]),
    "is_paid": st.booleans(),
    "day": st.none() | st.dates(),
    "created": st.none() | _MOMENTS,
    "key": st.none() | st.uuids(),
}


def _plain(name: str, value: Any) -> Any:
    """Give a value as Python orders it, with None and NaN left alone."""
    if isinstance(value, Enum):
        return value.value
    if name == "email" and value is not None:
        return "".join(letter.lower() if letter in "AB" else letter for letter in value)
    return value


def _python(operator: str, value: Any, wanted: Any) -> bool:
    """Say what Python does, an order that it refuses being none."""
    try:
        found: bool = {
            "==": lambda: value == wanted,
            "!=": lambda: value != wanted,
            "<": lambda: value < wanted,
            "<=": lambda: value <= wanted,
            ">": lambda: value > wanted,
            ">=": lambda: value >= wanted,
        }[operator]()
    except TypeError:
        return False
    return found


@pytest.mark.parametrize("name", _VALUES)
@settings(max_examples=150, deadline=None)
@given(drawn=st.data())
def test_every_comparison_finds_what_python_finds(name: str, drawn: st.DataObject) -> None:
    wanted = drawn.draw(_VALUES[name])
    values = drawn.draw(st.lists(_VALUES[name], max_size=5).map(lambda found: [*found, wanted]))
    operator = drawn.draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="] if wanted is not None else ["==", "!="]))
    test = judge(resolved(Comparison(name, operator, wanted), Thing.__mapper__))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    among = judge(resolved(on(Thing, name).one_of([wanted, *values[:1]]), Thing.__mapper__))

    for value in values:
        thing = Thing.model_construct(id="a", **{name: value})
        expected = _python(operator, _plain(name, value), _plain(name, wanted))
        assert test(thing) is expected, (value, operator, wanted)
        assert judge(~resolved(Comparison(name, operator, wanted), Thing.__mapper__))(thing) is not expected  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert among(thing) is any(
            _python("==", _plain(name, value), _plain(name, sought)) for sought in [wanted, *values[:1]]
        )


# How they sort.


def _sorted(values: list[Any], order: Order, name: str) -> list[Any]:
    order = resolved_order(order, Thing.__mapper__)
    key = sort_key([order], Thing.__mapper__)
    things = [Thing.model_construct(id=f"{place:03}", **{name: value}) for place, value in enumerate(values)]
    return [getattr(thing, name) for thing in sorted(things, key=key)]


def test_none_comes_first_unless_it_is_said_otherwise() -> None:
    values = [2.0, None, 1.0]

    assert _sorted(values, asc(Thing.size), "size") == [None, 1.0, 2.0]
    assert _sorted(values, desc(Thing.size), "size") == [2.0, 1.0, None]
    assert _sorted(values, asc(Thing.size, nulls="last"), "size") == [1.0, 2.0, None]
    assert _sorted(values, desc(Thing.size, nulls="first"), "size") == [None, 2.0, 1.0]


def test_nan_sorts_last() -> None:
    found = _sorted([math.nan, -math.inf, None, math.inf, 0.0], asc(Thing.size), "size")

    assert found[:4] == [None, -math.inf, 0.0, math.inf]
    assert math.isnan(found[4])


def test_ties_go_by_primary_key_in_the_direction_of_the_last_order() -> None:
    things = [Thing(id=pk, number=number, count=3) for pk, number in (("b", 1), ("a", 1), ("c", 0))]

    def keys(*orders: Order) -> list[str]:
        return [thing.id for thing in sorted(things, key=sort_key(orders, Thing.__mapper__))]

    assert keys() == ["a", "b", "c"]
    assert keys(asc(Thing.number)) == ["c", "a", "b"]
    assert keys(desc(Thing.number)) == ["b", "a", "c"]
    assert keys(desc(COUNT), asc(Thing.number)) == ["c", "a", "b"]
    assert keys(asc(COUNT), desc(Thing.number)) == ["b", "a", "c"]


def test_texts_that_differ_after_what_an_entry_has_are_equal() -> None:
    long = "a" * 256

    assert _sorted([long + "b", long + "a", "a" * 255 + "b"], asc(Thing.name), "name") == [
        long + "b",
        long + "a",
        "a" * 255 + "b",
    ]


@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("name", _VALUES)
@settings(max_examples=100, deadline=None)
@given(drawn=st.data())
def test_records_sort_as_their_entries_do(name: str, is_descending: bool, drawn: st.DataObject) -> None:
    values = drawn.draw(st.lists(_VALUES[name], max_size=12))
    if name == "name":
        values += drawn.draw(st.lists(st.text(alphabet="aä", min_size=250, max_size=260), max_size=4))
    mapper = Thing.__mapper__
    codec = mapper.field(name).codec
    part = part_of(name, codec, folds_case=name == "email")
    things = [Thing.model_construct(id=f"{place:03}", **{name: value}) for place, value in enumerate(values)]

    def by_entry(thing: Thing) -> bytes:
        found = entry_of(part, codec, getattr(thing, name))
        assert found is not None
        return member([found.text], thing.id.encode())

    order = resolved_order(Order(name, is_descending), mapper)
    found = [thing.id for thing in sorted(things, key=sort_key([order], mapper))]
    assert found == [thing.id for thing in sorted(things, key=by_entry, reverse=is_descending)]


def test_keys_of_several_orders_compare_part_by_part() -> None:
    things = [
        Thing(id=f"{number}{size}", number=number, size=size)
        for number in (1, 2)
        for size in (None, 1.0, 2.0, math.nan)
    ]
    key = sort_key([asc(Thing.number), desc(Thing.size)], Thing.__mapper__)

    found = [thing.id for thing in sorted(things, key=key)]

    assert found == ["1nan", "12.0", "11.0", "1None", "2nan", "22.0", "21.0", "2None"]
