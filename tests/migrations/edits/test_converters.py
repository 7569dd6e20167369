"""Converters: values mapped, filled and given a time zone, and what goes back."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from redis_models.errors import SchemaError
from redis_models.migrations import AlterField, AttachTimezone, FillNone, MapValues

if TYPE_CHECKING:
    from ...support.nested_fixtures import OneModel  # pytest imports conftest by itself, under another name

Make = Callable[..., "OneModel"]
OLD, NEW = "Enum(OPEN='open', SENT='sent', LOST='lost')", "Enum(OPEN='open', DONE='done')"
MAP = MapValues({"sent": "done", "lost": "open"})


def test_members_of_an_enum_get_other_values_and_go_back_where_that_is_certain(order: Make) -> None:
    status = order({"status": OLD}, AlterField("Order", "status", OLD, NEW, convert=MAP))

    assert [status.there(status=raw)["status"] for raw in (b'"sent"', b'"lost"', b'"open"')] == [
        b'"done"',
        b'"open"',
        b'"open"',
    ]
    assert status.down({"id": b"2", "_v": b"2", "status": b'"done"'}) == {"status": b'"sent"'}
    assert status.down({"id": b"2", "_v": b"2", "status": b'"open"'}) == {"status": b'"open"'}


def test_values_in_containers_are_mapped(order: Make) -> None:
    old, new = f"dict[str, list[{OLD}]]", f"dict[str, list[{NEW}]]"
    statuses = order({"s": old}, AlterField("Order", "s", old, new, convert=MAP))

    assert statuses.there(s=b'{"sent": ["sent", "open"]}') == {"s": b'{"sent": ["done", "open"]}'}


def test_what_is_not_mapped_is_converted_as_usual(order: Make) -> None:
    number = order({"n": "str"}, AlterField("Order", "n", "str", "int", convert=MapValues({"": 0, "many": 99})))

    assert [number.there(n=raw)["n"] for raw in (b"", b"many", b"7", b"07")] == [b"0", b"99", b"7", b"7"]
    assert number.down({"id": b"2", "_v": b"2", "n": b"99"}) == {"n": b"many"}
    assert number.down({"id": b"2", "_v": b"2", "n": b"8"}) == {"n": b"8"}


def test_the_way_back_can_be_given_and_numbers_are_not_booleans() -> None:
    assert MapValues({"a": "b"}, back={"b": "c"}).inverse("str") == MapValues({"b": "c"})
    assert MapValues({"a": "x", "b": "x"}).inverse("str") is None
    assert MapValues({1: "one"})(True) is True
    assert MapValues({True: "yes"})(1) == 1


def test_none_is_filled(order: Make) -> None:
    number = order({"n": "int | None"}, AlterField("Order", "n", "int | None", "int", convert=FillNone(7)))

    assert number.there(n=b"None") == {"n": b"7"}
    assert number.there(n=b"3") == {"n": b"3"}
    assert number.down({"id": b"2", "_v": b"2", "n": b"7"}) == {"n": b"7"}


def test_naive_moments_get_a_time_zone_and_lose_it_again(order: Make) -> None:
    old, new = "datetime[naive] | None", "datetime[aware] | None"
    moment = order({"at": old}, AlterField("Order", "at", old, new, convert=AttachTimezone("Europe/Berlin")))

    assert moment.there(at=b'"2024-07-01T12:00:00"') == {"at": b'"2024-07-01T12:00:00+02:00"'}
    assert moment.there(at=b'"2024-01-01T12:00:00.5"') == {"at": b'"2024-01-01T12:00:00.500000+01:00"'}
    assert moment.there(at=b"null") == {"at": b"null"}
    assert moment.down({"id": b"2", "_v": b"2", "at": b'"2024-07-01T12:00:00+00:00"'}) == {
        "at": b'"2024-07-01T14:00:00"'
    }


def test_an_hour_that_comes_twice_is_the_first_and_one_that_never_came_counts_from_before() -> None:
    attach = AttachTimezone("Europe/Berlin")
    twice, never = dt.datetime(2024, 10, 27, 2, 30), dt.datetime(2024, 3, 31, 2, 30)  # naive is the case

    offsets = [moment.utcoffset() for moment in map(attach, (twice, never)) if isinstance(moment, dt.datetime)]
    assert offsets == [dt.timedelta(hours=2), dt.timedelta(hours=1)]


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(SchemaError, match="unknown time zone 'Europe/Berlim'; correct the name, or install"):
        AttachTimezone("Europe/Berlim")


def test_converters_are_equal_by_value() -> None:
    assert MapValues({"a": 1}) == MapValues({"a": 1}) != MapValues({"a": 2})
    assert AttachTimezone("UTC") == AttachTimezone("UTC")
    assert len({FillNone(1), FillNone(1), FillNone("x")}) == 2
