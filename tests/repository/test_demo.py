"""The demo of docs/examples/flights on a small slice of its data; and that its checks can fail."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import redis

from redis_models.embedded import EmbeddedServer

_EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "flights"
_COUNT = 600


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python on a script, with the project at hand; all of its output in one text."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that the demo leaves: back at version 1, all migrations there."""
    work = tmp_path_factory.mktemp("demo")
    shown = run(str(_EXAMPLE / "demo.py"), "--rows", str(_COUNT), "--work", str(work), "--keep", folder=work)

    assert shown.returncode == 0, shown.stdout
    assert "Nothing was lost." in shown.stdout
    return work / "flights"


@pytest.fixture
def client(project: Path) -> Iterator[redis.Redis]:
    """A plain client of the project's server."""
    server = EmbeddedServer(project / "data")
    with redis.Redis(unix_socket_path=server.ensure()) as connected:
        yield connected
    server.release()


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module that compares bytes; it and the modules that it imports are unloaded afterwards."""
    monkeypatch.syspath_prepend(str(_EXAMPLE))  # pyright: ignore[reportUnknownMemberType]  # not annotated there
    before = set(sys.modules)
    module = __import__("back")
    yield module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_check_of_the_demo_names_what_is_not_as_the_file_says(project: Path, client: redis.Redis) -> None:
    check = (str(_EXAMPLE / "check.py"), str(_COUNT), str(project / "acknowledged.json"))
    assert run("manage.py", "migrate", "--yes", "--allow-destructive", folder=project).returncode == 0
    client.hset("flights:flight:000002", "air_time", "1")
    client.hdel("flights:flight:000003", "_v")
    client.delete("flights:flight:000004")
    client.hincrby("flights:flight:000005", "views", 1)

    said = run(*check, folder=project)

    assert said.returncode == 1
    for line in ("000002.air_time is 1", "flights:flight:000003", "000004 cannot be read", "000005.views is"):
        assert line in said.stdout


def test_the_way_back_is_refused_when_a_byte_differs_a_record_is_gone_or_one_is_back(back: ModuleType) -> None:
    raw, acknowledged = back.raw, back.Acknowledged(deleted={"000003"})
    before = {id: raw.Print(b"as it was", 0) for id in ("000001", "000002", "000003")}
    after = {"000001": raw.Print(b"otherwise", 0), "000003": raw.Print(b"as it was", 0)}

    found = back.differences_to(before, after, 3, acknowledged)

    assert found == [
        "flights:flight:000001 is not as it was: its bytes",
        "flights:flight:000002 is gone",
        "flights:flight:000003 is back",
    ]
