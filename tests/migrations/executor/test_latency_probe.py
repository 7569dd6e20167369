"""The probe of a run: it tells what the run makes others wait from what they make each other wait. On a real server."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from redis_models.client.client import SyncClient
from redis_models.client.commands import Pipelined, Reply, RoundTrips
from redis_models.client.drivers import Driver, run
from redis_models.migrations.executor import latency_probe
from redis_models.migrations.executor.latency_probe import Probe
from redis_models.migrations.executor.throttle import ServerMeasurement, ThrottleLimits, ThrottleState, next_throttle

_LIMITS = ThrottleLimits(max_latency_ms=5.0, batch_size=100, patience_s=30.0)
_BUSY_S = 0.02
_DECISIONS = 10

Until = Callable[[Callable[[], object]], None]


class Script:
    """Keeps the server busy for about 20 ms, or a part of that."""

    def __init__(self, client: redis.Redis) -> None:
        self._call = client.register_script("local n = 0 for i = 1, tonumber(ARGV[1]) do n = n + i end return n")
        self._rounds, took = 100_000, 0.0
        while took < _BUSY_S:
            self._rounds *= 2
            began = time.perf_counter()
            self.run()
            took = time.perf_counter() - began

    def run(self) -> None:
        self._call(args=[self._rounds])

    def run_by(self, driver: Driver, part: float) -> None:
        driver.exchange([("EVALSHA", self._call.sha, 0, int(self._rounds * part))])


@pytest.fixture
def script(client: redis.Redis) -> Script:
    return Script(client)


@pytest.fixture
def others(script: Script) -> Iterator[threading.Thread]:
    """Give a thread, to be started, that keeps the server busy nearly all the time until the test ends."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.002):
            script.run()

    thread = threading.Thread(target=go_on)
    yield thread
    over.set()
    if thread.ident:
        thread.join()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ServerMeasurement, ThrottleState]]:
    """Collect what the probe sees, and the throttle it makes of that; it decides four times as often."""
    found: list[tuple[ServerMeasurement, ThrottleState]] = []

    def noted(throttle: ThrottleState, measurement: ServerMeasurement, limits: ThrottleLimits) -> ThrottleState:
        found.append((measurement, next_throttle(throttle, measurement, limits)))
        return found[-1][1]

    monkeypatch.setattr(latency_probe, "next_throttle", noted)
    monkeypatch.setattr(latency_probe, "_EVERY_S", 0.005)
    return found


def _run_beside(
    client: redis.Redis, script: Script, part: float, until: Until, is_enough: Callable[[], object]
) -> None:
    """Run batches of the same length, as a probe's throttle allows, until it is enough."""
    own = SyncClient(client, "the tests' server")
    with Probe(own, "default", _LIMITS) as probe:
        driver = probe.watch(own)

        def step() -> object:
            for _ in range(5):
                began = time.perf_counter()
                script.run_by(driver, part * probe.pace().batch_size / _LIMITS.batch_size)
                time.sleep(probe.pace().rest * (time.perf_counter() - began))
            return is_enough()

        until(step)
    own.close()


def test_a_run_whose_scripts_make_others_wait_makes_them_shorter_and_rests(
    client: redis.Redis, script: Script, seen: list[tuple[ServerMeasurement, ThrottleState]], until: Until
) -> None:
    _run_beside(
        client, script, 1.0, until, lambda: any(throttle.batch_size <= 25 and throttle.rest for _, throttle in seen)
    )


def test_a_run_whose_scripts_are_short_is_not_slowed_by_what_others_do(
    client: redis.Redis,
    script: Script,
    others: threading.Thread,
    seen: list[tuple[ServerMeasurement, ThrottleState]],
    until: Until,
) -> None:
    def is_enough() -> bool:
        if not others.is_alive():  # it begins after the probe has seen what is usual
            others.start()
        return len(seen) >= _DECISIONS

    _run_beside(client, script, 0.005, until, is_enough)

    assert sum(measurement.added_ms is not None and measurement.added_ms > 5 for measurement, _ in seen) > len(seen) / 2
    assert min(throttle.batch_size for _, throttle in seen[_DECISIONS // 2 :]) >= 50
    assert max(throttle.rest for _, throttle in seen[_DECISIONS // 2 :]) <= 0.25


def test_a_run_that_is_limited_while_it_runs_is_measured_apart_from_then_on(
    client: redis.Redis, script: Script, seen: list[tuple[ServerMeasurement, ThrottleState]], until: Until
) -> None:
    """Unthrottled: batches follow each other without a wait, and their time is not measured."""
    own = SyncClient(client, "the tests' server")
    with Probe(own, "default", replace(_LIMITS, max_latency_ms=0)) as probe:
        driver = probe.watch(own)

        def step() -> object:
            script.run_by(driver, 0.5)
            return len(seen) >= 2

        until(step)
        assert {measurement.own_ms for measurement, _ in seen} == {None}
        assert run(driver, _sent_ahead()) == [[], [b"PONG"]]

        client.hset("redis_models:{default}:control", "max_latency_ms", 5)
        seen.clear()

        def is_slower() -> object:
            script.run_by(driver, 0.5)
            return any(measurement.own_ms is not None and throttle.batch_size < 100 for measurement, throttle in seen)

        until(is_slower)
        assert run(driver, _sent_ahead()) == [[b"PONG"], [b"PONG"]]
    own.close()


def _sent_ahead() -> RoundTrips[list[list[Reply]]]:
    """Give what there is of the reply to a batch at once, and behind another batch."""
    replies = yield Pipelined([("PING",)])
    at_once = list(replies)
    yield ()
    return [at_once, replies]
