"""What tests of flights share: a model, ways to run an operation, and something that happens between its batches."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from redis_models import Field, Model, Store
from redis_models.client.commands import RoundTrips

Result = TypeVar("Result")
Act = Callable[[int], object]  # given how many batches there were before
Ways = tuple[Callable[[RoundTrips[Any]], Any], ...]
Echo = Callable[[str], RoundTrips[object]]
MANY: Final = 3000  # three flights of an insertion


class Item(Model):
    id: str = Field(primary_key=True)
    text: str = ""
    size: int = 0


class OurError(Exception):
    pass


def ways_of(store: Store) -> Ways:
    """Run an operation blocking, in a thread, and in the loop."""

    def run_in_thread(batches: RoundTrips[Any]) -> Any:
        return asyncio.to_thread(store.run, batches)

    return run_in_thread, store.run_async


def disturbed(batches: RoundTrips[Result], act: Act) -> RoundTrips[Result]:
    """Do something before each batch of an operation is sent, as code of the operation itself would."""
    number = 0
    commands = next(batches)
    try:
        while True:
            try:
                act(number)
                replies = yield commands
            except BaseException as exc:
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
            number += 1
    except StopIteration as end:
        result: Result = end.value
        return result


def items_of(count: int = MANY, **fields: Any) -> list[Item]:
    return [Item(id=f"{number:05}", text=f"t{number}.", **fields) for number in range(count)]


def assert_stored(client: Any, items: Sequence[Item], size: int = 0) -> None:
    found: Any = client.keys("item:[0-9]*")
    assert len(found) == len(items)
    with client.pipeline(transaction=False) as pipeline:
        for item in items:
            pipeline.hgetall(f"item:{item.id}")
        records: Any = pipeline.execute()
    wanted = [
        {b"id": item.id.encode(), b"text": item.text.encode(), b"size": b"%d" % size, b"_v": b"1"} for item in items
    ]
    assert records == wanted
    assert client.zcard("item:__index") == len(items)


def assert_all_whole(client: Any) -> set[str]:
    """Look that each record that there is has all its fields, and is in the index; give their primary keys."""
    keys: Any = client.keys("item:[0-9]*")
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hkeys(key)
            pipeline.zscore("item:__index", key)
        replies: Any = pipeline.execute()
    assert all(set(names) == {b"id", b"text", b"size", b"_v"} for names in replies[::2])
    assert None not in replies[1::2]
    return {key.decode().partition(":")[2] for key in keys}
