"""Large records: what goes in one exchange is bounded in bytes, so that each ends within the time of a store."""

from collections.abc import Iterator, Sequence

import pytest

from redis_models import Field, Model, Store
from redis_models.client.client import SyncClient
from redis_models.client.commands import Command, Reply
from redis_models.client.drivers import run
from redis_models.records.repository import repository_of


class Item(Model):
    id: str = Field(primary_key=True)
    text: str = ""


class Weighing:
    """Notes how many bytes of values go in each exchange."""

    def __init__(self, inner: SyncClient) -> None:
        self._inner = inner
        self.sizes: list[int] = []

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        self.sizes.append(
            sum(len(argument) for command in commands for argument in command if isinstance(argument, (str, bytes)))
        )
        return self._inner.exchange(commands)


@pytest.fixture
def weighing(store: Store) -> Iterator[Weighing]:
    store.register_model(Item)
    Item.sync.insert([Item(id="0"), Item(id="00")])  # so that the script is there
    yield Weighing(store.sync_client)
    Item._store = None


def test_large_records_go_in_several_exchanges_and_come_back(weighing: Weighing) -> None:
    items = [Item(id=f"{number:03}", text=f"{number:03}" * 20_000) for number in range(1, 301)]  # 60 kB each

    run(weighing, repository_of(Item).insert(items))

    assert len([size for size in weighing.sizes if size]) == 3  # of 6 MB each: two would be more than 8
    assert Item.sync.get_many([item.id for item in items]) == items


def test_small_records_go_a_thousand_at_a_time(weighing: Weighing) -> None:
    run(weighing, repository_of(Item).insert([Item(id=str(number)) for number in range(2001)]))

    assert len([size for size in weighing.sizes if size]) == 3


def test_forty_records_of_a_megabyte_come_back(weighing: Weighing) -> None:
    items = [Item(id=f"{number:03}", text=f"{number:03}" * 350_000) for number in range(1, 41)]

    run(weighing, repository_of(Item).insert(items))

    assert Item.sync.get_many([item.id for item in items]) == items
