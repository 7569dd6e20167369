"""Which types share their canonical text, because they store the same, and which do not."""

import datetime as dt
import enum
import types
import typing as t
from typing import Annotated, Generic, Literal, NamedTuple, NewType, TypeVar

import annotated_types
import pydantic
import pytest
import typing_extensions as te
from pydantic import BaseModel, ConfigDict, Field, create_model

from redis_models.migrations.schema.type_text import describe

T = TypeVar("T")
UserId = NewType("UserId", str)


class Airline(enum.StrEnum):
    AA = "American"
    UA = "United"


class Address(BaseModel):
    """Where a person lives."""

    zip: int | None = None
    city: str


class Node(BaseModel):
    value: int
    children: "list[Node]" = []


class Page(BaseModel, Generic[T]):
    items: list[T]


class Blob(BaseModel):
    content: bytes


class BlobAsBase64(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    content: bytes


class Place(NamedTuple):
    name: str
    height: float = 0.0


class TitledAddress(BaseModel):
    """Another docstring, another order, other validators: the same storage."""

    city: Annotated[str, Field(min_length=1, description="where", alias="town")] = Field(title="City")
    zip: Annotated[int, annotated_types.Gt(0)] | None = Field(default=7, alias="postcode")

    @pydantic.field_validator("city")
    @classmethod
    def _strip(cls, city: str) -> str:
        return city.strip()


class PlainAddress(te.TypedDict):
    zip: te.NotRequired[int | None]
    city: str


class Folder(BaseModel):
    children: "list[Folder]" = []
    value: int


Renamed = create_model("Renamed", __base__=BlobAsBase64)


class Carrier(enum.Enum):
    AA = "American"
    UA = "United"


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (Address, TitledAddress),
        (Address, PlainAddress),
        (Node, Folder),
        (Airline, Carrier),
        (int, Annotated[int, Field(gt=0, description="d", title="t")]),
        (Literal["a", "b"], Literal["b", "a"]),
        (t.List[int], list[pydantic.PositiveInt]),  # noqa: UP006  # the old spelling is the case
        (tuple[str, float], Place),
        (list[str], list[pydantic.StrictStr]),
        (Page[int], create_model("Other", items=(list[int], ...))),
        (Annotated[bytes, Field(max_length=3)], bytes),
        (list[BlobAsBase64], types.GenericAlias(list, Renamed)),
    ],
)
def test_what_stores_nothing_differently_has_the_same_text(first: object, other: object) -> None:
    assert describe(first) == describe(other)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (list[int], tuple[int, ...]),
        (set[int], frozenset[int]),
        (list[int], set[int]),
        (Airline, Literal["American", "United"]),
        (pydantic.NaiveDatetime, pydantic.AwareDatetime),
        (dt.datetime, pydantic.AwareDatetime),
        (int, int | None),
        (list[int | str], list[str | int]),
        (UserId, str),
        (str, pydantic.HttpUrl),
        (complex, str),
        (Blob, BlobAsBase64),
        (create_model("A", a=(int, ...)), create_model("A", a=(int, 5))),
        (create_model("A", a=(int, ...)), create_model("A", b=(int, Field(alias="a")))),
        (Literal[1], Literal[True]),
        (dict[str, int], list[int]),
    ],
)
def test_what_stores_or_reads_differently_has_another_text(first: object, other: object) -> None:
    assert describe(first) != describe(other)
