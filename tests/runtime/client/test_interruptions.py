"""Work that is cut short leaves no answer for the next."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
import redis.asyncio

from redis_models import Store
from redis_models.client.client import AsyncClient, SyncClient
from redis_models.client.commands import RoundTrips, send
from redis_models.client.drivers import run, run_async

NewServer = Callable[..., Any]
ModelsOf = Callable[[Store], tuple[type[Any], type[Any]]]
Echo = Callable[[str], RoundTrips[object]]


def _blocked(client: Any) -> bool:
    return bool(client.info("clients")["blocked_clients"])


def _wait() -> RoundTrips[object]:
    """Ask for what comes late: half a second after the next question was sent."""
    [reply] = yield from send([("BLPOP", "nothing", 0.5)])
    return reply


async def test_a_cancelled_task_leaves_no_answers_behind(store: Store, client: Any, echo: Echo) -> None:
    task = asyncio.create_task(store.run_async(_wait()))
    while not _blocked(client):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [await store.run_async(echo(text)) for text in ("a", "b")] == [b"a", b"b"]


async def test_tasks_cancelled_at_any_moment_leave_no_answers_behind(store: Store, echo: Echo) -> None:
    async def ask(text: str) -> object:
        return await store.run_async(echo(text))

    for steps in range(30):
        tasks = [asyncio.create_task(ask(f"cut {steps} {number}")) for number in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        texts = [f"whole {steps} {number}" for number in range(5)]
        assert await asyncio.gather(*map(ask, texts)) == [text.encode() for text in texts]


async def test_a_greeting_that_was_cut_short_is_not_taken_for_an_answer(new_server: NewServer, echo: Echo) -> None:
    server = new_server("--requirepass", "pw")
    store = Store.from_url(f"unix://:pw@{server.socket_path}")
    assert server.process is not None
    for steps in range(1, 60, 4):
        server.process.send_signal(signal.SIGSTOP)
        task = asyncio.create_task(store.run_async(echo("cut")))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        waiting = asyncio.create_task(store.run_async(echo("whole")))
        for _ in range(60):  # until its question is on the way too
            await asyncio.sleep(0)
        server.process.send_signal(signal.SIGCONT)

        assert await waiting == b"whole"
        await store.aclose()


def test_an_interrupt_at_the_keyboard_leaves_no_answers_behind(
    store: Store, client: Any, echo: Echo, request: pytest.FixtureRequest
) -> None:
    # Interrupts are ignored, and for all children, where tests run in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt() -> None:
        while not _blocked(client):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        store.run(_wait())
    interrupting.join()

    assert [store.run(echo(text)) for text in ("a", "b")] == [b"a", b"b"]


async def test_a_connection_whose_greeting_was_interrupted_is_closed(server: Any) -> None:
    made: list[Any] = []
    interrupts: list[BaseException] = [KeyboardInterrupt(), asyncio.CancelledError()]

    def interrupt(connection: Any) -> None:
        made.append(connection)
        raise interrupts.pop(0)

    options: Any = {"unix_socket_path": server.socket_path, "redis_connect_func": interrupt}
    with pytest.raises(KeyboardInterrupt):
        run(SyncClient(redis.Redis(**options), ""), send([("PING",)]))
    with pytest.raises(asyncio.CancelledError):
        await run_async(AsyncClient(redis.asyncio.Redis(**options), ""), send([("PING",)]))

    blocking, other = made
    assert blocking._sock is None
    assert other._writer is None


async def test_an_interrupt_between_two_replies_leaves_the_second_unread(server: Any, echo: Echo) -> None:
    interrupts: list[BaseException] = [KeyboardInterrupt(), asyncio.CancelledError()]

    class Blocking(redis.UnixDomainSocketConnection):
        def read_response(self, *arguments: Any, **options: Any) -> Any:
            reply: object = cast(Any, super()).read_response(*arguments, **options)
            if reply == b"a":
                raise interrupts.pop(0)
            return reply

    class Asynchronous(redis.asyncio.UnixDomainSocketConnection):
        async def read_response(self, *arguments: Any, **options: Any) -> Any:
            reply: object = await cast(Any, super()).read_response(*arguments, **options)
            if reply == b"a":
                raise interrupts.pop(0)
            return reply

    def pool(module: Any, kind: type) -> Any:
        # Under the third protocol redis-py is asked for each reply.
        options: Any = {"connection_class": kind, "path": server.socket_path, "protocol": 3}
        return module.Redis.from_pool(module.ConnectionPool(**options))

    blocking = SyncClient(pool(redis, Blocking), "")
    asynchronous = AsyncClient(pool(redis.asyncio, Asynchronous), "")
    with pytest.raises(KeyboardInterrupt):
        run(blocking, send([("ECHO", "a"), ("BLPOP", "nothing", 0.3)]))
    with pytest.raises(asyncio.CancelledError):
        await run_async(asynchronous, send([("ECHO", "a"), ("BLPOP", "nothing", 0.3)]))

    assert run(blocking, echo("c")) == b"c"
    assert await run_async(asynchronous, echo("c")) == b"c"
    blocking.close()
    await asynchronous.aclose()
