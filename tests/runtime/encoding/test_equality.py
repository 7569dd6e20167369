"""Which values count as the same, when one is written and read back."""

import datetime as dt
import enum
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, PrivateAttr, SecretStr

from redis_models.encoding.codec import codec_for
from redis_models.encoding.equality import is_same


class Plain(enum.Enum):
    A = "a"


class Spot(NamedTuple):
    x: int


class Shade(enum.StrEnum):
    DARK = "dark"


class Box(BaseModel):
    inside: Any
    _seen: int = PrivateAttr(default=0)


@dataclass
class Point:
    x: object
    note: str = field(default="", compare=False)


class Cell:
    def __init__(self, inside: object) -> None:
        self.inside = inside


class Slot:
    __slots__ = ("__inside",)

    def __init__(self, inside: object) -> None:
        self.__inside = inside


ROME = dt.datetime(2021, 10, 31, 2, 30, tzinfo=ZoneInfo("Europe/Rome"))  # comes twice
SAME: list[tuple[object, object]] = [
    (math.nan, float("nan")),
    ([math.nan, {"a": (1,)}], [float("nan"), {"a": (1,)}]),
    ({math.nan, 1}, {1, float("nan")}),
    ({float("nan"): 1, 2: 3}, {2: 3, float("nan"): 1}),
    (Decimal("sNaN"), Decimal("sNaN")),
    (complex("nan"), complex("nan")),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (ROME, ROME.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))),
    (ROME.replace(fold=1), ROME.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))),
    (Box(inside=math.nan), Box(inside=math.nan)),
    (Cell([1]), Cell([1])),
    (Slot([1]), Slot([1])),
    (SecretStr("a"), SecretStr("a")),
]
OTHERS: list[tuple[object, object]] = [
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    ([1], [True]),
    ({1}, {True}),
    ({1: "a"}, {True: "a"}),
    ({(1, 2): 3}, {(1, 2.0): 3}),
    ((1, 2), [1, 2]),
    ({1}, frozenset({1})),
    ("dark", Shade.DARK),
    ({"a": 1}, OrderedDict(a=1)),
    ({"a": 1}, {"a": 1, "b": 1}),
    (deque([1]), deque([1], maxlen=2)),
    (Decimal("1.0"), Decimal("1.00")),
    (ROME, ROME.replace(fold=1)),
    (dt.time(1), dt.time(1, tzinfo=ZoneInfo("Europe/Rome"))),
    (dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    (Box(inside=1), Box(inside=True)),
    (Point(1), Point(1, "x")),
    (Cell(1), Cell(True)),
    (Slot(1), Slot(2)),
    (object(), object()),
    (SecretStr("a"), SecretStr("b")),
]


def _named(first: object) -> str:
    """Name a parameter, the same in every process: sets have no order, objects an address."""
    return getattr(first, "__name__", None) or type(first).__name__


@pytest.mark.parametrize(("first", "other"), SAME, ids=_named)
def test_values_are_the_same(first: object, other: object) -> None:
    assert is_same(first, other)


@pytest.mark.parametrize(("first", "other"), OTHERS, ids=_named)
def test_values_are_not_the_same(first: object, other: object) -> None:
    assert not is_same(first, other)
    assert not is_same(other, first)


def test_private_attributes_do_not_count_because_they_are_not_stored() -> None:
    first, other = Box(inside=1), Box(inside=1)
    first._seen = 5

    assert is_same(first, other)


def test_what_equals_the_plain_value_below_it_may_come_back_as_that_and_nothing_else_may() -> None:
    assert codec_for(str | Shade).encode(Shade.DARK) == b'"dark"'
    assert codec_for(Any).encode({"shade": Shade.DARK}) == b'{"shade": "dark"}'
    assert codec_for(Any).decode(codec_for(Any).encode(Spot(1))) == Spot(1)
    with pytest.raises(ValueError, match="read back as 'a'"):
        codec_for(Any).encode(Plain.A)
