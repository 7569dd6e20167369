"""A server whose disk is full refuses each write whole, says what to do, and takes writes again when there is room."""

import contextlib
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_models import Field, Model, Store
from redis_models.errors import ServerDiskError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process, and tmpfs, are Linux's")


class Note(Model):
    id: str = Field(primary_key=True)
    size: int = 0
    text: str = ""


def _limited(new_server: Callable[..., Any]) -> tuple[Any, Callable[[], None], Callable[[], None]]:
    """A server whose files cannot grow any more, as any user can have one."""
    server = new_server("--appendonly", "yes", "--appendfsync", "everysec")

    def limit(most: int) -> None:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    return server, lambda: limit(100), lambda: limit(resource.RLIM_INFINITY)


@contextlib.contextmanager
def _mounted(path: Path) -> Generator[None]:
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this user may mount nothing: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture(params=["limit", "disk"])
def full(
    request: pytest.FixtureRequest, new_server: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[Any, Callable[[], None], Callable[[], None]]]:
    """A server, what makes its disk full, and what makes room."""
    if request.param == "limit":
        yield _limited(new_server)
        return
    disk = tmp_path / "disk"
    with _mounted(disk):
        server = new_server("--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(disk))
        ballast = disk / "ballast"

        def fill() -> None:
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while file.write(b"x" * 512):
                    pass

        yield server, fill, ballast.unlink
        server.stop()


def _until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


async def test_each_verb_is_refused_whole_and_goes_through_when_there_is_room(full: Any) -> None:
    server, fill, make_room = full
    async with Store.from_url(server.url) as store:
        store.register_model(Note)
        await Note.insert([Note(id="a"), Note(id="b")])
        with server.client() as client:
            fill()
            client.set("last", "x" * 8_000)  # the first that cannot be written
            _until(lambda: client.info("persistence")["aof_last_write_status"] == "err")
            before = {key: client.dump(key) for key in client.keys("*")}
            note = await Note.get("a")
            note.size = 5
            writes: list[Callable[[], Any]] = [
                lambda: Note.insert(Note(id="c")),
                lambda: Note.insert([Note(id="d"), Note(id="e")]),
                note.save,
                lambda: Note.patch("a", size=1),
                lambda: Note.increment("a", "size"),
                lambda: Note.delete("b"),
                lambda: Note.delete_all(),
                lambda: Note.expire("b", 10),
            ]
            for write in writes:
                with pytest.raises(ServerDiskError) as caught:
                    await write()
                text = str(pickle.loads(pickle.dumps(caught.value)))
                assert text.startswith(
                    "the server cannot write to its disk, and takes no writes until it can: make room"
                )
                assert "MISCONF" in text
            with pytest.raises(ServerDiskError):
                Note.sync.insert(Note(id="c"))

            assert [note.id for note in await Note.select() or []] == ["a", "b"]
            assert await Note.count() == 2
            assert {key: client.dump(key) for key in before} == before
            make_room()
            _until(lambda: client.info("persistence")["aof_last_write_status"] == "ok")
            await note.save()

            assert (await Note.get("a")).size == 5
        Note._store = None
