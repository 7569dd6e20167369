"""``increment``: adds inside the server, once, or changes nothing."""

import math
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import redis
from pydantic import AfterValidator, PositiveInt, field_validator, model_validator

from redis_models import Field, Model, Store
from redis_models.errors import (
    ConflictError,
    DecodeError,
    EncodeError,
    InvalidPrimaryKeyError,
    ModelDeclarationError,
    NotFoundError,
    ServerUnreachableError,
    WrongKeyTypeError,
)

from .conftest import Call, Wire


class Item(Model):
    id: str = Field(primary_key=True)
    stock: int = Field(default=5, ge=0, lt=1000)
    sold: int = 0
    price: float = 0.0
    weight: float = Field(default=1.0, gt=0)
    note: str = ""
    active: bool = True
    limit: int | None = None
    rank: Annotated[PositiveInt, "place"] | None = None
    serial: int = Field(default_factory=lambda: 7)
    even: Annotated[int, AfterValidator(lambda value: value)] = 0
    shelf: int = Field(default=1, frozen=True)


class Checked(Model):
    id: str = Field(primary_key=True)
    low: int = 0
    other: int = 0

    @field_validator("other")
    @classmethod
    def _any(cls, value: int) -> int:
        return value


class Ordered(Model):
    id: str = Field(primary_key=True)
    low: int = 0

    @model_validator(mode="after")
    def _in_order(self) -> "Ordered":
        return self


@pytest.fixture(autouse=True)
def _bound(store: Store) -> Iterator[None]:
    for model in (Item, Checked, Ordered):
        store.register_model(model)
    yield
    for model in (Item, Checked, Ordered):
        model._store = None


