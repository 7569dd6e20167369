"""Records that do not hold their own primary key as a field: their key says it."""

import datetime as dt
import enum
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any, Literal
from uuid import UUID

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import DataError, DecodeError
from redis_models.migrations.maintenance.record_check import judge


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


class Tone(enum.StrEnum):
    WARM = "warm:red"


class Rank(enum.IntEnum):
    FIRST = 5


class Half(enum.Enum):
    HALF = 0.5


MOMENT = dt.datetime(2021, 3, 4, 5, 6, 7, 8, tzinfo=dt.UTC)
KEYS: list[tuple[Any, Any]] = [
    (str, "a"), (str, "a:b%c d"), (str, "__index"), (str, "☃"), (str, "7"), (str | None, "None"),
    (int, 7), (int, -(2**70)), (float, 1.5), (float, 1e300), (Decimal, Decimal("1.50")),
    (UUID, UUID("12345678-1234-5678-1234-567812345678")), (IPv4Address, IPv4Address("10.0.0.1")),
    (dt.date, dt.date(2021, 3, 4)), (dt.datetime, MOMENT), (dt.time, dt.time(5, 6)), (dt.timedelta, dt.timedelta(1, 2)),
    (Size, Size.LARGE), (Tone, Tone.WARM), (Rank, Rank.FIRST), (Half, Half.HALF), (Literal[1, 2], 2),
    (Literal["x", 2], 2),
]  # fmt: skip


def declared(kind: Any, store: Store) -> type[Model]:
    fields = {"__annotations__": {"pk": kind, "note": str}, "pk": Field(primary_key=True), "note": ""}
    model = type("Item", (Model,), fields)
    store.register_model(model)
    return model


async def stripped(model: Any, pk: Any, client: Any) -> bytes:
    """Insert a record and take its primary key out of the hash."""
    await model.insert(model(pk=pk, note="n"))
    [key] = [key for key in client.keys("item:*") if key != b"item:__index"]
    client.hdel(key, "pk")
    return bytes(key)


@pytest.mark.parametrize(("kind", "pk"), KEYS)
async def test_every_reader_takes_it_from_the_key(kind: Any, pk: Any, store: Store, client: Any) -> None:
    model: Any = declared(kind, store)
    await stripped(model, pk, client)

    found = [
        await model.get(pk), *(await model.select()), *(await model.select(ids=[pk])), *(await model.get_many([pk])),
        *(await model.page(1)), *[record async for record in model.iterate()],
        model.sync.get(pk), *model.sync.iterate(),
    ]  # fmt: skip

    assert [(record.pk, type(record.pk), record.note) for record in found] == [(pk, type(pk), "n")] * 8


@pytest.mark.parametrize(("kind", "pk"), KEYS)
async def test_a_save_puts_the_field_there(kind: Any, pk: Any, store: Store, client: Any) -> None:
    model: Any = declared(kind, store)
    key = await stripped(model, pk, client)
    await model.insert(model(pk=pk, note="n"))
    whole = client.hgetall(key)
    client.hdel(key, "pk")

    record = await model.get(pk)
    record.note = "m"
    await record.save()

    assert client.hgetall(key) == {**whole, b"note": b"m"}
    assert client.zrange("item:__index", 0, -1) == [key]


async def test_a_default_of_the_primary_key_does_not_hide_what_the_key_says(store: Store, client: Any) -> None:
    class Seat(Model):
        id: str = Field(primary_key=True, default="nobody")
        row: int = 0

    store.register_model(Seat)
    client.hset("seat:b", "row", "3")

    assert (await Seat.get("b")).id == "b"


async def test_columns_have_it_too(store: Store, client: Any) -> None:
    model = declared(int, store)
    await stripped(model, 7, client)

    assert await model.select(columns=["pk", "note"]) == [{"pk": "7", "note": "n"}]


async def test_a_key_that_may_mean_two_values_is_an_error_that_names_both(store: Store, client: Any) -> None:
    model = declared(int | str, store)
    await stripped(model, 7, client)
    bad: list[DataError] = []

    with pytest.raises(DecodeError, match=r"field 'pk' is missing: .*the key of the record may mean '7' or 7"):
        await model.get(7)
    assert await model.select(bad_records=bad) is None
    assert len(bad) == 1


async def test_a_key_that_does_not_fit_the_type_is_an_error(store: Store, client: Any) -> None:
    model = declared(int, store)
    client.hset("item:seven", "note", "n")

    with pytest.raises(
        DecodeError, match=r"item:seven: field 'pk' is missing: .*the key of the record does not contain it"
    ):
        await model.get("seven")


async def test_verify_notes_that_the_field_is_absent_and_names_another_key_as_a_problem(store: Store) -> None:
    mapper = declared(int, store).__mapper__

    absent = [
        (finding.kind.value, finding.reason) for finding in judge(mapper, "item:7", {"_v": b"1", "note": b"n"}, -1)
    ]
    other = [finding.kind.value for finding in judge(mapper, "item:7", {"_v": b"1", "note": b"n", "pk": b"8"}, -1)]

    assert absent == [("absent", "field 'pk' is not stored; its value comes from the key")]
    assert other == ["key"]
