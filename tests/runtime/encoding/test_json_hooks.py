"""Models that write and read the JSON of their fields their own way: ``json_default`` and ``json_object_hook``."""

import datetime as dt
from collections.abc import Callable
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict

import redis_models
from redis_models import Model, Store
from redis_models.encoding.codec import FieldCodec, Hooks
from redis_models.errors import EncodeError

_Hook = Callable[[Any], object]


class Money:
    """A class of the application's, of which pydantic knows nothing."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]


class Slotted:
    """One that nothing can compare."""

    __slots__ = ("cents",)

    def __init__(self, cents: int) -> None:
        self.cents = cents


def _default(value: object) -> object:
    if isinstance(value, (Money, Slotted)):
        return {type(value).__name__: value.cents}
    if isinstance(value, dt.date):
        return {"day": value.toordinal()}
    raise TypeError(f"Type {type(value)} not serializable")


def _object_hook(value: dict[str, Any]) -> object:
    match value:
        case {"Money": cents}:
            return Money(cents)
        case {"Slotted": cents}:
            return Slotted(cents)
        case {"day": ordinal}:
            return dt.date.fromordinal(ordinal)
        case _:
            return value


class Priced(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    id: str = redis_models.Field(primary_key=True)
    price: Money
    prices: dict[str, list[Money]] = redis_models.Field(default={})
    since: dt.date | None = None
    coins: tuple[Slotted, ...] = ()
    figure: int = 0
    blob: bytes = b""
    both: list[bytes | int] = redis_models.Field(default=[])
    others: frozenset[int] = frozenset()

    @classmethod
    def __json_hooks__(cls) -> tuple[_Hook | None, _Hook | None]:
        return _default, _object_hook


class Nested(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    price: Money


def test_values_of_classes_that_pydantic_does_not_know_come_back_through_the_hooks() -> None:
    made = Priced(
        id="a", price=Money(5), prices={"x": [Money(6)]}, since=dt.date(2020, 1, 1), coins=(Slotted(1),), figure=3
    )

    stored = Priced.__mapper__.encode(made)
    back = Priced.__mapper__.decode("priced:a", stored)

    assert (stored["price"], stored["since"], stored["figure"]) == (b'{"Money": 5}', b'{"day": 737425}', b"3")
    assert (back.price, back.prices, back.since) == (made.price, made.prices, made.since)
    assert [coin.cents for coin in back.coins] == [1]


def test_what_the_hooks_do_not_know_comes_back_all_the_same() -> None:
    made = Priced(id="a", price=Money(1), blob=b"\xff\x00", both=[b"\xff", 2], others=frozenset({2, 1}))

    back = Priced.__mapper__.decode("priced:a", Priced.__mapper__.encode(made))

    assert (back.blob, back.both, back.others) == (made.blob, made.both, made.others)


def test_a_hook_sees_the_nested_json_of_pydantic_aioredis() -> None:
    codec = FieldCodec(dict[str, list[Any]], Hooks(None, _object_hook))

    assert codec.decode(b'"{\\"x\\": [{\\"Money\\": 6}]}"') == {"x": [Money(6)]}
    assert codec.decode(b'{"x": [1]}') == {"x": [1]}


def test_models_inside_are_opened_before_the_hook_is_asked() -> None:
    codec = FieldCodec(Nested, Hooks(_default, _object_hook))

    raw = codec.encode(Nested(price=Money(7)))

    assert raw == b'{"price": {"Money": 7}}'
    assert codec.decode(raw) == Nested(price=Money(7))


def test_one_hook_works_without_the_other() -> None:
    writes, reads = FieldCodec(list[Any], Hooks(_default, None)), FieldCodec(list[Any], Hooks(None, _object_hook))

    assert writes.encode([dt.date(2020, 1, 1)]) == b'[{"day": 737425}]'  # as the application has it
    assert reads.decode(reads.encode([{"Money": 1}, 5])) == [{"Money": 1}, 5]


def test_what_an_override_spells_in_its_own_way_is_written_and_what_it_spells_as_usual_comes_back() -> None:
    codec, moment = FieldCodec(Any, Hooks(str, None)), dt.datetime(2020, 1, 1)

    assert codec.encode([moment]) == b'["2020-01-01 00:00:00"]'
    assert codec.decode(codec.encode([moment.date()])) == [moment.date()]


def test_a_class_without_hooks_is_refused_with_what_pydantic_says() -> None:
    class Bare(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        id: str = redis_models.Field(primary_key=True)
        price: Money

    with pytest.raises(EncodeError, match=r"Bare\.price.*Unable to serialize unknown type") as caught:
        Bare.__mapper__.encode(Bare(id="a", price=Money(1)))
    assert isinstance(caught.value, TypeError)


class Rounded(Model):
    """Spells moments its own way, which does not bring all of them back, and sets in a way that nothing reads."""

    id: str = redis_models.Field(primary_key=True)
    at: dt.datetime
    anything: dict[str, Any] = redis_models.Field(default={})

    @classmethod
    def json_default(cls, obj: Any) -> Any:
        if isinstance(obj, dt.datetime):
            return obj.isoformat(" ", timespec="seconds")
        if isinstance(obj, set):
            return {"set": sorted(cast("set[int]", obj))}
        return super().json_default(obj)


async def test_what_an_override_says_is_written_although_it_loses_something(store: Store, client: Any) -> None:
    store.register_model(Rounded)
    at = dt.datetime(2020, 1, 2, 3, 4, 5, 678)

    await Rounded(id="a", at=at, anything={"x": {2, 1}}).save()

    assert client.hmget("rounded:a", "at", "anything") == [b'"2020-01-02 03:04:05"', b'{"x": {"set": [1, 2]}}']
    assert Rounded.serialize_partially({"at": at}) == {"at": '"2020-01-02 03:04:05"'}
    assert (await Rounded.get("a")).at == at.replace(microsecond=0)


async def test_what_an_override_leaves_to_the_library_comes_back_as_it_would_without(store: Store) -> None:
    store.register_model(Rounded)
    anything = {"day": dt.date(2020, 1, 1), "pair": (1, 2)}

    await Rounded(id="a", at=dt.datetime(2020, 1, 1), anything=anything).save()

    assert (await Rounded.get("a")).anything == anything
