"""Conditions and orders: what they are made of, what is refused, and what becomes of their values."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ConfigDict

from redis_models import Condition, Field, Model, asc, desc, on
from redis_models.errors import EncodeError, QueryError
from redis_models.indexes.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Not,
    Order,
    all_of,
    comparisons_of,
    order_of,
)
from redis_models.indexes.matcher import masked, matches, resolved, resolved_order

from .things import COUNT, Child, Other, Status, Thing, as_condition

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
    assert {comparison.model for condition in made for comparison in comparisons_of(as_condition(condition))} == {Thing}


def test_a_value_may_stand_on_the_left() -> None:
    assert as_condition(Status.NEW == Thing.status) == Comparison("status", "==", Status.NEW)  # noqa: SIM300
    assert as_condition(datetime.min < Thing.created) == Comparison("created", ">", datetime.min)  # type: ignore[operator]
    assert as_condition(Decimal(1) == Thing.price) == Comparison("price", "==", Decimal(1))


def test_words_of_references_make_comparisons() -> None:
    name = on(Thing.name)

    assert name.one_of(["a", None]) == Comparison("name", "in", ("a", None))
    assert name.startswith("a") == Comparison("name", "startswith", "a")
    assert name.contains("a") == Comparison("name", "contains", "a")
    assert name.is_none() == Comparison("name", "==", None)
    assert on(Thing.number).between(1, 5) == AllOf((Comparison("number", ">=", 1), Comparison("number", "<=", 5)))
    assert on(on(Thing.name)) is not None


def test_conditions_are_combined_flat() -> None:
    a, b, c = (as_condition(Thing.number == value) for value in range(3))

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
    assert (on(Thing.is_paid) & (Thing.number == 1)) == AllOf((paid, as_condition(Thing.number == 1)))
    assert ((Thing.number == 1) | on(Thing.is_paid)) == AnyOf((as_condition(Thing.number == 1), paid))


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
        "Thing.status == Status.NEW": on(Thing.status) == Status.NEW,
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
    found = resolved(as_condition(condition), Thing.__mapper__)
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
        resolved(as_condition(Other.number == 5), Thing.__mapper__)
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

    assert matches(resolved(as_condition(Thing.number == 5), Child.__mapper__), child)
    with pytest.raises(QueryError, match="the query is of Thing"):
        resolved(as_condition(Child.number == 5), Thing.__mapper__)


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
    plain = resolved(as_condition(Thing.number == 5), Thing.__mapper__)
    assert masked(plain, Thing.__mapper__) == plain
