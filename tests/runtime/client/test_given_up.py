"""Writes that are given up unfinished, over slow links and stalled servers: they do not begin after a later write."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

import pytest
import redis

from redis_models import Store
from redis_models.client.commands import send
from redis_models.errors import ServerBusyError, ServerUnreachableError

from .parcels import LARGE, LiveParcel, NewBox, Parcel, give_up

PATIENCE_S: Final = 1.5  # longer than a busy machine stands still


@pytest.fixture
async def store(server: Any, new_box: NewBox) -> AsyncIterator[Store]:
    """A store behind a middlebox, whose models and scripts the server knows."""
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=60)
    store.register_model(Parcel)
    store.register_model(LiveParcel)
    await Parcel.insert([Parcel(id="a"), Parcel(id="b")])
    await Parcel(id="c").save()
    await Parcel.patch("a", note="n")
    await Parcel.delete("b")
    store.box = box  # type: ignore[attr-defined]
    yield store
    Parcel._store = LiveParcel._store = None
    await store.aclose()


def _box(store: Store) -> Any:
    return store.box  # type: ignore[attr-defined]


WRITES: Final[dict[str, Callable[[], Any]]] = {
    "save": lambda: Parcel(id="a", content=LARGE).save(),
    "insert": lambda: Parcel.insert(Parcel(id="a", content=LARGE)),
    "insert of several": lambda: Parcel.insert([Parcel(id="a", content=LARGE), Parcel(id="d")]),
    "patch": lambda: Parcel.patch("a", content=LARGE),
}


@pytest.mark.parametrize("is_delete", [True, False])
@pytest.mark.parametrize("write", WRITES)
async def test_a_cancelled_write_on_a_slow_network_does_not_undo_later_writes(
    store: Store, client: Any, write: str, is_delete: bool
) -> None:
    box = _box(store)
    await give_up(box, WRITES[write]())

    await (Parcel.delete("a") if is_delete else Parcel.patch("a", content="newer"))
    await asyncio.to_thread(box.flow)

    assert client.hget("parcel:a", "content") == (None if is_delete else b"newer")


async def test_what_is_cancelled_is_not_sent_any_more_even_where_connections_cannot_be_ended(
    server: Any, client: Any, new_box: NewBox
) -> None:
    client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-client", "-info")
    box = new_box(server.socket_path)
    store = Store("s", url=box.url.replace("//", "//app:pw@"), timeout_s=60)
    store.register_model(Parcel)
    await Parcel.insert(Parcel(id="a"))
    await give_up(box, Parcel.patch("a", content=LARGE))

    await Parcel.patch("a", content="newer")
    await asyncio.to_thread(box.flow)

    assert client.hget("parcel:a", "content") == b"newer"
    await store.aclose()
    client.execute_command("ACL", "DELUSER", "app")


async def test_a_write_that_times_out_on_a_slow_network_does_not_undo_later_writes(
    server: Any, client: Any, new_box: NewBox
) -> None:
    box = new_box(server.socket_path)
    for is_async in (True, False):
        store = Store("s", url=box.url, timeout_s=PATIENCE_S)
        store.register_model(Parcel)
        store.register_model(LiveParcel)
        live = await asyncio.to_thread(LiveParcel, id="z")
        await Parcel.insert(Parcel(id="a"))
        for mark in (b"parcel:a",) if is_async else (b"parcel:a", b"liveparcel:z"):
            box.stall(mark)
            with pytest.raises(ServerUnreachableError, match="did not answer in time; what was sent may have been"):
                if is_async:
                    await Parcel.patch("a", content=LARGE)
                elif mark == b"parcel:a":
                    await asyncio.to_thread(Parcel.sync.patch, "a", content=LARGE)
                else:
                    await asyncio.to_thread(setattr, live, "content", LARGE)

            await Parcel.delete("a")
            await LiveParcel.delete("z")
            await asyncio.to_thread(box.flow)

            assert client.exists("parcel:a", "liveparcel:z") == 0
        await store.aclose()


@pytest.mark.parametrize("giving_up", ["in time", "cancelled"])
async def test_a_write_to_a_stalled_server_does_not_undo_what_follows(
    new_server: Callable[..., Any], giving_up: str
) -> None:
    server = new_server()
    store = Store("s", url=server.url, timeout_s=PATIENCE_S if giving_up == "in time" else 60)
    store.register_model(Parcel)
    for number in range(0, 6, 2):
        await Parcel.insert(Parcel(id="a"))
        server.process.send_signal(signal.SIGSTOP)
        try:
            task = asyncio.create_task(Parcel.patch("a", content=LARGE[: 1 + number * 7_000_000]))
            if giving_up == "cancelled":
                for _ in range(3 * number):
                    await asyncio.sleep(0)
                task.cancel()
            with suppress(asyncio.CancelledError, ServerUnreachableError):
                await task
        finally:
            server.process.send_signal(signal.SIGCONT)

        await Parcel.delete("a")

        assert await store.run_async(send([("EXISTS", "parcel:a")])) == [0]
    await store.aclose()


async def test_what_one_client_of_a_store_abandons_every_other_one_ends_first(
    server: Any, client: Any, new_box: NewBox
) -> None:
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=PATIENCE_S)
    store.register_model(Parcel)

    def in_another_loop() -> None:
        asyncio.run(Parcel.delete("a"))

    ends: list[Callable[[], Any]] = [in_another_loop, lambda: Parcel.sync.delete("a")]
    for end in ends:
        await Parcel.insert(Parcel(id="a"))
        box.hold(b"parcel:a", hangs_up=False)
        with box.unreachable(), pytest.raises(ServerUnreachableError, match="may have been executed"):
            await Parcel.insert(Parcel(id="a", note="late"))

        await asyncio.to_thread(end)

        assert box.deliver() == b""
        assert client.exists("parcel:a") == 0
    await store.aclose()


async def test_threads_that_write_at_once_all_write_behind_the_end_of_what_was_abandoned(
    server: Any, client: Any, new_box: NewBox
) -> None:
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=PATIENCE_S)
    store.register_model(Parcel)
    await Parcel.insert(Parcel(id="a"))
    box.hold(b"parcel:a", hangs_up=False)
    with box.unreachable(), pytest.raises(ServerUnreachableError):
        await Parcel.insert(Parcel(id="a", note="late"))
    barrier, failures = threading.Barrier(8), list[BaseException]()

    def write(number: int) -> None:
        try:
            barrier.wait(20)
            Parcel.sync.patch("a", note=f"{number}")
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)

    assert failures == []
    assert box.deliver() == b""
    assert client.hget("parcel:a", "note") != b"late"
    await store.aclose()


def test_a_forked_child_ends_what_its_parent_abandoned(server: Any, client: Any, new_box: NewBox) -> None:
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=PATIENCE_S)
    store.register_model(Parcel)
    Parcel.sync.insert(Parcel(id="a"))
    box.hold(b"parcel:a", hangs_up=False)
    with box.unreachable(), pytest.raises(ServerUnreachableError):
        Parcel.sync.insert(Parcel(id="a", note="late"))

    child = os.fork()
    if child == 0:
        try:
            Parcel.sync.delete("a")
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert box.deliver() == b""
    assert client.exists("parcel:a") == 0
    store.close()


async def test_connections_of_other_clients_are_not_closed_on_another_server(
    new_server: Callable[..., Any], new_box: NewBox
) -> None:
    """Numbers of connections are small, and those of another server, or of a later run of it, are strangers'."""
    first, other = new_server(), new_server()
    box = new_box(first.socket_path)
    store = Store("s", url=box.url, timeout_s=PATIENCE_S)
    store.register_model(Parcel)
    await Parcel.insert(Parcel(id="a"))
    strangers = [other.client(socket_timeout=5) for _ in range(8)]
    ids = [stranger.client_id() for stranger in strangers]
    box.hold(b"parcel:a", hangs_up=False)
    giving_up = asyncio.create_task(Parcel.insert(Parcel(id="a")))
    assert await asyncio.to_thread(box.is_held.wait, 20)
    box.upstream = other.socket_path
    with pytest.raises(ServerUnreachableError):
        await giving_up

    await store.aclose()
    await Parcel.insert(Parcel(id="a"))
    await store.aclose()

    assert [stranger.client_id() for stranger in strangers] == ids
    box.upstream = first.socket_path
    await Parcel.delete("a")
    assert box.deliver() == b""
    await store.aclose()


