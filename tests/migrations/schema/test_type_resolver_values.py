"""Values that a type of the past reads and writes, byte for byte as the type that they were stored by."""

import collections
import datetime as dt
import enum
import re
import types
import typing as t
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, Union

import pydantic
import pytest
import typing_extensions as te
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, computed_field, create_model

from redis_models.encoding.codec import codec_for
from redis_models.encoding.equality import is_same
from redis_models.migrations.schema.type_resolver import resolve
from redis_models.migrations.schema.type_text import describe

UserId = NewType("UserId", str)
Tree = te.TypeAliasType("Tree", "list[Tree] | int")


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


class Airline(enum.StrEnum):
    AA = "American"
    UA = "United"


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


class Pair(enum.Enum):
    ONE = (1, 2)


class Address(BaseModel):
    """Where a person lives."""

    zip: int | None = None
    city: str


class Node(BaseModel):
    value: int
    children: "list[Node]" = []


class Country(BaseModel):
    name: str
    capital: "Capital | None" = None


class Capital(BaseModel):
    country: Country
    twins: "list[Capital]" = []


class BlobAsBase64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    content: bytes


class Lap(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    took: dt.timedelta


class Square(BaseModel):
    side: int
    note: str = Field(default="", exclude=True)

    @computed_field
    def area(self) -> int:
        return self.side**2


class Money(BaseModel):
    cents: int

    @pydantic.field_serializer("cents")
    def _as_text(self, value: int) -> str:
        return f"{value} cents"


class Reading(BaseModel):
    celsius: float

    @pydantic.model_serializer
    def _as_number(self) -> float:
        return self.celsius


Headers = te.TypedDict("Headers", {"content-type": str, "class": int, "_id": te.NotRequired[int], "json": bool})


class Place(NamedTuple):
    name: str
    height: float = 0.0


Drawn = tuple[object, st.SearchStrategy[object]]


def _leaf(annotation: object, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Drawn]:
    return st.just((annotation, values))


_LEAVES: st.SearchStrategy[Drawn] = st.one_of(
    _leaf(str, st.text(max_size=5)),
    _leaf(Annotated[str, Field(max_length=99)], st.text(max_size=5)),
    _leaf(UserId, st.text(max_size=5)),
    _leaf(int, st.integers()),
    _leaf(float, st.floats(allow_nan=False, allow_infinity=False)),
    _leaf(bool, st.booleans()),
    _leaf(bytes, st.binary(max_size=5)),
    _leaf(Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    _leaf(uuid.UUID, st.uuids()),
    _leaf(dt.date, st.dates()),
    _leaf(dt.datetime, st.datetimes()),
    _leaf(pydantic.AwareDatetime, st.datetimes(timezones=st.just(dt.UTC))),
    _leaf(dt.time, st.times()),
    _leaf(dt.timedelta, st.timedeltas(dt.timedelta(days=-999), dt.timedelta(days=999))),
    _leaf(pydantic.HttpUrl, st.just(pydantic.HttpUrl("http://a.example"))),
    _leaf(Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    _leaf(Airline, st.sampled_from(Airline)),
    _leaf(Colour, st.sampled_from(Colour)),
    _leaf(Mode, st.sampled_from([Mode.READ, Mode.READ | Mode.WRITE])),
    _leaf(Node, st.just(Node(value=1, children=[Node(value=2)]))),
    _leaf(Headers, st.just({"content-type": "x", "class": 1, "json": True})),
    _leaf(BlobAsBase64, st.binary(max_size=5).map(lambda content: BlobAsBase64(content=content))),
    _leaf(Lap, st.just(Lap(took=dt.timedelta(seconds=1.5)))),
    _leaf(Money, st.just(Money(cents=5))),
    _leaf(Any, st.sampled_from([None, 1, "x", [1.5, {"a": None}]])),
)


def _listed(drawn: Drawn) -> Drawn:
    return types.GenericAlias(list, (drawn[0],)), st.lists(drawn[1], max_size=3)


def _tupled(drawn: list[Drawn]) -> Drawn:
    return types.GenericAlias(tuple, tuple(value[0] for value in drawn)), st.tuples(*(value[1] for value in drawn))


def _mapped(drawn: Drawn) -> Drawn:
    return types.GenericAlias(dict, (str, drawn[0])), st.dictionaries(st.text(max_size=3), drawn[1], max_size=3)


def _united(drawn: list[Drawn]) -> Drawn:
    union = t.cast(Mapping[object, object], Union)[tuple(value[0] for value in drawn)]
    return union, st.one_of(*(value[1] for value in drawn))


def _optional(drawn: Drawn) -> Drawn:
    return _united([drawn, (None, st.none())])


def _modelled(drawn: dict[str, Drawn]) -> Drawn:
    fields: dict[str, Any] = {name: (value[0], ...) for name, value in drawn.items()}
    model = create_model("Drawn", __config__=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"), **fields)
    values = st.fixed_dictionaries({name: value[1] for name, value in drawn.items()})
    return model, values.map(lambda value: model.model_construct(None, **value))


def _deeper(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    return st.one_of(
        inner.map(_listed),
        st.lists(inner, min_size=1, max_size=3).map(_tupled),
        inner.map(_mapped),
        st.lists(inner, min_size=2, max_size=3).map(_united),
        inner.map(_optional),
        st.dictionaries(st.sampled_from(["b", "a", "zip"]), inner, min_size=1, max_size=3).map(_modelled),
    )


ANNOTATIONS = st.recursive(_LEAVES, _deeper, max_leaves=6)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(ANNOTATIONS, st.data())
def test_any_type_reads_back_and_keeps_its_values_byte_for_byte(drawn: Drawn, draw: st.DataObject) -> None:
    annotation, values = drawn
    text = describe(annotation)
    was, now = codec_for(annotation), codec_for(resolve(text))
    value, stored = draw.draw(values), b""
    try:
        stored = was.encode(value)
        is_kept = was.encode(was.decode(stored)) == stored
    except ValueError:
        is_kept = False

    assert describe(resolve(text)) == text
    assert now.kind == was.kind
    assume(is_kept)  # by its own class: 1 in float | IntFlag comes back as 1.0
    kept = now.encode(now.decode(stored))
    # What only tagged JSON carries for a class, plain JSON may carry for its type.
    assert kept == stored or (stored.startswith(b"~") and is_same(now.decode(kept), now.decode(stored)))


WRITTEN: Sequence[tuple[object, object]] = [
    (bytes, b"abc"),
    (Address, Address(city="Rome", zip=1)),
    (list[Airline | int], [Airline.AA, 3]),
    (Country, Country(name="Italy", capital=None)),
    (set[int], {1, 2, 3}),
    (frozenset[Place], frozenset({Place("a")})),
    (Pair, Pair.ONE),
    (Tree, t.cast(object, [1, [2, []]])),
    (Square, Square(side=3)),
    (pydantic.SecretStr, pydantic.SecretStr("x")),
    (collections.Counter[str], collections.Counter("aab")),
    (Reading, Reading(celsius=1.5)),
    (re.Pattern[str], re.compile("a+")),
    (Headers, {"content-type": "x", "class": 1, "_id": 4, "json": False}),
]


@pytest.mark.parametrize(("annotation", "value"), WRITTEN)
def test_pydantic_alone_writes_the_same_json_after_reading_it(annotation: Any, value: object) -> None:
    stored = TypeAdapter[object](annotation).dump_json(value)
    adapter = TypeAdapter[object](t.cast(Any, resolve(describe(annotation))))

    assert adapter.dump_json(adapter.validate_json(stored)) == stored
