"""Steering a run from another terminal: what is said to it is heard, shown and forgotten, and costs no record."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from redis_models.client.drivers import run
from redis_models.errors import DriftError
from redis_models.migrations.state.control import read_control

from ..executor.slow import SlowShop, await_progress, next_progress

_COUNT = 300


class Shop(SlowShop):
    """A project whose migration is slow, and the commands that are said to the run."""

    def say(self, *arguments: str) -> Any:
        """Say something to the run that is under way, from this process."""
        return self.project.run("migrate", *arguments)

    def status(self) -> Any:
        """Give what ``--status`` says to programs."""
        return json.loads(self.project.run("--json", "migrate", "--status").out)

    def pace(self) -> str:
        """Give the pace that ``--status`` shows; "" where there is no run."""
        run = self.status()["apps"]["shop"]["run"]
        return run["pace"] if run else ""

    def scripts_of(self, running: Any, count: int) -> int:
        """Count how many scripts the run takes for its next records, about ``count`` of them."""
        began, calls = next_progress(running)["changed"], self._scripts()
        await_progress(running, lambda now: now["changed"] >= began + count)
        return self._scripts() - calls

    def _scripts(self) -> int:
        with self.server.client() as client:
            return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])

    def pings(self) -> int:
        """Count how often the probe asked."""
        with self.server.client() as client:
            return int(client.info("commandstats")["cmdstat_ping"]["calls"])


@pytest.fixture
def shop(project: Any) -> Shop:
    """A project with 300 records of version 1, whose way to version 3 takes six seconds or none."""
    return Shop(project, _COUNT)


def test_a_run_is_shown_paused_and_let_go_on_from_another_process(shop: Shop, until: Callable[..., None]) -> None:
    idle = shop.status()
    running = shop.start()
    shown = shop.say("--status")
    paused = shop.say("--pause")
    await_progress(running, lambda now: now["pace"].startswith("waits: paused by"))
    until(lambda: shop.pace().startswith("waits: paused by"))
    shown_paused, paused_status = shop.say("--status"), shop.status()
    stored, asked = shop.project.records(), shop.pings()
    until(lambda: shop.pings() > asked + 60)  # more than two decisions
    shop.hurry()

    assert shop.project.records() == stored
    assert 0 < sum(record["_v"] == b"3" for record in stored.values()) < _COUNT
    resumed = shop.say("--resume")
    done = shop.project.end(running)

    assert (idle["runner"], idle["apps"]["shop"]) == (None, {"run": None, "quarantined": 0})
    assert (paused.code, resumed.code, done.code) == (0, 0, 0)
    assert f"Runner: {os.uname().nodename} (process {running.pid}); its lease expires in" in shown.out
    assert "shop: running, target 0003_retype" in shown.out
    assert "'migrate --resume' resumes it" in paused.out
    assert "'migrate --resume' resumes it" in shown_paused.out
    assert f"pid {os.getpid()} user" in paused_status["paused"]  # who paused it
    run = paused_status["apps"]["shop"]["run"]
    assert (run["name"], run["target"]) == ("0003_retype", 3)
    assert 0 < run["changed"] <= run["seen"] < _COUNT
    assert json.loads(done.out)["apps"]["shop"]["changed"] == {"Customer": _COUNT}
    shop.assert_whole()


def test_limits_that_are_set_from_another_process_count_at_once(shop: Shop, until: Callable[..., None]) -> None:
    running = shop.start()

    smaller = shop.say("--set", "batch=2")
    until(lambda: shop.scripts_of(running, 20) >= 10)  # were four
    slower = shop.say("--set", "max-latency-ms=0.0001", "--set", "batch=40")
    slowed = await_progress(running, lambda now: now["pace"])
    shop.say("--set", "max-latency-ms=0")
    shop.hurry()
    done = shop.project.end(running)

    assert (smaller.code, slower.code, done.code) == (0, 0, 0)
    assert smaller.out == "Set for the current run: batch = 2\n"
    assert slower.out == "Set for the current run: max-latency-ms = 0.0001, batch = 40\n"
    assert "ms longer, and 0.0001 ms are allowed" in slowed["pace"]
    shop.assert_whole()


def test_a_run_that_was_paused_and_killed_is_finished_by_a_plain_migrate(
    shop: Shop, until: Callable[..., None]
) -> None:
    running = shop.start()
    shop.say("--pause")
    await_progress(running, lambda now: now["pace"].startswith("waits: paused"))
    running.kill()
    running.wait()

    stopped = shop.say("--status")
    idle = shop.say("--resume")
    done = shop.migrate()

    assert "shop: stopped before it was complete, target 0003_retype" in stopped.out
    assert "No run is active." in stopped.out
    assert idle.code == 1
    assert done.code == 0
    shop.assert_whole()


@pytest.mark.parametrize("is_paused", [False, True], ids=["at work", "paused"])
def test_ctrl_c_is_a_pause(shop: Shop, is_paused: bool) -> None:
    running = shop.start()
    if is_paused:
        shop.say("--pause")
        await_progress(running, lambda now: now["pace"].startswith("waits: paused"))
    running.send_signal(signal.SIGINT)

    ended = shop.project.end(running)
    status = shop.status()
    done = shop.migrate()

    assert ended.code == 6
    assert "interrupted; every record is complete. Run 'migrate' again to resume" in ended.err
    assert "Traceback" not in ended.err
    assert status["runner"] is None
    assert done.code == 0
    shop.assert_whole()


@pytest.mark.parametrize("is_stopped", [False, True], ids=["at work", "SIGSTOP"])
def test_a_run_that_is_aborted_writes_nothing_any_more(shop: Shop, is_stopped: bool) -> None:
    running = shop.start()
    if is_stopped:
        running.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, running.pid, os.WSTOPPED | os.WNOWAIT)

    aborted = shop.say("--abort")
    dump = _dump(shop.project)
    shown = shop.say("--status")
    again = shop.say("--abort")
    if is_stopped:
        running.send_signal(signal.SIGCONT)
    ended = shop.project.end(running)

    assert (aborted.code, again.code, ended.code) == (0, 1, 4)
    assert f"Ended the run of {os.uname().nodename} (process {running.pid})" in aborted.out
    assert "Run 'migrate' to resume it" in aborted.out
    assert "'migrate --abort' ended this one" in ended.err
    assert "stopped before it was complete, target 0003_retype" in shown.out
    assert "ended by" in shown.out
    assert "no run is in progress" in again.err
    assert _dump(shop.project) == dump
    assert shop.migrate().code == 0
    shop.assert_whole()


def _dump(project: Any) -> dict[bytes, bytes]:
    with project.server.client() as client:
        return {key: client.dump(key) for key in client.keys("*")}


@pytest.mark.parametrize("said", [["--pause"], ["--resume"], ["--abort"], ["--set", "batch=5"]])
def test_control_without_a_run_says_that_none_is_running(shop: Shop, said: list[str]) -> None:
    refused = shop.say(*said)

    assert refused.code == 1
    assert refused.err == "error: no run is in progress; 'migrate --status' shows runs that stopped\n"
    assert shop.project.bookkeeping() == set()


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (["--set", "batch=0"], "--set batch=0: batch takes a whole number from 1 to 100"),
        (["--set", "batch=101"], "--set batch=101: batch takes a whole number from 1 to 100"),
        (["--set", "batch="], "--set batch=: batch takes a whole number from 1 to 100"),
        (["--set", "batch"], "--set batch: write NAME=VALUE, where NAME is max-latency-ms or batch"),
        (["--set", "patience=3"], "--set patience=3: write NAME=VALUE, where NAME is max-latency-ms or batch"),
        (["--set", "max-latency-ms=-1"], "max-latency-ms takes milliseconds; 0 disables throttling"),
        (["--set", "max-latency-ms=nan"], "max-latency-ms takes milliseconds; 0 disables throttling"),
        (["--max-latency-ms", "nan"], "'nan' is not a valid amount; use a number from 0 to 2147483647"),
        (["--patience", "nan"], "'nan' is not a valid amount; use a number from 0 to 2147483647"),
        (["--wait", "nan"], "'nan' is not a valid amount; use a number from 0 to 2147483647"),
        (["--pause", "--resume"], "--pause and --resume cannot be combined; use one of them"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(shop: Shop, said: list[str], says: str) -> None:
    refused = shop.say(*said)

    assert refused.code == 2
    assert says in refused.err
    assert len(refused.err.splitlines()) == 1
    assert shop.project.bookkeeping() == set()


def test_a_foreign_value_at_the_key_of_the_settings_is_reported_and_stops_the_run(shop: Shop) -> None:
    running = shop.start("--patience", "0")
    with shop.project.server.client() as client:
        client.hset("redis_models:{default}:control", "batch", "0")

    ended = shop.project.end(running)

    assert ended.code == 7
    assert "redis_models:{default}:control cannot be read (batch 0 is not from 1 to 100); delete that key" in ended.err
    assert shop.migrate().code == 0
    shop.assert_whole()


@pytest.mark.parametrize(
    "stored",
    [{"batch": "many"}, {"batch": "5000"}, {"max_latency_ms": "nan"}, {"max_latency_ms": "-1"}, {"paused": b"\xff"}],
)
def test_nothing_that_only_looks_like_a_word_to_the_run_is_taken_for_one(
    database: Any, stored: dict[str, str | bytes]
) -> None:
    database.client.hset("redis_models:{default}:control", mapping=stored)

    with pytest.raises(DriftError, match="delete that key"):
        run(database.exchange, read_control("default"))
