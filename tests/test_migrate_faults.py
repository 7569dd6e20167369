"""Bad luck in the middle of ``migrate``: killed, paused, doubled, raced by live clients, its server killed."""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models.embedded import EmbeddedServer

_MANY = 60_000
_FEW = 5_000  # still five steps of SCAN
_PLACES = {"server": 2, "python": 3}  # version whose migrations are done there

# Runs ``migrate``, and does something to itself before or after the n-th call of a part of the engine.
_ACCIDENT = """
import os, signal, sys
from redis_models.cli.main import main
from redis_models.migrations import bookkeeping, passes

moment, place, nth, sent = sys.argv[1], sys.argv[2], int(sys.argv[3]), getattr(signal, sys.argv[4])
passes._CHECKPOINT_S = 0.0
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
    for name in ("rewrite_in_server", "rewrite_here", "rewrite_rest"):
        accident(passes, name)
else:
    accident(bookkeeping.Shelf, place)
sys.exit(main(["migrate", *sys.argv[5:], "--yes", "--allow-destructive"], "redis-models"))
"""

# A client that knows nothing of redis_models: counts visits of two thirds of the customers, deletes the others.
_CLIENT = """
import json, random, sys
import redis
client, number, count = redis.Redis(unix_socket_path=sys.argv[1], protocol=2), int(sys.argv[2]), int(sys.argv[3])
pick, counted, deleted = random.Random(number), {}, []
while not client.exists("stop"):
    for _ in range(50):
        at = pick.randrange(count)
        if at % 3 == 2 and at % 2 == number:
            client.delete(f"customer:{at}")
            deleted.append(at)
        elif at % 3 != 2:
            client.hincrby(f"customer:{at}", "visits", 1)
            counted[at] = counted.get(at, 0) + 1
    client.set(f"busy:{number}", len(deleted))
print(json.dumps([counted, deleted]))
"""

_BONUS = """
    def bonus(old, new):
        new.visits = old.visits + 1000

    def malus(old, new):
        new.visits = old.visits - 1000

    class Migration(migrations.Migration):
        id = "cccc0003"
        previous = "bbbb0002"
        versions = {"Customer": 3}
        operations = [migrations.Transform("Customer", bonus, back=malus)]
"""

_MALUS = _BONUS[_BONUS.index("\n    def malus") :]


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
    assert project.bookkeeping() == {"lease", "ledger:shop", "snapshot:shop"}


def _start(project: Any, *arguments: str) -> "subprocess.Popen[str]":
    process: subprocess.Popen[str] = project.start("--json", "migrate", *arguments, "--yes", "--allow-destructive")
    return process


def _await_changes(process: "subprocess.Popen[str]", least: int) -> None:
    """Read the progress of a run until so many records are changed."""
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if told.get("changed", 0) >= least:
            return
    pytest.fail("the run ended too early")


def _await_stop(process: "subprocess.Popen[str]") -> None:
    assert os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED


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
        ("after", "checkpoint", 1),
        ("before", "checkpoint", 4),
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


def test_a_run_may_be_turned_round_half_way_as_often_as_one_likes(shop: Any) -> None:
    shop.fill(_FEW)
    shop.deploy(3)
    for target, nth in (("3", 3), ("1", 2), ("2", 4), ("zero", 3), ("3", 5)):
        _have_accident(shop, "before", "rewrite", nth, "SIGKILL", "shop", target).wait()

    back = shop.migrate("shop", "1")

    assert back.code == 0
    _assert_all(shop, _FEW, 1)
    assert shop.migrate().code == 0
    _assert_all(shop, _FEW, 3)


def test_a_cursor_of_the_server_before_its_restart_is_not_used(new_server: Any, new_project: Any) -> None:
    server = new_server("--appendonly", "yes", "--hash-seed", "first")
    project = new_project(server)
    project.fill(_FEW)
    project.deploy(2)
    _have_accident(project, "after", "checkpoint", 4, "SIGKILL").wait()
    server.kill()
    server.start()

    done = project.migrate()

    assert done.code == 0
    _assert_all(project, _FEW, 2)


def test_ctrl_c_pauses_with_6_and_the_same_command_goes_on(shop: Any) -> None:
    shop.fill(_MANY)
    shop.deploy(3)
    process = _start(shop)
    _await_changes(process, 1000)
    process.send_signal(signal.SIGINT)

    paused = shop.end(process)
    check = shop.run("migrate", "--check")
    shown = shop.run("showmigrations")
    done = shop.migrate()

    assert (paused.code, check.code, done.code) == (6, 1, 0)
    assert "Run 'migrate' again to go on" in paused.err
    assert "a run stopped half-way" in check.out
    assert "[>] 0003_retype" in shown.out
    assert "resuming a run that stopped" in done.out
    _assert_all(shop, _MANY, 3)


def test_a_second_runner_is_refused_with_4_and_told_who_is_at_it(shop: Any) -> None:
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


