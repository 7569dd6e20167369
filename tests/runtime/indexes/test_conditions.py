"""Conditions and orders: what they are made of, what is refused, which records meet them, and how they sort."""

import math
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from annotated_types import Ge
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, SecretStr

from redis_models import Condition, Field, Model, asc, desc, on
from redis_models.errors import EncodeError, QueryError
from redis_models.indexes.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Not,
    Order,
    Reference,
    all_of,
    comparisons_of,
    order_of,
)
from redis_models.indexes.entries import entry_of, member, part_of
from redis_models.indexes.matching import judge, masked, matches, resolved, resolved_order, sort_key


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Rank(Enum):
    LOW = 1
    HIGH = 20


class Thing(Model):
    id: str = Field(primary_key=True)
    count: int = 0  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleMethodOverride]  # a verb's name
    number: int = 0
    size: float | None = None
    price: Decimal | None = None
    name: str | None = None
    email: str | None = Field(default=None, nocase=True)
    status: Status | None = None
    rank: Rank | None = None
    kind: Literal["a", "b"] | None = None
    is_paid: bool = False
    day: date | None = None
    created: datetime | None = None
    key: UUID | None = None
    tags: list[int] = Field(default_factory=list[int])
    token: SecretStr | None = None
    bounded: Annotated[int, Ge(0)] | None = None


class Other(Model):
    id: str = Field(primary_key=True)
    number: int = 0


class Child(Thing):
    pass


COUNT: Reference[Any] = on(Thing, "count")


def _made(condition: object) -> Condition:
    """Give what checkers take for a bool as the condition that it is."""
    assert isinstance(condition, Condition)
    return condition


def _finds(condition: object, **values: Any) -> bool:
    """Tell whether a condition finds a record of some values."""
    return matches(resolved(_made(condition), Thing.__mapper__), Thing.model_construct(id="a", **values))


# What is written, and what it becomes.


def test_operators_make_comparisons() -> None:
    made: list[object] = [
        Thing.number == 5,
        Thing.number != 5,
        Thing.number < 5,
        Thing.number <= 5,
        Thing.number > 5,
        Thing.number >= 5,
    ]

    assert made == [Comparison("number", operator, 5) for operator in ("==", "!=", "<", "<=", ">", ">=")]
    assert {comparison.model for one in made for comparison in comparisons_of(_made(one))} == {Thing}


def test_a_value_may_stand_on_the_left() -> None:
    assert _made(Status.NEW == Thing.status) == Comparison("status", "==", Status.NEW)  # noqa: SIM300
    assert _made(datetime.min < Thing.created) == Comparison("created", ">", datetime.min)  # type: ignore[operator]
    assert _made(Decimal(1) == Thing.price) == Comparison("price", "==", Decimal(1))


def test_words_of_references_make_comparisons() -> None:
    name = on(Thing.name)

    assert name.one_of(["a", None]) == Comparison("name", "in", ("a", None))
    assert name.startswith("a") == Comparison("name", "startswith", "a")
    assert name.contains("a") == Comparison("name", "contains", "a")
    assert name.is_none() == Comparison("name", "==", None)
    assert on(Thing.number).between(1, 5) == AllOf((Comparison("number", ">=", 1), Comparison("number", "<=", 5)))
    assert on(on(Thing.name)) is not None


def test_conditions_are_combined_flat() -> None:
    a, b, c = (_made(Thing.number == value) for value in range(3))

    assert (a & b & c) == (a & (b & c)) == AllOf((a, b, c))
    assert (a | b | c) == AnyOf((a, b, c))
    assert (a & b | c) == AnyOf((AllOf((a, b)), c))
    assert ~a == Not(a)
    assert ~~a == a
    assert list(comparisons_of(~(a & b) | c)) == [a, b, c]
    assert all_of([a, b & c]) == AllOf((a, b, c))
    assert all_of([a]) == a
    assert all_of([]) == AllOf(())


def test_a_field_of_type_bool_is_a_condition() -> None:
    paid = Comparison("is_paid", "==", True)

    assert all_of([Thing.is_paid]) == paid
    assert ~on(Thing.is_paid) == Not(paid)
    assert (on(Thing.is_paid) & (Thing.number == 1)) == AllOf((paid, _made(Thing.number == 1)))
    assert ((Thing.number == 1) | on(Thing.is_paid)) == AnyOf((_made(Thing.number == 1), paid))


