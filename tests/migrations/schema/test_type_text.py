"""Canonical type text: what each type is called, and which are refused."""

import collections
import dataclasses
import datetime as dt
import enum
import fractions
import ipaddress
import os
import pathlib
import re
import subprocess
import sys
import types
import uuid
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union

import pydantic
import pytest
import typing_extensions as te
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel, computed_field

from redis_models.errors import ModelDeclarationError
from redis_models.migrations.schema.type_resolver import resolve
from redis_models.migrations.schema.type_text import describe
from redis_models.migrations.schema.type_tree import parse

T = TypeVar("T")
UserId = NewType("UserId", str)
Tree = te.TypeAliasType("Tree", "list[Tree] | int")


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


class Airline(enum.StrEnum):
    AA = "American"
    UA = "United"


class Rank(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.IntFlag):
    READ = 1
    WRITE = 2


class Pair(enum.Enum):
    ONE = (1, 2)


Odd = enum.Enum("Odd", {"class": 1, "a-b": "x", "plain": 2})


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


class Page(BaseModel, Generic[T]):
    items: list[T]


class Blob(BaseModel):
    content: bytes


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


class Tags(RootModel[list[str]]):
    pass


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


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@dataclasses.dataclass
class Sheet:
    content: bytes


@dataclasses.dataclass
class Link(Generic[T]):
    held: T
    next: "Link[T] | None" = None


@dataclasses.dataclass
class NumberLink(Link[int]):
    note: str = ""


class Chain(BaseModel):
    next: te.Self | None = None


class Movie(te.TypedDict, total=False):
    title: te.Required[str]
    year: int


Headers = te.TypedDict("Headers", {"content-type": str, "class": int, "_id": te.NotRequired[int], "json": bool})


class Box(te.TypedDict, Generic[T]):
    held: T


class Place(NamedTuple):
    name: str
    height: float = 0.0


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]


