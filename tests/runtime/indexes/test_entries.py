"""Entries: which bytes have one, and that their order is the order of the values."""

import enum
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NewType
from uuid import UUID

import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from redis_models.encoding.codec import FieldCodec, Hooks, codec_for
from redis_models.indexes.definitions import Kind, Part
from redis_models.indexes.entries import (
    LONGEST_TEXT,
    NONE,
    Entry,
    Operator,
    beginning_of_text,
    bounds,
    entry,
    entry_of,
    member,
    part_of,
    span,
    successor,
)

from .entry_values import FIELDS, SPELLINGS, Field, in_order, spellings, texts

_FEW = settings(deadline=None, max_examples=40)
_LATE = datetime(9999, 12, 31, 23, 59, 59, 999999)


def _entry(kind: Kind, raw: bytes, **flags: bool) -> bytes | None:
    found = entry(Part("f", kind, **flags), raw)
    return None if found is None else found.text


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(data=st.data())
@_FEW
def test_the_order_of_entries_is_that_of_values(field: Field, data: st.DataObject) -> None:
    values = data.draw(st.lists(field.values, max_size=12))
    found = [(value, entry_of(field.part, field.codec, value)) for value in values]
    known = [(value, text) for value, text in found if text is not None and not text.is_cut]

    by_bytes = [value for value, _ in sorted(known, key=lambda pair: member([pair[1].text], b"pk"))]

    assert list(map(_spelled, by_bytes)) == list(map(_spelled, in_order(value for value, _ in known)))