@pytest.mark.parametrize(
    "write",
    [
        lambda: Thing.number == 1 and Thing.name == "a",
        lambda: Thing.number == 1 or Thing.number == 2,
        lambda: not (Thing.number == 1),  # noqa: SIM201
        lambda: 1 < Thing.number < 9,
        lambda: Thing.number in [1, 2],
        lambda: 5 if Thing.number else 6,
        lambda: bool(on(Thing.number).between(1, 2)),
        lambda: bool(~(on(Thing.number) == 2)),
    ],
)
def test_conditions_and_fields_have_no_truth_value(write: Callable[[], object]) -> None:
    with pytest.raises(TypeError) as caught:
        write()

    text = str(caught.value)
    assert "Thing.number" in text
    assert "'a & b' for 'a and b'" in text
    assert "one_of" in text


def test_what_is_not_a_condition_is_refused_with_the_cure() -> None:
    thing = Thing(id="a", number=5)

    with pytest.raises(TypeError, match=r"write the class on the left, as in Order.number >= 18"):
        all_of([thing.number >= 18])
    with pytest.raises(TypeError, match=r"write the class on the left"):
        all_of([(Thing.number == 1) & (thing.number == 1)])
    with pytest.raises(TypeError, match=r"Thing.number is a field, not a condition; compare it"):
        all_of([Thing.number])
    with pytest.raises(TypeError, match=r"'number >= 18' is not a condition"):
        all_of(["number >= 18"])


