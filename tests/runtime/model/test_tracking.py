"""What an instance remembers of its record is its own: copies, pickles and threads share none of it."""

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pydantic import ConfigDict

from redis_models import Field, Model, Store


class Item(Model):
    id: str = Field(primary_key=True)
    text: str = "before"
    tags: list[str] = Field(default_factory=list)


class Loose(Model):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)
    text: str = "before"
    tags: list[str] = Field(default_factory=list)


@pytest.fixture(params=[Item, Loose])
def kind(store: Store, request: pytest.FixtureRequest) -> Iterator[Any]:
    store.register_model(request.param)
    yield request.param
    request.param._store = None


_WAYS: Final[dict[str, Callable[[Any], Any]]] = {
    "inserted alone": lambda kind: _inserted(kind, 1),
    "inserted among many": lambda kind: _inserted(kind, 1200),
    "saved": lambda kind: _saved(kind),
    "read": lambda kind: (_inserted(kind, 1), kind.sync.get("0"))[1],
    "selected": lambda kind: (_inserted(kind, 600), kind.sync.select()[0])[1],
}


def _inserted(kind: Any, count: int) -> Any:
    records = [kind(id=f"{number}", tags=["a"]) for number in range(count)]
    kind.sync.insert(records)
    return records[0]


def _saved(kind: Any) -> Any:
    record = kind(id="0", tags=["a"])
    record.sync.save()
    return record


_COPIES: Final[dict[str, Callable[[Any], Any]]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda record: record.model_copy(),
    "pickle": lambda record: pickle.loads(pickle.dumps(record)),
}


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("copied", _COPIES)
def test_a_copy_that_is_saved_changes_nothing_of_what_the_other_remembers(
    client: Any, kind: Any, way: str, copied: str, is_used: bool
) -> None:
    record = _WAYS[way](kind)
    if is_used:
        record.text = "used"
        record.sync.save()
    other = _COPIES[copied](record)
    other.text = "of the copy"
    other.sync.save()
    record.text = "of the first"
    record.sync.save()
    other.text = "of the copy, again"
    other.sync.save()

    assert client.hget(f"{kind.__name__.lower()}:0", "text") == b"of the copy, again"
    record.text = "of the first, again"
    record.sync.save()
    assert client.hget(f"{kind.__name__.lower()}:0", "text") == b"of the first, again"


@pytest.mark.parametrize("way", _WAYS)
def test_a_save_writes_what_changed_and_leaves_what_others_wrote(client: Any, kind: Any, way: str) -> None:
    record = _WAYS[way](kind)
    key = f"{kind.__name__.lower()}:0"
    client.hset(key, "text", "of another")

    record.tags.append("b")
    record.sync.save()

    assert client.hget(key, "text") == b"of another"
    assert kind.sync.get("0").tags == ["a", "b"]
    record.tags.pop()
    record.sync.save()
    assert kind.sync.get("0").tags == ["a"]


def test_threads_that_assign_and_save_a_new_instance_leave_nothing_unsaved(client: Any, kind: Any) -> None:
    for number in range(40):
        record = kind(id=f"{number}", tags=["a"])
        barrier = threading.Barrier(4)

        def work(name: str, record: Any = record, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            record.text = name
            record.sync.save()

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert client.hget(f"{kind.__name__.lower()}:{number}", "text") == record.text.encode()


@pytest.mark.parametrize("way", _WAYS)
def test_threads_that_save_one_instance_at_first_share_what_it_remembers(client: Any, kind: Any, way: str) -> None:
    for _ in range(10):
        client.flushall()
        record = _WAYS[way](kind)
        ready = threading.Barrier(4)

        def work(number: int) -> None:
            ready.wait()  # noqa: B023
            record.text = f"{number}"  # noqa: B023
            record.sync.save()  # noqa: B023

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert client.hget(f"{kind.__name__.lower()}:0", "text") == record.text.encode()
