"""Functions that take their time: for a lease the run must come round to it, however many records a script may take."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_models.client.commands import RoundTrips, Sleep
from redis_models.mapping.keys import KeySpace
from redis_models.migrations.chain.upgrade_path import UpgradePath
from redis_models.migrations.executor.strategies import WorkerPoolStrategy
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.executor.worker_pool import WorkerPool, WorkerResult
from redis_models.migrations.keyspace.batch_size import AdaptiveBatchSize
from redis_models.migrations.keyspace.results import Fence, Outcome
from redis_models.migrations.planner.passes import RewritePass

from .slow import CONSENT, SlowShop

_COUNT = 100  # records, 20 ms each


@pytest.mark.parametrize("workers", [(), ("--workers", "3")], ids=["alone", "with workers"])
@pytest.mark.parametrize("throttle", [(), ("--max-latency-ms", "0")], ids=["default pace", "flat out"])
def test_a_script_may_have_more_records_than_a_lease_has_time_for(
    project: Any, until: Callable[..., None], throttle: tuple[str, ...], workers: tuple[str, ...]
) -> None:
    """An expired lease goes to the runner that waits for it."""
    shop = SlowShop(project, _COUNT)
    project.settings(REDIS_URL=shop.server.url, APPS=["shop"], LEASE_SECONDS=1)
    left_s: list[float] = []

    running = project.start("migrate", *throttle, *workers, *CONSENT)
    with shop.server.client() as client:

        def has_ended() -> bool:
            ends_ms, clock = client.hget("redis_models:{default}:lease", "until"), client.time()
            if ends_ms is not None:
                left_s.append(int(ends_ms) / 1000 - clock[0] - clock[1] / 1e6)
            return running.poll() is not None

        until(has_ended)
    ran = project.end(running)

    assert ran.code == 0, ran.err
    assert f"{_COUNT} records changed" in ran.out
    assert 0 < min(left_s) < max(left_s) <= 1
    shop.assert_whole()


def test_what_holds_the_lease_keeps_it_while_a_member_works() -> None:
    renewals, over = 0, threading.Event()

    def renewed_if_due() -> RoundTrips[None]:
        nonlocal renewals
        renewals += 1
        yield from ()

    def work() -> WorkerResult:
        over.wait()
        return WorkerResult(Outcome(changed=3), 0.01, ())

    with ThreadPoolExecutor(1) as executor:
        pool = WorkerPool(1, "shop.settings", {}, 0, lambda _: executor, lambda _: None)
        lease: Any = SimpleNamespace(clock=time.monotonic, renewed_if_due=renewed_if_due)
        rewriting, fence = RewritePass(UpgradePath("A", (), 1), KeySpace("", ":", "a"), 2, 1), Fence("lease", 1, None)
        strategy = WorkerPoolStrategy(pool, "shop", rewriting, lease, fence, expects_outdated=True)
        awaited = strategy._result_of(executor.submit(work), 3)
        assert all(isinstance(next(awaited), Sleep) for _ in range(5))
        assert renewals == 4
        over.set()
        with pytest.raises(StopIteration) as ended:
            while True:
                next(awaited)

    assert ended.value.value == Outcome(changed=3)
    assert strategy.batch_size(ThrottleState(100)) == 6


@given(
    per_record_s=st.floats(1e-7, 5.0),
    most=st.integers(1, 4000),
    shares=st.integers(1, 40),
)
def test_batches_are_as_large_as_the_time_limit_allows(per_record_s: float, most: int, shares: int) -> None:
    batch_size = AdaptiveBatchSize()
    sizes = list[int]()
    for _ in range(shares):
        sizes.append(batch_size.of(most))
        batch_size.note(sizes[-1], sizes[-1] * per_record_s)

    assert sizes[0] == 1
    assert all(size == 1 or size * per_record_s <= 0.1 for size in sizes)
    if shares > 12:
        assert sizes[-1] in (1, most) or sizes[-1] * per_record_s >= 0.025


def test_a_slow_batch_is_followed_by_a_small_one() -> None:
    """The function has become slow, as if it called a slow service for each record."""
    batch_size = AdaptiveBatchSize()
    for _ in range(12):
        batch_size.note(batch_size.of(4000), 0.001)
    assert batch_size.of(4000) == 4000

    batch_size.note(4000, 40.0)

    assert batch_size.of(4000) == 5