def test_fields_are_compared_with_values_only() -> None:
    with pytest.raises(TypeError, match=r"Thing.number == Thing.count: a field is compared with a value"):
        _ = Thing.number == COUNT
    with pytest.raises(TypeError, match="a field is compared with a value"):
        _ = Thing.number < (Thing.number == 1)
    with pytest.raises(
        TypeError, match=r"Thing.number < None: None has no order; write on\(Thing.number\).is_none\(\)"
    ):
        _ = on(Thing.number) < None  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(TypeError, match=r"one_of\(\) takes a list of values, not 'abc'; write one_of\(\['abc'\]\)"):
        on(Thing.name).one_of("abc")
    with pytest.raises(TypeError, match=r"startswith\(\) takes text, not 5"):
        on(Thing.name).startswith(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_on_takes_fields_of_classes() -> None:
    thing = Thing(id="a", name="b")

    assert (COUNT > 3) == Comparison("count", ">", 3)
    with pytest.raises(TypeError, match=r"on\(\) takes a field of a model class, such as on\(Order.email\), not 'b'"):
        on(thing.name)
    with pytest.raises(TypeError, match=r"on\(Order, 'count'\) for a field with the name of a method"):
        on(Thing.count)
    with pytest.raises(TypeError, match="such as"):
        on(Thing)
    with pytest.raises(QueryError, match="Thing has no field 'nubmer'; it has id, count, number"):
        on(Thing, "nubmer")


def test_orders() -> None:
    assert asc(Thing.number) == Order("number")
    assert desc(on(Thing, "count"), nulls="first") == Order("count", is_descending=True, nulls="first")
    assert order_of(Thing.number) == Order("number")
    assert order_of(desc(Thing.number)) == Order("number", is_descending=True)
    with pytest.raises(TypeError, match=r"asc\(\) takes a field of a model class, such as asc\(Order.created\), not 5"):
        asc(5)
    with pytest.raises(TypeError, match=r"order_by\(\) takes a field"):
        order_of("number")
    with pytest.raises(TypeError, match="nulls must be 'first' or 'last', not 'end'"):
        asc(Thing.number, nulls="end")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_conditions_read_as_they_are_written() -> None:
    number, name = on(Thing.number), on(Thing.name)
    shown = {
        "Thing.number >= 5": number >= 5,
        "(Thing.number >= 5) & (Thing.name == 'a')": (number >= 5) & (name == "a"),
        "((Thing.number > 5) | on(Thing.name).is_none()) & ~(Thing.number == 7)": ((number > 5) | name.is_none())
        & ~(number == 7),
        "on(Thing.name).one_of(['a', None])": name.one_of(["a", None]),
        "~on(Thing.name).startswith('a')": ~name.startswith("a"),
        "Thing.name != None": name != None,  # noqa: E711
        "desc(Thing.count, nulls='last')": desc(COUNT, nulls="last"),
    }

    assert {str(made): made for made in shown.values()} == shown
    assert repr(number) == "Thing.number"
    assert str(on(Thing.number).one_of(range(30))).endswith("19, ...])")


def test_conditions_and_references_pickle() -> None:
    made = (on(Thing.number) > 5) & ~on(Thing.name).one_of(["a"])

    back = pickle.loads(pickle.dumps(made))

    assert back == made
    assert {comparison.model for comparison in comparisons_of(back)} == {Thing}
    assert repr(pickle.loads(pickle.dumps(COUNT))) == "Thing.count"


# Values.


def _value(condition: object) -> Any:
    found = resolved(_made(condition), Thing.__mapper__)
    assert isinstance(found, Comparison)
    return found.value


def test_values_become_those_of_their_fields() -> None:
    assert _value(on(Thing, "number") == "5") == 5
    assert _value(on(Thing, "status") == "new") is Status.NEW
    assert _value(on(Thing, "created") < "2026-01-02T03:04:05Z") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert _value(on(Thing, "size").one_of({1, None})) in ((1.0, None), (None, 1.0))
    assert _value(on(Thing, "tags").contains("7")) == 7
    assert _value(on(Thing, "bounded") > -1) == -1  # a bound is for what is stored


@pytest.mark.parametrize(
    "condition",
    [
        on(Thing, "number") == "x",
        on(Thing, "number") == 5.5,
        on(Thing, "number") == None,  # noqa: E711
        on(Thing, "number").one_of([1, None]),
        on(Thing, "status") != "gone",
        on(Thing, "name") < 5,
        on(Thing, "tags").contains("x"),
    ],
)
def test_values_that_cannot_be_of_the_field_are_refused(condition: Condition) -> None:
    with pytest.raises(EncodeError) as caught:
        resolved(condition | on(Thing, "id").is_none(), Thing.__mapper__)

    assert caught.value.model == "Thing"
    assert str(caught.value).startswith(f"Thing.{caught.value.field}: ")


def test_fields_that_the_query_cannot_have_are_refused() -> None:
    with pytest.raises(QueryError, match=r"Other.number == 5: the query is of Thing; write Thing.number"):
        resolved(_made(Other.number == 5), Thing.__mapper__)
    with pytest.raises(QueryError, match="Thing has no stored field 'gone'"):
        resolved(Comparison("gone", "==", 5), Thing.__mapper__)
    with pytest.raises(QueryError, match="the field is not text"):
        resolved(on(Thing.number).startswith("1"), Thing.__mapper__)
    with pytest.raises(QueryError, match="neither a list or set, nor text"):
        resolved(COUNT.contains(1), Thing.__mapper__)
    with pytest.raises(QueryError, match=r"asc\(Thing.tags\): field 'tags' .*cannot be indexed"):
        resolved_order(asc(Thing.tags), Thing.__mapper__)
    with pytest.raises(QueryError, match="the query is of Thing"):
        resolved_order(asc(Other.number), Thing.__mapper__)


def test_fields_of_a_base_class_serve_its_children() -> None:
    child = Child(id="a", number=5)

    assert matches(resolved(_made(Thing.number == 5), Child.__mapper__), child)
    with pytest.raises(QueryError, match="the query is of Thing"):
        resolved(_made(Child.number == 5), Thing.__mapper__)


def test_secrets_are_not_shown() -> None:
    class Hidden(Model):
        model_config = ConfigDict(hide_input_in_errors=True)
        id: str = Field(primary_key=True)
        pin: int = 0

    made = resolved((on(Hidden.pin) == 1234) & ~on(Hidden.pin).one_of([77, 78]), Hidden.__mapper__)

    shown = str(masked(made, Hidden.__mapper__))
    assert "1234" not in shown
    assert "77" not in shown
    assert shown.count("**********") == 2
    with pytest.raises(EncodeError) as caught:
        resolved(on(Hidden, "pin") == "secret", Hidden.__mapper__)
    assert "secret" not in str(caught.value)
    plain = resolved(_made(Thing.number == 5), Thing.__mapper__)
    assert masked(plain, Thing.__mapper__) == plain


# Which records meet them.


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


def test_an_hour_that_occurs_twice_is_told_apart() -> None:
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
            _python("==", _plain(name, value), _plain(name, one)) for one in [wanted, *values[:1]]
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