async def test_a_user_who_may_not_end_connections_loses_nothing_else(server: Any, client: Any, new_box: NewBox) -> None:
    client.acl_log_reset()
    client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-@dangerous", "+keys", "-client")
    box = new_box(server.socket_path)
    store = Store("s", url=box.url.replace("//", "//app:pw@"), timeout_s=5)
    store.register_model(Parcel)
    await Parcel.insert(Parcel(id="a"))
    for _ in range(3):
        box.lose_reply(b"parcel:a")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await Parcel.patch("a", note="x")
        await Parcel.patch("a", note="y")
        assert (await Parcel.get("a")).note == (await asyncio.to_thread(Parcel.sync.get, "a")).note == "y"

    asked: Any = client.acl_log()
    counts = [int(entry["count"]) for entry in asked if entry["object"] in (b"info", "info")]
    assert 0 < sum(counts) <= 3, "what is refused once is not asked for again"
    await store.aclose()
    client.execute_command("ACL", "DELUSER", "app")


async def test_nothing_is_sent_while_the_server_is_too_busy_to_end_what_was_abandoned(
    new_server: Callable[..., Any], new_box: NewBox
) -> None:
    server = new_server("--lua-time-limit", "50")
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=5)
    store.register_model(Parcel)
    for is_async in (True, False):

        async def patch(note: str, is_async: bool = is_async) -> None:
            await (Parcel.patch("a", note=note) if is_async else asyncio.to_thread(Parcel.sync.patch, "a", note=note))

        await Parcel.insert(Parcel(id="a"))
        await patch("early")
        box.hold(b"parcel:a")
        with box.unreachable(), pytest.raises(ServerUnreachableError):
            await patch("late")
        spinning = threading.Thread(target=_spin, args=(server,))
        spinning.start()
        with server.client() as watcher:
            while not _is_busy(watcher):
                await asyncio.sleep(0.01)
            with pytest.raises(ServerBusyError):
                await patch("refused")
            watcher.execute_command("SCRIPT", "KILL")
            await asyncio.to_thread(spinning.join)

            await patch("newer")

            assert box.deliver() == b""
            assert watcher.hget("parcel:a", "note") == b"newer"
    await store.aclose()


