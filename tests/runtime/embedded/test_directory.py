"""The directory of an embedded server: any will do, no other user gets in, and a bad one is refused with the cure."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models import Field, Model, Store
from redis_models.embedded import EmbeddedServer, connection
from redis_models.errors import EmbeddedServerError


class Note(Model):
    id: str = Field(primary_key=True)


def test_a_removed_directory_is_made_again(
    server: EmbeddedServer, tmp_path: Path, connect: Callable[..., redis.Redis]
) -> None:
    with connect(server) as client:
        client.set("key", "value")
    Path(server.directory).rename(tmp_path / "elsewhere")

    with (
        connect(server) as client,
        pytest.raises(EmbeddedServerError, match="was removed or replaced while its server ran"),
    ):
        client.get("key")
    server.release()
    with connect(server) as client:
        assert client.get("key") is None


def test_the_server_of_a_directory_that_was_moved_away_takes_nothing_of_the_next_ones_along(
    server: EmbeddedServer,
    tmp_path: Path,
    connect: Callable[..., redis.Redis],
    pid_of: Callable[[EmbeddedServer], int],
    watch: Callable[..., Any],
) -> None:
    first = pid_of(server)
    watcher = watch(server.socket_path)
    Path(server.directory).rename(tmp_path / "elsewhere")
    os.kill(first, signal.SIGSTOP)
    server.release()
    with connect(server) as client:
        client.set("key", "value")

    os.kill(first, signal.SIGCONT)
    watcher.await_end()

    with connect(server) as client:
        assert client.get("key") == "value"
    assert pid_of(server) == int(Path(server.directory, "server.pid").read_text())


def test_a_copy_of_a_directory_is_another_database(
    server: EmbeddedServer, tmp_path: Path, connect: Callable[..., redis.Redis], pid_of: Callable[[EmbeddedServer], int]
) -> None:
    with connect(server) as client:
        client.set("key", "value")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for name in ("users.fifo", "db.sock"):
        (copy / name).write_text("")  # as some archivers copy special files
    Path(server.directory, "appendonlydir").rename(copy / "appendonlydir")
    second = EmbeddedServer(copy)

    with connect(second) as client:
        assert client.get("key") == "value"
    assert pid_of(second) != pid_of(server)
    second.release()


def test_a_runtime_folder_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Callable[[EmbeddedServer], str]
) -> None:
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
def test_any_name_serves_as_a_directory(name: str, tmp_path: Path, connect: Callable[..., redis.Redis]) -> None:
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


def test_other_users_cannot_reach_the_server(server: EmbeddedServer, connect: Callable[..., redis.Redis]) -> None:
    path = server.ensure()

    assert os.stat(server.directory).st_mode & 0o777 == 0o700
    assert os.stat(path).st_mode & 0o777 == 0o600
    with connect(server) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.info("server")["tcp_port"] == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_tcp_port_is_open(server: EmbeddedServer, pid_of: Callable[[EmbeddedServer], int]) -> None:
    process = Path("/proc", str(pid_of(server)))
    targets = [os.readlink(end) for end in (process / "fd").iterdir()]
    owned = {target[8:-1] for target in targets if target.startswith("socket:[")}
    tables = [(process / "net" / table).read_text().splitlines()[1:] for table in ("tcp", "tcp6", "udp", "udp6")]

    assert owned
    assert not owned & {line.split()[9] for table in tables for line in table}


def test_a_file_in_the_way_is_named_with_the_cure(tmp_path: Path, error_of: Callable[[EmbeddedServer], str]) -> None:
    (tmp_path / "data").write_text("precious")

    assert error_of(EmbeddedServer(tmp_path / "data")) == (
        f"{tmp_path / 'data'}: is not a directory, but the embedded server needs one for its data;"
        " move the file away, or name another directory"
    )
    assert error_of(EmbeddedServer(tmp_path / "data" / "below")).startswith(f"{tmp_path / 'data' / 'below'}: cannot")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a place where not even root may write")
def test_a_place_where_nothing_can_be_written_is_named_with_the_cure(error_of: Callable[[EmbeddedServer], str]) -> None:
    assert re.fullmatch(
        r"/proc/redis_models: cannot hold the embedded server's data \(.*: /proc/redis_models\);"
        r" free disk space and let this user write there, or name another directory",
        error_of(EmbeddedServer("/proc/redis_models")),
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_directory_is_named_with_the_cure(
    tmp_path: Path, error_of: Callable[[EmbeddedServer], str]
) -> None:
    (tmp_path / "data").mkdir(mode=0o500)

    assert "right to write there" in error_of(EmbeddedServer(tmp_path / "data"))


def test_a_directory_where_everybody_may_write_is_refused(
    tmp_path: Path, error_of: Callable[[EmbeddedServer], str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)

    assert f"(mode 0777), and could pose as its server; 'chmod go-w {tmp_path / 'data'}'" in error_of(
        EmbeddedServer(tmp_path / "data")
    )


@pytest.mark.parametrize("is_long", [False, True])
async def test_a_user_of_a_removed_directory_is_refused_and_others_start_again(
    is_long: bool,
    tmp_path: Path,
    watch: Callable[..., Any],
    join: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "_LOOK_S", -1)  # each use looks, so that none need be waited for
    directory = tmp_path / ("x" * 90 if is_long else "short") / "data"
    async with Store.from_url(f"embedded:{directory}") as store:
        store.register_model(Note)
        await Note.insert(Note(id="a"))
        Note.sync.insert(Note(id="b"))
        [socket] = [server.socket_path for server in [EmbeddedServer(directory)]]
        orphan = watch(socket)

        shutil.rmtree(directory)
        for write in (lambda: Note.sync.insert(Note(id="c")), lambda: Note.sync.count()):
            with pytest.raises(EmbeddedServerError, match="was removed or replaced while its server ran") as caught:
                write()
        with pytest.raises(EmbeddedServerError, match="restart this process"):
            await Note.insert(Note(id="d"))

        assert str(directory) in str(caught.value)
        orphan.await_end()
        other = join(str(directory))
        with redis.Redis(unix_socket_path=other.socket_path, decode_responses=True) as client:
            assert client.keys("*") == []
            client.set("key", "value")
        with pytest.raises(EmbeddedServerError):  # this process stays out of it, so that the two are not mixed up
            await Note.count()
    Note._store = None
