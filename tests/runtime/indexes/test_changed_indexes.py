"""Indexes are dropped, declared otherwise, and told of other versions; then they are built anew, or completed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from redis_models import Field, Model, Store
from redis_models.client.commands import Command, RoundTrips
from redis_models.errors import (
    ConfigurationError,
    RecordTooNewError,
    UniqueError,
)
from redis_models.records.build_indexes import build_indexes, is_usable

from .index_check import differences
from .ships import INDEXES, NewerShip, OlderShip, Ship, bound, fleet, lies_right, run_between, states_of


@pytest.fixture(autouse=True)
def _tables(store: Store, server: Any) -> Iterator[None]:
    with bound(store, OlderShip, NewerShip):
        yield


class Bare(Model):
    """The same table, by code that declares no index any more."""

    id: str = Field(primary_key=True)

    class Meta:
        table = "ship"


class History:
    """Migrations by which ``weight`` was called ``tons`` at version 1, and nothing else changed."""

    def former_names(self, model: type[Any], field: str) -> Mapping[int, str | None]:
        return {version: "tons" if field == "weight" and version == 1 else field for version in (1, 2)}

    def upgrade(self, model: type[Any], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        raise NotImplementedError

    def rewrite(self, model: type[Any], key: str) -> RoundTrips[None]:
        raise NotImplementedError

    def write_back(self, model: type[Any], keys: Sequence[str]) -> RoundTrips[None]:
        raise NotImplementedError


@pytest.fixture
def bare(store: Store) -> Iterator[type[Bare]]:
    other = Store.from_url(store.address)
    other.register_model(Bare)
    yield Bare
    Bare._store = None
    other.close()


def test_indexes_are_dropped_by_name_and_writers_go_on(bare: type[Bare], client: Any) -> None:
    OlderShip.sync.insert(fleet(20))
    Ship.sync.build_indexes()

    assert bare.sync.build_indexes(drop=["name", "plate"]) == []

    keys = Ship.__mapper__.keys
    assert not client.exists(keys.field_index("name"), keys.field_index("plate"))
    OlderShip.sync.insert([OlderShip(id="f", plate="same"), OlderShip(id="g", plate="same")])
    assert lies_right(client)
    assert states_of(client).keys() == {"colour", "colour_tons", "speed", "tons"}

    bare.sync.build_indexes(drop=sorted(states_of(client)))
    assert sorted(client.scan_iter("ship:__index*")) == [b"ship:__index"]
    OlderShip.sync.patch("f", tons=5)


def test_who_was_among_the_others_for_a_dropped_index_only_leaves_them(bare: type[Bare], client: Any) -> None:
    Ship.sync.build_indexes()
    OlderShip.sync.insert([OlderShip(id="a"), OlderShip(id="b"), OlderShip(id="c")])
    for id in "ab":
        client.hdel(f"ship:{id}", "name")
    client.hset("ship:b", "tons", "007")
    for id in "ab":
        OlderShip.sync.patch(id, speed=2.5)
        OlderShip.sync.patch(id, speed=3.5)
    client.zadd("ship:__index:_others", {"a": 0, "b": 0, "gone": 0})

    bare.sync.build_indexes(drop=["name"])

    assert client.zrange("ship:__index:_others", 0, -1) == [b"b"]


@pytest.mark.parametrize(
    ("drop", "complaint"), [("nothing", "has no index 'nothing'; it has"), ("name", "declares the index 'name'")]
)
def test_what_cannot_be_dropped_is_refused(client: Any, drop: str, complaint: str) -> None:
    Ship.sync.build_indexes()

    with pytest.raises(ConfigurationError, match=complaint):
        Ship.sync.build_indexes(drop=[drop])


def test_records_of_a_newer_version_are_among_the_others_until_its_code_tells_of_them(
    store: Store, client: Any
) -> None:
    Ship.sync.build_indexes()
    OlderShip.sync.insert(fleet(10))
    NewerShip.sync.insert([NewerShip(id=f"n{number}", weight=number, plate=f"n{number}") for number in range(10)])
    keys = Ship.__mapper__.keys
    assert client.zcard(keys.others) == 10
    assert differences(client, keys) == []
    used: list[bool] = []

    def look(number: int, commands: Sequence[Command]) -> None:
        used.append(all(is_usable(state) for state in states_of(client).values()))
        if commands and commands[0][0] == "SCAN":
            NewerShip.sync.patch("n1", name="changed")
            NewerShip.sync.delete("n2")
            NewerShip.sync.insert(NewerShip(id="n30", weight=30, plate="n30"))
            with pytest.raises(RecordTooNewError):
                OlderShip.sync.patch("n4", name="old")

    built = run_between(store, build_indexes(NewerShip.__mapper__, History()), look)

    assert built == INDEXES
    assert all(used)
    assert client.zcard(keys.others) == 0
    assert lies_right(client)
    OlderShip.sync.insert(OlderShip(id="o", tons=5, plate="o"))
    NewerShip.sync.insert(NewerShip(id="p", weight=5))
    assert {b"U5\0o", b"U5\0p"} <= set(client.zrange(keys.field_index("tons"), 0, -1)) or lies_right(client)
    assert client.zcard(keys.others) == 0


def test_a_second_step_begun_before_the_first_is_full_leaves_them_usable(store: Store, client: Any) -> None:
    Ship.sync.build_indexes()
    OlderShip.sync.insert(fleet(10))
    NewerShip.sync.insert(NewerShip(id="n", weight=1))
    batches = build_indexes(NewerShip.__mapper__, History())
    commands = next(batches)
    while commands[0][0] != "SCAN":
        commands = batches.send(store.sync_client.exchange(commands))
    batches.close()
    assert set(states_of(client).values()) == {"filling"}

    class NewestShip(NewerShip):
        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            table = "ship"
            version = 3
            indexes: ClassVar = {"tons": ("weight",), "colour_tons": ("colour", "weight")}

    other = Store.from_url(store.address)
    other.register_model(NewestShip)
    usable: list[bool] = []

    def look(number: int, commands: Sequence[Command]) -> None:
        usable.append(all(map(is_usable, states_of(client).values())))

    built = run_between(other, build_indexes(NewestShip.__mapper__, History()), look)

    assert built == INDEXES
    assert all(usable)
    assert lies_right(client)
    NewestShip._store = None
    other.close()


def test_versions_of_which_no_migration_tells_are_among_the_others(store: Store, client: Any) -> None:
    Ship.sync.build_indexes()

    class LaterShip(NewerShip):
        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            table = "ship"
            version = 4
            indexes: ClassVar = {"tons": ("weight",), "colour_tons": ("colour", "weight")}

    other = Store.from_url(store.address)
    other.register_model(LaterShip)
    for version in range(1, 6):
        OlderShip.sync.insert(OlderShip(id=f"v{version}", tons=version, plate=f"v{version}"))
        client.hset(f"ship:v{version}", mapping={"_v": version, "weight": version})

    assert LaterShip.sync.build_indexes() == INDEXES

    assert sorted(client.zrange("ship:__index:_others", 0, -1)) == [b"v1", b"v2", b"v3", b"v5"]
    assert [line for line in differences(client, Ship.__mapper__.keys) if "missing" in line] == []
    LaterShip._store = None
    other.close()


def test_code_of_an_older_version_leaves_the_indexes_of_newer_code_as_they_are(client: Any) -> None:
    NewerShip.sync.build_indexes()
    NewerShip.sync.insert(NewerShip(id="n", weight=3, plate="n"))
    OlderShip.sync.insert(OlderShip(id="o", tons=3, plate="o"))

    assert Ship.sync.build_indexes() == []

    assert client.zrange("ship:__index:_others", 0, -1) == [b"o"]
    assert lies_right(client)
    with pytest.raises(UniqueError):
        NewerShip.sync.insert(NewerShip(id="m", plate="n"))


def test_a_declaration_that_changed_is_built_anew(store: Store, client: Any) -> None:
    class Loud(Model):
        id: str = Field(primary_key=True)
        name: str = Field(default="", unique=True, nocase=True)

        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            table = "ship"

    Ship.sync.build_indexes()
    OlderShip.sync.insert([OlderShip(id="a", name="Ann"), OlderShip(id="b", name="bob")])
    other = Store.from_url(store.address)
    other.register_model(Loud)

    assert Loud.sync.build_indexes() == ["name"]

    assert client.zrange("ship:__index:name", 0, -1) == [b"=ann\0a", b"=bob\0b"]
    with pytest.raises(UniqueError):
        OlderShip.sync.insert(OlderShip(id="c", name="ANN"))
    assert lies_right(client)
    Loud._store = None
    other.close()
