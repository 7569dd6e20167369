"""Some fields of a record as in pydantic-aioredis: what columns hold, and what a partial write makes of raw values."""

import datetime as dt
import enum
import ipaddress
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, HttpUrl, SecretStr

import redis_models
from redis_models import Model
from redis_models.errors import DecodeError, EncodeError
from redis_models.mapping.partial import deserialize, serialize


class Kind(str, enum.Enum):  # noqa: UP042  # as in the days of pydantic-aioredis
    A = "a"


class Plain(enum.Enum):
    RED = "red"


class Leaf(BaseModel):
    d: dt.date
    below: "list[Leaf]" = []


class Blob(BaseModel):
    content: bytes


class Whole(Model):
    title: str = redis_models.Field(primary_key=True)
    pages: int = 3
    price: float | None = None
    note: str | None = None
    in_print: bool = True
    lent: bool | None = None
    day: dt.date | None = None
    at: dt.datetime | None = None
    number: uuid.UUID | None = None
    host: ipaddress.IPv4Address | None = None
    kind: Kind = Kind.A
    word: Literal["x", 1] = 1
    tags: list[str] = redis_models.Field(default=[])
    days: list[dt.date] = redis_models.Field(default=[])
    pair: tuple[int, str] = (1, "a")
    leaf: Leaf | None = None
    anything: Any = None
    either: str | dt.date = "x"
    link: HttpUrl | None = None
    colour: Plain = Plain.RED
    raw: bytes = b""
    parts: frozenset[int] = frozenset()
    amount: Decimal = Decimal(1)
    amounts: list[Decimal] = redis_models.Field(default=[])
    blob: Blob | None = None
    secret: SecretStr = SecretStr("")


MAPPER = Whole.__mapper__
# field, what is stored, what a column holds
COLUMNS: list[tuple[str, bytes, object]] = [
    ("title", b"A", "A"),
    ("pages", b"3", "3"),
    ("price", b"1.5", "1.5"),
    ("price", b"None", None),
    ("note", b"None", None),
    ("note", b"\\None", "None"),
    ("note", b"v", "v"),
    ("in_print", b"true", True),
    ("in_print", b"1", True),
    ("lent", b"null", None),
    ("lent", b"None", None),
    ("day", b'"2020-01-01"', "2020-01-01"),
    ("day", b"null", None),
    ("at", b'"2020-01-02T03:04:05+00:00"', "2020-01-02T03:04:05+00:00"),
    ("number", b'"00000000-0000-0000-0000-000000000000"', "00000000-0000-0000-0000-000000000000"),
    ("host", b'"1.2.3.4"', "1.2.3.4"),
    ("kind", b'"a"', "a"),
    ("word", b"1", 1),
    ("tags", b'["a", "\\u00e9"]', ["a", "\u00e9"]),
    ("days", b'["2020-01-01"]', ["2020-01-01"]),
    ("days", b'"[\\"2020-01-01\\"]"', ["2020-01-01"]),
    ("pair", b'[1, "a"]', [1, "a"]),
    ("leaf", b'{"d": "2020-01-01", "below": []}', {"d": "2020-01-01", "below": []}),
    ("leaf", b'"null"', None),
    ("anything", b'{"a": [null]}', {"a": [None]}),
    ("anything", b'"[1]"', "[1]"),
    ("anything", b'~{"tuple": [1]}', (1,)),
    ("either", b'"2020-01-01"', "2020-01-01"),
    ("either", b'~{"date": "2020-01-01"}', dt.date(2020, 1, 1)),
    ("link", b'"http://a.example/"', "http://a.example/"),
    ("colour", b'"red"', Plain.RED),
    ("raw", b'"_w=="', b"\xff"),
    ("parts", b"[1, 2]", frozenset({1, 2})),
    ("amount", b'"1.10"', Decimal("1.10")),
    ("amounts", b'["1.10"]', [Decimal("1.10")]),
    ("blob", b'{"content": "x"}', Blob(content=b"x")),
    ("secret", b'"s"', SecretStr("s")),
]
# field, a raw value, what a partial write makes of it
WRITTEN: list[tuple[str, object, object]] = [
    ("title", "A", "A"),
    ("pages", 2**70, 2**70),
    ("pages", "x", "x"),
    ("price", math.inf, math.inf),
    ("price", None, "None"),
    ("note", None, "None"),
    ("note", "None", "\\None"),
    ("in_print", True, "true"),
    ("lent", None, "null"),
    ("day", dt.date(2020, 1, 1), '"2020-01-01"'),
    ("day", "2020-01-01", '"2020-01-01"'),
    ("host", ipaddress.IPv6Address("::1"), '"::1"'),
    ("tags", ["a", None], '["a", null]'),
    ("days", [dt.date(2020, 1, 1), (1, math.nan)], '["2020-01-01", [1, NaN]]'),
    ("leaf", {"d": dt.date(2020, 1, 1)}, '{"d": "2020-01-01"}'),
    ("parts", frozenset({2, 1}), "[1, 2]"),
    ("raw", b"\xff", '"_w=="'),
    ("secret", SecretStr("s"), '"s"'),
    ("unknown", [object], [object]),
]


