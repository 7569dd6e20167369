"""The directory of an embedded server is its user's alone: what others could change is refused, and links too."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from redis_models.embedded import EmbeddedServer

_OTHER_UID = 65534
_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
_FILES = ("start.lock", "server.out", "server.conf", "engine", "server.log", "server.pid", "server.log.1")


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Set the umask for the length of a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def _used(directory: Path, connect: Callable[..., redis.Redis]) -> None:
    server = EmbeddedServer(directory)
    with connect(server) as client:
        client.set("key", "value")
        assert client.get("key") == "value"
    server.release()


@pytest.mark.parametrize("mode", [0o770, 0o775, 0o702, 0o777, 0o1777])
def test_a_directory_where_others_may_write_is_refused_until_they_may_not(
    mode: int, tmp_path: Path, error_of: Callable[[EmbeddedServer], str], connect: Callable[..., redis.Redis]
) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(mode)

    said = error_of(EmbeddedServer(directory))

    assert said.startswith(f"{directory}: others may write there (mode {mode:04o})")
    assert f"'chmod go-w {directory}'" in said
    assert list(directory.iterdir()) == []
    directory.chmod(mode & ~0o022)
    _used(directory, connect)


@_as_root
def test_a_directory_of_another_user_is_refused_to_root_too(
    tmp_path: Path, error_of: Callable[[EmbeddedServer], str]
) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    os.chown(directory, _OTHER_UID, _OTHER_UID)

    said = error_of(EmbeddedServer(directory))

    assert said.startswith(f"{directory}: belongs to user ")
    assert f"'chown -R root {directory}'" in said
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("is_hard", [False, True])
def test_a_file_that_is_a_symlink_is_refused_and_its_target_stays(
    name: str, is_hard: bool, tmp_path: Path, error_of: Callable[[EmbeddedServer], str],
    connect: Callable[..., redis.Redis],
) -> None:  # fmt: skip
    directory, victim = tmp_path / "data", tmp_path / "victim"
    directory.mkdir(mode=0o700)
    victim.write_text("precious")
    (os.link if is_hard else os.symlink)(victim, directory / name)

    said = error_of(EmbeddedServer(directory))

    assert said.startswith(f"{directory / name}: is a {'hard' if is_hard else 'symbolic'} link")
    assert victim.read_text() == "precious"
    (directory / name).unlink()
    _used(directory, connect)


def test_symlinks_in_place_of_the_fifo_and_the_socket_are_replaced(
    tmp_path: Path, error_of: Callable[[EmbeddedServer], str], connect: Callable[..., redis.Redis]
) -> None:
    directory, victim = tmp_path / "data", tmp_path / "victim"
    directory.mkdir(mode=0o700)
    victim.write_text("precious")
    (directory / "db.sock").symlink_to(victim)

    _used(directory, connect)

    assert victim.read_text() == "precious"


def test_a_symlink_among_the_data_is_refused(tmp_path: Path, error_of: Callable[[EmbeddedServer], str]) -> None:
    directory, victim = tmp_path / "data", tmp_path / "victim"
    victim.mkdir()
    directory.mkdir(mode=0o700)
    (directory / "appendonlydir").symlink_to(victim)
    assert "appendonlydir: is a symbolic link" in error_of(EmbeddedServer(directory))

    (directory / "appendonlydir").unlink()
    (directory / "appendonlydir").mkdir()
    (directory / "appendonlydir" / "appendonly.aof.manifest").symlink_to(victim)

    assert "appendonly.aof.manifest: is a symbolic link" in error_of(EmbeddedServer(directory))
    assert list(victim.iterdir()) == []


@_as_root
def test_a_file_of_another_user_is_refused(tmp_path: Path, error_of: Callable[[EmbeddedServer], str]) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    (directory / "server.conf").write_text("x")
    os.chown(directory / "server.conf", _OTHER_UID, _OTHER_UID)

    assert f"'chown root {directory / 'server.conf'}'" in error_of(EmbeddedServer(directory))


def test_a_file_that_others_may_write_matters_where_they_may_enter(
    tmp_path: Path, error_of: Callable[[EmbeddedServer], str], connect: Callable[..., redis.Redis]
) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "engine").write_text("valkey 8.1\n")
    (directory / "engine").chmod(0o666)

    assert f"'chmod -R go-w {directory}'" in error_of(EmbeddedServer(directory))
    directory.chmod(0o700)
    _used(directory, connect)


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_parent_where_others_may_swap_the_directory_is_refused(
    mode: int, tmp_path: Path, error_of: Callable[[EmbeddedServer], str], connect: Callable[..., redis.Redis]
) -> None:
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(mode)
    (parent / "inner").mkdir(mode=0o755)

    said = error_of(EmbeddedServer(parent / "inner" / "data"))

    assert f"as they may write in {parent} (mode {mode:04o}); 'chmod go-w {parent}'" in said
    parent.chmod(0o1777)  # with the sticky bit others may put their own there, and swap nothing
    _used(parent / "inner" / "data", connect)


@_as_root
@pytest.mark.parametrize("mode", [0o755, 0o775])
def test_a_project_folder_of_another_user_may_lead_to_a_directory(
    mode: int, tmp_path: Path, connect: Callable[..., redis.Redis]
) -> None:
    """Root in a container runs the code of a mounted folder, whose owner has no name there, and often the umask 002."""
    parent = tmp_path / "theirs"
    parent.mkdir()
    os.chown(parent, 54321, 54321)
    parent.chmod(mode)

    _used(parent / "data", connect)

    assert (parent / "data").stat().st_uid == os.geteuid()


@_as_root
def test_a_parent_that_a_group_may_write_is_refused(tmp_path: Path, error_of: Callable[[EmbeddedServer], str]) -> None:
    parent = tmp_path / "shared"
    parent.mkdir()
    os.chown(parent, 0, _OTHER_UID)
    parent.chmod(0o775)

    assert f"'chmod go-w {parent}'" in error_of(EmbeddedServer(parent / "data"))


def test_a_umask_that_lets_a_group_write_changes_nothing(
    umask: Callable[[int], int], tmp_path: Path, connect: Callable[..., redis.Redis]
) -> None:
    umask(0o002)
    directory = tmp_path / "a" / "b" / "data"

    _used(directory, connect)
    _used(directory, connect)

    modes = [path.stat().st_mode & 0o777 for path in (directory.parent.parent, directory.parent, directory)]
    assert modes == [0o755, 0o755, 0o700]
    assert not [path for path in directory.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
