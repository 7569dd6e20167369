"""Values of every kind that an index can hold, their codecs, and what the server makes of their bytes."""

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final, NewType
from uuid import UUID

from hypothesis import strategies as st

from redis_models.encoding.codec import FieldCodec, codec_for
from redis_models.indexes.definitions import KINDS, Kind, Part
from redis_models.indexes.entries import Entry, lua_of, part_of

__all__ = ["ALL_PARTS", "FIELDS", "SPELLINGS", "Field", "Mood", "in_lua", "in_order", "moments", "spellings", "texts"]


class Mood(enum.Enum):
    GLAD = "glad"
    SAD = 'sad"\u00e9\U0001f600\n/'


_Name = NewType("_Name", str)
_Count = NewType("_Count", int)
_OFFSETS: Final = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_FLOATS: Final = (0.0, -0.0, 0.1, 0.3, 2**-24, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.inf)
_INTS: Final = st.one_of(
    st.integers(),
    st.sampled_from([0, 9, 10, 99, 100, 2**53, 2**63, 10**39, 10**40, 10**41, 10**60]).flatmap(
        lambda near: st.integers(-2, 2).map(lambda more: near + more)
    ),
).flatmap(lambda value: st.sampled_from([value, -value]))


@st.composite
def _decimals(draw: st.DrawFn) -> Decimal:
    digits = draw(st.one_of(st.integers(0, 30), st.integers(0, 10**40)))
    return Decimal(draw(st.sampled_from([digits, -digits]))).scaleb(draw(st.integers(-60, 60)))


texts: Final = st.text(st.one_of(st.sampled_from('\0\xffaAzZ@[`{"\\\n\ud800\udc00\U0001f600'), st.characters()))
moments: Final = st.one_of(
    st.datetimes(timezones=st.one_of(st.none(), _OFFSETS)),
    st.datetimes(datetime(2024, 2, 28), datetime(2024, 3, 2), timezones=_OFFSETS),
    st.datetimes(datetime(9999, 12, 30), timezones=_OFFSETS),
    st.datetimes(max_value=datetime(1, 1, 2), timezones=_OFFSETS),
)


@dataclass(frozen=True)
class Field:
    """A type of fields, and its values."""

    annotation: Any
    values: st.SearchStrategy[Any]
    is_optional: bool = False

    @property
    def codec(self) -> FieldCodec:
        return codec_for(self.annotation | None if self.is_optional else self.annotation)

    @property
    def part(self) -> Part:
        return part_of("f", self.codec)


_PLAIN: Final = {
    "int": Field(int, _INTS),
    "float": Field(float, st.one_of(st.floats(), st.sampled_from(_FLOATS), _INTS.map(lambda value: value / 8))),
    "Decimal": Field(Decimal, st.one_of(st.decimals(), _decimals())),
    "bool": Field(bool, st.booleans()),
    "str": Field(str, texts),
    "text in JSON": Field(_Name, texts),
    "Enum": Field(Mood, st.sampled_from(Mood)),
    "int in JSON": Field(_Count, _INTS),
    "date": Field(date, st.dates()),
    "datetime": Field(datetime, moments),
    "UUID": Field(UUID, st.uuids()),
}
FIELDS: Final = {
    **_PLAIN,
    **{
        f"{name} or None": Field(field.annotation, st.one_of(st.none(), field.values), is_optional=True)
        for name, field in _PLAIN.items()
    },
}


def in_order(values: Iterable[Any]) -> list[Any]:
    """Sort values as an index does: None first, NaN last, moments without a time zone before the others."""
    return sorted(values, key=_rank)


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    if isinstance(value, float) and math.isnan(value):
        return 3, 0
    if isinstance(value, datetime):
        return (1 if value.tzinfo is None else 2), value
    return 1, value.value if isinstance(value, enum.Enum) else value


_TEXT_KINDS: Final[tuple[Kind, ...]] = ("str", "jstr")
ALL_PARTS: Final = [
    Part("f", kind, is_optional, folds_case)
    for kind in KINDS
    for is_optional in (False, True)
    for folds_case in ((False, True) if kind in _TEXT_KINDS else (False,))
]
_BATCH: Final = (
    lua_of(ALL_PARTS)
    + """
local replies = {}
for i = 1, #ARGV do
  for j = 1, #KEYS, 3 do
    local text, is_cut = encoders[KEYS[j]](ARGV[i], KEYS[j + 1] == '1', KEYS[j + 2] == '1')
    replies[#replies + 1] = text or false
    replies[#replies + 1] = is_cut and 1 or 0
  end
end
return replies
"""
)


def in_lua(client: Any, parts: Sequence[Part], raws: Sequence[bytes]) -> list[list[Entry | None]]:
    """Give the server's entries of stored bytes: for each of them one a part. One round trip."""
    keys = [key for part in parts for key in (part.kind, int(part.is_optional), int(part.folds_case))]
    replies = iter(client.eval(_BATCH, len(keys), *keys, *raws))
    pairs = [(text, is_cut) for text, is_cut in zip(replies, replies, strict=True)]
    entries = [None if text is None else Entry(text, bool(is_cut)) for text, is_cut in pairs]
    return [entries[at : at + len(parts)] for at in range(0, len(entries), len(parts))]


