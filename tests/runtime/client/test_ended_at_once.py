"""Writes that are given up while something holds them: they do not begin after a later write of another client."""

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pytest

from redis_models import AutoModel, Field, Model, Store
from redis_models.client import abandoned
from redis_models.errors import ServerUnreachableError

NewBox = Callable[[str], Any]
PATIENCE_S: Final = 3.0  # longer than a busy machine stands still


class Crate(Model):
    id: str = Field(primary_key=True)
    note: str = ""
    pieces: int = 0


class LiveCrate(AutoModel):
    id: str = Field(primary_key=True)
    note: str = ""


def _store_at(url: str, timeout_s: float = 60) -> Store:
    store = Store("s", url=url, timeout_s=timeout_s)
    store.register_model(Crate)
    store.register_model(LiveCrate)
    return store


@pytest.fixture(autouse=True)
def on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine of the tests may take longer than a second to come round to it."""
    monkeypatch.setattr(abandoned, "WAIT_S", 20.0)


@pytest.fixture
async def box(server: Any, new_box: NewBox) -> AsyncIterator[Any]:
    """A middlebox, with a store behind it of which the server knows the scripts, and a crate of each model."""
    box = new_box(server.socket_path)
    store = box.store = _store_at(box.url)
    box.live = await asyncio.to_thread(LiveCrate, id="a", note="early")
    await Crate.insert([Crate(id="a"), Crate(id="b")])
    await Crate.patch("a", note="early")
    await Crate.increment("a", "pieces", 0)
    await asyncio.to_thread(Crate.sync.patch, "a", note="early on")
    await asyncio.to_thread(setattr, box.live, "note", "early on")
    yield box
    Crate._store = LiveCrate._store = None
    await store.aclose()


def _blocking(verb: Callable[..., object], *arguments: object, **fields: object) -> Any:
    return asyncio.to_thread(verb, *arguments, **fields)


def _bulk() -> list[Crate]:
    return [Crate(id=f"a{number:04}", note="late") for number in range(2100)]


# What is called, with the key that the held request names.
WRITES: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "insert": ("crate:a", lambda box: Crate.insert(Crate(id="a", note="late"))),
    "blocking insert": ("crate:a", lambda box: _blocking(Crate.sync.insert, Crate(id="a", note="late"))),
    "patch": ("crate:a", lambda box: Crate.patch("a", note="late")),
    "blocking patch": ("crate:a", lambda box: _blocking(Crate.sync.patch, "a", note="late")),
    "save": ("crate:a", lambda box: Crate(id="a", note="late").save()),
    "blocking save": ("crate:a", lambda box: _blocking(Crate(id="a", note="late").sync.save)),
    "increment": ("crate:a", lambda box: Crate.increment("a", "pieces", 2)),
    "assignment": ("livecrate:a", lambda box: _blocking(setattr, box.live, "note", "late")),
    "making": ("livecrate:a", lambda box: _blocking(LiveCrate, id="a", note="late")),
    "bulk insert": ("crate:a2050", lambda box: Crate.insert(_bulk())),
    "blocking bulk insert": ("crate:a2050", lambda box: _blocking(Crate.sync.insert, _bulk())),
}  # fmt: skip


def _write_anew(client: Any, key: str) -> object:
    client.delete(key)
    client.hset(key, mapping={"id": key[-1], "note": "newer", "_v": 1})
    return client.hgetall(key)


@pytest.mark.parametrize("write", WRITES)
async def test_what_others_write_behind_a_connection_that_broke_stays(box: Any, client: Any, write: str) -> None:
    key, call = WRITES[write]
    box.hold(key.encode())
    with pytest.raises(ServerUnreachableError, match="may have been executed"):
        await call(box)

    client.delete(key)

    assert box.deliver() == b""
    assert client.exists(key) == 0


@pytest.mark.parametrize(
    "write", ["insert", "blocking insert", "save", "assignment", "bulk insert", "blocking bulk insert"]
)
async def test_what_others_write_behind_the_end_of_the_time_stays(box: Any, client: Any, write: str) -> None:
    store = _store_at(box.url, PATIENCE_S)
    key, call = WRITES[write]
    box.hold(key.encode(), hangs_up=False)
    with pytest.raises(ServerUnreachableError, match="in time; what was sent may have been executed"):
        await call(box)

    then = _write_anew(client, key)

    assert box.deliver() == b""
    assert client.hgetall(key) == then
    await store.aclose()


@pytest.mark.parametrize("is_cancelled", ["by wait_for", "itself"])
@pytest.mark.parametrize("write", ["insert", "patch", "save", "increment", "bulk insert"])
async def test_what_others_write_behind_a_cancellation_stays(
    box: Any, client: Any, write: str, is_cancelled: str
) -> None:
    store = _store_at(box.url)
    await Crate.exists("a")
    key, call = WRITES[write]
    box.hold(key.encode(), hangs_up=False)
    if is_cancelled == "itself":
        task = asyncio.create_task(_called(call, box))
        assert await asyncio.to_thread(box.is_held.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_called(call, box), PATIENCE_S)
    await asyncio.to_thread(box.await_end)  # no later call needs it

    then = _write_anew(client, key)

    assert box.deliver() == b""
    assert client.hgetall(key) == then
    await store.aclose()


async def _called(call: Callable[[Any], Any], box: Any) -> object:
    return await call(box)


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "left open"])
def test_a_loop_that_ends_with_the_cancellation_ends_what_it_abandoned(
    server: Any, client: Any, new_box: NewBox, is_closed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    box = new_box(server.socket_path)

    async def be_cancelled() -> None:
        store = _store_at(box.url)
        await Crate.insert(Crate(id="a"))
        box.hold(b"crate:a", hangs_up=False)
        task = asyncio.create_task(Crate.insert(Crate(id="a", note="late")))
        assert await asyncio.to_thread(box.is_held.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if is_closed:
            await store.aclose()

    asyncio.run(be_cancelled())

    client.delete("crate:a")
    assert box.deliver() == b""
    assert client.exists("crate:a") == 0
    assert caplog.messages == []


def test_a_loop_that_is_closed_without_an_end_to_its_tasks_tells_nothing(
    new_server: Callable[..., Any], new_box: NewBox, caplog: pytest.LogCaptureFixture
) -> None:
    server = new_server()
    box = new_box(server.socket_path)

    async def be_cancelled() -> None:
        _store_at(box.url)
        await Crate.insert(Crate(id="a"))
        box.hold(b"crate:a", hangs_up=False)
        task = asyncio.create_task(Crate.insert(Crate(id="a", note="late")))
        assert await asyncio.to_thread(box.is_held.wait, 20)
        server.process.send_signal(signal.SIGSTOP)  # so that the attempt is still under way when the loop is closed
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(be_cancelled())
    finally:
        server.process.send_signal(signal.SIGCONT)
        loop.close()
    Crate._store = LiveCrate._store = None
    gc.collect()

    assert caplog.messages == []


async def test_a_cancellation_waits_for_nothing(new_server: Callable[..., Any]) -> None:
    """Its server has stalled; were it waited for, there would be a reply of it."""
    server = new_server()
    store = _store_at(server.url)
    await Crate.insert(Crate(id="a"))
    with _stalled(server):
        task = asyncio.create_task(Crate.patch("a", note="late"))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)

        assert task.cancelled()
        assert turns < 50
    await store.aclose()


@contextmanager
def _stalled(server: Any) -> Generator[None]:
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_stalled_server_ends_it_as_soon_as_it_continues_without_another_call(
    new_server: Callable[..., Any], new_box: NewBox, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abandoned, "WAIT_S", 0.5)
    server = new_server()
    box = new_box(server.socket_path)
    store = _store_at(box.url, PATIENCE_S)
    await Crate.insert(Crate(id="a"))
    await asyncio.to_thread(Crate.sync.patch, "a", note="early")
    box.hold(b"crate:a", hangs_up=False)
    write = Crate.patch("a", note="late") if is_async else _blocking(Crate.sync.patch, "a", note="late")
    task = asyncio.ensure_future(write)
    assert await asyncio.to_thread(box.is_held.wait, 20)
    with _stalled(server), pytest.raises(ServerUnreachableError, match="in time; what was sent may have been"):
        await task
    if is_async:  # a thread goes on by itself; a task needs its loop
        await asyncio.to_thread(box.await_end)
    else:
        box.await_end()

    with server.client() as client:
        client.delete("crate:a")
        assert box.deliver() == b""
        assert client.exists("crate:a") == 0
    await store.aclose()


@pytest.mark.parametrize("lacking", ["client|kill", "client|id", "info"])
async def test_without_the_right_the_error_is_the_same_and_nothing_is_asked_for_again(
    server: Any, client: Any, new_box: NewBox, lacking: str
) -> None:
    client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", f"-{lacking}")
    box = new_box(server.socket_path)
    store = _store_at(box.url.replace("//", "//app:pw@"))
    client.acl_log_reset()
    await Crate.insert(Crate(id="a"))
    await asyncio.to_thread(Crate.sync.patch, "a", note="early")
    for write in (Crate.patch, _in_thread(Crate.sync.patch)) * 2:
        box.lose_reply(b"crate:a")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await write("a", note="late")
        await write("a", note="newer")

    refused: Any = client.acl_log()
    assert 0 < sum(int(refusal["count"]) for refusal in refused) <= 2
    assert client.hget("crate:a", "note") == b"newer"
    await store.aclose()
    client.execute_command("ACL", "DELUSER", "app")


def _in_thread(verb: Callable[..., object]) -> Callable[..., Any]:
    async def call(*arguments: object, **options: object) -> object:
        return await asyncio.to_thread(verb, *arguments, **options)

    return call


async def test_threads_that_write_meanwhile_write_and_what_one_abandoned_is_ended(
    server: Any, client: Any, new_box: NewBox
) -> None:
    box = new_box(server.socket_path)
    store = _store_at(box.url, PATIENCE_S)
    await asyncio.to_thread(Crate.sync.insert, [Crate(id=f"a{number}") for number in range(4)])
    barrier, ends = threading.Barrier(4), list[str]()
    box.hold(b"crate:a0", hangs_up=False)

    def write(number: int) -> None:
        barrier.wait(20)
        try:
            Crate.sync.patch(f"a{number}", note="written")
        except ServerUnreachableError:
            ends.append("open")
        else:
            ends.append("written")

    await asyncio.gather(*(asyncio.to_thread(write, number) for number in range(4)))
    client.delete("crate:a0")

    assert sorted(ends) == ["open", "written", "written", "written"]
    assert box.deliver() == b""
    assert client.exists("crate:a0") == 0
    await store.aclose()
