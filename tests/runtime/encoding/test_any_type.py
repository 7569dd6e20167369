"""Whatever pydantic can validate comes back equal, in value and in type: types and values drawn by hypothesis."""

import dataclasses
import datetime as dt
import enum
import ipaddress
import itertools
import pathlib
import types
import typing as t
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr, computed_field, create_model
from typing_extensions import TypedDict

import redis_models
from redis_models import Model, Store
from redis_models.encoding.equality import to_plain
from redis_models.errors import EncodeError

X = TypeVar("X")


class Colour(enum.Enum):
    RED = "red"
    TWO = 2
    PAIR = (1, 2)


class Shade(enum.StrEnum):
    DARK = "dark"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Node(BaseModel):
    value: int
    children: "list[Node]" = []


class Aliased(BaseModel):
    street: str = Field(alias="str")
    when: dt.datetime = Field(validation_alias="at", serialization_alias="on")


class Square(BaseModel):
    side: int

    @computed_field
    def area(self) -> int:
        return self.side**2


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int

    @computed_field
    def area(self) -> int:
        return self.side**2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 0


class WithHidden(BaseModel):
    shown: int
    hidden: str = Field(exclude=True)
    secret: SecretStr = Field(SecretStr(""), exclude=True)


class Shop(BaseModel):
    """Serialised for its readers in a way that does not read back."""

    cents: int

    @pydantic.field_serializer("cents")
    def _as_price(self, cents: int) -> str:
        return f"{cents / 100:.2f} EUR"


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    place: tuple[int, ...]


class Box(BaseModel, Generic[X]):
    inside: X


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    name: str


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class Pair(NamedTuple):
    number: int
    when: dt.date


class Options(TypedDict, total=False):
    a: int
    b: dt.datetime


@dataclasses.dataclass
class Point:
    x: int
    tags: set[str]


Drawn = tuple[object, st.SearchStrategy[object]]  # an annotation, and values that it takes
OFFSETS = st.integers(-86399, 86399).map(lambda seconds: dt.timezone(dt.timedelta(seconds=seconds)))


# Functions, because hypothesis warns of strategies whose text is long.
@st.composite
def texts(draw: st.DrawFn) -> str:
    special = ["None", "\\None", "null", "~x", '~{"date": "2020-01-01"}', "\ud83d\ude00", "[1]", "1"]
    return draw(st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(special))


@st.composite
def scalars(draw: st.DrawFn) -> Any:
    simple = st.none() | st.booleans() | st.integers() | st.floats() | texts() | st.decimals(allow_nan=False)
    moments = st.dates() | st.datetimes(timezones=OFFSETS) | st.timedeltas()
    return draw(simple | moments | st.binary(max_size=3) | st.uuids())


@st.composite
def hashables(draw: st.DrawFn) -> Any:
    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2)

    return draw(st.recursive(scalars(), deeper, max_leaves=3))


@st.composite
def anythings(draw: st.DrawFn) -> Any:
    def deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        lists = st.lists(inner, max_size=3)
        mappings = st.dictionaries(texts(), inner, max_size=3) | st.dictionaries(hashables(), inner, max_size=2)
        return lists | lists.map(tuple) | mappings | st.sets(hashables(), max_size=2)

    return draw(st.recursive(hashables() | st.decimals(), deeper, max_leaves=5))


