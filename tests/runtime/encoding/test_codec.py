"""The bytes of one stored field: what pydantic-aioredis wrote where it was right, and back again without loss."""

import datetime as dt
import enum
import fractions
import ipaddress
import math
import pathlib
import re
import uuid
import zoneinfo
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretBytes, SecretStr, ValidationError
from typing_extensions import TypedDict

from redis_models.encoding.codec import codec_for
from redis_models.encoding.fast_paths import reader_of, writer_of


class Colour(enum.Enum):
    RED = "red"
    ONE = 1


class Shade(str, enum.Enum):  # noqa: UP042  # as in the days of pydantic-aioredis
    DARK = "dark"


class Level(enum.IntEnum):
    LOW = 1


class Flags(enum.Flag):
    A = 1
    B = 2


class Address(BaseModel):
    street: str = Field(alias="str")
    since: dt.date | None = None


class Robin(BaseModel):
    song: str


class Wren(BaseModel):
    song: str


class Hidden(SecretStr):
    """A secret of the application's own."""


class Pair(NamedTuple):
    number: int
    text: str


class Options(TypedDict, total=False):
    a: int


@dataclass
class Point:
    x: int


UTC = dt.UTC
# annotation, value, bytes: those of contract 2.2 where pydantic-aioredis was not double-encoding.
SCALARS: list[tuple[object, object, bytes]] = [
    (str, 'h\u00e9"\n', b'h\xc3\xa9"\n'),
    (str, "", b""),
    (str, "None", b"None"),
    (int, 7, b"7"),
    (int, -(2**70), b"-1180591620717411303424"),
    (float, 1.5, b"1.5"),
    (float, 3.0, b"3.0"),
    (float, 1e300, b"1e+300"),
    (float, math.inf, b"inf"),
    (bool, True, b"true"),
    (bool, False, b"false"),
    (dt.date, dt.date(1215, 4, 4), b'"1215-04-04"'),
    (dt.datetime, dt.datetime(2020, 1, 2, 3, 4, 5, 678), b'"2020-01-02T03:04:05.000678"'),
    (dt.datetime, dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), b'"2020-01-02T03:04:05+00:00"'),
    (uuid.UUID, uuid.UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("1.2.3.4"), b'"1.2.3.4"'),
    (ipaddress.IPv6Address, ipaddress.IPv6Address("::1"), b'"::1"'),
    (ipaddress.IPv4Network, ipaddress.IPv4Network("10.0.0.0/8"), b'"10.0.0.0/8"'),
    (ipaddress.IPv4Interface, ipaddress.IPv4Interface("10.0.0.1/8"), b'"10.0.0.1/8"'),
    (Shade, Shade.DARK, b'"dark"'),
    (Level, Level.LOW, b"1"),
    (Literal["a"], "a", b'"a"'),
    (list[int], [1, 2], b"[1, 2]"),
    (list[str], ["a", '"b'], b'["a", "\\"b"]'),
    (dict[str, int], {"a": 1}, b'{"a": 1}'),
    (dict[int, str], {1: "a"}, b'{"1": "a"}'),
    (str | None, None, b"None"),
    (int | None, None, b"None"),
    (bool | None, None, b"null"),
    (int | None, 5, b"5"),
    (str | None, "v", b"v"),
]
# What pydantic-aioredis refused, doubled or lost.
OTHERS: list[tuple[object, object]] = [
    (list[bool], [True]),
    (list[dt.date], [dt.date(2020, 1, 1)]),
    (list[str | None], ["None", None, "null"]),
    (set[int], {1, 2}),
    (frozenset[str], frozenset("a")),
    (deque[int], deque([1])),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2)),
    (dict[dt.date, int], {dt.date(2020, 1, 1): 1}),
    (dict[bool, int], {True: 1}),
    (dict[uuid.UUID, int], {uuid.UUID(int=3): 1}),
    (Decimal, Decimal("1.10")),
    (fractions.Fraction, fractions.Fraction(1, 3)),
    (complex, 1 + 2j),
    (dt.time, dt.time(1, 2, 3, 4)),
    (dt.timedelta, dt.timedelta(days=-1, microseconds=3)),
    (dt.datetime, dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30)))),
    (bytes, b"\xff\x00"),
    (pathlib.Path, pathlib.Path("/a")),
    (re.Pattern[str], re.compile("a")),
    (Colour, Colour.ONE),
    (Flags, Flags.A | Flags.B),
    (Address, Address(str="x", since=dt.date(2020, 1, 1))),
    (list[Address], [Address(str="x")]),
    (Pair, Pair(1, "b")),
    (Options, {"a": 1}),
    (Point, Point(1)),
    (Address | Point, Point(1)),
    (int | str, "1"),
    (int | str, 1),
    (float | int, 2),
    (Literal["None", 1, True], "None"),
    (Literal["None", 1, True], 1),
    (SecretStr, SecretStr("s3cret")),
    (SecretStr | None, SecretStr("**********")),
    (SecretBytes, SecretBytes(b"\xff")),
    (Any, {"a": [1, None, 1.5, "None"]}),
    (Any, "None"),
    (Any, None),
    (str | None, "\\None"),
    (str, "\ud800"),
    (list[str], ["\U0001f600"]),
    (pydantic.AwareDatetime, dt.datetime(2020, 1, 1, tzinfo=UTC)),
    (pydantic.AnyUrl, pydantic.AnyUrl("http://a.b/c")),
]


