"""Connections to the server behind ``embedded:DIR``: it is there when they want it, and comes back when it dies."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from redis_models import Field, Model, Store
from redis_models.embedded import EmbeddedServer
from redis_models.embedded.executable import server_binary
from redis_models.errors import EmbeddedServerError

COUNTER = """
import sys, redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_models import Field, Model, Store
from redis_models.embedded import EmbeddedServer
from redis_models.embedded.server import server_binary
from redis_models.embedded.connection import EmbeddedConnection
pool = redis.ConnectionPool(
    connection_class=EmbeddedConnection, embedded=EmbeddedServer(sys.argv[1]), retry=Retry(NoBackoff(), 0)
)
with redis.Redis.from_pool(pool) as client:
    for _ in range(50):
        client.incr("counter")
"""


def test_data_survive_the_server(
    server: EmbeddedServer, watch: Callable[[str], Any], connect: Callable[..., redis.Redis]
) -> None:
    watcher = watch(server.ensure())
    with connect(server) as client:
        client.hset("customer:1", mapping={"name": "Ada"})
    server.release()
    watcher.await_end()

    with connect(server) as client:
        assert client.hgetall("customer:1") == {"name": "Ada"}


def test_a_server_stopped_and_wanted_at_once_comes_back_every_time(
    server: EmbeddedServer, connect: Callable[..., redis.Redis]
) -> None:
    for _ in range(10):
        with connect(server, retries=0) as client:
            client.incr("counter")
        server.release()

    with connect(server) as client:
        assert client.get("counter") == "10"


def test_processes_that_start_at_once_share_one_server(
    server: EmbeddedServer, connect: Callable[..., redis.Redis]
) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNTER, server.directory]) for _ in range(8)]

    assert [process.wait(60) for process in processes] == [0] * 8
    with connect(server) as client:
        assert client.get("counter") == "400"


def test_threads_that_start_at_once_share_one_server(
    server: EmbeddedServer, connect: Callable[..., redis.Redis]
) -> None:
    def count() -> None:
        with connect(server, retries=0) as client:
            for _ in range(20):
                client.incr("counter")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with connect(server) as client:
        assert client.get("counter") == "160"


def test_a_server_killed_under_a_live_client_comes_back_with_every_acknowledged_write(
    server: EmbeddedServer, connect: Callable[..., redis.Redis], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    acknowledged: set[str] = set()
    time_to_kill = threading.Event()

    def kill() -> None:
        time_to_kill.wait(20)
        os.kill(pid_of(server), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with connect(server) as client:
        number = 0
        while killer.is_alive() or number < 500:
            client.sadd("numbers", number)
            acknowledged.add(str(number))
            number += 1
            if number == 200:
                time_to_kill.set()
        killer.join()

        assert client.smembers("numbers") == acknowledged


async def test_a_server_killed_under_a_live_asyncio_client_comes_back_with_every_acknowledged_write(
    server: EmbeddedServer, connect_async: Callable[..., redis.asyncio.Redis], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    acknowledged: set[str] = set()
    server.ensure()
    victim = pid_of(server)

    async with connect_async(server) as client:

        async def write(first: int) -> None:
            for number in range(first, first + 100):
                await client.sadd("numbers", number)
                acknowledged.add(str(number))
                if number == 250:
                    os.kill(victim, signal.SIGKILL)

        await asyncio.gather(*(write(first) for first in range(0, 500, 100)))

        assert pid_of(server) != victim
        assert await client.smembers("numbers") == acknowledged


def test_no_client_meets_a_server_that_is_still_loading(
    server: EmbeddedServer, connect: Callable[..., redis.Redis], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    with connect(server) as client:
        client.eval("for i = 1, 150000 do redis.call('SET', i, i) end", 0)
    os.kill(pid_of(server), signal.SIGKILL)
    answers: list[int] = []

    def count() -> None:
        with connect(server, retries=0) as client:
            answers.append(client.dbsize())

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == [150000] * 3


async def test_asyncio_clients_see_the_reason_itself(
    tmp_path: Path, connect_async: Callable[..., redis.asyncio.Redis]
) -> None:
    (tmp_path / "data").write_text("precious")

    async with connect_async(EmbeddedServer(tmp_path / "data")) as client:
        with pytest.raises(EmbeddedServerError, match="is not a directory"):
            await client.ping()


def test_clients_see_the_reason_itself(tmp_path: Path, connect: Callable[..., redis.Redis]) -> None:
    (tmp_path / "data").write_text("precious")

    with (
        connect(EmbeddedServer(tmp_path / "data")) as client,
        pytest.raises(EmbeddedServerError, match="is not a directory"),
    ):
        client.ping()


_SLOW = """#!/bin/sh
if [ "$1" = --version ]; then exec {program} "$1"; fi
exec {program} "$@" --key-load-delay 2000
"""


class Item(Model):
    id: str = Field(primary_key=True)


@pytest.mark.parametrize("is_bulk", [False, True])
async def test_asyncio_verbs_wait_for_a_server_that_loads_longer_than_they_may_take(
    is_bulk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    async with Store.from_url(f"embedded:{directory}") as store:
        store.register_model(Item)
        await Item.insert([Item(id=str(number)) for number in range(1000)])
    slow = tmp_path / "slow"
    slow.write_text(_SLOW.format(program=server_binary()))
    slow.chmod(0o755)
    monkeypatch.setenv("REDIS_MODELS_SERVER", str(slow))

    async with Store("slow", url=f"embedded:{directory}", timeout_s=0.3) as store:  # two seconds and more to load
        store.register_model(Item)
        if is_bulk:
            await Item.insert([Item(id=f"n{number}") for number in range(3000)])
        assert await Item.count() == (4000 if is_bulk else 1000)
    Item._store = None