TEXT, HASHABLE, ANYTHING = texts(), hashables(), anythings()
NETWORKS: list[Drawn] = [
    (ipaddress.IPv4Address, st.ip_addresses(v=4)),
    (ipaddress.IPv6Address, st.ip_addresses(v=6)),
    (ipaddress.IPv4Network, st.ip_addresses(v=4).map(ipaddress.IPv4Network)),
    (ipaddress.IPv6Network, st.ip_addresses(v=6).map(ipaddress.IPv6Network)),
    (ipaddress.IPv4Interface, st.ip_addresses(v=4).map(lambda value: ipaddress.IPv4Interface(f"{value}/24"))),
    (ipaddress.IPv6Interface, st.ip_addresses(v=6).map(lambda value: ipaddress.IPv6Interface(f"{value}/64"))),
]
KEYS: list[Drawn] = [
    (str, TEXT),
    (int, st.integers()),
    (float, st.floats()),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=3)),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (dt.date, st.dates()),
    (dt.datetime, st.datetimes()),
    (dt.datetime, st.datetimes(timezones=OFFSETS)),
    (dt.time, st.times()),
    (dt.timedelta, st.timedeltas()),
    (uuid.UUID, st.uuids()),
    (Fraction, st.fractions()),
    (complex, st.complex_numbers()),
    (tuple[int, str], st.tuples(st.integers(), TEXT)),
    (frozenset[int], st.frozensets(st.integers(), max_size=3)),
    (Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    (Colour, st.sampled_from(Colour)),
    (Shade, st.sampled_from(Shade)),
    (Level, st.sampled_from(Level)),
    (Mode, st.sampled_from([Mode.READ, Mode.READ | Mode.WRITE])),
    (pathlib.Path, st.sampled_from([pathlib.Path("/a"), pathlib.Path("b c"), pathlib.Path(".")])),
    *NETWORKS,
]
MEMBERS: list[Drawn] = [
    *KEYS,
    (Frozen, st.lists(st.integers(), max_size=2).map(lambda value: Frozen(place=tuple(value)))),
]
LEAVES: list[Drawn] = [
    *MEMBERS,
    (Any, ANYTHING),
    (list, st.lists(ANYTHING, max_size=3)),
    (dict, st.dictionaries(HASHABLE, ANYTHING, max_size=3)),
    (tuple[()], st.just(())),
    (tuple, st.lists(ANYTHING, max_size=3).map(tuple)),
    (set, st.sets(HASHABLE, max_size=3)),
    (Annotated[Decimal, Field(allow_inf_nan=True)], st.decimals()),
    (pydantic.AwareDatetime, st.datetimes(timezones=OFFSETS)),
    (dt.datetime, st.datetimes(timezones=st.timezones())),
    (dt.time, st.times(timezones=OFFSETS)),
    (SecretStr, TEXT.map(SecretStr)),
    (SecretBytes, st.binary(max_size=3).map(SecretBytes)),
    (pydantic.HttpUrl, st.just(pydantic.HttpUrl("http://a.example/b?c=d"))),
    (pydantic.ByteSize, st.integers(0, 2**70)),
    (pydantic.Json[list[int]], st.just("[1, 2]")),
    (pydantic.Base64Bytes, st.just(b"YQ==")),
    (Node, st.just(Node(value=1, children=[Node(value=2, children=[Node(value=3)])]))),
    (Aliased, st.datetimes(timezones=st.none() | OFFSETS).map(lambda at: Aliased(str="x", at=at))),  # type: ignore[call-arg]
    (Square, st.integers().map(lambda side: Square(side=side))),
    (Strict, st.integers().map(lambda side: Strict(side=side))),
    (
        Open,
        st.dictionaries(st.sampled_from(["more", "_v", "kind"]), ANYTHING, max_size=2).map(Open.model_validate),
    ),
    (WithHidden, TEXT.map(lambda text: WithHidden(shown=1, hidden=text, secret=SecretStr(text)))),
    (Shop, st.integers(0, 2**40).map(lambda cents: Shop(cents=cents))),
    (Box[dt.date], st.dates().map(lambda day: Box[dt.date](inside=day))),
    (Box[Any], ANYTHING.map(lambda value: Box[Any](inside=value))),
    (Annotated[Cat | Dog, Field(discriminator="kind")], TEXT.map(lambda name: Dog(name=name))),
    (Pair, st.builds(Pair, st.integers(), st.dates())),
    (Options, st.fixed_dictionaries({}, optional={"a": st.integers(), "b": st.datetimes(timezones=OFFSETS)})),
    (Point, st.builds(Point, st.integers(), st.sets(TEXT, max_size=3))),
]


def _generic(origin: type, *arguments: object) -> object:
    return types.GenericAlias(origin, arguments)


def _united(drawn: list[Drawn]) -> Drawn:
    # pydantic asks IPv4Network about what the other members take, and that raises and warns of what it likes.
    drawn = [value for value in drawn if "IPv" not in repr(value[0])] or drawn[:1]
    union = t.cast(Mapping[object, object], Union)[tuple(value[0] for value in drawn)]
    return union, st.one_of(*(value[1] for value in drawn))


def _modelled(drawn: dict[str, Drawn]) -> Drawn:
    fields: dict[str, Any] = {name: (value[0], ...) for name, value in drawn.items()}
    model = create_model("Drawn", **fields)
    values = st.fixed_dictionaries({name: value[1] for name, value in drawn.items()})
    return model, values