async def test_it_adds_to_what_is_stored_and_gives_the_sum(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a", stock=10, price=1.5))

    assert await call(Item, "increment", "a", "stock") == 11
    assert await call(Item, "increment", "a", "stock", -4) == 7
    assert await call(Item, "increment", "a", "price", by=2) == 3.5

    assert client.hmget("item:a", "stock", "price", "_v") == [b"7", b"3.5", b"1"]
    assert (await Item.get("a")).stock == 7


async def test_a_whole_number_stays_exact_to_the_last_of_64_bits(call: Call) -> None:
    await Item.insert(Item(id="a", sold=2**63 - 3))

    assert await call(Item, "increment", "a", "sold", 2) == 2**63 - 1
    assert await call(Item, "increment", "a", "sold", -(2**63)) == -1


@pytest.mark.parametrize(
    ("start", "by"), [(0.1, 0.2), (1e-20, 1e-20), (1e300, 1e299), (1e-8, 2.3456789012345e-9), (3.0, -3.0), (1e16, 1.0)]
)
async def test_a_float_becomes_what_python_would_make_of_it(call: Call, start: float, by: float) -> None:
    await Item.insert(Item(id="a", price=start))

    assert await call(Item, "increment", "a", "price", by) == start + by
    assert (await Item.get("a")).price == start + by


async def test_a_field_that_is_not_stored_begins_at_its_default(call: Call, client: Any) -> None:
    client.hset("item:a", mapping={"id": "a"})

    assert await call(Item, "increment", "a", "stock", 2) == 7
    assert await call(Item, "increment", "a", "weight", 0.5) == 1.5

    assert client.hgetall("item:a") == {b"id": b"a", b"_v": b"1", b"stock": b"7", b"weight": b"1.5"}


@pytest.mark.parametrize(("field", "raw"), [("serial", None), ("limit", None), ("limit", b"None"), ("stock", b"many")])
async def test_a_field_without_a_number_is_named_with_its_record(
    call: Call, client: Any, field: str, raw: bytes | None
) -> None:
    client.hset("item:a", mapping={"id": "a"})
    if raw is not None:
        client.hset("item:a", field, raw)
    before = client.dump("item:a")

    with pytest.raises(DecodeError, match=f"item:a: field '{field}' ") as caught:
        await call(Item, "increment", "a", field)

    assert (caught.value.field, caught.value.raw) == (field, raw)
    assert client.dump("item:a") == before


@pytest.mark.parametrize("raw", [b"", b"05", b"+5", b" 5", b"1e3", b"0x10", b"1.0", b"-0", b"9" * 19, b"1" * 40])
async def test_what_the_server_cannot_count_from_is_left_as_it_is(call: Call, client: Any, raw: bytes) -> None:
    client.hset("item:a", mapping={"id": "a", "sold": raw})

    with pytest.raises((DecodeError, EncodeError)):
        await call(Item, "increment", "a", "sold")

    assert client.hget("item:a", "sold") == raw


@pytest.mark.parametrize("raw", [b"nan", b"inf", b"-inf", b"", b"0x1p4", b"1,5", b"e", b"1e309"])
async def test_no_float_becomes_infinite_or_nothing(call: Call, client: Any, raw: bytes) -> None:
    client.hset("item:a", mapping={"id": "a", "price": raw})

    with pytest.raises((DecodeError, EncodeError)):
        await call(Item, "increment", "a", "price")

    assert client.hget("item:a", "price") == raw


@pytest.mark.parametrize(
    ("field", "start", "by"),
    [
        ("stock", 3, -4),
        ("stock", 999, 1),
        ("sold", 2**63 - 1, 1),
        ("sold", -(2**63), -1),
        ("sold", 1, 2**63 - 1),
        ("price", 1.7e308, 1.7e308),
        ("weight", 1.0, -1.0),
        ("rank", 1, -1),
    ],
)
async def test_a_sum_that_the_field_may_not_hold_is_refused_and_names_field_and_value(
    call: Call, client: Any, field: str, start: float, by: float
) -> None:
    await Item.insert(Item.model_validate({"id": "a", field: start}))
    before = client.dump("item:a")

    with pytest.raises(
        EncodeError, match=rf"Item\.{field}: .* cannot be stored: added to .* it would leave "
    ) as caught:
        await call(Item, "increment", "a", field, by)

    assert (caught.value.field, caught.value.value) == (field, by)
    assert client.dump("item:a") == before


async def test_a_default_counts_against_the_range_too(call: Call, client: Any) -> None:
    client.hset("item:a", mapping={"id": "a"})

    with pytest.raises(EncodeError, match=r"added to 5, the default, it would leave 0 to 999"):
        await call(Item, "increment", "a", "stock", -6)

    assert client.hgetall("item:a") == {b"id": b"a"}


@pytest.mark.parametrize(
    ("field", "by", "error", "text"),
    [
        ("stock", 1.0, EncodeError, "increment adds whole numbers to this field"),
        ("stock", True, EncodeError, "increment adds whole numbers"),
        ("stock", "1", EncodeError, "increment adds whole numbers"),
        ("stock", None, EncodeError, "increment adds whole numbers"),
        ("stock", 2**63, EncodeError, "64 bits"),
        ("price", math.nan, EncodeError, "finite"),
        ("price", math.inf, EncodeError, "finite"),
        ("price", 10**400, EncodeError, "finite"),
        ("price", "1", EncodeError, "increment adds numbers to this field"),
        (
            "note",
            1,
            EncodeError,
            r"Item\.note: 1 cannot be stored: increment adds to fields of type int and float only",
        ),
        ("active", 1, EncodeError, "int and float only"),
        ("even", 1, EncodeError, "a validator that the server cannot run"),
        ("shelf", 1, EncodeError, "frozen"),
        ("id", 1, InvalidPrimaryKeyError, "'id'"),
        ("author", 1, ModelDeclarationError, "has no stored field 'author'"),
    ],
)
async def test_what_cannot_be_added_is_refused_before_anything_is_sent(
    call: Call, client: Any, field: str, by: object, error: type[Exception], text: str
) -> None:
    client.config_resetstat()

    with pytest.raises(error, match=text):
        await call(Item, "increment", "a", field, by)

    assert "cmdstat_evalsha" not in client.info("commandstats")


async def test_validators_that_look_at_the_field_are_not_passed_by(call: Call) -> None:
    await Checked.insert(Checked(id="a"))
    await Ordered.insert(Ordered(id="a"))

    assert await call(Checked, "increment", "a", "low") == 1
    for model, field in ((Checked, "other"), (Ordered, "low")):
        with pytest.raises(EncodeError, match=r"save\(if_unchanged=True\)"):
            await call(model, "increment", "a", field)


async def test_a_record_that_is_not_there_is_not_made(call: Call, client: Any) -> None:
    with pytest.raises(NotFoundError, match="Item: no record at 'item:a'"):
        await call(Item, "increment", "a", "stock")

    assert client.dbsize() == 0


async def test_a_key_that_is_not_a_record_or_an_index_is_named(call: Call, client: Any) -> None:
    client.set("item:a", "x")
    client.hset("item:b", mapping={"id": "b"})
    client.sadd("item:__index", "item:b")

    with pytest.raises(WrongKeyTypeError, match="item:a"):
        await call(Item, "increment", "a", "stock")
    with pytest.raises(ConflictError, match="item:__index: is not a sorted set"):
        await call(Item, "increment", "b", "stock")

    assert client.hgetall("item:b") == {b"id": b"b"}


@pytest.mark.parametrize("field", ["stock", "price"])
async def test_the_ttls_of_the_record_and_of_its_field_stay(call: Call, client: Any, field: str) -> None:
    await Item.insert(Item(id="a"), life_span_seconds=1000)
    try:
        client.execute_command("HPEXPIRE", "item:a", 500_000, "FIELDS", 1, field)
        knows_fields = True
    except redis.ResponseError:  # of servers before 7.4
        knows_fields = False

    await call(Item, "increment", "a", field)

    assert 900_000 < client.pttl("item:a") <= 1_000_000
    if knows_fields:
        assert 400_000 < client.execute_command("HPTTL", "item:a", "FIELDS", 1, field)[0] <= 500_000


async def test_it_puts_a_record_back_into_the_index(call: Call, client: Any) -> None:
    await Item.insert(Item(id="a"))
    client.delete("item:__index")

    await call(Item, "increment", "a", "stock")

    assert client.zrange("item:__index", 0, -1) == [b"item:a"]


def test_no_addition_of_many_threads_is_lost(client: Any) -> None:
    Item.sync.insert(Item(id="a", sold=0))
    sums: list[float] = []

    def count() -> None:
        sums.extend(Item.sync.increment("a", "sold") for _ in range(50))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(sums) == list(range(1, 401))
    assert client.hget("item:a", "sold") == b"400"


async def test_an_addition_whose_answer_is_lost_is_reported_and_made_once(
    call: Call, client: Any, wire: Wire, store: Store
) -> None:
    await Item.insert(Item(id="a", sold=1))
    broken = Store.from_url(wire.url)
    broken.register_model(Item)
    await call(Item, "increment", "a", "sold")

    wire.lose_answer(b"EVALSHA")
    with pytest.raises(ServerUnreachableError, match="may have been executed"):
        await call(Item, "increment", "a", "sold")

    assert (wire.lost, client.hget("item:a", "sold")) == (1, b"3")
    assert await call(Item, "increment", "a", "sold") == 4
    await broken.aclose()