class Currency:
    """A third party's type with a schema of its own."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: pydantic.GetCoreSchemaHandler
    ) -> "pydantic.GetCoreSchemaHandler":
        return handler(str)  # type: ignore[return-value]  # the real type is private to pydantic


def _shout(value: str) -> str:
    return value.upper()


Case = tuple[str, object, str]
HOME = __name__
CASES: Sequence[Case] = [
    ("str", str, "str"),
    ("int", int, "int"),
    ("float", float, "float"),
    ("bool", bool, "bool"),
    ("bytes", bytes, "bytes"),
    ("complex", complex, "complex"),
    ("none", None, "None"),
    ("any", Any, "Any"),
    ("object", object, "Any"),
    ("json value", pydantic.JsonValue, "Any"),
    ("decimal", Decimal, "Decimal"),
    ("fraction", fractions.Fraction, "Fraction"),
    ("uuid", uuid.UUID, "UUID"),
    ("uuid of a version", pydantic.UUID4, "UUID"),
    ("date", dt.date, "date"),
    ("past date", pydantic.PastDate, "date"),
    ("datetime", dt.datetime, "datetime"),
    ("future datetime", pydantic.FutureDatetime, "datetime"),
    ("aware datetime", pydantic.AwareDatetime, "datetime[aware]"),
    ("naive datetime", pydantic.NaiveDatetime, "datetime[naive]"),
    ("time", dt.time, "time"),
    ("timedelta", dt.timedelta, "timedelta"),
    ("path", pathlib.Path, "Path"),
    ("file path", pydantic.FilePath, "Path"),
    ("address", ipaddress.IPv4Address, "IPv4Address"),
    ("any address", pydantic.IPvAnyAddress, "IPv4Address | IPv6Address"),
    ("network", ipaddress.IPv6Network, "IPv6Network"),
    ("pattern", re.Pattern[str], "Pattern"),
    ("time zone", zoneinfo.ZoneInfo, "ZoneInfo"),
    ("url", pydantic.HttpUrl, "Url"),
    ("database url", pydantic.PostgresDsn, "Url"),
    ("secret", pydantic.SecretStr, "SecretStr"),
    ("secret bytes", pydantic.SecretBytes, "SecretBytes"),
    ("secret number", pydantic.Secret[int], "Secret"),
    ("byte size", pydantic.ByteSize, "ByteSize"),
    ("strict", pydantic.StrictInt, "int"),
    ("constrained", pydantic.conint(gt=3), "int"),
    ("constrained text", pydantic.constr(pattern="a+"), "str"),
    ("optional", Optional[int], "int | None"),  # noqa: UP045  # the old spelling is the case
    ("none first", Union[None, str], "str | None"),  # noqa: UP007  # likewise
    ("union", int | str, "int | str"),
    ("union the other way", str | int, "str | int"),
    ("nested unions", Union[int, Annotated[str | None, Field(title="t")]], "int | str | None"),  # noqa: UP007
    ("equal members", pydantic.StrictInt | pydantic.conint(gt=1) | str, "int | str"),
    ("new type", UserId, "JSON[str]"),
    ("optional new type", UserId | None, "JSON[str] | None"),
    ("list of new type", list[UserId], "list[str]"),
    ("list", list[int], "list[int]"),
    ("bare list", list, "list[Any]"),
    ("sequence", Sequence[int], "list[int]"),
    ("tuple", tuple[int, str], "tuple[int, str]"),
    ("long tuple", tuple[int, ...], "tuple[int, ...]"),
    ("empty tuple", tuple[()], "tuple[()]"),
    ("bare tuple", tuple, "tuple[Any, ...]"),
    ("set", set[str], "set[str]"),
    ("frozen set", frozenset[str], "frozenset[str]"),
    ("deque", collections.deque[int], "deque[int]"),
    ("dict", dict[str, int], "dict[str, int]"),
    ("mapping", Mapping[uuid.UUID, list[int]], "dict[UUID, list[int]]"),
    ("default dict", collections.defaultdict[str, list[int]], "dict[str, list[int]]"),
    ("counter", collections.Counter[str], "dict[str, int]"),
    ("literal", Literal["b", "a", 1, True], "Literal[True, 1, 'a', 'b']"),
    ("optional literal", Literal["a", None], "Literal['a'] | None"),
    ("literal of an enum", Literal[Airline.AA], "Literal['American']"),
    ("enum", Colour, "Enum(RED='red', GREEN=2)"),
    ("text enum", Airline, "Enum(AA='American', UA='United')"),
    ("number enum", Rank, "Enum(LOW=1, HIGH=2)"),
    ("flag", Mode, "Flag(READ=1, WRITE=2)"),
    ("enum of tuples", Pair, "Enum(ONE=[1, 2])"),
    ("odd names", Odd, "Enum(**{'class': 1, 'a-b': 'x'}, plain=2)"),
    ("model", Address, "Object(city=str, zip=NotRequired[int | None])"),
    ("models", dict[str, Address], "dict[str, Object(city=str, zip=NotRequired[int | None])]"),
    ("recursive model", Node, "Object('T1', children=NotRequired[list[Ref('T1')]], value=int)"),
    (
        "models in a ring",
        Country,
        "Object('T1', capital=NotRequired[Object('T2', country=Ref('T1'), twins=NotRequired[list[Ref('T2')]]) | None],"
        " name=str)",
    ),
    ("recursive alias", Tree, "Alias('T1', list[Ref('T1')] | int)"),
    ("generic model", Page[int], "Object(items=list[int])"),
    ("generic typed dict", Box[list[int]], "Object(held=list[int])"),
    ("root model", Tags, "list[str]"),
    ("root model of text", RootModel[str], "JSON[str]"),
    ("computed and excluded", Square, "Object(area=NotRequired[int], note=NotRequired[str], side=int)"),
    ("bytes of a model", Blob, "Object(content=bytes[utf8])"),
    ("bytes of a configured model", BlobAsBase64, "Object(content=bytes)"),
    ("seconds", Lap, "Object(took=timedelta[seconds])"),
    ("dataclass", Point, "Object(x=int, y=NotRequired[int])"),
    ("bytes of a dataclass", Sheet, "Object(content=bytes[utf8])"),
    ("bytes of dataclasses in a list", list[Sheet], "list[Object(content=bytes)]"),
    ("recursive generic", list[Link[str]], "list[Object('T1', held=str, next=NotRequired[Ref('T1') | None])]"),
    (
        "inherited generic",
        NumberLink,
        "Object(held=int, next=NotRequired[Object('T1', held=int, next=NotRequired[Ref('T1') | None]) | None],"
        " note=NotRequired[str])",
    ),
    ("self", Chain, "Object('T1', next=NotRequired[Ref('T1') | None])"),
    ("typed dict", Movie, "Object(title=str, year=NotRequired[int])"),
    ("awkward keys", Headers, "Object(_id=NotRequired[int], **{'class': int, 'content-type': str}, json=bool)"),
    ("named tuple", Place, "tuple[str, float]"),
    (
        "discriminated union",
        Annotated[Cat | Dog, Field(discriminator="kind")],
        "Object(kind=Literal['cat'], lives=NotRequired[int]) | Object(kind=Literal['dog'])",
    ),
    ("custom type", Currency, f"Custom('{HOME}.Currency')"),
    ("custom types", set[Currency], f"set[Custom('{HOME}.Currency')]"),
    ("serializer", list[Annotated[str, PlainSerializer(_shout)]], f"list[Custom('{HOME}._shout')]"),
    ("serializer of a field", Money, f"Object(cents=Custom('{HOME}.Money._as_text'))"),
    ("serializer of a model", Reading, f"Custom('{HOME}.Reading._as_number')"),
    ("encoded", list[pydantic.Base64Str], "list[Custom('pydantic.types.Base64Encoder')]"),
]


@pytest.mark.parametrize(("annotation", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_type_has_its_text_and_the_text_reads_back(annotation: object, text: str) -> None:
    described = describe(annotation)

    assert described == text
    assert describe(resolve(text)) == text
    assert str(parse(text)) == text


_PRINT_TEXTS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(sys.argv[1], sys.argv[2])
module = sys.modules[sys.argv[1]] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(*(module.describe(annotation) for _, annotation, _ in module.CASES), sep=chr(10))
"""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_texts_do_not_depend_on_the_hash_seed(seed: str) -> None:
    command = [sys.executable, "-c", _PRINT_TEXTS, __name__, __file__]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == [text for _, _, text in CASES]


class Opaque:
    pass


@pytest.mark.parametrize(
    "annotation",
    [
        Opaque,
        list[Opaque],
        Callable[[int], int],
        type[int],
        "Nowhere",
        types.GenericAlias(list, "Nowhere"),
        "no expression(",
        types.GenericAlias(list, 5),
    ],
)
def test_a_type_without_a_json_form_is_refused_by_name(annotation: object) -> None:
    with pytest.raises(ModelDeclarationError, match=r"Order\.thing: .*(Opaque|Callable|type|Nowhere|no expression|5)"):
        describe(annotation, owner="Order.thing")
