"""A table of ships: models of it, by code of several ages, and random writes by any of them."""

import json
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, ClassVar, Final

from redis_models import Field, Model, Store
from redis_models.client.commands import Command, Reply, RoundTrips
from redis_models.errors import DataError

from .index_check import differences


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Ship(Model):
    id: str = Field(primary_key=True)
    name: str = Field(default="", index=True)
    tons: int = Field(default=0, index=True)
    speed: float = Field(default=1.5, index=True)
    colour: Colour | None = Field(default=None, index=True)
    plate: str | None = Field(default=None, unique=True)
    note: str = ""

    class Meta:
        indexes: ClassVar = [("colour", "tons")]


class OlderShip(Model):
    """The same table, by code that has never heard of its indexes."""

    id: str = Field(primary_key=True)
    name: str = ""
    tons: int = 0
    speed: float = 1.5
    colour: Colour | None = None
    plate: str | None = None
    note: str = ""

    class Meta:
        table = "ship"


class NewerShip(Model):
    """The same table, by code of the next version, which calls ``tons`` by another name."""

    id: str = Field(primary_key=True)
    name: str = Field(default="", index=True)
    weight: int = Field(default=0)
    speed: float = Field(default=1.5, index=True)
    colour: Colour | None = Field(default=None, index=True)
    plate: str | None = Field(default=None, unique=True)
    note: str = ""

    class Meta:
        table = "ship"
        version = 2
        indexes: ClassVar = {"tons": ("weight",), "colour_tons": ("colour", "weight")}


INDEXES: Final = ["colour", "colour_tons", "name", "plate", "speed", "tons"]
NAMES: Final = ("", "a", "A", "ab", "a\0b", "ä", "z" * 300)
PLATES: Final = (None, "p1", "p2", "p3", "p4")


@contextmanager
def bound(store: Store, *others: type[Model]) -> Generator[None]:
    """Bind ``Ship`` to a store, and each other model to a store of its own, as other processes do."""
    store.register_model(Ship)
    stores = [Store.from_url(store.address) for _ in others]
    for own, model in zip(stores, others, strict=True):
        own.register_model(model)
    try:
        yield
    finally:
        for own in stores:
            own.close()
        Ship._store = None
        for model in others:
            model._store = None


def ids() -> list[str]:
    """Give the few primary keys that random writes use, so that they meet."""
    return [f"s{number}" for number in range(8)]


def random_values(draw: random.Random) -> dict[str, Any]:
    return {
        "name": draw.choice(NAMES),
        "tons": draw.choice((-(10**20), -5, 0, 7, 2**53 + 1)),
        "speed": draw.choice((0.0, -1.5, 2.0**-24, float("inf"))),
        "colour": draw.choice((None, *Colour)),
        "plate": draw.choice(PLATES),
    }


def _values_of(model: type[Model], draw: random.Random) -> dict[str, Any]:
    values = random_values(draw)
    if model is NewerShip:
        values["weight"] = values.pop("tons")
    return values


def write_at_random(draw: random.Random, model: Any) -> None:
    """Call one verb of a model that writes, which may fail."""
    id, number = draw.choice(ids()), "weight" if model is NewerShip else "tons"
    match draw.randrange(10):
        case 0:
            model.sync.insert(model(id=id, **_values_of(model, draw)))
        case 1:
            model.sync.insert([model(id=draw.choice(ids()), **_values_of(model, draw)) for _ in range(4)])
        case 2:
            name, value = draw.choice(list(_values_of(model, draw).items()))
            model.sync.patch(id, **{name: value})
        case 3:
            ship = model.sync.get(id)
            for name, value in draw.sample(list(_values_of(model, draw).items()), 2):
                setattr(ship, name, value)
            ship.sync.save(if_unchanged=draw.random() < 0.5)
        case 4:
            model.sync.increment(id, number, draw.choice((1, -3)))
        case 5:
            model.sync.increment(id, "speed", 0.25)
        case 6:
            model.sync.delete(draw.sample(ids(), 2))
        case 7:
            model.sync.get(id).sync.delete()
        case 8:
            model.sync.expire(id, 1000)
        case _:
            if draw.random() < 0.1:
                model.sync.delete_all()


def try_to_write(draw: random.Random, model: Any) -> DataError | None:
    """Call one verb at random, and give its error if it fails as it may."""
    try:
        write_at_random(draw, model)
    except DataError as exc:
        return exc
    return None


def run_between(store: Store, batches: RoundTrips[Any], between: Callable[[int, Sequence[Command]], object]) -> Any:
    """Run an operation, and call ``between`` before each batch, with its number and its commands."""
    client, number = store.sync_client, 0
    replies: list[Reply] | None = None
    while True:
        try:
            commands = batches.send(replies) if replies is not None else next(batches)
        except StopIteration as end:
            return end.value
        between(number, commands)
        replies, number = client.exchange(commands), number + 1


def states_of(client: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads(client.hget("ship:__index:_definitions", "states"))
    return {name: state.split()[0] for name, state in found.items()}


def lies_right(client: Any) -> bool:
    assert differences(client, Ship.__mapper__.keys) == []
    return set(states_of(client).values()) == {"ready"}


def fleet(count: int = 250) -> list[OlderShip]:
    return [
        OlderShip(id=f"f{number}", name=f"n{number % 7}", tons=number, plate=f"f{number}") for number in range(count)
    ]
