"""Servers that die, come back, stall, or forget their scripts."""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis.asyncio

from redis_models import Store
from redis_models.client.commands import AtMostOnce, RoundTrips, send
from redis_models.errors import (
    ServerUnreachableError,
)

NewServer = Callable[..., Any]
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]
Echo = Callable[[str], RoundTrips[object]]


async def test_forgotten_scripts_are_loaded_again(store: Store, client: Any, models_of: ModelsOf) -> None:
    item, _ = models_of(store)
    for _number in range(2):
        client.script_flush()
        await item.insert([item(id=f"{number:04}") for number in range(250)])
        client.script_flush()
        assert item.sync.count() == 250
        client.script_flush()
        await item.patch("0000", text="x")
        client.script_flush()
        assert item.sync.delete(["0000"]) == [1, 1]


async def test_a_server_that_was_killed_and_started_again_is_found(new_server: NewServer, models_of: ModelsOf) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    item, live = models_of(store)
    note = live(id="n")
    await item.insert(item(id="a"))

    server.kill()
    with pytest.raises(ServerUnreachableError):
        await item.insert(item(id="b"))
    with pytest.raises(ServerUnreachableError):
        note.text = "lost"
    server.start()
    note.text = "found"

    assert [record.id for record in await item.select()] == ["a"]
    assert (await live.get("n")).text == note.text == "found"
    await store.aclose()


async def test_a_server_that_comes_back_within_the_retries_is_not_noticed(
    new_server: NewServer, models_of: ModelsOf
) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    item, _ = models_of(store)
    await item.insert(item(id="a"))

    server.kill()
    starting = threading.Thread(target=server.start)
    starting.start()
    blocking = asyncio.create_task(asyncio.to_thread(item.sync.get, "a"))
    found = await item.get("a"), await blocking
    starting.join()

    assert found == (item(id="a"), item(id="a"))
    await store.aclose()


@pytest.mark.parametrize("who", ["the store", "the url", "a client of one's own"])
async def test_a_server_that_stalls_is_reported_in_time_and_nothing_is_repeated(
    new_server: NewServer, echo: Echo, who: str
) -> None:
    server = new_server()
    own: Any = redis.asyncio.Redis(unix_socket_path=server.socket_path, socket_timeout=0.2)
    store = {
        "the store": lambda: Store("s", url=server.url, timeout_s=0.2),
        "the url": lambda: Store.from_url(f"{server.url}?socket_timeout=0.2"),
        "a client of one's own": lambda: Store("s", redis_store=own),
    }[who]()
    assert await store.run_async(echo("x")) == store.run(echo("x")) == b"x"
    assert server.process is not None

    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(
            ServerUnreachableError, match="did not answer in time; what was sent may have been executed"
        ):
            await store.run_async(send([("INCR", "n")]))
        # The second is not even sent before the server has ended the connection of the first.
        with pytest.raises(ServerUnreachableError, match="did not answer in time; nothing was sent"):
            store.run(send([("INCR", "n")]))
    finally:
        server.process.send_signal(signal.SIGCONT)

    # Late answers are dropped, and the INCR was executed before its connection was ended, or never.
    assert (await store.run_async(echo("y")), store.run(echo("z"))) == (b"y", b"z")
    assert store.run(send([("GET", "n")])) in ([b"1"], [None])
    await store.aclose()


async def test_a_server_that_never_answers_hello_is_reported_in_time_and_nothing_was_sent(
    new_server: NewServer, echo: Echo
) -> None:
    server = new_server()
    store = Store("s", url=server.url, timeout_s=0.2)
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(ServerUnreachableError, match="did not answer in time; nothing was sent"):
            await store.run_async(echo("x"))
        with pytest.raises(ServerUnreachableError, match="did not answer in time; nothing was sent"):
            store.run(echo("x"))
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert await store.run_async(echo("y")) == store.run(echo("y")) == b"y"
    await store.aclose()


async def test_answers_that_drip_are_given_up_when_the_time_of_the_batch_is_over(store: Store, server: Any) -> None:
    drip = [("BLPOP", "nothing", 0.1)] * 20  # each comes in time, all of them do not
    hasty = Store("s", url=server.url, timeout_s=0.3)

    with pytest.raises(ServerUnreachableError, match="did not answer in time; what was sent"):
        await hasty.run_async(send(drip))
    with pytest.raises(ServerUnreachableError, match="did not answer in time; what was sent"):
        await asyncio.to_thread(hasty.run, send(drip))
    await hasty.aclose()


async def test_who_waits_for_a_free_connection_too_long_has_sent_nothing(server: Any, echo: Echo) -> None:
    store = Store("s", url=f"{server.url}?max_connections=1", timeout_s=0.1)
    blocking, asynchronous = store.sync_client.pool, (await store._connector.async_client()).pool
    taken = blocking.take(), await asynchronous.take()

    for run in (store.run_async, _run_in_thread(store)):
        with pytest.raises(ServerUnreachableError, match="did not answer in time; nothing was sent"):
            await run(echo("x"))
    blocking.give(taken[0])
    await asynchronous.give(taken[1])
    assert await store.run_async(echo("y")) == store.run(echo("y")) == b"y"
    await store.aclose()


def _run_in_thread(store: Store) -> Callable[[RoundTrips[Any]], Any]:
    async def run(batches: RoundTrips[Any]) -> Any:
        return await asyncio.to_thread(store.run, batches)

    return run


async def test_connections_that_broke_do_not_count_among_those_there_may_be(server: Any, client: Any) -> None:
    store = Store.from_url(f"{server.url}?max_connections=2")
    for _ in range(5):
        for run in (store.run_async, _run_in_thread(store)):
            busy = asyncio.create_task(run(send(AtMostOnce([("BLPOP", "queue", 0)]))))
            while not client.info("clients")["blocked_clients"]:
                await asyncio.sleep(0)
            client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(ServerUnreachableError, match="what was sent may have been executed"):
                await busy
    await store.aclose()
