"""The server behind ``embedded:DIR``: who starts it, who stops it, and what happens when either is killed."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_models.embedded import EmbeddedServer
from redis_models.embedded_connection import EmbeddedConnection

USER = """
import sys
from redis_models.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1] or None)
print(server.ensure(), flush=True)
sys.stdin.read()
"""
FORKING = """
import os, sys
from redis_models.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1])
print(server.ensure(), flush=True)
if os.fork() == 0:
    print(server.ensure(), flush=True)
    sys.stdin.read()
else:
    os._exit(0)
"""


class User:
    """Another process that uses a directory, from its being ready until ``leave`` or ``kill``."""

    def __init__(self, directory: str, script: str = USER, **environment: str) -> None:
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


class Witness:
    """A connection that is nobody's use, but sees whether the server lives."""

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
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "data")


@pytest.fixture
def server(directory: str) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(directory)
    yield server
    server.release()


@pytest.fixture
def watch(stack: ExitStack) -> Callable[[str], Witness]:
    def watch(path: str) -> Witness:
        witness = Witness(path)
        stack.callback(witness.close)
        return witness

    return watch


@pytest.fixture
def join(stack: ExitStack) -> Callable[..., User]:
    def join(directory: str, script: str = USER, **environment: str) -> User:
        user = User(directory, script, **environment)
        stack.callback(user.leave)
        stack.callback(user.process.kill)
        return user

    return join


def connect(server: EmbeddedServer, retries: int = 3) -> redis.Redis:
    pool = redis.ConnectionPool(
        connection_class=EmbeddedConnection,  # pyright: ignore[reportArgumentType]  # takes any AbstractConnection
        embedded=server,
        retry=Retry(NoBackoff(), retries),
        decode_responses=True,
    )
    return redis.Redis.from_pool(pool)


def pid_of(server: EmbeddedServer) -> int:
    with connect(server) as client:
        return int(client.info("server")["process_id"])


def await_removal(path: str) -> None:
    deadline = time.monotonic() + 20
    while os.path.exists(path):
        assert time.monotonic() < deadline, f"{path} is still there"
        time.sleep(0.01)  # nothing tells when another process removes a folder


def test_the_first_user_starts_the_server_and_the_last_one_stops_it(
    directory: str, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    first = join(directory)
    second = join(directory)
    witness = watch(first.socket_path)

    first.leave()
    assert second.socket_path == first.socket_path
    assert witness.ask("PING") == "+PONG\r\n"

    second.leave()
    witness.await_end()


def test_killing_the_only_user_stops_the_server(
    directory: str, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    user = join(directory)
    witness = watch(user.socket_path)

    user.kill()

    witness.await_end()


def test_killing_one_of_two_users_leaves_the_server_to_the_other(
    directory: str, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    starter, other = join(directory), join(directory)
    witness = watch(other.socket_path)

    starter.kill()

    assert witness.ask("PING") == "+PONG\r\n"
    other.leave()
    witness.await_end()


def test_a_forked_child_is_a_user_of_its_own(
    directory: str, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    family = join(directory, FORKING)
    witness = watch(family.socket_path)
    assert family.process.stdout is not None

    assert family.process.wait(20) == 0
    assert family.process.stdout.readline().strip() == family.socket_path
    assert witness.ask("PING") == "+PONG\r\n"

    family.leave()
    witness.await_end()


def test_each_use_in_one_process_counts(directory: str, watch: Callable[[str], Witness]) -> None:
    one, other = EmbeddedServer(directory), EmbeddedServer(directory)
    witness = watch(one.ensure())
    other.ensure()

    one.release()
    one.release()
    assert witness.ask("PING") == "+PONG\r\n"

    other.release()
    witness.await_end()


def test_a_use_that_nobody_refers_to_any_more_is_given_up(directory: str, watch: Callable[[str], Witness]) -> None:
    witness = watch(EmbeddedServer(directory).ensure())

    witness.await_end()


def test_a_server_whose_launcher_was_killed_is_replaced(
    directory: str, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    user = join(directory)
    witness = watch(user.socket_path)
    orphan = re.search(r"process_id:(\d+)", witness.ask("INFO server"))
    assert orphan is not None
    group = os.getpgid(int(orphan[1]))
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    for pid, of_group in (map(int, line.split()) for line in listed.splitlines()):
        if of_group == group and pid != int(orphan[1]):
            os.kill(pid, signal.SIGKILL)
    user.kill()

    successor = EmbeddedServer(directory)

    assert pid_of(successor) != int(orphan[1])
    witness.await_end()
    successor.release()


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_throw_away_directory_vanishes_with_its_server(nothing: str | None, watch: Callable[[str], Witness]) -> None:
    server = EmbeddedServer(nothing)
    witness = watch(server.ensure())
    directory = server.directory
    assert os.path.isdir(directory)

    server.release()

    witness.await_end()
    await_removal(directory)
    assert server.directory != directory


def test_a_throw_away_directory_vanishes_when_its_user_is_killed(join: Callable[..., User]) -> None:
    user = join("")

    user.kill()

    await_removal(os.path.dirname(user.socket_path))


def test_a_throw_away_server_that_is_killed_comes_back_with_its_data() -> None:
    server = EmbeddedServer(None)
    with connect(server) as client:
        client.set("key", "value")
        os.kill(pid_of(server), signal.SIGKILL)
        assert client.get("key") == "value"
    directory = server.directory

    server.release()

    await_removal(directory)


def test_two_throw_away_servers_are_strangers() -> None:
    one, other = EmbeddedServer(None), EmbeddedServer(None)

    assert one.ensure() != other.ensure()
    one.release()
    other.release()


def test_a_path_too_long_for_a_socket_works_for_users_with_other_runtime_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, join: Callable[..., User], watch: Callable[[str], Witness]
) -> None:
    runtime, other_runtime = tmp_path / "a", tmp_path / "b"
    runtime.mkdir()
    other_runtime.mkdir()
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    server = EmbeddedServer(tmp_path / "long" / ("x" * 90) / "data")
    path = server.ensure()

    user = join(server.directory, XDG_RUNTIME_DIR=str(other_runtime))

    assert len(os.fsencode(path)) <= 100
    assert user.socket_path == path
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    witness = watch(path)
    user.leave()
    server.release()
    witness.await_end()
