"""Targets of fuzzing on a real server: members of indexes; what lies at the engine's own keys, under all commands."""

import random
from typing import Any, Final

from redis_models import Field, Model, Store
from redis_models.errors import DataError, RedisModelsError

from .bench import COMMANDS, Bench
from .documents import KEY, spoils
from .values import stored_value

__all__ = ["Indexes", "bookkeeping", "records"]

_CANARIES: Final = (b"canary", b"canary:1", b"other:1", b"item", (KEY + "ledger:shop").encode())


class Item(Model):
    """What the index is of."""

    id: str = Field(primary_key=True)
    size: int = 0
    parts: list[int] = Field(default_factory=list[int])


class Indexes:
    """A few records, foreign keys beside them, and an index with odd members."""

    def __init__(self, url: str, client: Any) -> None:
        self._client = client
        self._store = Store.from_url(url)
        self._store.register_model(Item)

    def close(self) -> None:
        self._store.close()

    def __call__(self, rng: random.Random) -> None:
        client = self._client
        client.flushall()
        client.set("canary", "bird")
        for key in _CANARIES[1:]:
            client.hset(key, mapping={"id": "1", "size": "1"})
        before = [client.dump(key) for key in _CANARIES]
        Item.sync.insert([Item(id="a"), Item(id="b")])
        client.hset("item:a", rng.choice(("size", "parts", "_v", "more")), stored_value(rng))
        if rng.random() < 0.1:
            client.delete("item:__index")
            client.execute_command(*rng.choice((("SET", "item:__index", "x"), ("SADD", "item:__index", "item:a"))))
        else:
            for member in rng.sample(_MEMBERS, rng.randint(1, 4)):
                client.zadd("item:__index", {member: rng.choice((0, 0, 1, -1e300, float("inf")))})
        self._action(rng)
        assert [client.dump(key) for key in _CANARIES] == before, "a foreign key was touched"

    def _action(self, rng: random.Random) -> None:
        bad: list[DataError] = []
        actions: list[Any] = [
            lambda: Item.sync.delete_all(),
            lambda: Item.sync.select(),
            lambda: Item.sync.select(bad_records=bad),
            lambda: Item.sync.count(),
            lambda: Item.sync.page(3),
            lambda: Item.sync.insert(Item(id="c", size=2)),
            lambda: Item.sync.get("a"),
            lambda: Item.sync.delete(["a", "b"]),
            lambda: list(Item.sync.iterate()),
            lambda: Item.sync.get("a").sync.save(),
            lambda: Item.sync.select(ids=["a", "b", "../other:1"]),
        ]
        for action in rng.sample(actions, 3):
            try:
                action()
            except RedisModelsError as exc:
                assert len(str(exc)) < 5000, exc


_MEMBERS: Final[list[Any]] = [
    *_CANARIES,
    b"item:",
    b"item:zz",
    b"item:__index",
    b"item:a:b",
    b"item:%zz",
    b"item:\xff",
    b"\xff",
    b"",
    b"\x00",
    b"item:\x1b[2J",
    b"item:" + b"x" * 5000,
    b"items:1",
    b"Item:a",
    b"item:a\n",
    b" item:a",
    b"item:%5F%5Findex",
    b"(item:a",
    b"+",
    b"-",
]


def bookkeeping(bench: Bench, rng: random.Random) -> None:
    """Do something to a key of the engine, and run a command."""
    what, spoil = spoils(rng)
    command = rng.choice(COMMANDS)
    bench.restore()
    spoil(bench.client)
    complaint = bench.complaint(command)
    assert complaint is None, f"{what}; {' '.join(command)}: {complaint}"


def records(bench: Bench, rng: random.Random) -> None:
    """Put stored values into records, of this version or an older one, and run a command."""
    command = rng.choice(COMMANDS)
    bench.restore()
    for number in range(rng.randint(1, 3)):
        key = f"customer:{number}"
        field = rng.choice(
            ("age", "full_name", "visits", "currency", "id", "name", "_v", "_b2.0.name", "_b2-0.x", "more")
        )
        bench.client.hset(key, field, stored_value(rng))
        if rng.random() < 0.3:
            bench.client.hset(key, "_v", rng.choice(("1", "01", "3", "9" * 5000, "-1", "x", "")))
    complaint = bench.complaint(command)
    assert complaint is None, f"{' '.join(command)}: {complaint}"
