"""Tagged JSON: its text, which lies in Redis for years, and what it refuses."""

import datetime as dt
import pathlib
import uuid
from collections import OrderedDict, deque
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from redis_models.encoding.tagged_json import dump, load, sort_members

# value, its text: these never change, or records cannot be read
TEXTS: list[tuple[object, str]] = [
    (None, "null"),
    ([True, 1, 1.5, "\u00e9"], '[true, 1, 1.5, "\\u00e9"]'),
    (float("-inf"), '{"float": "-inf"}'),
    ("\ud800", '"\\ud800"'),
    ("a\ud83d\ude00", '{"str": ["a\\ud83d", "\\ude00"]}'),
    ((1, (2,)), '{"tuple": [1, {"tuple": [2]}]}'),
    ({"b", "a"}, '{"set": ["a", "b"]}'),
    (frozenset({2, 1}), '{"frozenset": [1, 2]}'),
    (deque([1], maxlen=3), '{"deque": [[1], 3]}'),
    ({}, "{}"),
    ({"a": 1}, '{"dict": [["a", 1]]}'),
    ({"a": 1, "b": b"x"}, '{"a": 1, "b": {"bytes": "eA=="}}'),
    ({1: "a", (2,): "b"}, '{"dict": [[1, "a"], [{"tuple": [2]}, "b"]]}'),
    (OrderedDict(a=1), '{"OrderedDict": [["a", 1]]}'),
    (dt.date(2020, 1, 2), '{"date": "2020-01-02"}'),
    (
        dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(seconds=7))),
        '{"datetime": "2020-01-02T00:00:00+00:00:07"}',
    ),
    (dt.time(1, 2, 3, 4), '{"time": "01:02:03.000004"}'),
    (dt.time(1, tzinfo=ZoneInfo("Europe/Rome")), '{"time": ["01:00:00", "Europe/Rome"]}'),
    (dt.timedelta(days=-1, microseconds=3), '{"timedelta": [-1, 0, 3]}'),
    (Decimal("-0.10"), '{"Decimal": "-0.10"}'),
    (uuid.UUID(int=1), '{"UUID": "00000000-0000-0000-0000-000000000001"}'),
    (pathlib.Path("/a"), '{"Path": "/a"}'),
    (1 - 2j, '{"complex": ["1.0", "-2.0"]}'),
    (SecretStr("x"), '{"SecretStr": "x"}'),
]


def _refuse(value: object) -> object:
    raise TypeError(f"no {type(value).__name__}")


def _named(value: object) -> str:
    """Name a parameter, the same in every process: sets have no order, objects an address."""
    return getattr(value, "__name__", None) or type(value).__name__


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=_named)
def test_a_value_has_its_text_and_the_text_its_value(value: object, text: str) -> None:
    raw = dump(value, _refuse)

    back = load(raw)

    assert raw == b"~" + text.encode()
    assert (back, type(back)) == (value, type(value))


def test_a_value_without_a_tag_is_opened_or_refused() -> None:
    assert dump([range(2)], lambda value: "a range") == b'~["a range"]'
    with pytest.raises(TypeError, match="no range"):
        dump([range(2)], _refuse)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append((value,))

    with pytest.raises(ValueError, match="contains itself"):
        dump(value, _refuse)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "~",
        "~[1",
        '~{"nothing": 1}',
        '~{"date": "x"}',
        '~{"date": 1}',
        '~{"Decimal": "x"}',
        '~{"dict": [1]}',
        '~{"bytes": "\u00e9"}',
        '~{"timedelta": [1e99, 0, 0]}',
        '~{"time": ["01:00", "Nowhere"]}',
    ],
)
def test_json_without_tags_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        load(text.encode())


def test_members_of_a_set_have_one_order() -> None:
    assert sort_members([10, 9]) == [9, 10]
    assert sort_members(["b", "a"]) == ["a", "b"]
    assert sort_members([None, "a", [2], [1]]) == sort_members([[1], "a", [2], None])