def _spelled(value: Any) -> Any:
    """Give equal values one spelling, NaN too: sorting leaves them in any order."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value - datetime.min.replace(tzinfo=UTC)
    return "nan" if value != value else value


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(data=st.data())
@_FEW
def test_equal_values_and_no_others_have_equal_entries(field: Field, data: st.DataObject) -> None:
    left, right = data.draw(field.values), data.draw(field.values)
    first, second = (entry_of(field.part, field.codec, value) for value in (left, right))

    if first is not None and second is not None and left == left and not first.is_cut and not second.is_cut:
        assert (first == second) == (left == right)


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(data=st.data())
@_FEW
def test_what_the_library_stores_has_an_entry(field: Field, data: st.DataObject) -> None:
    value = data.draw(field.values)
    raw = field.codec.encode(value)

    is_tagged = raw.startswith(b"~") and field.part.kind != "str"
    is_apart = is_tagged or (field.part.kind == "jstr" and _may_be_read_otherwise(field, value))
    assert (entry(field.part, raw) is None) == is_apart


def _may_be_read_otherwise(field: Field, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    bare = value.strip(" \t\n\r")
    is_json = len(bare) > 1 and bare[0] == bare[-1] == '"'
    return is_json or (field.is_optional and value in ("None", "null"))


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
@given(raws=st.lists(spellings, max_size=20))
@_FEW
@example(SPELLINGS)
def test_bytes_have_the_entry_of_what_they_are_read_as_or_none(field: Field, raws: Sequence[bytes]) -> None:
    for raw in raws:
        with suppress(ValueError):  # no value: no query finds it
            value = field.codec.decode(raw)
            assert entry(field.part, raw) in (None, entry(field.part, field.codec.encode(value))), (raw, value)


@pytest.mark.parametrize(
    ("kind", "raw", "wanted"),
    [
        ("int", b"0", b"Q0"),
        ("int", b"42", b"R42"),
        ("int", b"-42", b"N57"),
        ("int", b"1" + b"0" * 40, b"z0000411" + b"0" * 40),
        ("int", b"-1" + b"0" * 40, b"#9999588" + b"9" * 40),
        ("jint", b"7", b"Q7"),
        ("float", b"12.5", b"p401125"),
        ("float", b"5", b"p4005"),
        ("float", b"1e5", b"p4051"),
        ("float", b"100000.0", b"p4051"),
        ("float", b"-12.5", b"m399874~"),
        ("float", b"-0.0", b"o"),
        ("float", b"5e-324", b"p076494065645841247"),
        ("float", b"5.960464477539063e-08", b"p39259604644775390625"),
        ("float", b"0.30000000000000004", b"p39930000000000000004"),
        ("float", b"-inf", b"a"),
        ("float", b"inf", b"q"),
        ("float", b"nan", b"z"),
        ("decimal", b'"1.10"', b"pQ011"),
        ("decimal", b'"1.1"', b"pQ011"),
        ("decimal", b'"-0.10"', b"mQ18~"),
        ("decimal", b'"0E-7"', b"o"),
        ("decimal", b'"1E+50"', b"pR501"),
        ("decimal", b'"1E-50"', b"pN491"),
        ("bool", b"true", b"1"),
        ("bool", b"false", b"0"),
        ("str", b"", b"="),
        ("str", b"a\0b", b"=a\0\xffb"),
        ("str", b"None", b"=None"),
        ("jstr", b'"caf\\u00e9"', "=caf\u00e9".encode()),
        ("jstr", b'"\\ud83d\\ude00"', "=\U0001f600".encode()),
        ("jstr", b'"\\ud83d"', b"=\xed\xa0\xbd"),
        ("date", b'"2026-01-02"', b"2026-01-02"),
        ("datetime", b'"2026-01-02T03:04:05+00:00"', b"t2026-01-02T03:04:05"),
        ("datetime", b'"2026-01-02T03:04:05Z"', b"t2026-01-02T03:04:05"),
        ("datetime", b'"2026-01-02T03:04:05.000600+05:30"', b"t2026-01-01T21:34:05.000600"),
        ("datetime", b'"2024-02-29T23:30:00-01:00"', b"t2024-03-01T00:30:00"),
        ("datetime", b'"2026-01-02T03:04:05"', b"n2026-01-02T03:04:05"),
        ("datetime", b'"0001-01-01T00:00:00+05:30"', b"t0000-12-31T18:30:00"),
        ("datetime", b'"9999-12-31T23:59:59.999999-05:00"', b"t:000-01-01T04:59:59.999999"),
        ("uuid", b'"00000000-0000-0000-0000-0000000000ff"', b"00000000-0000-0000-0000-0000000000ff"),
    ],
)
def test_the_entries_are_as_written_in_databases(kind: Kind, raw: bytes, wanted: bytes) -> None:
    assert _entry(kind, raw) == wanted


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        *(("int", raw) for raw in (b"007", b"+5", b"-0", b"1_0", b" 5", b"5\n", b"", b"None", b"1" * 4301)),
        *(("float", raw) for raw in (b"1.", b".5", b"007.5", b"+5.0", b"1e400", b"-nan", b"0x10", b"1e", b"")),
        *(("decimal", raw) for raw in (b"1.10", b'"NaN"', b'"1e5"', b'"1E+05"', b'~{"Decimal": "NaN"}', b'"')),
        *(("bool", raw) for raw in (b"True", b"1", b'"true"', b" true")),
        *(("jstr", raw) for raw in (b"a", b' "a"', b'"a" ', b'"\\"a\\""', b'~{"str": ["a"]}', b'"\\x"', b'"')),
        *(("jint", raw) for raw in (b'"1"', b"1.0", b"01")),
        *(("date", raw) for raw in (b"2026-01-02", b'"20260102"', b'"2026-01-02T00:00:00"', b"0")),
        *(("datetime", raw) for raw in (b'"2026-01-02"', b'"2026-01-02T03:04:05.123"', b'"2026-01-02 03:04:05"')),
        *(("uuid", raw) for raw in (b'"' + b"0" * 32 + b'"', b'"00000000-0000-0000-0000-0000000000FF"')),
    ],
)
def test_another_spelling_has_no_entry(kind: Kind, raw: bytes) -> None:
    assert _entry(kind, raw) is None
    assert kind in ("str", "jstr") or _entry(kind, raw, is_optional=True) in (None, NONE)


def test_none_is_not_one_of_its_texts() -> None:
    codec = codec_for(str | None)
    part = part_of("f", codec)

    found = [entry(part, codec.encode(text)) for text in (None, "", "None", "\\None", "\\\\None", "null")]

    assert [text and text.text for text in found] == [b"!", b"=", b"=None", b"=\\None", b"=\\\\None", b"=null"]
    assert [_entry("int", raw, is_optional=True) for raw in (b"None", b"null")] == [NONE, NONE]
    assert [_entry("jstr", raw, is_optional=True) for raw in (b"None", b"null")] == [NONE, NONE]


def test_a_number_beyond_a_double_is_itself() -> None:
    texts_of = [_entry("int", b"%d" % (2**53 + more)) for more in (-1, 0, 1, 2)]

    assert len(set(texts_of)) == 4


def test_a_long_text_is_cut_by_bytes() -> None:
    part = Part("f", "str")

    assert entry(part, b"z" * 256) == Entry(b"=" + b"z" * 256)
    assert entry(part, b"z" * 257) == Entry(b"=" + b"z" * 256, is_cut=True)
    assert entry(part, b"z" * 255 + "\u00e9".encode()) == Entry(b"=" + b"z" * 255 + b"\xc3", is_cut=True)
    assert entry(part, b"\0" * 256) == Entry(b"=" + b"\0\xff" * 256)
    assert entry(Part("f", "jstr"), b'"' + b"\\u00e9" * 128 + b'z"') == Entry(b"=" + b"\xc3\xa9" * 128, is_cut=True)


def test_nocase_folds_a_to_z_only() -> None:
    part = part_of("f", codec_for(str), folds_case=True)

    assert entry(part, "aZ@[`{\u00c4".encode()) == Entry("=az@[`{\u00c4".encode())


class Shade(enum.StrEnum):
    DARK = "dark"
    NONE = "None"


class Level(enum.IntEnum):
    LOW = -1


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


class Mixed(enum.Enum):
    ONE = 1
    A = "a"


class Renamed(enum.Enum):
    CANCELED = "canceled"

    @classmethod
    def _missing_(cls, value: object) -> "Renamed | None":
        return cls.CANCELED if value == "cancelled" else None


class Quoted(enum.Enum):
    A = '"a"'


_UserId = NewType("_UserId", int)
_Alias: Any = TypeAliasType("_Alias", str | None)  # pyright: ignore[reportGeneralTypeIssues]


_Positive: Any = Annotated[int, pydantic.Field(gt=0)]
_INDEXABLE: Final[list[tuple[Any, Kind, bool]]] = [
    (int, "int", False),
    (int | None, "int", True),
    (_Positive | None, "int", True),
    (float, "float", False),
    (str | None, "str", True),
    (pydantic.StrictStr, "str", False),
    (bool, "bool", False),
    (pydantic.StrictBool, "bool", False),
    (Decimal, "decimal", False),
    (pydantic.condecimal(max_digits=5), "decimal", False),
    (date, "date", False),
    (pydantic.PastDate, "date", False),
    (pydantic.FutureDate, "date", False),
    (datetime | None, "datetime", True),
    (pydantic.AwareDatetime, "datetime", False),
    (pydantic.NaiveDatetime, "datetime", False),
    (UUID, "uuid", False),
    (pydantic.UUID4, "uuid", False),
    (Shade, "jstr", False),
    (Level, "jint", False),
    (Mode | None, "jint", True),
    (Literal["a", "None"], "jstr", False),
    (Literal["a", None], "jstr", True),
    (Literal[1, 2], "jint", False),
    (Literal[Shade.DARK], "jstr", False),
    (_UserId, "jint", False),
    (_UserId | None, "jint", True),
    (_Alias, "jstr", True),
]


@pytest.mark.parametrize(("annotation", "kind", "is_optional"), _INDEXABLE)
def test_types_that_can_be_indexed(annotation: Any, kind: Kind, is_optional: bool) -> None:
    assert part_of("f", codec_for(annotation)) == Part("f", kind, is_optional)


def test_addresses_can_be_indexed() -> None:
    pytest.importorskip("email_validator")  # which pydantic needs for them
    codec = codec_for(pydantic.EmailStr)

    part = part_of("f", codec, folds_case=True)

    assert part == Part("f", "jstr", folds_case=True)
    assert entry(part, codec.encode("Ann@example.com")) == Entry(b"=ann@example.com")


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (list[str], "an index can hold str, int, "),
        (int | str, "an index can hold str, int, "),
        (bytes, "an index can hold str, int, "),
        (time, "an index can hold str, int, "),
        (timedelta, "an index can hold str, int, "),
        (Any, "an index can hold str, int, "),
        (pydantic.SecretStr, "an index can hold str, int, "),
        (Literal[True], "an index can hold str, int, "),
        (Mixed, "an index can hold str, int, "),
        (Renamed, "Renamed._missing_ reads values that are stored otherwise"),
        (Quoted, "<Quoted.A: '\"a\"'> is stored as "),
        (Shade | None, "<Shade.NONE: 'None'> is stored as "),  # which a codec without such a member reads as None
    ],
)
def test_types_that_cannot_be_indexed_are_named_with_the_reason(annotation: Any, reason: str) -> None:
    with pytest.raises(TypeError) as caught:
        part_of("total", codec_for(annotation))

    assert str(caught.value).startswith("field 'total' of type ")
    assert f" cannot be indexed: {reason}" in str(caught.value)


def test_nocase_is_for_text() -> None:
    with pytest.raises(TypeError, match="field 'f' of type int cannot be indexed: nocase is for text"):
        part_of("f", codec_for(int), folds_case=True)


def test_a_type_that_the_model_spells_in_its_own_way_cannot_be_indexed() -> None:
    def default(value: object) -> object:
        if isinstance(value, date):
            return value.toordinal()
        raise TypeError

    with pytest.raises(TypeError, match=r"datetime.date\(2001, 2, 3\) is stored as b'730519', which has no entry"):
        part_of("f", FieldCodec(date, Hooks(default)))
    assert part_of("f", FieldCodec(UUID, Hooks(default))) == Part("f", "uuid")


def test_a_moment_whose_offset_has_seconds_finds_its_equals() -> None:
    codec = codec_for(datetime)
    odd = timezone(timedelta(hours=1, seconds=1))

    assert entry(part_of("f", codec), codec.encode(datetime(2026, 1, 2, 3, tzinfo=odd))) is None
    assert entry_of(part_of("f", codec), codec, datetime(2026, 1, 2, 3, tzinfo=odd)) == entry_of(
        part_of("f", codec), codec, datetime(2026, 1, 2, 1, 59, 59, tzinfo=UTC)
    )
    assert entry_of(part_of("f", codec), codec, _LATE.replace(tzinfo=timezone(-timedelta(hours=1, seconds=1)))) is None


def test_what_has_no_order_has_an_empty_range() -> None:
    real = part_of("f", codec_for(float | None))
    nan, none = Entry(b"z"), Entry(NONE)

    operators: tuple[Operator, ...] = ("==", "<", "<=", ">", ">=")
    assert all(first == end for first, end in (bounds(real, operator, nan) for operator in operators))
    assert bounds(real, "==", none) == (b"!\0", b"!\0\xff")
    assert all(first == end for first, end in (bounds(real, operator, none) for operator in operators[1:]))
    assert span(real, b"p4001") == (b"a", b"r")


def test_moments_without_a_zone_are_not_compared_with_others() -> None:
    part = Part("f", "datetime")

    assert bounds(part, "<", Entry(b"t2026")) == (b"t", b"t2026\0")
    assert bounds(part, ">=", Entry(b"n2026")) == (b"n2026\0", b"o")


@given(st.lists(texts, max_size=8), texts, st.booleans())
def test_a_range_of_texts_that_begin_alike_has_no_others(stored: list[str], start: str, folds_case: bool) -> None:
    part = part_of("f", codec_for(str), folds_case=folds_case)
    first = beginning_of_text(part, start)

    for text in (*stored, start, start + "\0", start + "\xff", start[:-1]):
        found = entry_of(part, codec_for(str), text)
        assert found is not None
        is_in = first <= member([found.text], b"pk") < successor(first)
        assert is_in == _folded(text, folds_case).startswith(_folded(start, folds_case))


def _folded(text: str, folds_case: bool) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return raw.lower() if folds_case else raw


@given(st.integers(-2, 2), st.integers(-2, 2), st.sampled_from("xyz"), st.sampled_from("xyz"))
def test_texts_at_the_cut_are_all_within_the_range(more: int, other: int, last: str, behind: str) -> None:
    part, codec = part_of("f", codec_for(str)), codec_for(str)
    sought, stored = "y" * (LONGEST_TEXT + more) + last, "y" * (LONGEST_TEXT + other) + behind
    found, compared = entry_of(part, codec, stored), entry_of(part, codec, sought)
    assert found is not None and compared is not None

    for operator, holds in (
        ("==", stored == sought),
        ("<", stored < sought),
        ("<=", stored <= sought),
        (">", stored > sought),
        (">=", stored >= sought),
    ):
        first, end = bounds(part, operator, compared)  # type: ignore[arg-type]  # of the tuple's text
        assert not holds or first <= member([found.text], b"pk") < end