def _spin(server: Any) -> None:
    with server.client(socket_timeout=30) as client, suppress(redis.ResponseError):
        client.eval("while true do end", 0)


def _is_busy(client: Any) -> bool:
    try:
        client.ping()
    except redis.ResponseError:
        return True
    return False


@pytest.mark.parametrize("options", ["?protocol=3", "?max_connections=1"])
async def test_a_call_that_was_given_up_does_not_begin_on_any_connection(
    server: Any, client: Any, new_box: NewBox, options: str
) -> None:
    box = new_box(server.socket_path)
    store = Store("s", url=f"{box.url}{options}", timeout_s=5)
    store.register_model(Parcel)
    await Parcel.insert(Parcel(id="a"))
    await asyncio.to_thread(Parcel.sync.patch, "a", note="early")
    for patch in (Parcel.patch, _in_thread(Parcel.sync.patch)):
        box.hold(b"parcel:a")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await patch("a", note="late")

        read = await Parcel.get("a")

        assert box.deliver() == b""
        assert client.hget("parcel:a", "note").decode() == read.note, "what is read behind an open outcome stays"
    await store.aclose()


async def test_a_store_that_resends_ends_the_first_copy_before_it_sends_the_second(
    server: Any, client: Any, new_box: NewBox
) -> None:
    box = new_box(server.socket_path)
    store = Store("s", url=box.url, timeout_s=5, resend_writes=True)
    store.register_model(Parcel)
    store.register_model(LiveParcel)
    live = await asyncio.to_thread(LiveParcel, id="a")
    await Parcel.insert(Parcel(id="a"))
    writes: list[tuple[bytes, Callable[[], Any]]] = [
        (b"parcel:a", lambda: Parcel.insert(Parcel(id="a", note="first"))),
        (b"parcel:a", lambda: asyncio.to_thread(Parcel.sync.insert, Parcel(id="a", note="first"))),
        (b"parcel:a", lambda: Parcel.patch("a", note="first")),
        (b"parcel:a", lambda: Parcel.expire("a", 1000)),
        (b"liveparcel:a", lambda: asyncio.to_thread(setattr, live, "content", "first")),
        (b"parcel:a0500", lambda: Parcel.insert([Parcel(id=f"a{number:04}") for number in range(1500)])),
    ]
    for mark, write in writes:
        box.hold(mark)
        await write()
        assert box.is_held.is_set()
        client.hset(mark, "note", "newer")

        assert box.deliver() == b""
        assert client.hget(mark, "note") == b"newer"
    for refuses in (lambda: Parcel.increment("a", "weight"), lambda: Parcel.delete("a")):
        box.hold(b"parcel:a")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await refuses()
        assert await Parcel.exists("a")
        assert box.deliver() == b""
    await store.aclose()


def _in_thread(verb: Callable[..., object]) -> Callable[..., Any]:
    async def call(*arguments: object, **options: object) -> object:
        return await asyncio.to_thread(verb, *arguments, **options)

    return call
