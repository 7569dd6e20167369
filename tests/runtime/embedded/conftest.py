"""Users of an embedded server, in this process and in others, and observers that see whether it runs."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_models.embedded import EmbeddedServer
from redis_models.embedded.connection import AsyncEmbeddedConnection, EmbeddedConnection
from redis_models.errors import EmbeddedServerError

_USER = """
import sys
from redis_models.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1] or None)
print(server.ensure(), flush=True)
sys.stdin.read()
"""


class User:
    """Another process that uses a directory, from its being ready until ``leave`` or ``kill``."""

    def __init__(self, directory: str, script: str = _USER, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.socket_path = self.process.stdout.readline().strip()

    def leave(self) -> None:
        """Let it come to its end."""
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        """End it with no chance to say so."""
        self.process.kill()
        self.leave()


class ServerWatcher:
    """A connection that does not count as a use, and sees whether the server runs."""

    def __init__(self, path: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(20)
        self._connection.connect(path)

    def ask(self, command: str) -> str:
        """Send a command and return the beginning of the answer; nothing if the server went."""
        self._connection.sendall(command.encode() + b"\r\n")
        return self._connection.recv(1 << 20).decode()

    def await_end(self) -> None:
        """Return when the server is gone."""
        assert self._connection.recv(1) == b""

    def close(self) -> None:
        """Stop looking."""
        self._connection.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed when the test ends."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """A directory that is not there yet."""
    return str(tmp_path / "data")


@pytest.fixture
def server(directory: str) -> Iterator[EmbeddedServer]:
    """This process's use of the directory, which has not begun."""
    server = EmbeddedServer(directory)
    yield server
    server.release()


@pytest.fixture
def watch(stack: ExitStack) -> Callable[[str], ServerWatcher]:
    """Put an observer at a socket: ``watch(path)``."""

    def watch(path: str) -> ServerWatcher:
        watcher = ServerWatcher(path)
        stack.callback(watcher.close)
        return watcher

    return watch


@pytest.fixture
def join(stack: ExitStack) -> Callable[..., User]:
    """Start another process that uses a directory: ``join(directory)``."""

    def join(directory: str, script: str = _USER, **environment: str) -> User:
        user = User(directory, script, **environment)
        stack.callback(user.leave)
        stack.callback(user.process.kill)
        return user

    return join


def _connect(server: EmbeddedServer, retries: int = 3) -> redis.Redis:
    pool = redis.ConnectionPool(
        connection_class=EmbeddedConnection,  # pyright: ignore[reportArgumentType]  # takes any AbstractConnection
        embedded=server,
        retry=Retry(NoBackoff(), retries),
        decode_responses=True,
    )
    return redis.Redis.from_pool(pool)


@pytest.fixture
def connect() -> Callable[..., redis.Redis]:
    """Make a client of a server: ``connect(server, retries=0)``."""
    return _connect


@pytest.fixture
def connect_async() -> Callable[..., redis.asyncio.Redis]:
    """Make an asyncio client of a server: ``connect_async(server)``."""

    def connect_async(server: EmbeddedServer, retries: int = 3) -> redis.asyncio.Redis:
        pool = redis.asyncio.ConnectionPool(
            connection_class=AsyncEmbeddedConnection,
            embedded=server,
            retry=AsyncRetry(NoBackoff(), retries),
            decode_responses=True,
        )
        return redis.asyncio.Redis.from_pool(pool)

    return connect_async


@pytest.fixture
def pid_of() -> Callable[[EmbeddedServer], int]:
    """Give the process id of a server, started if it does not run."""

    def pid_of(server: EmbeddedServer) -> int:
        with _connect(server) as client:
            return int(client.info("server")["process_id"])

    return pid_of


@pytest.fixture
def error_of() -> Callable[[EmbeddedServer], str]:
    """Give the one line that says why a server cannot be used."""

    def error_of(server: EmbeddedServer) -> str:
        with pytest.raises(EmbeddedServerError) as caught:
            server.ensure()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return error_of
