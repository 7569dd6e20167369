"""Shared fixtures: real servers on private unix sockets, and stores bound to them."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from redis_models import Store
from redis_models.embedded import server_binary

_START_S = 20.0


class Server:
    """A real server of the tests' own, on a unix socket, stopped by its process id."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.socket_path = str(directory / "s")
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fixed = ("--port", "0", "--unixsocket", self.socket_path, "--dir", str(self.directory), "--save", "")
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen([server_binary(), *fixed, *self._options], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + _START_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.AuthenticationError:
                return
            except redis.RedisError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def client(self, **options: object) -> redis.Redis:
        """Give a plain redis-py client that answers bytes."""
        return redis.Redis(unix_socket_path=self.socket_path, protocol=2, **options)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """What a store or a settings module calls it."""
        return f"unix://{self.socket_path}"

    def kill(self) -> None:
        """End it as kill -9 does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it in peace."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    """Start servers with options of their own: ``new_server("--maxmemory", "10mb")``."""
    with tempfile.TemporaryDirectory(prefix="rm") as top:
        started: list[Server] = []

        def start(*options: str) -> Server:
            directory = Path(top) / str(len(started))
            directory.mkdir()
            started.append(Server(directory, *options))
            return started[-1]

        yield start
        for one in started:
            one.stop()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that need nothing special of it."""
    with tempfile.TemporaryDirectory(prefix="rm") as directory:
        one = Server(Path(directory), "--appendonly", "no", "--enable-debug-command", "yes")
        yield one
        one.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, empty."""
    with shared_server.client() as client:
        client.flushall()
    return shared_server


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A plain client of the empty server, which answers bytes."""
    with server.client() as one:
        yield one


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    """A store on the empty server."""
    one = Store.from_url(server.url)
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("REDIS_MODELS")]:
        monkeypatch.delenv(name)
