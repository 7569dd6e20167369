"""Types and settings of models that pydantic treats in a way of its own, through a record and back."""

import datetime as dt
import enum
from typing import Any, Optional

import pytest
from pydantic import BaseModel, ConfigDict, Json

from redis_models import Field, Model, Store


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Documents(Model):
    id: str = Field(primary_key=True)
    bare: Json  # type: ignore[type-arg]  # as users write it
    optional: Optional[Json] = None  # type: ignore[type-arg]  # noqa: UP045  # likewise
    many: list[Json] = Field(default=[])  # type: ignore[type-arg]
    named: dict[str, Json] = Field(default={})  # type: ignore[type-arg]


class Painted(Model):
    model_config = ConfigDict(use_enum_values=True)
    id: str = Field(primary_key=True)
    colour: Colour
    level: Level = Level.LOW
    other: Colour | None = None
    many: list[Colour] = Field(default=[])
    by_colour: dict[Colour, int] = Field(default={})


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: dt.date
    pair: tuple[int, str]
    colour: Colour
    members: set[int]


class Odd(enum.Enum):
    PAIR = (1, 2)


class StrictOdd(BaseModel):
    """Holds what plain JSON does not carry."""

    model_config = ConfigDict(strict=True)
    odd: Odd = Odd.PAIR
    anything: Any = dt.date(2020, 1, 2)
    number: int = 1


class Holder(Model):
    id: str = Field(primary_key=True)
    single: Strict
    many: list[Strict] = Field(default=[])
    odd: StrictOdd | None = None


class StrictHolder(Model):
    model_config = ConfigDict(strict=True)
    id: str = Field(primary_key=True)
    single: Strict
    day: dt.date


MODELS: list[type[Model]] = [Documents, Painted, Holder, StrictHolder]


@pytest.fixture(autouse=True)
def _configured(store: Store) -> Any:
    for model in MODELS:
        store.register_model(model)
    yield
    for model in MODELS:
        model._store = None


async def _bare() -> Any:
    loaded: Any = await Documents.get("a")
    return loaded.bare


async def test_bare_json_comes_back_at_any_depth(client: Any) -> None:
    made: Any = Documents.model_validate(
        {"id": "a", "bare": '{"x": [1]}', "optional": "[null]", "many": ["1", '"2"'], "named": {"k": '{"y": true}'}}
    )
    expected = ({"x": [1]}, [None], [1, "2"], {"k": {"y": True}})
    assert (made.bare, made.optional, made.many, made.named) == expected

    for _ in range(2):
        await made.save()
        made = await Documents.get("a")
        assert (made.bare, made.optional, made.many, made.named) == expected
        client.hdel("documents:a", "_v")  # nor does its version matter

    made.bare = '"text"'
    await made.save()
    assert await _bare() == "text"
    await Documents.patch("a", bare="[7]")
    assert await _bare() == [7]


async def test_values_of_enums_stay_values_where_the_model_says_so(client: Any) -> None:
    made = Painted(id="a", colour=Colour.RED, other=Colour.BLUE, many=[Colour.RED], by_colour={Colour.BLUE: 1})
    await Painted.insert(made)

    loaded = await Painted.get("a")
    loaded.colour = Colour.BLUE
    await loaded.save()
    await Painted.patch("a", many=[Colour.BLUE])

    again = await Painted.get("a")
    assert again.model_dump() == {**made.model_dump(), "colour": "blue", "many": ["blue"]}
    assert [type(colour).__name__ for colour in (again.colour, *again.many)] == ["str", "str"]
    assert client.hmget("painted:a", "colour", "many") == [b'"blue"', b'["blue"]']


async def test_strict_models_come_back() -> None:
    strict = Strict(day=dt.date(2020, 1, 2), pair=(1, "x"), colour=Colour.BLUE, members={2, 1})
    holder = Holder(id="a", single=strict, many=[strict], odd=StrictOdd())
    other = StrictHolder(id="a", single=strict, day=dt.date(2020, 1, 2))

    await holder.save()
    await other.save()

    assert await Holder.get("a") == holder
    assert await StrictHolder.get("a") == other


async def test_strict_models_read_what_others_spelled_otherwise(client: Any) -> None:
    strict = Strict(day=dt.date(2020, 1, 2), pair=(1, "x"), colour=Colour.BLUE, members={2, 1})
    await Holder(id="a", single=strict).save()
    client.hset(
        "holder:a", "single", '{"day": "2020-01-02", "pair": ["1", "x"], "colour": "blue", "members": [1.0, 2]}'
    )

    assert (await Holder.get("a")).single == strict
