"""A write that may have been executed is written again: what was undone since must not stay."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

from redis_models import AutoModel, Field, Model, Store
from redis_models.errors import NotFoundError, ServerUnreachableError

from .conftest import Call, Wire

pytestmark = pytest.mark.usefixtures("impatient")


class Item(Model):
    id: str = Field(primary_key=True)
    name: str = ""
    size: int = 0


class Live(AutoModel):
    id: str = Field(primary_key=True)
    name: str = ""
    size: int = 0


class Open(Model):
    model_config = ConfigDict(extra="allow")
    id: str = Field(primary_key=True)


class Held(Wire):
    """A wire that can keep one answer back, or be cut from one answer on, until it is mended.

    Attributes:
        is_held: Set when the server has executed the message and its answer is kept back.
    """

    def __init__(self, path: Path, server: str) -> None:
        self.is_held = threading.Event()
        self._cut_at = b""
        super().__init__(path, server)

    def hold_answer(self, word: bytes) -> None:
        """Keep back the answer to the next message that holds ``word``, until the client hangs up."""
        self._word = word

    @contextmanager
    def cut(self, word: bytes) -> Generator[None]:
        """Have the server execute the next message that holds ``word``, but lose its answer, and all later ones."""
        self._cut_at, self.lost = word, 0
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            yield
        self._cut_at = b""
        assert self.lost == 1

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while message := client.recv(1 << 16):
                is_cut = bool(self._cut_at) and self._cut_at in message
                if is_cut and self.lost:
                    break
                server.sendall(message)
                answer = server.recv(1 << 16)
                if is_cut and b"NOSCRIPT" not in answer:
                    self.lost = 1
                    break
                if self._word and self._word in message and b"NOSCRIPT" not in answer:
                    self._word = b""
                    self.is_held.set()
                    client.recv(1)  # until it hangs up
                    break
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@pytest.fixture
async def held(server: Any, tmp_path: Path) -> AsyncIterator[Held]:
    """The wire that all models here use."""
    record = Held(tmp_path / "held", server.socket_path)
    store = Store.from_url(record.url)
    models = (Item, Live, Open)
    for model in models:
        store.register_model(model)
    yield record
    for model in models:
        model._store = None
    await store.aclose()
    record.close()


async def test_a_value_that_is_set_back_after_an_open_save_is_written_again(
    call: Call, client: Any, held: Held
) -> None:
    item = Item(id="a", size=1)
    await call(item, "save")
    item.size = 2
    with held.cut(b"size"):
        await call(item, "save")
    assert client.hget("item:a", "size") == b"2"

    item.size = 1
    await call(item, "save")

    assert client.hget("item:a", "size") == b"1"


async def test_what_an_open_save_wrote_is_settled_by_the_first_save_that_is_answered(
    call: Call, client: Any, held: Held
) -> None:
    item = Item(id="a", size=1)
    await call(item, "save")
    item.size = 2
    with held.cut(b"size"):
        await call(item, "save")
    await call(item, "save")
    client.hset("item:a", "size", 9)

    item.name = "x"
    await call(item, "save")

    assert client.hmget("item:a", "size", "name") == [b"9", b"x"]


async def test_a_refused_save_leaves_nothing_open(call: Call, client: Any, held: Held) -> None:
    item = Item(id="a", size=1)
    await call(item, "save")
    fields = client.hgetall("item:a")
    client.delete("item:a")
    item.size = 2
    with pytest.raises(NotFoundError):
        await call(item, "save")
    client.hset("item:a", mapping={**fields, b"size": 9})

    item.size, item.name = 1, "x"
    await call(item, "save")

    assert client.hmget("item:a", "size", "name") == [b"9", b"x"]


async def test_a_value_that_is_set_back_after_a_cancelled_save_is_written_again(client: Any, held: Held) -> None:
    item = Item(id="a", size=1)
    await item.save()
    item.size = 2
    held.hold_answer(b"size")
    task = asyncio.create_task(item.save())
    await asyncio.to_thread(held.is_held.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client.hget("item:a", "size") == b"2"

    item.size = 1
    await item.save()

    assert client.hget("item:a", "size") == b"1"


async def test_an_open_save_under_a_condition_is_written_again(call: Call, client: Any, held: Held) -> None:
    item = Item(id="a", size=1)
    await call(item, "save")
    item.size = 2
    with held.cut(b"size"):
        await call(item, "save", if_unchanged=True)

    item.size = 1
    await call(item, "save")

    assert client.hget("item:a", "size") == b"1"


async def test_an_extra_field_that_an_open_save_added_goes_if_it_is_taken_back(
    call: Call, client: Any, held: Held
) -> None:
    record: Any = Open(id="a")
    await call(record, "save")
    record.color = "red"
    with held.cut(b"color"):
        await call(record, "save")
    assert client.hexists("open:a", "color")

    del record.color
    await call(record, "save")

    assert not client.hexists("open:a", "color")


async def test_an_extra_field_that_an_open_save_removed_comes_back_if_it_is_set_again(
    call: Call, client: Any, held: Held
) -> None:
    record: Any = Open.model_validate({"id": "a", "color": "red"})
    await call(record, "save")
    del record.color
    with held.cut(b"color"):
        await call(record, "save")
    assert not client.hexists("open:a", "color")

    record.color = "red"
    await call(record, "save")

    assert client.hget("open:a", "color") == b'"red"'


async def test_an_assignment_that_was_left_open_is_taken_back_by_the_next_to_any_field(client: Any, held: Held) -> None:
    live = Live(id="a", size=1)
    with held.cut(b"size"):
        live.size = 2
    assert (live.size, client.hget("live:a", "size")) == (1, b"2")

    live.name = "x"

    assert client.hmget("live:a", "size", "name") == [b"1", b"x"]


@pytest.mark.parametrize("again", [1, 2, 3])
async def test_an_assignment_that_was_left_open_may_be_made_again(client: Any, held: Held, again: int) -> None:
    live = Live(id="a", size=1)
    with held.cut(b"size"):
        live.size = 2

    live.size = again

    assert client.hget("live:a", "size") == str(again).encode()


async def test_an_insert_that_was_left_open_is_written_again_by_the_next_save(
    call: Call, client: Any, held: Held
) -> None:
    item = Item(id="a", size=1)
    await call(item, "save")
    item.size = 2
    with held.cut(b"size"):
        await call(Item, "insert", item)
    assert client.hget("item:a", "size") == b"2"

    item.size = 1
    await call(item, "save")

    assert client.hget("item:a", "size") == b"1"


async def test_a_record_of_an_insert_of_which_a_later_one_was_refused_is_written_again_by_the_next_save(
    call: Call, client: Any, store: Store
) -> None:
    store.register_model(Item)
    items = [Item(id=f"{number:03}", size=1) for number in range(150)]
    await call(Item, "insert", items)
    client.delete("item:120")
    for item in items:
        item.size = 2
    with pytest.raises(NotFoundError, match="item:120"):
        await call(Item, "insert", items, only="existing")
    assert client.hmget("item:000", "size") + client.hmget("item:140", "size") == [b"2", b"1"]

    for item in (items[0], items[140]):
        item.size = 1
        await call(item, "save")

    assert client.hmget("item:000", "size") + client.hmget("item:140", "size") == [b"1", b"1"]
