"""The pace of a run: it follows what a probe saw, says why, keeps to what was set, and recovers. No server."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_models.client.commands import Sleep
from redis_models.migrations.executor.latency_probe import measurement_of
from redis_models.migrations.executor.throttle import (
    ServerMeasurement,
    ThrottleLimits,
    ThrottleState,
    added_latency,
    fixed_throttle,
    next_throttle,
    own_latency,
)

_LIMITS = ThrottleLimits(max_latency_ms=5.0, batch_size=100, patience_s=30.0)
_CALM = ServerMeasurement(added_ms=0.0)
_SLOW = ServerMeasurement(added_ms=12.0)
_MIB = 1024**2

_limits = st.builds(
    ThrottleLimits,
    max_latency_ms=st.sampled_from([0.0, 0.5, 5.0, 100.0]),
    batch_size=st.integers(1, 100),
    patience_s=st.just(30.0),
)
_measurements = st.builds(
    ServerMeasurement,
    added_ms=st.none() | st.floats(0, 1000),
    own_ms=st.none() | st.floats(0, 1000),
    memory=st.none() | st.floats(0, 1.2),
    behind=st.integers(0, 100 * _MIB),
    is_saving=st.booleans(),
    trouble=st.sampled_from(["", "it is gone"]),
    paused=st.sampled_from(["", "paused by a user"]),
)


def _throttle_after(
    *seen: ServerMeasurement, start: ThrottleState | None = None, limits: ThrottleLimits = _LIMITS
) -> ThrottleState:
    throttle = start or ThrottleState(limits.batch_size)
    for event in seen:
        throttle = next_throttle(throttle, event, limits)
    return throttle


@given(_limits, st.lists(_measurements, max_size=12))
def test_after_any_measurements_the_batch_stays_within_its_limits(
    limits: ThrottleLimits, seen: list[ServerMeasurement]
) -> None:
    throttle = ThrottleState(limits.batch_size)
    for event in seen:
        throttle = next_throttle(throttle, event, limits)

        assert 1 <= throttle.batch_size <= limits.batch_size
        assert 0.0 <= throttle.rest <= 9.0
        assert bool(throttle.hold) or not throttle.is_paused


@given(_limits, _limits, st.lists(_measurements, max_size=6))
def test_a_smaller_batch_that_was_set_counts_from_the_next_step_on(
    before: ThrottleLimits, after: ThrottleLimits, seen: list[ServerMeasurement]
) -> None:
    throttle = _throttle_after(*seen, limits=before)

    throttle = next_throttle(throttle, _CALM, after)

    assert throttle.batch_size <= after.batch_size


@given(_limits, st.lists(_measurements, max_size=12))
def test_after_any_measurements_it_recovers_to_full_speed(
    limits: ThrottleLimits, seen: list[ServerMeasurement]
) -> None:
    throttle = _throttle_after(*seen, limits=limits)

    throttle = _throttle_after(*[_CALM] * 40, start=throttle, limits=limits)

    assert throttle == ThrottleState(limits.batch_size, is_unthrottled=limits.is_unthrottled)


@given(_limits, st.lists(_measurements, max_size=6), _measurements)
def test_what_is_not_full_speed_says_why(
    limits: ThrottleLimits, seen: list[ServerMeasurement], last: ServerMeasurement
) -> None:
    throttle = _throttle_after(*seen, last, limits=limits)

    is_full = throttle == ThrottleState(limits.batch_size, reason=throttle.reason, is_unthrottled=limits.is_unthrottled)
    assert is_full or throttle.hold or throttle.reason


@given(st.floats(5.01, 1000), st.integers(5, 100), st.floats(0, 9))
def test_others_that_wait_too_long_make_it_smaller_and_let_it_rest(added: float, size: int, rest: float) -> None:
    throttle = next_throttle(ThrottleState(size, rest), ServerMeasurement(added_ms=added), _LIMITS)

    assert throttle.batch_size == max(5, size // 2)
    assert throttle.rest == min(9.0, max(0.25, 2 * rest))
    assert throttle.reason == f"others wait {added:.1f} ms longer, and 5 ms are allowed"


def test_a_limit_of_zero_means_unlimited() -> None:
    assert next_throttle(ThrottleState(100), _SLOW, replace(_LIMITS, max_latency_ms=0.0)) == ThrottleState(
        100, is_unthrottled=True
    )


def test_a_limit_that_is_raised_under_way_lets_it_grow() -> None:
    slowed = _throttle_after(_SLOW, _SLOW)

    grown = next_throttle(slowed, _SLOW, replace(_LIMITS, max_latency_ms=20.0))

    assert grown.batch_size > slowed.batch_size
    assert grown.rest < slowed.rest


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (ServerMeasurement(trouble="BUSY"), "does not answer a probe (BUSY)"),
        (ServerMeasurement(memory=0.97), "memory is full, 97% of maxmemory. Raise maxmemory or free some"),
        (ServerMeasurement(behind=40 * _MIB), "a replica is 40 MiB behind"),
        (ServerMeasurement(paused="paused by me"), "paused by me"),
        (ServerMeasurement(paused="paused by me", trouble="BUSY", memory=1.0), "paused by me"),
    ],
)
def test_bad_conditions_stop_it_at_once(seen: ServerMeasurement, says: str) -> None:
    throttle = next_throttle(ThrottleState(40), seen, _LIMITS)

    assert says in throttle.hold
    assert throttle.is_paused == bool(seen.paused)
    assert throttle.batch_size == 40
    assert str(throttle).startswith("waits: ")


@pytest.mark.parametrize(
    "seen",
    [
        ServerMeasurement(memory=0.95),
        ServerMeasurement(behind=32 * _MIB),
        ServerMeasurement(added_ms=5.0),
        ServerMeasurement(added_ms=None),
    ],
)
def test_what_is_just_within_the_limits_holds_nothing(seen: ServerMeasurement) -> None:
    assert next_throttle(ThrottleState(100), seen, _LIMITS) == ThrottleState(100)


def test_a_server_that_saves_gets_half_of_the_time() -> None:
    throttle = next_throttle(ThrottleState(100), replace(_CALM, is_saving=True), _LIMITS)

    assert (throttle.batch_size, throttle.rest) == (100, 1.0)
    assert str(throttle) == "100 records a script, rests 50% of the time: the server is writing its data to disk"


@pytest.mark.parametrize(
    "held",
    [ServerMeasurement(paused="paused by me"), ServerMeasurement(trouble="BUSY"), ServerMeasurement(memory=0.99)],
)
def test_a_reason_to_wait_ends_with_its_cause(held: ServerMeasurement) -> None:
    slowed = _throttle_after(_SLOW, _SLOW, _SLOW)

    after = _throttle_after(held, _CALM, start=slowed)

    assert not after.hold
    assert after.batch_size < 100
    assert after.reason == slowed.reason  # why it is not faster yet


def test_of_a_window_of_probes_one_may_be_late() -> None:
    assert added_latency([1.0] * 24 + [90.0], 1.0) == 0.0
    assert added_latency([1.0] * 23 + [90.0, 7.0], 1.0) == 6.0
    assert added_latency([1.0, 90.0], 1.0) == 89.0
    assert added_latency([0.5], 1.0) == 0.0


@pytest.mark.parametrize(("own_ms", "is_slowed"), [(None, True), (0.51, True), (0.5, False), (0.0, False)])
def test_a_run_whose_scripts_are_short_is_not_why_others_wait(own_ms: float | None, is_slowed: bool) -> None:
    throttle = next_throttle(ThrottleState(100), replace(_SLOW, own_ms=own_ms), _LIMITS)

    assert (throttle.batch_size < 100) == is_slowed


def test_the_time_of_a_batch_is_measured_apart_from_waiting_for_others() -> None:
    alone, behind_others = [2.0] * 8, [2.0, 30.0, 32.0, 90.0] * 2

    assert own_latency(alone, [0.1] * 8) == pytest.approx(1.9)
    assert own_latency(behind_others, [0.1, 28.0, 31.0, 80.0] * 2) == pytest.approx(2.0)
    assert own_latency([0.2] * 8, [30.0] * 8) == 0.0
    assert own_latency([], [1.0]) is None
    assert own_latency([1.0], []) is None


_INFO = {
    "maxmemory": "1000",
    "used_memory": "970",
    "maxmemory_policy": "noeviction",
    "master_repl_offset": "5000",
    "slave0": "ip=a,port=1,state=online,offset=4000,lag=0",
    "slave1": "ip=b,port=1,state=online,offset=1500,lag=1",
    "slave2": "ip=c,port=1,state=wait_bgsave,offset=0,lag=9",
    "rdb_bgsave_in_progress": "0",
    "aof_rewrite_in_progress": "0",
}


@pytest.mark.parametrize(
    ("info", "seen"),
    [
        ({}, {"memory": 0.97, "behind": 3500, "is_saving": False}),
        ({"maxmemory": "0"}, {"memory": None}),
        ({"maxmemory_policy": "allkeys-lru"}, {"memory": None}),
        ({"rdb_bgsave_in_progress": "1"}, {"is_saving": True}),
        ({"aof_rewrite_in_progress": "1"}, {"is_saving": True}),
        ({"slave1": "ip=b,port=1,state=online,offset=5000,lag=0"}, {"behind": 1000}),
    ],
)
def test_what_the_server_says_of_itself_is_read(info: dict[str, str], seen: dict[str, Any]) -> None:
    found = measurement_of({**_INFO, **info})

    assert {name: getattr(found, name) for name in seen} == seen


def test_a_server_that_says_nothing_of_itself_is_judged_by_the_probes_alone() -> None:
    assert measurement_of({}) == ServerMeasurement()


def test_a_run_without_a_probe_keeps_one_throttle() -> None:
    throttle = fixed_throttle(10)

    assert throttle() == throttle() == ThrottleState(10)
    assert Sleep(1.0) == ()  # a pause is not a batch of commands
