"""A stored value is input: whatever it says, reading it ends, with its value or with an error that names the field."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import AfterValidator, AllowInfNan, BaseModel, RootModel, field_validator
from typing_extensions import TypeAliasType, TypedDict

from redis_models import Field, Model, Store
from redis_models.encoding.codec import codec_for
from redis_models.encoding.equality import is_same
from redis_models.encoding.fast_paths import reader_of
from redis_models.errors import DataError, DecodeError, RecordError
from redis_models.migrations.edits.record_edit import RecordEdit
from redis_models.migrations.edits.views import OldRecord, old_record_of
from redis_models.migrations.operations import AlterField
from redis_models.migrations.schema.snapshot import FieldSchema, ModelSchema, Snapshot

from .bounded import outcome

LONG = b"7" * 1_000_000
DEEP = b"[" * 200_000
TWINS = b'"' + b"k" * 400_000 + b"|" + b"k" * 400_000 + b'"'


class Part(BaseModel):
    count: int
    share: Fraction | None = None
    rule: re.Pattern[str] | None = None


@dataclass
class Box:
    count: int


class Row(TypedDict):
    count: int


class Numbers(RootModel[list[int]]):
    pass


Nested = TypeAliasType("Nested", "list[Nested] | int")  # named by text, which only pydantic resolves

HOSTILE: dict[str, tuple[Any, bytes]] = {
    "a network for a list that is named": (Nested, b'~{"IPv6Network": "::/0"}'),
    "a network in a list that is named": (Nested, b'~[{"IPv4Network": "0.0.0.0/0"}]'),
    "a network for a root model": (dict[str, Numbers], b'~{"a": {"IPv6Network": "::/0"}}'),
    "a network for a set that a validator looks at": (
        Annotated[set[str], AfterValidator(set)],
        b'~{"IPv4Network": "0.0.0.0/0"}',
    ),
    "a fraction with an exponent": (list[int], b'~[{"Fraction": "7e8888888"}]'),
    "a decimal for a whole number": (list[int], b'~[{"Decimal": "3e8888888"}]'),
    "a decimal of digits and exponent": (set[int], b'~{"set": [{"Decimal": [0, [7], 8888888]}]}'),
    "a network in a tuple": (tuple[list[int], ...], b'~{"tuple": [{"IPv4Network": "0.0.0.0/0"}]}'),
    "a network in a deque": (deque[list[int]], b'~{"deque": [[{"IPv4Network": "0.0.0.0/0"}], null]}'),
    "a set of a network": (Any, b'~{"set": {"IPv4Network": "0.0.0.0/0"}}'),
    "a deque of a network's addresses": (Any, b'~{"deque": [{"IPv6Network": "::/0"}, 5]}'),
    "a network in a deque of patterns": (list[re.Pattern[str]], b'~{"deque": [{"IPv4Network": "0.0.0.0/0"}, 2]}'),
    "a network for a pair": (Any, b'~{"dict": [{"IPv6Network": "::/0"}]}'),
    "a network for a pair in order": (list[Any], b'~[{"OrderedDict": [{"IPv6Network": "::/0"}]}]'),
    "a text of a network": (set[IPv4Network], b'~[{"str": {"IPv6Network": "::/0"}}]'),
    "a time of a network": (Any, b'~[{"timedelta": {"IPv4Network": "0.0.0.0/0"}}]'),
    "a decimal as a key": (dict[int, str], b'~{"dict": [[{"Decimal": "3e8888888"}, "x"]]}'),
    "a decimal in a model": (Part, b'~{"count": {"Decimal": "3e8888888"}, "share": null}'),
    "a decimal in a dataclass": (Box, b'~{"dict": [["count", {"Decimal": "3e8888888"}]]}'),
    "a decimal in a typed dict": (Row, b'~{"dict": [["count", {"Decimal": "3e8888888"}]]}'),
    "a decimal for a fraction": (Fraction, b'~{"Decimal": "3e8888888"}'),
    "a fraction where anything goes": (Any, b'~{"Fraction": "7e8888888"}'),
    "a decimal where anything goes": (Any, b'~{"a": {"Decimal": "3e8888888"}, "b": 1}'),
    "a network for a list": (list[int], b'~{"IPv6Network": "::/0"}'),
    "a network for a deque": (deque[str], b'~{"IPv4Network": "0.0.0.0/0"}'),
    "a million digits": (int, LONG),
    "a million digits in a list": (list[int], b"[" + LONG + b"]"),
    "a million digits, optional": (int | None, LONG),
    "depth": (list[Any], DEEP),
    "depth of tags": (Any, b"~" + DEEP),
    "a pattern of two long branches": (re.Pattern[str], TWINS),
    "a pattern in a model": (Part, b'{"count": 1, "rule": ' + TWINS + b"}"),
    "a pattern of too many repetitions": (re.Pattern[str], b'"a{88888888888}"'),
    "a pattern of many parentheses": (list[re.Pattern[str]], b'["' + b"(" * 9000 + b")" * 9000 + b'"]'),
    "a zone that is a folder": (ZoneInfo, b'"Europe"'),
    "a zone of many letters": (Any, b'~{"ZoneInfo": "' + b"z" * 9000 + b'"}'),
    "a time in no zone": (Any, b'~{"time": ["00:00:00", "America"]}'),
    "a time without end": (Any, b'~{"timedelta": [1e308]}'),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_value_is_refused_at_once(kind: str) -> None:
    annotation, raw = HOSTILE[kind]
    codec = codec_for(annotation)

    assert outcome(lambda: _refused(codec.decode, raw)) == "True"
    assert outcome(lambda: _refused(_as_records_do(annotation), raw)) == "True"


def _refused(read: Any, raw: bytes) -> bool:
    try:
        read(raw)
    except ValueError:
        return True
    return False


def _as_records_do(annotation: Any) -> Any:
    codec = codec_for(annotation)
    shortcut = reader_of(codec)

    def read(raw: bytes) -> object:
        try:
            return shortcut(raw)
        except (KeyError, TypeError, ValueError):
            return codec.decode(raw)

    return read


@pytest.mark.parametrize(
    ("annotation", "raw"),
    [
        (Fraction, b'"3e8888888"'),
        (list[Fraction], b'["3\\u0065888888"]'),
        (Part, b'{"count": 1, "share": "3E8888888"}'),
    ],
)
def test_a_fraction_in_plain_json_computes_nothing_without_end(annotation: Any, raw: bytes) -> None:
    assert outcome(lambda: _refused(codec_for(annotation).decode, raw)) == "True"


HONEST: list[tuple[Any, Any]] = [
    (Fraction, Fraction(10**4000, 7)),
    (Any, Decimal("1E+4000")),
    (list[Annotated[Decimal, AllowInfNan()]], [Decimal("NaN"), Decimal("1E-4000")]),
    (Decimal, Decimal("1E+9999999")),
    (IPv4Network, IPv4Network("10.0.0.0/8")),
    (list[Any], [IPv4Network("10.0.0.0/8"), Fraction(1, 3)]),
    (IPv6Network | list[int], IPv6Network("::/0")),
    (dict[int | str, float], {1: float("inf"), "1": 0.5}),
    (dict[Annotated[Decimal, AllowInfNan()], int], {Decimal("Infinity"): 3}),
    (Part, Part(count=1, share=Fraction(3, 5), rule=re.compile("a{3}"))),
    (deque[complex], deque([1 + 2j], 3)),
    (tuple[int | str, ...], (1, "1")),
]


@pytest.mark.parametrize(("annotation", "value"), HONEST, ids=lambda parameter: repr(parameter)[:40])
def test_an_honest_value_of_that_kind_comes_back(annotation: Any, value: Any) -> None:
    codec = codec_for(annotation)
    raw = codec.encode(value)

    assert repr(codec.decode(raw)) == repr(value)
    assert repr(_as_records_do(annotation)(raw)) == repr(value)


def test_a_type_may_come_back_as_its_alias_says_and_nothing_else() -> None:
    assert (
        outcome(lambda: _refused(codec_for(list[list[int] | str]).decode, b'~[{"IPv4Network": "0.0.0.0/0"}]')) == "True"
    )


class Order(Model):
    id: str = Field(primary_key=True)
    sizes: list[int] = Field(default_factory=list[int])
    share: Fraction = Fraction(1)
    part: Part = Part(count=1)


@pytest.fixture
def _bound(store: Store) -> Iterator[None]:
    store.register_model(Order)
    yield
    Order._store = None


@pytest.mark.usefixtures("_bound")
@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("sizes", b'~[{"Decimal": "3e8888888"}]'),
        ("sizes", b'~{"IPv6Network": "::/0"}'),
        ("share", b'~{"Fraction": "7e8888888"}'),
        ("part", b'{"count": 1, "rule": "a{88888888888}"}'),
        ("part", b'{"count": ' + LONG + b"}"),
    ],
)
async def test_a_hostile_record_is_named_and_blocks_no_other(client: Any, field: str, raw: bytes) -> None:
    await Order.insert([Order(id="good"), Order(id="hostile")])
    client.hset("order:hostile", field, raw)
    bad: list[DataError] = []

    found = await Order.select(bad_records=bad)

    assert [record.id for record in found or []] == ["good"]
    [error] = bad
    assert isinstance(error, DecodeError)
    assert (error.key, error.field) == ("order:hostile", field)
    with pytest.raises(DecodeError):
        await Order.get("hostile")
    with pytest.raises(DecodeError):
        [order async for order in Order.iterate()]


class Ratio(Model):
    id: str = Field(primary_key=True)
    whole: int = 1

    @field_validator("whole", mode="after")
    @classmethod
    def _inverse_is_small(cls, value: int) -> int:
        return value if 1 / value <= 1 else -value


async def test_a_validator_that_had_not_thought_of_a_value_blocks_no_other_record(store: Store, client: Any) -> None:
    store.register_model(Ratio)
    await Ratio.insert([Ratio(id="a"), Ratio(id="b")])
    client.hset("ratio:b", "whole", 0)
    bad: list[DataError] = []

    found = await Ratio.select(bad_records=bad)

    assert [record.id for record in found or []] == ["a"]
    assert [str(error) for error in bad] == ["ratio:b: ZeroDivisionError: division by zero"]


def _schema(old: str) -> ModelSchema:
    return ModelSchema("Order", 1, "id", "", ":", "order", (FieldSchema("id", "str"), FieldSchema("total", old)))


CONVERSIONS = [
    ("Decimal", "int", b'"3e8888888"'),
    ("Decimal", "Fraction", b'"3e-8888888"'),
    ("list[Decimal]", "list[int]", b'["3e8888888"]'),
    ("Object(n=Decimal)", "Object(n=int)", b'{"n": "3e8888888"}'),
]


@pytest.mark.parametrize(("old", "new", "raw"), CONVERSIONS)
@pytest.mark.parametrize("convert", [None, int])
def test_a_conversion_of_a_hostile_value_is_refused_at_once(old: str, new: str, raw: bytes, convert: Any) -> None:
    operation = AlterField("Order", "total", old=old, new=new, convert=convert)
    before = _schema(old)
    after = operation.apply(Snapshot((before,))).model("Order")
    [step] = operation.steps(before, after)

    def refused() -> bool:
        with pytest.raises(RecordError, match="total"):
            step.forward(RecordEdit({"id": b"1", "total": raw}))
        return True

    assert outcome(refused) == "True"


def test_a_network_becomes_its_text_and_no_list_of_addresses() -> None:
    def converted(new: str) -> bytes:
        operation = AlterField("Order", "total", old="IPv4Network", new=new)
        before = _schema("IPv4Network")
        [step] = operation.steps(before, operation.apply(Snapshot((before,))).model("Order"))
        draft = RecordEdit({"id": b"1", "total": b'"10.0.0.0/8"'})
        step.forward(draft)
        return draft.fields["total"]

    assert outcome(lambda: converted("str")) == repr(b"10.0.0.0/8")
    assert outcome(lambda: converted("list[IPv4Address]")) == "RecordError"


def test_a_function_of_a_migration_is_given_no_number_without_end() -> None:
    for make in (OldRecord, old_record_of(_schema("Decimal"))):
        record = make(RecordEdit({"total": b'"3e8888888"'}), schema=_schema("Decimal"))

        with pytest.raises(RecordError, match="exponent"):
            _ = record.total


def test_a_large_set_is_compared_by_what_its_members_are_not_pair_by_pair() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    value = {(start + timedelta(seconds=second), Decimal(second), float(second)) for second in range(30_000)}

    assert outcome(lambda: is_same(value, set(value)) and not is_same(value, {*value, 1.0} - {max(value)})) == "True"


HALVES = {
    "an enum": ("Enum(A='x')", b'~"\\ud800"'),
    "a literal": ("Literal['a', 'b']", b'~["\\ud800"]'),
    "a complex number": ("complex", b'"\\ud800"'),
    "a fraction": ("Fraction", b'"\\ud800"'),
    "an object": ("Object(a=int)", b'~{"\\ud800": 1, "b": 2}'),
    "a union": ("list[int | bool]", b'~["\\ud800"]'),
    "a time": ("timedelta", b'~"\\ud800"'),
}


@pytest.mark.parametrize("kind", HALVES)
def test_half_a_surrogate_pair_is_refused_in_words(kind: str) -> None:
    type, raw = HALVES[kind]
    operation = AlterField("Order", "total", old=type, new="bytes")
    before = _schema(type)
    [step] = operation.steps(before, operation.apply(Snapshot((before,))).model("Order"))

    with pytest.raises(RecordError):
        step.forward(RecordEdit({"id": b"1", "total": raw}))


def test_a_number_that_cannot_be_printed_is_not_made() -> None:
    with pytest.raises(ValueError, match="digits"):
        codec_for(Any).decode(b'~{"Decimal": "1e-4300"}')
    for raw in (b'"1e-4300"', b'"0.' + b"0" * 4300 + b'1"'):
        with pytest.raises(ValueError, match="digits"):
            codec_for(Fraction).decode(raw)