# Spellings at the edges of what has an entry, of all kinds; each is tried as every kind.
SPELLINGS: Final[tuple[bytes, ...]] = (
    *(b"", b'"', b'""', b"None", b"null", b"\\None", b"\\\\None", b"xNone", b'"None"', b'"null"', b" None"),
    *(b"0", b"-0", b"007", b"+5", b"5", b"-5", b"1_0", b" 5", b"5\n", b"0x10", b"\xd9\xa3"),
    *(sign + b"9" * count for sign in (b"", b"-") for count in (1, 2, 39, 40, 41, 60, 4299, 4300, 4301)),
    *(b"1.5", b"-1.5", b"1.", b".5", b"1e5", b"1E+05", b"1e400", b"1e-400", b"1e99999", b"-0.0", b"0.0", b"00.5"),
    *(b"5e-324", b"2.2250738585072014e-308", b"1.7976931348623157e+308", b"5.960464477539063e-08", b"0.1"),
    *(b"0.30000000000000004", b"123456789012345", b"1234567890123456", b"0.000001", b"0.10000000000000001", b"100.0"),
    *(b"0." + b"0" * 4000 + b"1", b"1" + b"0" * 308, b"1" + b"0" * 309),
    *(b"inf", b"-inf", b"+inf", b"nan", b"-nan", b"NaN", b"Infinity", b"-Infinity", b"1e", b"1e+", b"1e5x"),
    *(b'"1E+50"', b'"-0.10"', b'"0E-7"', b'"1.10"', b'"-0"', b'"1E+0"', b'"1E+00"', b'"1e+5"', b'"1E5"', b'"1."'),
    *(b'"1E+999999999999999"', b'"1E-999999999999999"', b'"1E+9999999999999999"', b'"NaN"', b'"Infinity"', b'"007"'),
    *(b'"1' + b"0" * 2000 + b'1"', b'"' + b"1" * 4298 + b'"', b'"' + b"1" * 4299 + b'"', b'~{"Decimal": "NaN"}'),
    *(b'"2020-01-02"', b'"2020-13-99"', b'"20200102"', b'"2020-1-2"', b'"2020-01-02T03:04:05"', b'"2020-01-02T03:04"'),
    *(b'"2020-01-02T03:04:05Z"', b'"2020-01-02T03:04:05z"', b'"2020-01-02 03:04:05"', b'"2020-01-02T03:04:05.000000"'),
    *(b'"2020-01-02T03:04:05.120000+00:00"', b'"2020-01-02T03:04:05.123"', b'"2020-01-02T03:04:05.1234567"'),
    *(b'"2020-03-01T00:00:00+01:00"', b'"2021-03-01T00:00:00+01:00"', b'"1900-03-01T00:00:00+01:00"'),
    *(b'"2000-02-28T23:30:00-01:00"', b'"2100-02-28T23:30:00-01:00"', b'"2020-12-31T23:59:59.999999-00:01"'),
    *(b'"0001-01-01T00:00:00+05:30"', b'"0000-01-01T00:00:00+05:30"', b'"9999-12-31T23:59:59.999999-05:00"'),
    *(b'"2020-01-02T03:04:05+24:00"', b'"2020-01-02T03:04:05-00:00"', b'"2020-02-30T03:04:05-01:00"'),
    *(
        b'"2020-01-02T25:04:05-01:00"',
        b'"2020-01-02T25:04:05"',
        b'"2020-00-02T03:04:05-01:00"',
        b'"2020-01-02T03:04:05+0100"',
    ),
    *(b"true", b"false", b"True", b'"true"', b" true", b"1"),
    *(b'"00000000-0000-0000-0000-0000000000ff"', b'"00000000-0000-0000-0000-0000000000FF"', b'"0' + b"0" * 31 + b'"'),
    *(b'"0000000000000000000000-0000-0000-00ff"', b'"----------------------------00000000"'),
    *(
        b'"a\\u00e9"',
        b'"a\xc3\xa9"',
        b'"\\ud83d\\ude00"',
        b'"\\ud83d"',
        b'"\\ude00\\ud83d"',
        b'"\\ud83d\\ud83d\\ude00"',
    ),
    *(
        b'"\\"a\\""',
        b'"\\u0022a\\" "',
        b'"\\"a"',
        b'"a\\"',
        b'"a\\x"',
        b'"a\\u12"',
        b'"\\u0000"',
        b'"\\n\\/\\\\"',
        b'"a\0b"',
    ),
    *(b'"a"b"', b' "a"', b'"a" ', b'"\\', b'"\\"', b'"\\u', b'"\\\\"', b'"\\u00E9"', b'["a"]', b'~{"str": ["a", "b"]}'),
    *(b"a\0b", b"\0", b"\0" * 300, b"\xff\xfe", b"a\0\xff", b"AbZ[@`{", b"\xc3\x84", b"A" * 255 + b"\xc3\xa9"),
    *(
        b"z" * 255,
        b"z" * 256,
        b"z" * 257,
        b'"' + b"z" * 256 + b'"',
        b'"' + b"z" * 257 + b'"',
        b'"\\u00e9' + b"z" * 255 + b'"',
    ),
)


@st.composite
def _spellings(draw: st.DrawFn) -> bytes:
    """Draw bytes that are nearly spelled as a value is."""
    raw = bytearray(draw(st.one_of(st.sampled_from(SPELLINGS), st.binary(max_size=20))))
    for _ in range(draw(st.integers(0, 3))):
        at, gone = draw(st.integers(0, len(raw))), draw(st.integers(0, 2))
        raw[at : at + gone] = draw(st.lists(st.sampled_from(b'0159-+.eETZ:"\\/ud8dcN\0\xffa ,'), max_size=2))
    return bytes(raw)


spellings: Final = _spellings()
