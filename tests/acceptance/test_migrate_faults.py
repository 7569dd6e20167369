"""Bad luck in the middle of ``migrate``: killed, paused, doubled, raced by live clients, its server killed."""

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models.embedded import EmbeddedServer

_MANY = 30_000
_FEW_STEPS = 2_500  # three steps of SCAN
_FEW = 1_000  # five steps of SCAN where an accident is to happen
_PLACES = {"server": 2, "python": 3}  # version whose migrations are done there

# Runs ``migrate``, and does something to itself before or after the n-th call of a part of the engine.
_ACCIDENT = """
import os, signal, sys
from redis_models.cli.main import main
from redis_models.migrations.executor import pass_runner, strategies
from redis_models.migrations.keyspace import scan
from redis_models.migrations.state.store import StateStore

moment, place, nth, sent = sys.argv[1], sys.argv[2], int(sys.argv[3]), getattr(signal, sys.argv[4])
scan._COUNT, pass_runner._CHECKPOINT_S = 200, 0.0
strategies._SERVER_SCRIPTS, strategies._LOCAL_SCRIPTS = 1, 1
strategies.LocalStrategy.page_size, strategies.ServerStrategy.page_size = 1, 200
calls = 0

def accident(owner, name):
    original = getattr(owner, name)
    def wrapped(*arguments, **options):
        global calls
        calls += 1
        here = calls == nth
        if here and moment == "before":
            os.kill(os.getpid(), sent)
        result = yield from original(*arguments, **options)
        if here and moment == "after":
            os.kill(os.getpid(), sent)
        return result
    setattr(owner, name, wrapped)

if place == "rewrite":
    for name in ("start_in_server", "rewrite_here"):
        accident(strategies, name)
else:
    accident(StateStore, place)
sys.exit(main(["migrate", *sys.argv[5:], "--max-latency-ms", "0", "--yes", "--allow-destructive"], "redis-models"))
"""


def _before(number: int) -> dict[str, bytes]:
    texts = {"_v": "1", "id": f"{number}", "name": f"n{number}", "legacy_ref": f"r{number}", "visits": "0"}
    age = "NA" if number % 10 == 0 else f"0{number}" if number % 10 == 1 else f"{number}"
    return {name: text.encode() for name, text in {**texts, "age": age}.items()}


def _after(number: int, version: int) -> dict[str, bytes]:
    """Write down by hand what a record is like after an uninterrupted run."""
    old = _before(number)
    new = {"_v": b"%d" % version, "id": old["id"], "full_name": old["name"], "currency": b"EUR", "visits": b"0"}
    new |= {"_b2.2.legacy_ref": old["legacy_ref"], "age": old["age"]}
    if version == 3:
        new |= {"age": b"None" if number % 10 == 0 else b"%d" % number, "initial": b"N", "_b3-1.initial": b""}
        if number % 10 == 1:
            new["_b3.0.age"] = old["age"]
    return new


def _assert_all(project: Any, count: int, version: int) -> None:
    found = project.records()
    expected = {f"customer:{at}": _before(at) if version == 1 else _after(at, version) for at in range(count)}
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []
    assert project.bookkeeping() == {"lease", "ledger:shop", "snapshot:shop", "history:shop"}


def _start(project: Any, *arguments: str) -> "subprocess.Popen[str]":
    fast = ("--max-latency-ms", "0", "--yes", "--allow-destructive")
    process: subprocess.Popen[str] = project.start("--json", "migrate", *arguments, *fast)
    return process


def _await_changes(process: "subprocess.Popen[str]", least: int) -> None:
    """Read the progress of a run until so many records are changed."""
    _await_progress(process, lambda progress: progress.get("changed", 0) >= least)


def _await_progress(process: "subprocess.Popen[str]", is_it: Callable[[dict[str, Any]], bool]) -> None:
    assert process.stderr is not None
    if not any(is_it(json.loads(line)) for line in process.stderr):
        pytest.fail("the run ended too early")


def _lease_ends_ms(client: Any) -> int:
    return int(client.hget("redis_models:{default}:lease", "until"))


def _await_stop(process: "subprocess.Popen[str]") -> None:
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert found is not None
    assert found.si_code == os.CLD_STOPPED


def _have_accident(
    project: Any, moment: str, place: str, nth: int, sent: str, *arguments: str
) -> "subprocess.Popen[str]":
    project.write("accident.py", _ACCIDENT)
    process: subprocess.Popen[str] = project.start("accident.py", moment, place, str(nth), sent, *arguments)
    return process


@pytest.fixture
def shop(project: Any) -> Any:
    """A project whose records are of version 1."""
    project.deploy(1)
    return project