def _deeper(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    keys, members = st.sampled_from(KEYS), st.sampled_from(MEMBERS)
    return st.one_of(
        inner.map(lambda value: (_generic(list, value[0]), st.lists(value[1], max_size=3))),
        inner.map(lambda value: (_generic(tuple, value[0], ...), st.lists(value[1], max_size=3).map(tuple))),
        inner.map(lambda value: (_generic(deque, value[0]), st.lists(value[1], max_size=3).map(deque))),
        inner.map(lambda value: (_generic(Sequence, value[0]), st.lists(value[1], max_size=2).map(tuple))),
        inner.map(lambda value: _united([value, (None, st.none())])),
        members.map(lambda value: (_generic(set, value[0]), st.sets(value[1], max_size=3))),
        members.map(lambda value: (_generic(frozenset, value[0]), st.frozensets(value[1], max_size=3))),
        st.tuples(keys, inner).map(
            lambda two: (_generic(dict, two[0][0], two[1][0]), st.dictionaries(two[0][1], two[1][1], max_size=3))
        ),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda many: (_generic(tuple, *(pair[0] for pair in many)), st.tuples(*(pair[1] for pair in many)))
        ),
        st.lists(inner, min_size=2, max_size=3).map(_united),
        st.dictionaries(st.sampled_from(["b", "a", "zip"]), inner, min_size=1, max_size=2).map(_modelled),
    )


DRAWN = st.recursive(st.sampled_from(LEAVES), _deeper, max_leaves=5)
# Constraints take no lone surrogates, a union not all that its members do; Fraction raises in it what it likes.
NOT_TAKEN = (pydantic.ValidationError, ArithmeticError, TypeError)
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
NUMBERS = itertools.count()


def _model_of(annotation: object) -> type[Model]:
    fields: dict[str, Any] = {"id": (str, redis_models.Field(primary_key=True)), "value": (annotation, ...)}
    return create_model(f"Drawn{next(NUMBERS)}", __base__=Model, **fields)


# Before 2.14 pydantic forgets which names to write of models in a deque or a Sequence; they would not be read back.
_HIDES_ALIASES = tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 14)


def _is_hard(annotation: object) -> bool:
    """Whether there is a union in it, whose members may look alike, or a text of JSON beside what exclude hides."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_is_hard(info.annotation) or info.metadata for info in annotation.model_fields.values())
    return t.get_origin(annotation) in (Union, types.UnionType, Annotated) or any(map(_is_hard, t.get_args(annotation)))


def _shown(value: object) -> object:
    """Give what tells a value from all that are not it, as something that can be compared."""
    kind = type(value).__name__
    match value:
        case BaseModel():
            extra = value.model_extra or {}
            return kind, _shown({name: getattr(value, name) for name in type(value).model_fields}), _shown(extra)
        case SecretStr() | SecretBytes():
            return kind, _shown(value.get_secret_value())
        case dict():
            pairs = t.cast("dict[object, object]", value).items()
            return kind, sorted((repr(_shown(key)), repr(_shown(pair))) for key, pair in pairs)
        case set() | frozenset():
            return kind, sorted(repr(_shown(member)) for member in t.cast("set[object]", value))
        case list() | tuple() | deque():
            return kind, [_shown(member) for member in t.cast("list[object]", value)]
        case dt.datetime() | dt.time():
            return kind, value.isoformat()
        case Point():
            return kind, value.x, _shown(value.tags)
        case _:
            return kind, ascii(value)


def _has_come_back(back: t.Any, made: t.Any, annotation: object) -> bool:
    # Where a union leaves it open, a StrEnum may come back as its text, which it equals.
    return _shown(back) == _shown(made) or (_is_hard(annotation) and _shown(back.value) == _shown(to_plain(made.value)))


@settings(deadline=None, max_examples=600, suppress_health_check=QUIET)
@given(DRAWN, st.data())
def test_a_value_of_any_type_comes_back_from_its_stored_fields(drawn: Drawn, draw: st.DataObject) -> None:
    annotation, values = drawn
    model = _model_of(annotation)
    try:
        made = model.model_validate({"id": "a", "value": draw.draw(values)})
    except NOT_TAKEN:
        return
    try:
        stored = model.__mapper__.encode(made)
    except EncodeError:
        assert _is_hard(annotation) or _HIDES_ALIASES
        return

    back = model.__mapper__.decode("a", stored)

    assert _has_come_back(back, made, annotation)
    assert model.__mapper__.encode(back) == stored


@pytest.fixture(scope="module")
def own_store(shared_server: Any) -> Iterator[Store]:
    value = Store.from_url(shared_server.url)
    yield value
    value.close()


@settings(deadline=None, max_examples=150, suppress_health_check=QUIET)
@given(drawn=DRAWN, draw=st.data())
def test_a_value_of_any_type_comes_back_from_a_server(own_store: Store, drawn: Drawn, draw: st.DataObject) -> None:
    annotation, values = drawn
    model = _model_of(annotation)
    own_store.register_model(model)
    try:
        made = model.model_validate({"id": "a", "value": draw.draw(values)})
    except NOT_TAKEN:
        return
    try:
        model.sync.insert(made)
    except EncodeError:
        return  # the test above knows which

    assert _has_come_back(model.sync.get("a"), made, annotation)
