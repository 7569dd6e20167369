"""Threads that share one instance of an AutoModel: what it holds in the end is what the server holds."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from redis_models import AutoModel, Field, Store

from .conftest import Wire

_LATENCY_S = 0.003  # at most; what was sent first may come last


class Live(AutoModel):
    id: str = Field(primary_key=True)
    size: int = 0
    weight: int = 0


class Slow(Wire):
    """A wire on which every message takes a while, one longer than another."""

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while message := client.recv(1 << 16):
                time.sleep(random.random() * _LATENCY_S)
                server.sendall(message)
                client.sendall(server.recv(1 << 16))
        except OSError:
            return


@pytest.fixture
def slow(server: Any, tmp_path: Path) -> Iterator[None]:
    """Have the model's connections go over a slow wire."""
    wire = Slow(tmp_path / "slow", server.socket_path)
    store = Store("slow", url=wire.url)
    store.register_model(Live)
    yield
    Live._store = None
    store.close()
    wire.close()


def _at_once(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("slow")
def test_threads_that_assign_to_one_field_leave_the_server_with_what_the_instance_has(client: Any) -> None:
    live = Live(id="a")

    def assign(first: int) -> None:
        for number in range(first, first + 3):
            live.size = number

    for start in range(1, 1001, 100):
        _at_once(*(partial(assign, start + 10 * nth) for nth in range(8)))

        assert client.hget("live:a", "size") == str(live.size).encode()


@pytest.mark.usefixtures("slow")
def test_an_assignment_that_one_thread_fails_at_does_not_undo_that_of_another(client: Any) -> None:
    live: Any = Live(id="a")

    def fail() -> None:
        with pytest.raises(ValueError, match="valid integer"):
            live.size = "nope"

    def assign(number: int) -> None:
        live.weight = number

    for number in range(1, 31):
        _at_once(fail, fail, partial(assign, number), fail)

        assert (live.size, live.weight, client.hget("live:a", "weight")) == (0, number, str(number).encode())
