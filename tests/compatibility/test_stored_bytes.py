"""The stored bytes of pydantic-aioredis, row by row (contract, 2.2): what we write, and that we read what it wrote.

For defects of pydantic-aioredis the row has what we store instead of its bytes.
"""

import datetime as dt
import enum
import ipaddress
import math
import pathlib
import typing as t
import uuid
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import TypedDict

import redis_models
from redis_models import Model
from redis_models.encoding.codec import codec_for

DAY = dt.date(2020, 1, 1)


class Kind(str, enum.Enum):  # noqa: UP042  # as at the time of pydantic-aioredis
    A = "a"


class Level(enum.IntEnum):
    LOW = 1


class Plain(enum.Enum):
    RED = "red"


class Sub(BaseModel):
    x: int
    d: dt.date


class Item(NamedTuple):
    number: int
    text: str


class Options(TypedDict):
    a: int


# annotation, value, bytes of pydantic-aioredis, which ours are too
KEPT: list[tuple[object, object, bytes]] = [
    (str, 'h\u00e9"\n', b'h\xc3\xa9"\n'),
    (str, "", b""),
    (int, 7, b"7"),
    (int, -(2**70), b"-1180591620717411303424"),
    (float, 1.5, b"1.5"),
    (float, 3.0, b"3.0"),
    (float, 1e300, b"1e+300"),
    (float, math.nan, b"nan"),
    (float, math.inf, b"inf"),
    (bool, True, b"true"),
    (bool, False, b"false"),
    (dt.date, dt.date(1215, 4, 4), b'"1215-04-04"'),
    (dt.datetime, dt.datetime(2020, 1, 2, 3, 4, 5, 678), b'"2020-01-02T03:04:05.000678"'),
    (dt.datetime, dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC), b'"2020-01-02T03:04:05+00:00"'),
    (uuid.UUID, uuid.UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("1.2.3.4"), b'"1.2.3.4"'),
    (ipaddress.IPv6Address, ipaddress.IPv6Address("::1"), b'"::1"'),
    (ipaddress.IPv4Network, ipaddress.IPv4Network("10.0.0.0/8"), b'"10.0.0.0/8"'),
    (ipaddress.IPv4Interface, ipaddress.IPv4Interface("10.0.0.1/8"), b'"10.0.0.1/8"'),
    (Kind, Kind.A, b'"a"'),
    (Level, Level.LOW, b"1"),
    (Literal["a"], "a", b'"a"'),
    (list[int], [1, 2], b"[1, 2]"),
    (list[int], [], b"[]"),
    (list[str], ["a", '"b'], b'["a", "\\"b"]'),
    (list, [1, "a"], b'[1, "a"]'),
    (Sequence[int], [1], b"[1]"),
    (dict[str, int], {"a": 1}, b'{"a": 1}'),
    (dict, {"a": [1]}, b'{"a": [1]}'),
    (dict[int, str], {1: "a"}, b'{"1": "a"}'),
    (tuple[int, ...], (1, 2), b"[1, 2]"),
    (tuple, (1,), b"[1]"),
    (Item, Item(1, "b"), b'[1, "b"]'),
    (Options, {"a": 1}, b'{"a": 1}'),
    (t.Optional[str], None, b"None"),  # noqa: UP045  # as users of pydantic-aioredis spell it
    (int | None, None, b"None"),
    (float | None, None, b"None"),
    (bool | None, None, b"null"),
    (dt.date | None, None, b"null"),
    (Sub | None, None, b"null"),
    (list[int] | None, None, b"null"),
    (Any, None, b"null"),
    (int | None, 5, b"5"),
    (str | None, "v", b"v"),
    (int | str, 1, b"1"),
    (int | str, "a", b'"a"'),
    (float | int, 2.0, b"2.0"),
    (int | str | None, None, b"null"),
    (Any, "x", b'"x"'),
    (Sub, Sub(x=1, d=dt.date(2020, 1, 2)), b'{"x": 1, "d": "2020-01-02"}'),
]
# annotation, value, our bytes, those of pydantic-aioredis (None if it failed), its defect in the contract
REPAIRED: list[tuple[object, object, bytes, bytes | None, int]] = [
    (list[bool], [True], b"[true]", b'"[true]"', 25),
    (list[dt.date], [DAY], b'["2020-01-01"]', b'"[\\"2020-01-01\\"]"', 25),
    (list[Any], [1, None], b"[1, null]", b'"[1, null]"', 25),
    (list[str | None], ["a", None], b'["a", null]', b'"[\\"a\\", null]"', 25),
    (
        list[Sub],
        [Sub(x=1, d=DAY)],
        b'[{"x": 1, "d": "2020-01-01"}]',
        b'"[{\\"x\\": 1, \\"d\\": \\"2020-01-01\\"}]"',
        25,
    ),
    (dict[str, Any], {"a": None}, b'{"a": null}', b'"{\\"a\\": null}"', 25),
    (tuple[int, str], (1, "a"), b'[1, "a"]', b'"[1, \\"a\\"]"', 25),
    (list[dt.date] | None, None, b"null", b'"null"', 24),
    (Plain, Plain.RED, b'"red"', None, 26),
    (dict[dt.date, int], {DAY: 1}, b'{"2020-01-01": 1}', None, 26),
    (set[int], {2, 1}, b"[1, 2]", None, 26),
    (frozenset[str], frozenset({"b", "a"}), b'["a", "b"]', None, 26),
    (dt.time, dt.time(1, 2, 3), b'"01:02:03"', None, 26),
    (dt.timedelta, dt.timedelta(seconds=90), b'"PT1M30S"', None, 26),
    (Decimal, Decimal("1.10"), b'"1.10"', None, 26),
    (bytes, b"\xff", b'"_w=="', None, 26),
    (pathlib.Path, pathlib.Path("/a"), b'"/a"', None, 26),
    (SecretStr, SecretStr("s"), b'"s"', None, 26),
    (complex, 1 + 2j, b'"1+2j"', None, 26),
    (deque[int], deque([1]), b"[1]", None, 26),
    (str | None, "None", b"\\None", None, 23),
    (tuple, ((1,),), b'~{"tuple": [{"tuple": [1]}]}', None, 27),
    (dict, {1: "a"}, b'~{"dict": [[1, "a"]]}', None, 27),
    (str | dt.date, DAY, b'~{"date": "2020-01-01"}', None, 27),
    (Any, DAY, b'~{"date": "2020-01-01"}', None, 27),
    (Any, (1, 2), b'~{"tuple": [1, 2]}', None, 27),
    (Any, {1: "a"}, b'~{"dict": [[1, "a"]]}', None, 27),
    (Any, "None", b'"None"', b'"None"', 27),
    (float | int, 2, b"2", None, 27),
]
# Other spellings that pydantic-aioredis, its users or older libraries may have written.
READ: list[tuple[object, bytes, object]] = [
    (bool, b"1", True),
    (bool, b"0", False),
    (bool | None, b"None", None),
    (dt.date | None, b"None", None),
    (list[dt.date] | None, b'"null"', None),
    (list[dt.date] | None, b"None", None),
    (str | None, b"null", "null"),  # a user's text; pydantic-aioredis did not write None like this
    (int | None, b"null", None),
    (float | None, b"null", None),
    (dt.datetime, b'"2020-01-01T00:00:00"', dt.datetime(2020, 1, 1)),
    (dict[str, list[str]], b'"{\\"a\\": [\\"\\u00e9\\"]}"', {"a": ["\u00e9"]}),
    (list[str], b'["\\ud800"]', ["\ud800"]),
    (Any, b'"\\ud800"', "\ud800"),
    (Any, b"[" * 150 + b"]" * 150, None),
]


