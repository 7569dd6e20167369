"""The lane that runs the runtime's tests on every server: it counts, names what is left out, and is never silent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = "Before.\n\n<!-- written by make test-engines -->\nold\n<!-- end of what make test-engines writes -->\nAfter.\n"
TESTS = """
import os, pytest

def test_good(): pass

def test_bad(): assert os.environ["REDIS_MODELS_SERVER"] == "{good}"

@pytest.mark.skip("this server has no | and no TTLs")
def test_left_out(): pass

@pytest.mark.skip("this server has no | and no TTLs")
def test_left_out_too(): pass
"""


# Without the plugins, which take three times as long to import as the rest.
OPTIONS = "--pytest=-q -p no:cacheprovider -p no:xdist -p no:hypothesispytest -p no:anyio"


def program(folder: Path, name: str, text: str) -> Path:
    """Write a program that says something when it is asked for its version."""
    path = folder / name / "redis-server"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def lane(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tests" / "servers" / "lane.py"), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, text=True, capture_output=True, check=False,
    )  # fmt: skip


@pytest.fixture
def servers(tmp_path: Path) -> Path:
    """A folder of three programs, of which one does not run."""
    folder = tmp_path / "servers"
    folder.mkdir()
    program(folder, "b", "echo Redis server v=9.10.1 sha=0")
    program(folder, "a", "echo Redis server v=9.9.1 sha=0")
    program(folder, "c", 'echo "$0: no such library" >&2; exit 127')
    return folder


def test_every_engine_gets_a_row_with_reasons_and_the_lane_fails_if_one_does(servers: Path, tmp_path: Path) -> None:
    tests, page = tmp_path / "test_it.py", tmp_path / "page.md"
    tests.write_text(TESTS.format(good=servers / "b" / "redis-server"))
    page.write_text(PAGE)

    ran = lane(str(servers), f"--table={page}", f"--tests={tests}", OPTIONS)

    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    left_out = "this server has no \\| and no TTLs (2)"
    assert ran.returncode == 1
    assert rows[2:] == [
        "| c | 0 | 0 | 0 | cannot be run: redis-server: no such library |",
        f"| Redis 9.9.1 | 1 | 1 | 2 | failed: `test_bad`; {left_out} |",
        f"| Redis 9.10.1 | 2 | 0 | 2 | {left_out} |",
    ]
    assert "embedded | 1 | 1 | 2 |" in rows[1]
    assert page.read_text().startswith("Before.\n\n<!-- written") and page.read_text().endswith("-->\nAfter.\n")


def test_servers_come_from_the_environment_if_none_is_named(servers: Path, tmp_path: Path) -> None:
    (tests := tmp_path / "test_it.py").write_text("def test_good(): pass")
    named = f"{servers}/b:{servers}/a/redis-server"

    ran = lane(f"--tests={tests}", OPTIONS, REDIS_MODELS_TEST_SERVERS=named)

    assert ran.returncode == 0
    assert ran.stdout.endswith("| Redis 9.9.1 | 1 | 0 | 0 |  |\n| Redis 9.10.1 | 1 | 0 | 0 |  |\n\n")


@pytest.mark.parametrize("version", [None, "Redis server v=6.2.14 sha=0", "nothing of the kind"])
def test_without_another_server_the_lane_succeeds_and_says_so(version: str | None, tmp_path: Path) -> None:
    if version is not None:
        program(tmp_path, "bin", f"echo {version}")

    ran = lane(PATH=str(tmp_path / "bin"))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("no other server is installed")


def test_every_name_in_the_list_of_the_runtime_is_there(request: pytest.FixtureRequest) -> None:
    plugins = request.config.pluginmanager.get_plugins()
    (names,) = [plugin.RUNTIME for plugin in plugins if hasattr(plugin, "RUNTIME")]

    assert [name for name in names if not (ROOT / "tests" / name).exists()] == []