@pytest.mark.parametrize("way", _PLACES)
@pytest.mark.parametrize(("place", "nth"), [("rewrite", 3), ("checkpoint", 3), ("finish", 1)])
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
def test_no_increment_of_a_live_client_is_lost_and_no_deleted_record_comes_back(shop: Any, way: str) -> None:
    count, version = 8_000, _PLACES[way]
    shop.fill(count)
    shop.deploy(version)
    shop.migration("0003_retype", _BONUS)
    shop.write("client.py", _CLIENT)
    clients = [shop.start("client.py", shop.server.socket_path, str(number), str(count)) for number in (0, 1)]
    with shop.server.client() as client:
        while client.exists("busy:0", "busy:1") < 2:
            pass
        counted_before = int(client.info("commandstats")["cmdstat_hincrby"]["calls"])
        there = [shop.migrate("shop", str(version)) for _ in range(2)]
        back = shop.migrate("shop", "1")
        again = shop.migrate("shop", str(version))
        counted_after = int(client.info("commandstats")["cmdstat_hincrby"]["calls"])
        client.set("stop", 1)
    acknowledged = [json.loads(shop.end(one).out) for one in clients]

    assert [one.code for one in (*there, back, again)] == [0, 0, 0, 0]
    assert counted_after > counted_before
    found = shop.records()
    deleted = {at for _, some in acknowledged for at in some}
    assert {f"customer:{at}" for at in range(count) if at not in deleted} == found.keys()
    bonus = 1000 if version == 3 else 0
    for at in (at for at in range(count) if at not in deleted):
        wanted = bonus + sum(counted.get(str(at), 0) for counted, _ in acknowledged)
        assert (int(found[f"customer:{at}"]["visits"]), found[f"customer:{at}"]["_v"]) == (wanted, b"%d" % version)


def test_a_record_that_others_write_all_the_time_ends_in_6_and_loses_nothing(shop: Any) -> None:
    shop.fill(200)
    shop.deploy(3)
    meddle = f"""
    import redis
    client = redis.Redis(unix_socket_path={shop.server.socket_path!r}, protocol=2)

    def bonus(old, new):
        if old.id == "7":
            client.hincrby("customer:7", "visits", 1)
        new.visits = old.visits + 1000
    """
    shop.migration("0003_retype", meddle + _MALUS)

    hot = shop.migrate()
    counted = int(shop.records()["customer:7"]["visits"])
    shop.migration("0003_retype", _BONUS)
    calm = shop.migrate()

    assert (hot.code, calm.code) == (6, 0)
    assert "1 record is written by others" in hot.err
    assert {record["visits"] for key, record in shop.records().items() if key != "customer:7"} == {b"1000"}
    assert shop.records()["customer:7"]["visits"] == b"%d" % (1000 + counted)


def test_a_function_that_fails_on_a_record_is_mended_in_its_file_and_the_run_goes_on(shop: Any) -> None:
    shop.fill(_FEW)
    with shop.server.client() as client:
        client.hset("customer:77", "age", "old")
    shop.deploy(3)
    path = shop.root / "shop/redis_migrations/0003_retype.py"

    stopped = shop.migrate()
    path.write_text(path.read_text().replace('text == "NA"', "not text.isdecimal()"))
    done = shop.migrate()

    assert (stopped.code, done.code) == (6, 0)
    assert "customer:77" in stopped.err
    assert "'age' holds b'old'" in stopped.err
    found = shop.records()
    assert found["customer:77"].items() >= {"age": b"None", "_b3.0.age": b"old"}.items()
    assert {record["_v"] for record in found.values()} == {b"3"}
    assert shop.migrate("shop", "1").code == 0
    assert shop.records()["customer:77"] == {**_before(77), "age": b"old"}


def test_records_that_old_code_keeps_writing_are_never_called_applied(shop: Any) -> None:
    shop.fill(10)
    shop.deploy(3)
    stubborn = f"""
    import redis
    client = redis.Redis(unix_socket_path={shop.server.socket_path!r}, protocol=2)

    def bonus(old, new):
        fresh = f"customer:{{old.id}}+"
        client.hset(fresh, mapping={{"_v": 2, "id": fresh[9:], "full_name": "n", "age": "1", "visits": 0}})
        new.visits = old.visits + 1000
    """
    shop.migration("0003_retype", stubborn + _MALUS)

    restless = shop.migrate()
    shop.migration("0003_retype", _BONUS)
    calm = shop.migrate()

    assert (restless.code, calm.code) == (6, 0)
    assert "older version" in restless.err
    assert {record["_v"] for record in shop.records().values()} == {b"3"}


class _Embedded:
    """What a project needs of a server, for the embedded one."""

    def __init__(self, directory: Path) -> None:
        self.url = f"embedded:{directory}"
        self._server = EmbeddedServer(directory)

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=self._server.ensure(), protocol=2)

    def kill(self) -> None:
        with self.client() as client:
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        self._server.release()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[_Embedded]:
    """An embedded server that lives until the test ends."""
    one = _Embedded(tmp_path / "data")
    yield one
    one.close()


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

    done = project.end(running)
    assert done.code == 0, done.err
    _assert_all(project, _FEW, _PLACES[way])