@pytest.mark.parametrize("way", _PLACES)
def test_killed_three_times_at_random_moments_it_ends_as_if_it_had_not_been(shop: Any, way: str) -> None:
    version = _PLACES[way]
    shop.fill(_MANY)
    shop.deploy(version)
    for _ in range(3):
        process = _start(shop, "--batch", "10")
        _await_changes(process, random.randrange(1, _MANY // 8))
        process.kill()
        assert process.wait() == -signal.SIGKILL

    done = shop.migrate()

    assert done.code == 0
    _assert_all(shop, _MANY, version)


@pytest.mark.parametrize("way", _PLACES)
@pytest.mark.parametrize(
    ("moment", "place", "nth"),
    [
        ("before", "rewrite", 3),
        ("after", "rewrite", 2),
        ("after", "save_journal", 1),
        ("before", "save_journal", 4),
        ("before", "finish", 1),
        ("after", "finish", 1),
    ],
)
def test_killed_at_any_step_it_goes_on_there(shop: Any, way: str, moment: str, place: str, nth: int) -> None:
    shop.fill(_FEW)
    shop.deploy(_PLACES[way])
    assert shop.end(_have_accident(shop, moment, place, nth, "SIGKILL")).code == -signal.SIGKILL

    done = shop.migrate()

    assert done.code == 0
    _assert_all(shop, _FEW, _PLACES[way])


@pytest.mark.parametrize("way", _PLACES)
def test_the_cursor_in_the_journal_never_passes_a_record_that_is_still_to_do(shop: Any, way: str) -> None:
    shop.fill(_FEW)
    shop.deploy(_PLACES[way])
    _have_accident(shop, "before", "rewrite", 4, "SIGKILL").wait()

    with shop.server.client() as client:
        cursor = client.hget("redis_models:{default}:journal:shop", "cursor")
        left: set[str] = set()
        while cursor:
            cursor, keys = client.scan(int(cursor), count=1000)
            left |= {key.decode() for key in keys}

    to_do = {key for key, record in shop.records().items() if record["_v"] == b"1"}
    assert to_do
    assert to_do <= left


def test_a_stopped_run_can_be_reversed_any_number_of_times(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(3)
    for target, nth in (("3", 3), ("1", 2), ("2", 4), ("zero", 3), ("3", 5)):
        _have_accident(shop, "before", "rewrite", nth, "SIGKILL", "shop", target).wait()

    back = shop.migrate("shop", "1")

    assert back.code == 0
    _assert_all(shop, _FEW, 1)
    assert shop.migrate().code == 0
    _assert_all(shop, _FEW, 3)


def test_what_two_stopped_runs_left_on_both_sides_is_brought_to_the_target_between(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(3)
    assert shop.migrate("shop", "2").code == 0
    for target in ("1", "3"):
        _have_accident(shop, "before", "rewrite", 3, "SIGKILL", "shop", target).wait()
    left = {record["_v"] for record in shop.records().values()}

    between = shop.migrate("shop", "2")

    assert between.code == 0
    assert left >= {b"2", b"3"}
    _assert_all(shop, _FEW, 2)


def test_a_cursor_of_the_server_before_its_restart_is_not_used(new_server: Any, new_project: Any) -> None:
    server = new_server("--appendonly", "yes", "--hash-seed", "first")
    project = new_project(server)
    project.fill(_FEW_STEPS)
    project.deploy(2)
    _have_accident(project, "after", "save_journal", 4, "SIGKILL").wait()
    server.kill()
    server.start()

    done = project.end(_start(project))
    assert done.code == 0
    assert json.loads(done.err.splitlines()[0])["seen"] < _FEW_STEPS / 2  # it began anew
    _assert_all(project, _FEW_STEPS, 2)


def test_ctrl_c_pauses_with_6_and_the_same_command_goes_on(shop: Any) -> None:
    shop.fill(20_000)
    shop.deploy(3)
    process = _start(shop)
    _await_changes(process, 1000)
    process.send_signal(signal.SIGINT)

    paused = shop.end(process)
    check = shop.run("migrate", "--check")
    shown = shop.run("showmigrations")
    done = shop.migrate()

    assert (paused.code, check.code, done.code) == (6, 1, 0)
    assert "Run 'migrate' again to resume" in paused.err
    assert "a run was stopped before it was complete" in check.out
    assert "[>] 0003_retype" in shown.out
    assert "resuming an unfinished run" in done.out
    _assert_all(shop, 20_000, 3)


def test_a_second_runner_exits_with_4_and_names_the_first(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(2)
    first = _have_accident(shop, "before", "rewrite", 3, "SIGSTOP")
    _await_stop(first)

    second = shop.migrate()
    first.send_signal(signal.SIGCONT)

    assert second.code == 4
    assert f"process {first.pid}" in second.err
    assert len(second.err.splitlines()) == 1
    assert shop.end(first).code == 0
    _assert_all(shop, _FEW, 2)


def test_a_second_runner_that_waits_goes_on_when_the_first_is_killed(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(2)
    first = _have_accident(shop, "before", "rewrite", 3, "SIGSTOP")
    _await_stop(first)
    second = shop.start("migrate", "--wait", "50", "--yes", "--allow-destructive")
    first.kill()

    assert shop.end(second).code == 0
    _assert_all(shop, _FEW, 2)


def test_a_second_runner_that_waits_finds_the_work_done(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(2)
    first = _have_accident(shop, "before", "finish", 1, "SIGSTOP")
    _await_stop(first)
    second = shop.start("migrate", "--wait", "50", "--yes", "--allow-destructive")
    assert second.stdout is not None
    assert "Plan for" in second.stdout.readline()
    first.send_signal(signal.SIGCONT)

    assert (shop.end(first).code, shop.end(second).code) == (0, 0)
    _assert_all(shop, _FEW, 2)


def test_a_second_runner_that_waited_does_not_carry_out_a_plan_that_is_overtaken(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(3)
    first = _have_accident(shop, "before", "finish", 1, "SIGSTOP")
    _await_stop(first)
    second = shop.start("migrate", "shop", "2", "--wait", "50", "--yes", "--allow-destructive")
    assert second.stdout is not None
    assert "Plan for" in second.stdout.readline()
    first.send_signal(signal.SIGCONT)

    refused = shop.end(second)

    assert (shop.end(first).code, refused.code) == (0, 4)
    assert "another runner changed the database since this plan was made" in refused.err
    _assert_all(shop, _FEW, 3)


def test_a_run_that_takes_longer_than_its_lease_keeps_it(shop: Any) -> None:
    shop.settings(REDIS_URL=shop.server.url, APPS=["shop"], LEASE_SECONDS=1)
    shop.fill(2 * _MANY)
    shop.deploy(3)
    first = _start(shop, "--batch", "10")
    _await_changes(first, 1)
    with shop.server.client() as client:
        ends_ms = _lease_ends_ms(client)
        _await_progress(first, lambda _: _lease_ends_ms(client) > ends_ms + 1000)

    second = shop.migrate("shop", "2")
    first.kill()

    assert second.code == 4


@pytest.mark.parametrize("way", _PLACES)
@pytest.mark.parametrize(("place", "nth"), [("rewrite", 3), ("save_journal", 3), ("finish", 1)])
def test_a_paused_runner_that_wakes_after_its_lease_changes_nothing(shop: Any, way: str, place: str, nth: int) -> None:
    shop.settings(REDIS_URL=shop.server.url, APPS=["shop"], LEASE_SECONDS=1)
    shop.fill(_FEW)
    shop.deploy(_PLACES[way])
    paused = _have_accident(shop, "before", place, nth, "SIGSTOP")
    _await_stop(paused)
    assert shop.migrate("--wait", "50").code == 0
    # All records are old again: whatever the paused one does to one of them shows.
    assert shop.migrate("shop", "1").code == 0
    _assert_all(shop, _FEW, 1)

    paused.send_signal(signal.SIGCONT)

    fenced = shop.end(paused)
    assert fenced.code == 4
    assert "took the lease over" in fenced.err
    _assert_all(shop, _FEW, 1)


@pytest.mark.parametrize("way", _PLACES)
def test_records_that_are_deleted_before_their_turn_stay_gone(shop: Any, way: str) -> None:
    shop.fill(_FEW)
    shop.deploy(_PLACES[way])
    running = _have_accident(shop, "before", "rewrite", 2, "SIGSTOP")
    _await_stop(running)
    with shop.server.client() as client:
        client.delete(*client.keys("customer:*"))

    running.send_signal(signal.SIGCONT)

    assert shop.end(running).code == 0
    assert shop.records() == {}


class _Embedded:
    """What a project needs of a server, for the embedded one."""

    def __init__(self, directory: Path) -> None:
        self.url = f"embedded:{directory}"
        self._server = EmbeddedServer(directory)

    def client(self) -> Any:
        return redis.Redis(unix_socket_path=self._server.ensure(), protocol=2)

    def kill(self) -> None:
        with self.client() as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)

    def close(self) -> None:
        self._server.release()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[_Embedded]:
    """An embedded server that lives until the test ends."""
    with contextlib.closing(_Embedded(tmp_path / "data")) as server:
        yield server


@pytest.mark.parametrize("way", _PLACES)
def test_an_embedded_server_that_is_killed_comes_back_and_the_run_ends_well(
    embedded: _Embedded, new_project: Any, way: str
) -> None:
    project = new_project(embedded)
    project.fill(_FEW)
    project.deploy(_PLACES[way])
    running = _have_accident(project, "before", "rewrite", 3, "SIGSTOP")
    _await_stop(running)
    embedded.kill()

    running.send_signal(signal.SIGCONT)

    assert project.end(running).code == 0
    _assert_all(project, _FEW, _PLACES[way])
