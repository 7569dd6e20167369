"""Each command taken away in turn: a write of the library does all that it does with it, or nothing."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import ConfigDict

import redis_models
from redis_models import FOREVER, Field, Model, Store
from redis_models.client.commands import RoundTrips
from redis_models.errors import ConflictError, ServerRefusedError

_SCRIPTS = Path(redis_models.__file__).parent / "lua"
_CALLED = re.compile(r"'([A-Z]{3,})'")
_NONE = {"REFUSED", "INDEX", "TYPE", "GONE", "NEWER", "OLDER", "EXISTS", "CHANGED", "VALUE", "RANGE"} - {"EXISTS"}


class Parcel(Model):
    id: str = Field(primary_key=True)
    town: str = "Rome"
    pieces: int = 1
    weight: float = 0.5

    model_config = ConfigDict(extra="allow")

    class Meta:
        version = 2


def commands() -> list[str]:
    """Give all commands that scripts of verbs call, in whatever way."""
    found = {name for path in _SCRIPTS.glob("*.lua") for name in _CALLED.findall(path.read_text())}
    return sorted(found - _NONE - {"NOPERM", "OOM", "READONLY", "MISCONF", "NOREPLICAS", "WRONGTYPE", "FIELDS", "XX"})


def _save(change: Callable[[Any], None], id: str = "a", **options: Any) -> Callable[[], object]:
    def act() -> None:
        world = Parcel.sync.get(id)
        change(world)
        world.sync.save(**options)

    return act


def _set(**values: object) -> Callable[[Any], None]:
    def change(world: Any) -> None:
        for name, value in values.items():
            setattr(world, name, value)

    return change


def _lose_an_extra(world: Any) -> None:
    del world.colour
    world.town = "Bern"


ACTS: dict[str, Callable[[], object]] = {
    "insert a new one": lambda: Parcel.sync.insert(Parcel(id="n")),
    "insert a new one that ends": lambda: Parcel.sync.insert(Parcel(id="n"), life_span_seconds=60),
    "insert only a new one": lambda: Parcel.sync.insert(Parcel(id="n"), only="new"),
    "insert over one": lambda: Parcel.sync.insert(Parcel(id="a", town="Bern")),
    "insert over one for ever": lambda: Parcel.sync.insert(Parcel(id="a", town="Bern"), life_span_seconds=FOREVER),
    "insert over one outside of the index": lambda: Parcel.sync.insert(Parcel(id="out", town="Bern")),
    "insert two, of which one is new": lambda: Parcel.sync.insert([Parcel(id="a", pieces=2), Parcel(id="n")]),
    "insert two that end": lambda: Parcel.sync.insert([Parcel(id="n"), Parcel(id="m")], life_span_seconds=60),
    "insert two for ever": lambda: Parcel.sync.insert(
        [Parcel(id="a", pieces=9), Parcel(id="out")], life_span_seconds=FOREVER
    ),
    "save": _save(_set(town="Bern", pieces=7)),
    "save that ends": _save(_set(town="Bern"), life_span_seconds=60),
    "save for ever": _save(_set(town="Bern"), life_span_seconds=FOREVER),
    "save if unchanged": _save(_set(town="Bern"), if_unchanged=True),
    "save without an extra": _save(_lose_an_extra),
    "save only an end": _save(_set(), life_span_seconds=60),
    "save only an end, outside of the index": _save(_set(), "out", life_span_seconds=60),
    "patch": lambda: Parcel.sync.patch("a", town="Bern"),
    "patch one outside of the index": lambda: Parcel.sync.patch("out", town="Bern"),
    "increment": lambda: Parcel.sync.increment("a", "pieces", 2),
    "increment outside of the index": lambda: Parcel.sync.increment("out", "pieces", 2),
    "increment a float": lambda: Parcel.sync.increment("a", "weight", 0.25),
    "increment a float outside of the index": lambda: Parcel.sync.increment("out", "weight", 0.25),
    "delete": lambda: Parcel.sync.delete("a"),
    "delete several": lambda: Parcel.sync.delete(["a", "out", "gone", "b"]),
    "delete all": lambda: Parcel.sync.delete_all(),
    "expire": lambda: Parcel.sync.expire("a", 60),
    "persist": lambda: Parcel.sync.persist("a"),
}


class World:
    """Two users of one server: this one fills and looks, bob writes and lacks permissions."""

    def __init__(self, client: redis.Redis, has_field_lives: bool) -> None:
        self.client: Any = client
        self.has_field_lives = has_field_lives

    def fill(self, *, index_ends: bool = False) -> None:
        self.client.flushall()
        for name in ("a", "b", "out"):
            key = f"parcel:{name}"
            fields = {"_v": 2, "id": name, "town": "Oslo", "pieces": 3, "weight": 1.5, "colour": '"red"'}
            self.client.hset(key, mapping=fields)
            if name != "out":
                self.client.zadd("parcel:__index", {key: 0})
            if name == "a":
                self.client.pexpire(key, 5_000_000)
                if self.has_field_lives:
                    self.client.execute_command("HPEXPIRE", key, 4_000_000, "FIELDS", 2, "weight", "colour")
        if index_ends:
            self.client.pexpire("parcel:__index", 6_000_000)

    def known(self, names: list[str]) -> list[str]:
        """Give those that this server has."""
        there = {name.upper() for name in self.client.command()}
        return [name for name in names if name in there]

    def allow(self, *permissions: str) -> None:
        self.client.execute_command("ACL", "SETUSER", "bob", "reset", "on", ">pw", "~*", "+@all", *permissions)

    def state(self) -> dict[bytes, object]:
        """Give all bytes; of what ends, roughly in how many minutes, so that two runs can be compared."""
        found: dict[bytes, object] = {}
        for key in self.client.keys("*"):
            if self.client.type(key) == b"zset":
                found[key] = self.client.zrange(key, 0, -1, withscores=True), self._minutes([self.client.pttl(key)])
                continue
            stored = self.client.hgetall(key)
            names = sorted(stored)
            ends: list[int] = (
                self.client.execute_command("HPTTL", key, "FIELDS", len(names), *names) if self.has_field_lives else []
            )
            found[key] = stored, self._minutes([self.client.pttl(key), *ends])
        return found

    @staticmethod
    def _minutes(left: list[int]) -> list[int]:
        return [-1 if ms < 0 else round(ms / 60_000) for ms in left]


@pytest.fixture
def world(server: Any, client: Any) -> Iterator[World]:
    try:
        client.execute_command("HPTTL", "nothing", "FIELDS", 1, "x")
        has_field_lives = True
    except redis.ResponseError:
        has_field_lives = False
    world = World(client, has_field_lives)
    world.allow()
    store = Store.from_url(f"unix://bob:pw@{server.socket_path}")
    store.register_model(Parcel)
    yield world
    Parcel._store = None
    store.close()
    client.execute_command("ACL", "DELUSER", "bob")


@pytest.mark.parametrize("index_ends", [False, True], ids=["", "index ends"])
@pytest.mark.parametrize("act", ACTS)
def test_a_write_without_a_right_is_whole_or_not_at_all(world: World, act: str, index_ends: bool) -> None:
    world.fill(index_ends=index_ends)
    before = world.state()
    ACTS[act]()
    after = world.state()
    refused: list[str] = []
    for command in world.known(commands()):
        world.fill(index_ends=index_ends)
        world.allow(f"-{command.lower()}")
        try:
            ACTS[act]()
        except ServerRefusedError as exc:
            refused.append(command)
            assert world.state() == before, f"without {command}: a half was written"
            assert "nothing of it was executed; grant it" in str(exc)
        else:
            assert world.state() == after, f"without {command}: not all of it was written, and no error was raised"
    assert after != before
    assert refused, "no right was needed"


class Unfit:
    """Knows no way up for any record."""

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        raise ConflictError(key, "cannot be upgraded to version 2: no way up")

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        raise ConflictError(key, "cannot be upgraded to version 2: no way up")
        yield ()

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from ()


@pytest.mark.parametrize("stamp", [None, 1])
def test_a_record_that_cannot_be_brought_up_is_replaced_whole_or_not_at_all(world: World, stamp: int | None) -> None:
    assert Parcel._store is not None
    Parcel._store.upgrader = Unfit()
    old = {b"id": b"a", b"weight": b"unfit", b"other": b"x"} | ({} if stamp is None else {b"_v": b"1"})
    refused: list[str] = []
    for command in world.known(commands()):
        world.client.flushall()
        world.client.hset("parcel:a", mapping=old)
        before = world.state()
        world.allow(f"-{command.lower()}")
        try:
            Parcel.sync.insert(Parcel(id="a", town="Bern"))
        except ServerRefusedError as exc:
            refused.append(command)
            assert "nothing of it was executed; grant it" in str(exc)
            assert world.state() == before
            continue
        stored = world.client.hgetall("parcel:a")
        whole = {b"id": b"a", b"town": b"Bern", b"pieces": b"1", b"weight": b"0.5", b"_v": b"2"}
        assert stored == whole, f"without {command}: neither the old record nor the new one"
    assert {"HSET", "HDEL", "HKEYS"} <= set(refused)


class Early(Model):
    """Of the first version, whose records need no stamp."""

    id: str = Field(primary_key=True)
    pieces: int = 1
    weight: float = 0.5


@pytest.mark.parametrize("is_indexed", [True, False])
@pytest.mark.parametrize("verb", ["increment", "increment a float", "patch", "insert"])
def test_a_record_without_a_stamp_is_written_whole_or_not_at_all(
    world: World, server: Any, verb: str, is_indexed: bool
) -> None:
    store = Store.from_url(f"unix://bob:pw@{server.socket_path}")
    store.register_model(Early)
    acts: dict[str, Callable[[], object]] = {
        "increment": lambda: Early.sync.increment("a", "pieces"),
        "increment a float": lambda: Early.sync.increment("a", "weight", 0.5),
        "patch": lambda: Early.sync.patch("a", pieces=2),
        "insert": lambda: Early.sync.insert(Early(id="a", pieces=2)),
    }
    for command in world.known(commands()):
        world.client.flushall()
        world.client.hset("early:a", mapping={"id": "a", "pieces": 1, "weight": 1.5})
        if is_indexed:
            world.client.zadd("early:__index", {"early:a": 0})
        before = world.state()
        world.allow(f"-{command.lower()}")
        try:
            acts[verb]()
        except ServerRefusedError:
            assert world.state() == before, f"without {command}: a half was written"
        else:
            assert world.client.hget("early:a", "_v") == b"1"
            assert world.client.zrange("early:__index", 0, -1) == [b"early:a"]
    Early._store = None
    store.close()


@pytest.mark.parametrize(
    ("act", "denied"),
    [("insert two that end", "pexpire"), ("delete", "zrem"), ("save without an extra", "hdel"), ("patch", "hset")],
)
def test_the_refusal_names_the_command_and_what_to_type(world: World, act: str, denied: str) -> None:
    world.fill()
    world.allow(f"-{denied}")

    with pytest.raises(ServerRefusedError) as caught:
        ACTS[act]()

    if not world.client.info("server")["redis_version"].startswith("6."):  # where a script is not told which
        assert f"denies {denied.upper()}, nothing" in str(caught.value)
        assert f"'ACL SETUSER NAME +{denied}'" in str(caught.value)


@pytest.mark.parametrize(
    ("act", "denied"),
    [
        ("insert a new one", "-persist -pexpire -hdel -unlink -zrem"), ("insert over one", "-persist -pexpire"),
        ("insert two, of which one is new", "-persist -pexpire"), ("insert two that end", "-persist"),
        ("insert a new one that ends", "-persist"), ("insert over one for ever", "-pexpire"),
        ("save", "-zadd -hdel -persist -pexpire"), ("save that ends", "-persist"), ("save for ever", "-pexpire"),
        ("save without an extra", "-zadd -pexpire"), ("patch", "-zadd -hdel -persist -pexpire"),
        ("increment", "-zadd -hset"), ("increment a float", "-zadd -hincrby"), ("delete", "-hdel -zadd -hset"),
        ("save only an end", "-hset -zadd -hdel"),
        ("save only an end, outside of the index", "-hset -hdel"), ("expire", "-persist"), ("persist", "-pexpire"),
    ],
)  # fmt: skip
def test_a_right_that_a_write_does_not_use_is_not_asked_for(world: World, act: str, denied: str) -> None:
    world.fill()
    world.allow(*denied.split())

    ACTS[act]()