@pytest.mark.parametrize(("annotation", "value", "raw"), SCALARS, ids=repr)
def test_a_value_is_stored_as_pydantic_aioredis_stores_it_and_reads_back(
    annotation: object, value: object, raw: bytes
) -> None:
    codec = codec_for(annotation)

    assert codec.encode(value) == raw
    assert (codec.decode(raw), type(codec.decode(raw))) == (value, type(value))


@pytest.mark.parametrize(("annotation", "value"), OTHERS, ids=repr)
def test_a_value_reads_back_as_it_was(annotation: object, value: object) -> None:
    codec = codec_for(annotation)

    back = codec.decode(codec.encode(value))

    assert (back, type(back)) == (value, type(value))


def test_not_a_number_reads_back() -> None:
    back = codec_for(list[float]).decode(codec_for(list[float]).encode([math.nan]))

    assert codec_for(float).encode(math.nan) == b"nan"
    assert repr(back) == "[nan]"


def test_a_number_that_compares_with_nothing_reads_back_inside_of_a_model() -> None:
    class Dose(BaseModel):
        amount: Decimal = Field(allow_inf_nan=True)

    codec = codec_for(list[Dose])

    back = codec.decode(codec.encode([Dose(amount=Decimal("sNaN"))]))

    assert repr(back) == "[Dose(amount=Decimal('sNaN'))]"


@given(st.text(st.characters(exclude_categories=())) | st.none() | st.from_regex(r"\A\\*None\Z"))
def test_no_text_is_taken_for_none_and_none_for_no_text(value: str | None) -> None:
    codec = codec_for(str | None)

    assert codec.decode(codec.encode(value)) == value


@given(st.integers() | st.none())
def test_whole_numbers_of_any_size_read_back(value: int | None) -> None:
    assert codec_for(int | None).decode(codec_for(int | None).encode(value)) == value


@given(st.floats(allow_nan=False))
def test_floats_read_back_to_the_last_bit(value: float) -> None:
    assert repr(codec_for(float).decode(codec_for(float).encode(value))) == repr(value)


@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_a_moment_reads_back_exactly(value: dt.datetime) -> None:
    codec = codec_for(dt.datetime)

    back = codec.decode(codec.encode(value))

    assert isinstance(back, dt.datetime)
    assert (back.replace(tzinfo=None), back.utcoffset()) == (value.replace(tzinfo=None, fold=0), value.utcoffset())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_anything_that_json_knows_reads_back_from_any(value: object) -> None:
    assert codec_for(Any).decode(codec_for(Any).encode(value)) == value


@given(
    st.dictionaries(
        st.dates(), st.lists(st.decimals(allow_nan=False, allow_infinity=False) | st.none(), max_size=3), max_size=3
    )
)
def test_nested_containers_read_back(value: dict[dt.date, list[Decimal | None]]) -> None:
    codec = codec_for(dict[dt.date, list[Decimal | None]])

    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("annotation", "raw", "value"),
    [
        (list[bool], b'"[true]"', [True]),
        (list[dt.date], b'"[\\"2020-01-01\\"]"', [dt.date(2020, 1, 1)]),
        (list[str | None], b'"[\\"a\\", null]"', ["a", None]),
        (dict[str, Any], b'"{\\"a\\": null}"', {"a": None}),
        (tuple[int, str], b'"[1, \\"a\\"]"', (1, "a")),
        (list[dt.date] | None, b'"null"', None),
        (bool | None, b"None", None),
        (bool | None, b"null", None),
        (bool, b"1", True),
    ],
)
def test_other_spellings_of_pydantic_aioredis_are_read(annotation: object, raw: bytes, value: object) -> None:
    assert codec_for(annotation).decode(raw) == value


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dt.date, dt.datetime(2020, 1, 1, 5)),
        (range, range(3)),
        (list[Decimal], [Decimal("Infinity")]),  # which a Decimal does not take, unless told so
        (Robin | Wren, Wren(song="tsip")),
        (Any, Colour.RED),
        (str | Hidden, Hidden("s3cret")),
    ],
    ids=repr,
)
def test_a_value_that_would_not_come_back_the_same_is_refused(annotation: object, value: object) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        codec_for(annotation).encode(value)

    assert "s3cret" not in str(caught.value)


