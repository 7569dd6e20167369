"""SCRIPT FLUSH by another client at any moment: scripts are sent again, and what must not run twice does not."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest

from redis_models import Field, Model, Store
from redis_models.client.client import SyncClient
from redis_models.client.commands import Command, Reply, RoundTrips
from redis_models.client.drivers import run
from redis_models.records.repository import Repository, repository_of


class Item(Model):
    id: str = Field(primary_key=True)
    size: int = 0


class Flushing:
    """Has every script forgotten after each command, as if another client did it between any two."""

    def __init__(self, inner: SyncClient, client: Any) -> None:
        self._inner, self._client = inner, client

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        replies: list[Reply] = []
        for command in commands:
            replies += self._inner.exchange([command])
            self._client.script_flush()
        return replies


@pytest.fixture
def flushing(store: Store, client: Any) -> Iterator[Flushing]:
    store.register_model(Item)
    Item.sync.insert([Item(id="a", size=1), Item(id="b", size=1)])
    client.zadd("item:__index", {"item:dead": 0})
    client.script_flush()
    yield Flushing(store.sync_client, client)
    Item._store = None


def _changed() -> RoundTrips[list[int]]:
    item = Item.sync.get("a")
    item.size = 5
    return repository_of(Item).save(item)


_Start = Callable[[Repository[Item]], RoundTrips[object]]
# What is done, beside the records that there are in the end.
_ACTIONS: Final[dict[str, tuple[_Start, dict[str, int]]]] = {
    "insert": (lambda verbs: verbs.insert([Item(id="c", size=2)]), {"a": 1, "b": 1, "c": 2}),
    "insert new": (lambda verbs: verbs.insert([Item(id="c", size=2)], only="new"), {"a": 1, "b": 1, "c": 2}),
    "save": (lambda _: _changed(), {"a": 5, "b": 1}),
    "patch": (lambda verbs: verbs.patch("a", {"size": 5}), {"a": 5, "b": 1}),
    "increment": (lambda verbs: verbs.increment("a", "size", 2), {"a": 3, "b": 1}),
    "delete": (lambda verbs: verbs.delete(["a"]), {"b": 1}),
    "expire": (lambda verbs: verbs.expire("a", 50), {"a": 1, "b": 1}),
    "count": (lambda verbs: verbs.count(), {"a": 1, "b": 1}),
    "delete_all": (lambda verbs: verbs.delete_all(), {}),
}


@pytest.mark.parametrize("action", _ACTIONS)
def test_a_script_that_is_forgotten_as_soon_as_it_is_loaded_runs_all_the_same(flushing: Flushing, action: str) -> None:
    start, records = _ACTIONS[action]

    run(flushing, start(repository_of(Item)))

    assert {item.id: item.size for item in Item.sync.select() or []} == records


def test_of_many_calls_each_that_finds_no_script_runs_once(flushing: Flushing) -> None:
    made = run(flushing, repository_of(Item).insert([Item(id=f"{number:03}") for number in range(250)]))

    assert made == [2, 1] * 250
    assert Item.sync.count() == 252
