"""Indexes change in the same script as their record, under every verb, also by code that does not declare them."""

import random
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ConflictError, DecodeError, EncodeError, NotFoundError, UniqueError

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
        indexes = [("colour", "tons")]  # noqa: RUF012


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


@pytest.fixture(autouse=True)
def table(store: Store, server: Any) -> Iterator[None]:
    store.register_model(Ship)
    older = Store.from_url(store.address)
    older.register_model(OlderShip)
    with older:
        yield
    Ship._store = OlderShip._store = None


_NAMES: Final = ("", "a", "A", "ab", "a\0b", "ä", "z" * 300)
_PLATES: Final = (None, "p1", "p2", "p3", "p4")


def _values(draw: random.Random) -> dict[str, Any]:
    return {
        "name": draw.choice(_NAMES),
        "tons": draw.choice((-(10**20), -5, 0, 7, 2**53 + 1)),
        "speed": draw.choice((0.0, -1.5, 2.0**-24, float("inf"))),
        "colour": draw.choice((None, *Colour)),
        "plate": draw.choice(_PLATES),
    }


def _act(draw: random.Random, model: Any) -> None:
    ids = [f"s{number}" for number in range(8)]
    id = draw.choice(ids)
    match draw.randrange(10):
        case 0:
            model.sync.insert(model(id=id, **_values(draw)))
        case 1:
            model.sync.insert([model(id=draw.choice(ids), **_values(draw)) for _ in range(4)])
        case 2:
            name, value = draw.choice(list(_values(draw).items()))
            model.sync.patch(id, **{name: value})
        case 3:
            ship = model.sync.get(id)
            for name, value in draw.sample(list(_values(draw).items()), 2):
                setattr(ship, name, value)
            ship.sync.save(if_unchanged=draw.random() < 0.5)
        case 4:
            model.sync.increment(id, "tons", draw.choice((1, -3)))
        case 5:
            model.sync.increment(id, "speed", 0.25)
        case 6:
            model.sync.delete(draw.sample(ids, 2))
        case 7:
            model.sync.get(id).sync.delete()
        case 8:
            model.sync.expire(id, 1000)
        case _:
            if draw.random() < 0.1:
                model.sync.delete_all()


@pytest.mark.parametrize("seed", range(20))
def test_after_any_writes_of_any_code_the_indexes_hold_what_the_records_hold(client: Any, seed: int) -> None:
    draw = random.Random(seed)
    for step in range(100):
        if step == 20:
            for key in client.keys("ship:s*"):
                client.hset(key, "plate", "None")  # before the build, so that no two are the same
            assert Ship.sync.build_indexes() == ["colour", "colour_tons", "name", "plate", "speed", "tons"]
            assert differences(client, Ship.__mapper__.keys) == []
        try:
            _act(draw, draw.choice((Ship, OlderShip)))
        except (NotFoundError, ConflictError, DecodeError, EncodeError) as exc:
            assert step >= 20 or not isinstance(exc, UniqueError)
    assert differences(client, Ship.__mapper__.keys) == []
    plates = [plate for key in client.keys("ship:s*") if (plate := client.hget(key, "plate")) != b"None"]
    assert len(plates) == len(set(plates))