def test_the_refusal_of_an_ambiguous_union_says_what_would_help() -> None:
    with pytest.raises(ValueError, match=r"read back as Robin\(song='tsip'\).*discriminator"):
        codec_for(Robin | Wren).encode(Wren(song="tsip"))


@pytest.mark.parametrize(
    ("annotation", "value"), [(str, 5), (int, "5"), (float, "x"), (bool, 1), (dt.date, "2020-01-01"), (int, None)]
)
def test_a_value_of_another_type_is_refused(annotation: object, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        codec_for(annotation).encode(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)

    with pytest.raises(ValueError, match=r"[Cc]ircular"):
        codec_for(list[Any]).encode(value)


@pytest.mark.parametrize(
    ("annotation", "raw"),
    [
        (int, b"x"),
        (float, b""),
        (bool, b"True"),
        (list[int], b"[1"),
        (dt.date, b"2020-01-01"),
        (list[int], b"~[1"),
        (ipaddress.IPv4Network, b'~{"tuple": []}'),
    ],
)
def test_bytes_that_do_not_decode_are_refused(annotation: object, raw: bytes) -> None:
    with pytest.raises(ValueError):
        codec_for(annotation).decode(raw)


def test_the_order_of_a_union_decides_what_is_read() -> None:
    assert codec_for(dt.time | Level).decode(b"1") == dt.time(0, 0, 1, tzinfo=UTC)
    assert codec_for(Level | dt.time).decode(b"1") is Level.LOW
    assert codec_for(Level | dt.time) is codec_for(Level | dt.time)


def test_a_value_is_validated_as_pydantic_does() -> None:
    assert codec_for(set[int]).validate(["1"]) == {1}
    assert codec_for(dt.date).validate_jsonable("2020-01-01") == dt.date(2020, 1, 1)
    with pytest.raises(ValidationError):
        codec_for(int).validate("x")


OFFSETS = st.one_of(
    st.none(),
    st.timezones(),
    st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))),
    st.integers(-86_399, 86_399).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds))),
)


@given(st.datetimes(timezones=OFFSETS))
@example(dt.datetime(2005, 2, 19, 23, tzinfo=zoneinfo.ZoneInfo("America/Sao_Paulo")))
def test_a_moment_is_written_as_isoformat_has_it_and_comes_back(moment: dt.datetime) -> None:
    codec = codec_for(dt.datetime)
    offset = moment.utcoffset()

    raw = codec.encode(moment)
    back: Any = codec.decode(raw)

    # One whose clock shows the same twice that night equals none of another zone.
    assert (back.replace(tzinfo=None), back.utcoffset()) == (moment.replace(tzinfo=None), offset)
    if offset is None or not offset % dt.timedelta(minutes=1):  # plain JSON has no seconds of an offset
        assert raw == b'"%s"' % moment.isoformat().encode()


# Every way in which a shortcut is chosen, with values that it knows and values that only the codec does.
SHORTENED: list[tuple[object, list[object]]] = [
    (str, ["", "h\u00e9", "None", "\\None", "\ud800"]),
    (str | None, [None, "None", "\\None", "a"]),
    (int, [0, -(2**70), True]),
    (int | None, [None, 7]),
    (float, [0.1, math.inf, 3]),
    (float | None, [None, 1e300]),
    (bool, [True, False]),
    (bool | None, [None, True, False]),
    (dt.datetime, [dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(seconds=1)))]),
    (dt.date | None, [None, dt.date(2020, 1, 2)]),
    (Decimal, [Decimal("NaN"), Decimal("1.50")]),
    (list[int], [[], [1]]),
]


@pytest.mark.parametrize(("annotation", "values"), SHORTENED, ids=[str(annotation) for annotation, _ in SHORTENED])
def test_a_shortcut_gives_what_the_codec_gives_or_leaves_it_to_it(annotation: object, values: list[object]) -> None:
    codec = codec_for(annotation)
    read, write = reader_of(codec), writer_of(codec)

    for value in values:
        raw = codec.encode(value)
        with suppress(KeyError, TypeError, ValueError):
            written: object = write(value)
            assert written == raw
        with suppress(KeyError, TypeError, ValueError):
            back = read(raw)
            assert repr(back) == repr(codec.decode(raw))


@pytest.mark.parametrize(
    ("annotation", "wrong"), [(str, 7), (int, 1.5), (int, "1"), (float, "1"), (bool, 1), (str, None), (int, None)]
)
def test_a_shortcut_writes_no_value_of_another_type(annotation: object, wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        writer_of(codec_for(annotation))(wrong)
