"""Batches, of which nearly none may be executed twice: what becomes of them when connections break."""

import asyncio
import contextlib
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

import redis_models
from redis_models import Store
from redis_models.client.commands import _READS, AtMostOnce, RoundTrips, Script, call, send
from redis_models.errors import ServerUnreachableError
from redis_models.project.apps import bind
from redis_models.project.settings import Settings

ADD = ("HINCRBY", "h", "n", 1)
MAYBE = "what was sent may have been executed"
Ways = tuple[Callable[[RoundTrips[Any]], Any], ...]


@pytest.fixture
async def ways(proxy: Any) -> Any:
    """Run an operation through the proxy: blocking in a thread, and in the loop."""
    store = Store.from_url(f"unix://{proxy.path}")
    yield _ways_of(store)
    await store.aclose()


def _ways_of(store: Store) -> Ways:
    def run_in_thread(batches: RoundTrips[Any]) -> Any:
        return asyncio.to_thread(store.run, batches)

    return run_in_thread, store.run_async


def _count(client: redis.Redis) -> int:
    reply: Any = client.hget("h", "n")
    return int(reply or 0)


async def test_a_batch_that_broke_off_anywhere_is_executed_at_most_once(ways: Ways, proxy: Any, client: Any) -> None:
    length = len(b"*4\r\n$7\r\nHINCRBY\r\n$1\r\nh\r\n$1\r\nn\r\n$1\r\n1\r\n")
    for run in ways:
        for passed in range(length + 1):
            before = _count(client)
            proxy.cut(b"HINCRBY", passed=passed)

            with pytest.raises(ServerUnreachableError, match=MAYBE):
                await run(send(AtMostOnce([ADD])))

            assert await run(send([("PING",)])) == [b"PONG"]  # the server has seen the end of what it got
            assert _count(client) - before == (passed == length)


async def test_a_batch_whose_answer_was_lost_is_executed_once(ways: Ways, proxy: Any, client: Any) -> None:
    for number, run in enumerate(ways, 1):
        proxy.cut(b"HINCRBY")

        with pytest.raises(ServerUnreachableError, match=MAYBE):
            await run(send(AtMostOnce([ADD])))

        assert _count(client) == number


async def test_writes_that_say_nothing_are_executed_at_most_once_either(ways: Ways, proxy: Any, client: Any) -> None:
    for number, run in enumerate(ways, 1):
        for passed in (0, 5, None):
            proxy.cut(b"HINCRBY", passed=passed)

            with pytest.raises(ServerUnreachableError, match=MAYBE) as caught:
                await run(send([ADD]))
            assert caught.value.is_left_open

        assert _count(client) == number  # whose answer was lost


async def test_a_store_that_resends_repeats_writes_but_not_what_forbids_it(proxy: Any, client: Any) -> None:
    store = Store.from_url(f"unix://{proxy.path}", resend_writes=True)
    for run in _ways_of(store):
        client.delete("h")
        for passed in (0, 5, None):
            proxy.cut(b"HINCRBY", passed=passed)
            await run(send([ADD]))
        assert _count(client) == 4  # one answer was lost, so that one was executed twice

        proxy.cut(b"HINCRBY")
        with pytest.raises(ServerUnreachableError, match=MAYBE):
            await run(send(AtMostOnce([ADD])))
        assert _count(client) == 5
    await store.aclose()


def test_every_command_that_is_sent_is_known_as_what_the_server_calls_it(client: Any) -> None:
    """A read that is taken for a write would end in an error where it is simply asked again; never the other way."""
    top = Path(redis_models.__path__[0])
    folders = [(top / name).resolve() for name in (".", "migrations", "cli")]  # links, in a checkout
    text = "".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    words = {*re.findall(r"[(\[]\"([A-Z]{3,})\"", text), *_READS}
    known: Any = client.execute_command("COMMAND")
    flags = {name.upper(): {flag.decode() if isinstance(flag, bytes) else flag for flag in replies["flags"]}
             for name, replies in known.items()}  # fmt: skip

    reads = {word for word in words & flags.keys() if "readonly" in flags[word]}
    writes = {word for word in words & flags.keys() if "write" in flags[word]}

    assert reads <= _READS
    assert writes >= {"SET", "HSET", "DEL"}
    assert not writes & _READS