def _nested(depth: int) -> object:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def _named(record: object) -> str:
    """Name a parameter, the same in every process: sets have no order, objects an address."""
    return getattr(record, "__name__", None) or type(record).__name__


@pytest.mark.parametrize(("annotation", "value", "raw"), KEPT, ids=_named)
def test_a_value_is_stored_as_pydantic_aioredis_stores_it(annotation: object, value: object, raw: bytes) -> None:
    codec = codec_for(annotation)

    back = codec.decode(raw)

    assert codec.encode(value) == raw
    assert type(back) is type(value)
    assert back == value or back != back


@pytest.mark.parametrize(("annotation", "value", "raw", "seed", "defect"), REPAIRED, ids=_named)
def test_a_value_that_pydantic_aioredis_lost_or_encoded_twice_comes_back(
    annotation: object, value: object, raw: bytes, seed: bytes | None, defect: int
) -> None:
    codec = codec_for(annotation)

    back = codec.decode(raw)

    assert codec.encode(value) == raw
    assert type(back) is type(value)
    assert back == value or back != back
    assert seed is None or codec.decode(seed) == value


@pytest.mark.parametrize(("annotation", "raw", "value"), READ, ids=_named)
def test_what_others_wrote_is_read(annotation: object, raw: bytes, value: object) -> None:
    assert codec_for(annotation).decode(raw) == (_nested(150) if raw.startswith(b"[[[") else value)


def test_datetimes_in_containers_and_models_are_spelled_as_in_pydantic_aioredis() -> None:
    class Visit(BaseModel):
        at: dt.datetime
        others: dict[str, list[dt.datetime]] = {}

    at = dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    kathmandu = at.replace(microsecond=678, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45)))

    assert codec_for(list[dt.datetime]).encode([at, kathmandu]) == (
        b'["2020-01-02T03:04:05+00:00", "2020-01-02T03:04:05.000678+05:45"]'
    )
    assert codec_for(Visit).encode(Visit(at=at, others={"a": [at]})) == (
        b'{"at": "2020-01-02T03:04:05+00:00", "others": {"a": ["2020-01-02T03:04:05+00:00"]}}'
    )


def test_a_field_with_an_alias_is_stored_under_its_own_name_and_comes_back() -> None:
    class Aliased(Model):
        id: str = redis_models.Field(primary_key=True)
        x: int = Field(0, alias="ex")

    made = Aliased(id="a", ex=5)

    stored = Aliased.__mapper__.encode(made)

    assert stored == {"id": b"a", "x": b"5"}
    assert Aliased.__mapper__.decode("a", stored) == made


def test_a_field_that_is_not_stored_takes_its_default_and_a_stored_one_that_is_not_declared_is_ignored() -> None:
    class Book(Model):
        id: str = redis_models.Field(primary_key=True)
        pages: int = 3

    assert Book.__mapper__.decode("a", {"id": b"a", "colour": b"red"}) == Book(id="a", pages=3)
