"""A primary, its replica and three Sentinels on free ports of this machine, stopped by their process ids."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

__all__ = ["Group"]

_START_S: Final = 60.0
_SENTINELS: Final = 3
_DOWN_AFTER_MS: Final = 1500
_NAME: Final = "shop"


class Member:
    """One server process on a port."""

    def __init__(self, folder: Path, port: int, command: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--dir", str(folder)], stdout=log, stderr=log)
        wait(self.is_up)

    def client(self) -> Any:
        """Give a plain client that answers text."""
        return redis.Redis(port=self.port, protocol=2, decode_responses=True, retry=Retry(NoBackoff(), 0))

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def send(self, by: signal.Signals) -> None:
        """Send it a signal."""
        if self.process.poll() is None:
            self.process.send_signal(by)


class Group:
    """The whole. Used as a context.

    Args:
        folder: For data and logs.
        options: Of the servers with data.

    Attributes:
        nodes: The two servers with data; the first is the primary at the beginning.
        primary_port: Of the server that the Sentinels call the primary.
    """

    def __init__(self, folder: Path, options: Sequence[str]) -> None:
        program = os.environ["REDIS_MODELS_SERVER"]
        ports = _free_ports(2 + _SENTINELS)
        fixed = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
        self.nodes = [
            Member(folder / str(port), port, [program, "--port", str(port), *fixed, *options]) for port in ports[:2]
        ]
        with self.nodes[1].client() as client:
            client.replicaof("127.0.0.1", ports[0])
        wait(self.is_in_step)
        self._sentinels = [self._sentinel(folder, program, port, ports[0]) for port in ports[2:]]
        self.primary_port = ports[0]
        wait(self._is_watched)
        self._on_change: list[Callable[[], None]] = []
        self._is_closed = False
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._thread.join()
        for node in (*self._sentinels, *self.nodes):
            node.send(signal.SIGCONT)
            node.send(signal.SIGKILL)
            node.process.wait()

    @property
    def primary(self) -> Member:
        """The server that the Sentinels call the primary."""
        return next(node for node in self.nodes if node.port == self.primary_port)

    def client(self) -> Any:
        """Give a plain client of the primary that answers bytes."""
        return redis.Redis(port=self.primary_port, protocol=2)

    def on_change(self, then: Callable[[], None]) -> None:
        """Have something called when another server becomes the primary."""
        self._on_change.append(then)

    def is_in_step(self) -> bool:
        """Whether the replica has all that the primary has, in an instant without writes."""
        with self.nodes[1].client() as client:
            info = client.info("replication")
        with self.nodes[0].client() as client:
            offset = client.info("replication")["master_repl_offset"]
        return bool(info.get("master_link_status") == "up" and info.get("slave_repl_offset", -1) >= offset)

    def await_failover(self, old: int) -> None:
        """Wait until another server than that on port ``old`` is the primary, and takes writes."""

        def is_done() -> bool:
            if self.primary_port == old:
                return False
            with self.primary.client() as client:
                return bool(client.info("replication")["role"] == "master")

        wait(is_done)

    def _sentinel(self, folder: Path, program: str, port: int, primary: int) -> Member:
        place = folder / f"sentinel{port}"
        place.mkdir(parents=True)
        (place / "conf").write_text(
            f"port {port}\nsentinel monitor {_NAME} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {_NAME} {_DOWN_AFTER_MS}\nsentinel failover-timeout {_NAME} 6000\n"
        )
        return Member(place, port, [program, str(place / "conf"), "--sentinel"])

    def _is_watched(self) -> bool:
        """Whether every Sentinel knows the replica and the other Sentinels."""
        for sentinel in self._sentinels:
            with sentinel.client() as client:
                info: Any = client.sentinel_master(_NAME)
            if (info["num-slaves"], info["num-other-sentinels"]) != (1, _SENTINELS - 1):
                return False
        return True

    def _follow(self) -> None:
        with self._sentinels[0].client() as client:
            while not self._is_closed:
                try:
                    _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", _NAME)
                except redis.RedisError:
                    port = self.primary_port
                if int(port) != self.primary_port:
                    self.primary_port = int(port)
                    for then in self._on_change:
                        then()
                time.sleep(0.05)


def wait(is_true: Callable[[], bool]) -> None:
    """Wait for something, as long as a busy machine may need."""
    until = time.monotonic() + _START_S
    while not is_true():
        assert time.monotonic() < until, f"it did not come true in {_START_S} s"
        time.sleep(0.02)


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