@pytest.mark.parametrize("wanted", [False, True])
def test_a_store_of_the_settings_resends_as_they_say(
    server: Any, new_box: Callable[[str], Any], client: Any, tmp_path: Path, wanted: bool
) -> None:
    box = new_box(server.socket_path)
    store = bind(Settings("s", "--settings", tmp_path, redis_url=box.url, resend_writes=wanted), [])
    store.run(send([("SET", "n", 1)]))
    box.lose_reply(b"HINCRBY")

    with contextlib.nullcontext() if wanted else pytest.raises(ServerUnreachableError, match=MAYBE):
        store.run(send([ADD]))

    assert _count(client) == 1 + wanted
    store.close()


async def test_reads_and_scripts_that_say_so_are_repeated_and_nothing_is_noticed(
    ways: Ways, proxy: Any, client: Any
) -> None:
    script = Script("return redis.call('HSETNX', KEYS[1], 'n', ARGV[1])", is_repeatable=True)
    client.hset("h", "n", 1)
    for run in ways:
        for passed in (0, 5, None):
            proxy.cut(b"HGET", passed=passed)
            assert await run(send([("HGET", "h", "n")])) == [b"1"]
            for load in (client.script_flush, lambda: client.script_load(script.source)):
                load()
                proxy.cut(b"EVALSHA", passed=passed)
                assert await run(call(script, [script.command(["h"], [2])])) == [0]


async def test_a_read_that_is_given_up_leaves_nothing_open(server: Any) -> None:
    store = Store("s", url=server.url, timeout_s=0.2)
    for run in _ways_of(store):
        await run(send([("PING",)]))
        server.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(ServerUnreachableError, match="did not answer in time; nothing was changed") as caught:
                await run(send([("HGET", "h", "n")]))
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert not caught.value.is_left_open
    await store.aclose()


async def test_a_server_that_is_loading_has_executed_nothing(ways: Ways, proxy: Any, client: Any) -> None:
    for number, run in enumerate(ways, 1):
        proxy.cut(b"HINCRBY", answer=b"-LOADING the dataset is being read\r\n")

        await run(send(AtMostOnce([ADD])))

        assert _count(client) == number


async def test_of_several_commands_the_last_may_have_found_it_loaded(ways: Ways, proxy: Any, client: Any) -> None:
    for run in ways:
        proxy.cut(b"HINCRBY", answer=b"-LOADING the dataset is being read\r\n:1\r\n")

        with pytest.raises(ServerUnreachableError, match=MAYBE):
            await run(send(AtMostOnce([ADD, ADD])))

    assert _count(client) == 0


async def test_a_script_that_the_server_forgot_is_loaded_and_run_once(ways: Ways, client: Any) -> None:
    script = Script("return redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])")
    for number, run in enumerate(ways):
        client.script_flush()

        assert await run(call(script, [script.command(["h"], [1])] * 3, once=True)) == [
            3 * number + 1,
            3 * number + 2,
            3 * number + 3,
        ]


async def test_a_script_whose_second_sending_broke_off_is_not_sent_a_third_time(
    ways: Ways, proxy: Any, client: Any
) -> None:
    script = Script("return redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])")
    for number, run in enumerate(ways, 1):
        client.script_flush()
        proxy.cut(b"LOAD")

        with pytest.raises(ServerUnreachableError, match=MAYBE):
            await run(call(script, [script.command(["h"], [1])], once=True))

        assert _count(client) == number


async def test_a_server_that_restarted_between_two_calls_is_found(new_server: Callable[..., Any]) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    ways = _ways_of(store)
    for number in range(1, 6):
        for run in ways:
            await run(send(AtMostOnce([ADD])))
        server.kill()
        server.start()
        await store.run_async(send(AtMostOnce([ADD])))  # first, before the loop has heard that the server ended
        await asyncio.to_thread(store.run, send(AtMostOnce([ADD])))
        with server.client() as client:
            assert _count(client) == 4 * number
    await store.aclose()


async def test_a_server_that_comes_up_within_the_retries_gets_it_once(new_server: Callable[..., Any]) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    store = Store.from_url(server.url)
    server.kill()
    starting = threading.Thread(target=server.start)
    starting.start()

    await asyncio.gather(
        store.run_async(send(AtMostOnce([ADD]))), asyncio.to_thread(store.run, send(AtMostOnce([ADD])))
    )
    starting.join()

    with server.client() as client:
        assert _count(client) == 2
    await store.aclose()
