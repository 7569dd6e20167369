"""Pipelined batches: the operation does not wait for their replies, whatever happens to them on the way."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis
from pydantic import field_validator

from redis_models import Field, Model, Store
from redis_models.client.client import SyncClient
from redis_models.client.commands import AtMostOnce, Command, Pipelined, Reply, RoundTrips, Sleep, pipelined
from redis_models.client.drivers import run, run_async
from redis_models.errors import ServerUnreachableError
from redis_models.records.repository import repository_of

from .pipelines import (
    Echo,
    Item,
    OurError,
    Ways,
    items_of,
    ways_of,
)

NewServer = Callable[..., Any]


@pytest.fixture(autouse=True)
def _unbound() -> Iterator[None]:
    yield
    Item._store = None


def _numbered(count: int) -> RoundTrips[list[list[Reply]]]:
    """Send flights that note their order, and give their replies."""
    lists: list[list[Reply]] = []
    for number in range(count):
        lists.append(
            (yield Pipelined([("ECHO", f"mark {number}."), ("RPUSH", "log", number), ("SET", "last", number)]))
        )
    yield ()
    return lists


async def test_replies_are_ready_after_the_next_batch_of_any_kind(narrow: Store) -> None:
    nexts: list[Sequence[Command]] = [
        (),
        [("ECHO", "b")],
        AtMostOnce([("ECHO", "b")]),
        Sleep(0.001),
        Pipelined([("ECHO", "b")]),
    ]

    def ask(following: Sequence[Command]) -> RoundTrips[tuple[list[Reply], list[Reply]]]:
        replies = yield Pipelined([("ECHO", "a"), ("NO-SUCH-COMMAND",), ("ECHO", "c")])
        others = yield following
        first: list[object] = [reply if isinstance(reply, bytes) else type(reply) for reply in replies]
        yield ()
        return first, others

    for run_it in ways_of(narrow):
        for following in nexts:
            first, others = await run_it(ask(following))

            assert first == [b"a", redis.ResponseError, b"c"]
            assert others == ([b"b"] if following else [])


async def test_flights_are_executed_in_their_order(narrow: Store, client: Any) -> None:
    for run_it in ways_of(narrow):
        client.delete("log")

        lists = await run_it(_numbered(50))

        assert [entries[0] for entries in lists] == [f"mark {number}.".encode() for number in range(50)]
        assert [entries[1] for entries in lists] == list(range(1, 51))
        assert client.lrange("log", 0, -1) == [b"%d" % number for number in range(50)]


async def test_a_flight_whose_replies_are_large_does_not_stand_in_the_way_of_the_next(narrow: Store) -> None:
    def ask() -> RoundTrips[list[list[Reply]]]:
        yield [("SET", "large", b"x" * 4_000_000)]
        lists: list[list[Reply]] = []
        for _ in range(3):
            lists.append((yield Pipelined([("GET", "large"), ("SET", "other", b"y" * 4_000_000)])))
        yield ()
        return lists

    for run_it in ways_of(narrow):
        assert [len(reply) for reply, _ in await run_it(ask())] == [4_000_000] * 3


@pytest.mark.parametrize("passed", [None, 0, 13, 60, 75, 10_000])
@pytest.mark.parametrize("broken", [0, 1, 4, 5])
async def test_a_connection_that_breaks_has_its_flights_executed_again_in_order(
    resending: Store, proxy: Any, client: Any, broken: int, passed: int | None
) -> None:
    for run_it in ways_of(resending):
        client.delete("log")
        proxy.cut(b"mark %d." % broken, passed=passed)

        lists = await run_it(_numbered(6))

        assert [entries[0] for entries in lists] == [f"mark {number}.".encode() for number in range(6)]
        log = [int(entry) for entry in client.lrange("log", 0, -1)]
        assert list(dict.fromkeys(log)) == list(range(6)), "a later one was executed before an earlier one"
        assert list(dict.fromkeys(reversed(log))) == list(range(5, -1, -1)), "the last word is an earlier one's"
        assert client.get("last") == b"5"


@pytest.mark.parametrize("passed", [None, 0, 13, 75])
@pytest.mark.parametrize("broken", [0, 4, 5])
async def test_flights_that_must_not_run_twice_do_not(
    cut_off: Store, proxy: Any, client: Any, broken: int, passed: int | None
) -> None:
    for run_it in ways_of(cut_off):
        client.delete("log")
        proxy.cut(b"mark %d." % broken, passed=passed)

        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await run_it(_numbered(6))

        log = [int(entry) for entry in client.lrange("log", 0, -1)]
        assert log == list(range(len(log)))
        assert broken <= len(log) + (passed is not None)


async def test_a_batch_that_must_not_run_twice_does_not_with_a_flight_before_it(
    cut_off: Store, proxy: Any, client: Any
) -> None:
    def add() -> RoundTrips[None]:
        yield Pipelined([("RPUSH", "log", "flight")])
        yield AtMostOnce([("INCR", "once")])

    for number, run_it in enumerate(ways_of(cut_off), 1):
        proxy.cut(b"INCR")
        with pytest.raises(ServerUnreachableError, match="may have been executed"):
            await run_it(add())

        assert client.get("once") == b"%d" % number


async def test_an_error_of_the_operation_waits_for_what_is_under_way(server: Any, client: Any, echo: Echo) -> None:
    store = Store("s", url=f"{server.url}?max_connections=2", timeout_s=5)

    def fail() -> RoundTrips[None]:
        yield Pipelined([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        yield Pipelined([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        raise OurError

    for number, run_it in enumerate(ways_of(store), 1):
        with pytest.raises(OurError):
            await run_it(fail())

        assert client.get("done") == b"%d" % (2 * number)
        assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]
    await store.aclose()


async def test_an_operation_that_ends_before_its_flights_waits_for_them(narrow: Store, client: Any) -> None:
    def leave() -> RoundTrips[str]:
        yield Pipelined([("BLPOP", "nothing", 0.1), ("INCR", "done")])
        return "left"

    for number, run_it in enumerate(ways_of(narrow), 1):
        assert await run_it(leave()) == "left"
        assert client.get("done") == b"%d" % number


async def test_an_operation_may_outlive_an_error_of_its_flights(cut_off: Store, proxy: Any, echo: Echo) -> None:
    """One that catches what was thrown into it may go on, and gets its own replies."""

    def go_on() -> RoundTrips[list[Reply]]:
        try:
            yield Pipelined([("ECHO", "lost")])
            yield AtMostOnce([("ECHO", "once")])
        except ServerUnreachableError:
            found = yield Pipelined([("ECHO", "a")])
            found = [*found, *(yield [("ECHO", "b")])] if found else (yield [("ECHO", "b")])
            return found
        return []

    for run_it in ways_of(cut_off):
        proxy.cut(b"once")

        assert (await run_it(go_on()))[-1] == b"b"
        assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]


async def test_tasks_cancelled_at_any_moment_leave_no_answers_and_no_connection_behind(
    narrow: Store, echo: Echo
) -> None:
    for steps in range(40):
        tasks = [asyncio.create_task(narrow.run_async(_numbered(8))) for _ in range(2)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        texts = [f"whole {steps} {number}" for number in range(3)]
        answers = asyncio.gather(*(narrow.run_async(echo(text)) for text in texts))
        assert await asyncio.wait_for(answers, 5) == [text.encode() for text in texts]


def test_an_interrupt_at_the_keyboard_leaves_no_answers_behind(
    server: Any, client: Any, echo: Echo, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    store = Store("s", url=f"{server.url}?max_connections=2", timeout_s=5)

    def wait() -> RoundTrips[None]:
        yield Pipelined([("ECHO", "unread")])
        yield Pipelined([("BLPOP", "nothing", 0.5)])
        yield ()

    def interrupt() -> None:
        while not client.info("clients")["blocked_clients"]:
            pass
        os.kill(os.getpid(), signal.SIGINT)

    for _ in range(3):  # more often than there are connections
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            store.run(wait())
        interrupting.join()

        assert [store.run(echo(text)) for text in "ab"] == [b"a", b"b"]
    store.close()


async def test_a_pipeline_that_times_out_is_an_error_and_its_reply_reaches_no_caller(server: Any, echo: Echo) -> None:
    def wait() -> RoundTrips[None]:
        yield Pipelined([("ECHO", "in time"), ("BLPOP", "nothing", 0.5)])
        yield Pipelined([("ECHO", "behind it")])

    for most in (1, 2):
        store = Store("s", url=f"{server.url}?max_connections={most}", timeout_s=0.2)
        for run_it in ways_of(store):
            for _ in range(most):
                with pytest.raises(ServerUnreachableError, match="did not answer in time; what was sent may have been"):
                    await run_it(wait())

                assert [await run_it(echo(text)) for text in "ab"] == [b"a", b"b"]
        await store.aclose()


async def test_flights_give_their_connection_back(narrow: Store, client: Any) -> None:
    def clients() -> int:
        return len([connection for connection in client.client_list() if connection["cmd"] != "client|list"])

    for run_it in ways_of(narrow):
        await run_it(_numbered(3))
        before = clients()
        for _ in range(5):
            await run_it(_numbered(3))

        assert clients() == before


@pytest.mark.parametrize("most", [1, 2])
def test_code_that_runs_between_flights_may_ask_the_server_itself(server: Any, most: int) -> None:
    store = Store("s", url=f"{server.url}?max_connections={most}", timeout_s=5)

    class Asking(Model):
        id: str = Field(primary_key=True)
        item: str = ""

        @field_validator("item")
        @classmethod
        def _exists(cls, value: str) -> str:
            if value and is_asked:
                assert Item.sync.exists(value)
            return value

    is_asked = False
    for model in (Item, Asking):
        store.register_model(model)
    Item.sync.insert(Item(id="x"))
    Asking.sync.insert([Asking(id=f"{number:05}", item="x" if number % 100 == 0 else "") for number in range(1200)])
    is_asked = True

    # As many at a time as there are connections: each keeps one, and wants another.
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(Asking.sync.select() or []))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [1200] * 3
    store.close()


class _Naive:
    """Knows nothing of flights."""

    def __init__(self, inner: SyncClient) -> None:
        self._inner = inner

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        return self._inner.exchange(commands)


class _NaiveAsync(_Naive):
    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:  # type: ignore[override]
        return self._inner.exchange(commands)


async def test_a_driver_that_only_exchanges_comes_to_the_same(store: Store, client: Any) -> None:
    store.register_model(Item)
    items = items_of(2300)
    ways: Ways = (
        lambda batches: run(store.sync_client, batches),
        lambda batches: run(_Naive(store.sync_client), batches),
    )
    results: list[Any] = []
    for run_it in ways:
        client.flushall()
        client.script_flush()
        made = run_it(repository_of(Item).insert(items))
        again = run_it(repository_of(Item).insert(items_of(2300)))
        client.delete("item:00007", "item:01200")
        found = run_it(repository_of(Item).select(None, 5, 1800, None))
        results.append((made, again, found, run_it(_numbered(5)), client.zcard("item:__index")))
    client.delete("log")
    lists = await run_async(_NaiveAsync(store.sync_client), _numbered(5))

    assert results[0][:2] == ([3, 1] * 2300, [0, 0] * 2300)
    assert results[0] == results[1]
    assert lists == results[0][3]


async def test_pending_replies_are_ready_after_the_next_batch(narrow: Store) -> None:
    def ask() -> RoundTrips[list[bool]]:
        replies = yield from pipelined([("ECHO", "a")])
        yield [("ECHO", "b")]
        seen = [replies.is_ready]
        assert (yield from replies.wait()) == [b"a"]
        later = yield from pipelined([("ECHO", "c")])
        assert (yield from later.wait()) == [b"c"]
        return [*seen, later.is_ready]

    for run_it in ways_of(narrow):
        assert await run_it(ask()) == [True, True]


def test_replies_of_a_driver_that_does_not_pipeline_are_ready_at_once() -> None:
    operation = pipelined([("ECHO", "a")])
    next(operation)

    with pytest.raises(StopIteration) as end:
        operation.send([b"a"])

    assert end.value.value.is_ready
    assert end.value.value == [b"a"]