def _default(value: object) -> str:
    if isinstance(value, (dt.date, ipaddress.IPv6Address)):
        return str(value)
    raise TypeError(f"Type {type(value)} not serializable")


def _named(value: object) -> str:
    """Name a parameter, the same in every process: sets have no order, objects an address."""
    return getattr(value, "__name__", None) or type(value).__name__


@pytest.mark.parametrize(("name", "raw", "value"), COLUMNS, ids=_named)
def test_a_column_has_the_value_of_pydantic_aioredis_or_one_of_its_type(name: str, raw: bytes, value: object) -> None:
    from_bytes, from_text = deserialize(MAPPER, {name: raw}), deserialize(MAPPER, {name: raw.decode()})

    assert from_bytes == from_text == {name: value}
    assert type(from_bytes[name]) is type(value)


@pytest.mark.parametrize(("name", "value", "text"), WRITTEN, ids=_named)
def test_a_partial_write_takes_raw_values(name: str, value: object, text: object) -> None:
    given = {name: value}

    assert serialize(MAPPER, given, _default) == {name: text}
    assert given == {name: value}


def test_columns_keep_the_order_asked_for_and_names_that_are_not_text() -> None:
    read = deserialize(MAPPER, {"pages": "3", "other": b"x", "title": None, "tags": ["a"]})

    assert list(read.items()) == [("pages", "3"), ("other", b"x"), ("title", None), ("tags", ["a"])]


@pytest.mark.parametrize("default", [_default, None])
def test_a_value_that_nothing_writes_is_a_type_error_that_names_its_field(default: Any) -> None:
    with pytest.raises(TypeError, match=r"^Whole\.days: \[<object .*cannot be stored: Input should be a valid date$"):
        serialize(MAPPER, {"days": [object()]}, default)
    with pytest.raises(TypeError, match=r"^Whole\.anything: <object .*cannot be stored: .*not (JSON )?serializable$"):
        serialize(MAPPER, {"anything": object()}, default)


@pytest.mark.parametrize("value", [{"xyzzy"}, ["xyzzy", object()], {"a": {"xyzzy"}}])
def test_a_secret_that_nothing_writes_is_stars_in_its_type_error(value: object) -> None:
    with pytest.raises(EncodeError) as caught:
        serialize(MAPPER, {"secret": value}, _default)

    error = caught.value
    assert "Whole.secret: '**********' cannot be stored" in str(error)
    assert "xyzzy" not in repr((error.args, vars(error), error.__cause__, error.__context__))


def test_a_column_that_does_not_read_back_is_named_with_its_key() -> None:
    with pytest.raises(DecodeError, match=r"whole:a.*days"):
        deserialize(MAPPER, {"days": "[1"}, key="whole:a")
    with pytest.raises(DecodeError, match="raw"):
        deserialize(MAPPER, {"raw": b"5"})


def test_objects_in_columns_go_through_the_hook_at_every_depth() -> None:
    def with_count(value: Mapping[str, object]) -> object:
        return {**value, "count": len(value)}

    read = deserialize(MAPPER, {"anything": '{"a": {"b": 1}}', "days": '"[{}]"'}, with_count)

    assert read == {"anything": {"a": {"b": 1, "count": 1}, "count": 1}, "days": [{"count": 0}]}
