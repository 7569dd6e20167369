"""The server behind ``embedded:DIR``: who starts it, who stops it, and what happens when either is killed."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models.embedded import EmbeddedServer

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


def await_removal(path: str) -> None:
    deadline = time.monotonic() + 20
    while os.path.exists(path):
        assert time.monotonic() < deadline, f"{path} is still there"
        time.sleep(0.01)  # nothing tells when another process removes a folder


def test_the_first_user_starts_the_server_and_the_last_one_stops_it(
    directory: str, join: Callable[..., Any], watch: Callable[[str], Any]
) -> None:
    first = join(directory)
    second = join(directory)
    watcher = watch(first.socket_path)

    first.leave()
    assert second.socket_path == first.socket_path
    assert watcher.ask("PING") == "+PONG\r\n"

    second.leave()
    watcher.await_end()


def test_killing_the_only_user_stops_the_server(
    directory: str, join: Callable[..., Any], watch: Callable[[str], Any]
) -> None:
    user = join(directory)
    watcher = watch(user.socket_path)

    user.kill()

    watcher.await_end()


def test_killing_one_of_two_users_leaves_the_server_to_the_other(
    directory: str, join: Callable[..., Any], watch: Callable[[str], Any]
) -> None:
    starter, other = join(directory), join(directory)
    watcher = watch(other.socket_path)

    starter.kill()

    assert watcher.ask("PING") == "+PONG\r\n"
    other.leave()
    watcher.await_end()


def test_a_forked_child_is_a_user_of_its_own(
    directory: str, join: Callable[..., Any], watch: Callable[[str], Any]
) -> None:
    family = join(directory, FORKING)
    watcher = watch(family.socket_path)
    assert family.process.stdout is not None

    assert family.process.wait(20) == 0
    assert family.process.stdout.readline().strip() == family.socket_path
    assert watcher.ask("PING") == "+PONG\r\n"

    family.leave()
    watcher.await_end()


def test_each_use_in_one_process_counts(directory: str, watch: Callable[[str], Any]) -> None:
    first, other = EmbeddedServer(directory), EmbeddedServer(directory)
    watcher = watch(first.ensure())
    other.ensure()

    first.release()
    first.release()
    assert watcher.ask("PING") == "+PONG\r\n"

    other.release()
    watcher.await_end()


def test_a_use_without_references_is_ended(directory: str, watch: Callable[[str], Any]) -> None:
    watcher = watch(EmbeddedServer(directory).ensure())

    watcher.await_end()


def _others_of(group: int, server: int) -> list[int]:
    """Give the living processes of a group but its server."""
    ps = ["ps", "-A", "-o", "pid=,pgid=,stat="]
    listed = subprocess.run(ps, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, of, stat in rows if int(of) == group and int(pid) != server and not stat.startswith("Z")]


def test_a_server_whose_launcher_was_killed_is_replaced(
    directory: str, join: Callable[..., Any], watch: Callable[[str], Any], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    user = join(directory)
    watcher = watch(user.socket_path)
    orphan = re.search(r"process_id:(\d+)", watcher.ask("INFO server"))
    assert orphan is not None
    group = os.getpgid(int(orphan[1]))
    while launcher := _others_of(group, int(orphan[1])):  # it may be starting another process just now
        for pid in launcher:
            os.kill(pid, signal.SIGKILL)
    user.kill()

    successor = EmbeddedServer(directory)

    assert pid_of(successor) != int(orphan[1])
    watcher.await_end()
    successor.release()


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_throw_away_directory_vanishes_with_its_server(nothing: str | None, watch: Callable[[str], Any]) -> None:
    server = EmbeddedServer(nothing)
    watcher = watch(server.ensure())
    directory = server.directory
    assert os.path.isdir(directory)

    server.release()

    watcher.await_end()
    await_removal(directory)
    assert server.directory != directory


def test_a_throw_away_directory_vanishes_when_its_user_is_killed(join: Callable[..., Any]) -> None:
    user = join("")

    user.kill()

    await_removal(os.path.dirname(user.socket_path))


def test_a_throw_away_server_that_is_killed_comes_back_with_its_data(
    connect: Callable[..., redis.Redis], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    server = EmbeddedServer(None)
    with connect(server) as client:
        client.set("key", "value")
        os.kill(pid_of(server), signal.SIGKILL)
        assert client.get("key") == "value"
    directory = server.directory

    server.release()

    await_removal(directory)


def test_two_throw_away_servers_are_strangers() -> None:
    first, other = EmbeddedServer(None), EmbeddedServer(None)

    assert first.ensure() != other.ensure()
    first.release()
    other.release()


def test_a_path_too_long_for_a_socket_works_for_users_with_other_runtime_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, join: Callable[..., Any], watch: Callable[[str], Any]
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
    watcher = watch(path)
    user.leave()
    server.release()
    watcher.await_end()
