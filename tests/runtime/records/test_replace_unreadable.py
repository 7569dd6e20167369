"""Whole records in the place of those that no migration can bring up: written once, and all of a script or none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from redis_models import Field, Model, Store
from redis_models.client.commands import RoundTrips
from redis_models.client.drivers import run
from redis_models.errors import ConflictError, NotFoundError, RecordTooNewError
from redis_models.records.repository import repository_of

_OLD: Final = {"_v": 1, "id": "b", "pieces": "many", "_b1.0.x": "kept"}


class Cask(Model):
    id: str = Field(primary_key=True)
    pieces: int = 1

    class Meta:
        version = 2


class Unfit:
    """Knows no way up."""

    def upgrade(self, model: type[Model], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        raise ConflictError(key, "no way up")

    def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
        raise ConflictError(key, "cannot be upgraded to version 2: no way up")
        yield ()

    def former_names(self, model: Any, field: str) -> dict[int, str | None]:
        return {}

    def write_back(self, model: type[Model], keys: Sequence[str]) -> RoundTrips[None]:
        yield from ()


class Between:
    """A client after each of whose exchanges another one does something."""

    def __init__(self, inner: Any, then: Callable[[], None]) -> None:
        self._inner, self._then = inner, then

    def exchange(self, commands: Any) -> Any:
        replies = self._inner.exchange(commands)
        self._then()
        return replies


@pytest.fixture
def table(store: Store, client: Any) -> Any:
    """One record that cannot be brought up, between two that are as they must be."""
    store.register_model(Cask)
    store.upgrader = Unfit()
    for id in ("a", "c"):
        client.hset(f"cask:{id}", mapping={"_v": 2, "id": id, "pieces": 3})
    client.hset("cask:b", mapping=_OLD)
    client.zadd("cask:__index", dict.fromkeys(("cask:a", "cask:b", "cask:c"), 0))
    yield Cask.sync
    Cask._store = None


def _state(client: Any) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.keys("*")}


@pytest.mark.parametrize("ids", ["b", "abc", "bn"])
def test_what_another_client_does_to_the_new_record_is_not_undone(
    table: Any, store: Store, client: Any, ids: str
) -> None:
    added = 0

    def increment() -> None:
        nonlocal added
        if client.hget("cask:b", "_v") == b"2":
            client.hincrby("cask:b", "pieces", 10)
            added += 10

    between: Any = Between(store.sync_client, increment)
    run(between, repository_of(Cask).insert([Cask(id=id, pieces=7) for id in ids]))

    assert client.hgetall("cask:b") == {b"_v": b"2", b"id": b"b", b"pieces": b"%d" % (7 + added)}
    assert added


def _by_newer_code(client: Any) -> None:
    client.hset("cask:c", "_v", 3)


def _by_deletion(client: Any) -> None:
    client.delete("cask:c")


@pytest.mark.parametrize(("spoil", "error"), [(_by_newer_code, RecordTooNewError), (_by_deletion, NotFoundError)])
def test_where_another_of_them_is_refused_the_old_record_stays(
    table: Any, client: Any, spoil: Callable[[Any], None], error: type[Exception]
) -> None:
    """Others spoil it once the first try has told which records are old."""
    before: dict[bytes, bytes] = {}

    class Spoiling(Unfit):
        def rewrite(self, model: type[Model], key: str) -> RoundTrips[None]:
            spoil(client)
            before.update(_state(client))
            return super().rewrite(model, key)

    assert Cask._store is not None
    Cask._store.upgrader = Spoiling()

    with pytest.raises(error):
        table.insert([Cask(id=id, pieces=7) for id in "abc"], only="existing")

    assert _state(client) == before


def test_ttls_are_set_as_by_any_insert(table: Any, client: Any) -> None:
    assert table.insert([Cask(id="b"), Cask(id="a")], life_span_seconds=60) == [0, 0, 0, 0]

    assert 0 < client.pttl("cask:b") <= 60_000
    assert table.get("b").pieces == 1
