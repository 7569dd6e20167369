"""What a client of the application notices of a run at the pace that it takes by default."""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

_COUNT = 30_000
_QUIET = 1_500  # exchanges before the run
_MOST_MS = 50.0  # not what is promised, but what no machine that is shared may exceed


def test_a_client_waits_hardly_longer_while_a_run_is_under_way(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    server = new_server("--appendonly", "no")
    shop = new_shop(server, _COUNT)
    quiet, busy = list[float](), list[float]()
    with server.client() as client:

        def exchange(waits: list[float]) -> None:
            key, began = f"customer:{len(waits) * 7 % _COUNT}", time.perf_counter()
            client.hgetall(key)
            client.hincrby(key, "visits", 1)
            waits.append((time.perf_counter() - began) * 500)  # of each of the two, in ms
            time.sleep(0.001)

        while len(quiet) < _QUIET:
            exchange(quiet)
        run = shop.start_gently()
        run.await_changed(1)
        while run.process.poll() is None:
            exchange(busy)
        assert run.end() == 0, run.output
        visits = sum(int(record["visits"]) for record in shop.project.records().values())

    before, during = _percentiles(quiet), _percentiles(busy)
    assert len(busy) > _QUIET // 3
    assert visits == len(quiet) + len(busy)
    assert during[1] < _MOST_MS
    shop.check_all()
    slower = [json.dumps(throttle) for throttle in run.throttles if throttle]
    tell(
        "another client during a run, default throttle", records=_COUNT, faults=0, acknowledged=len(busy), lost=0,
        seen=f"p50 {during[0]:.2f} ms and p99 {during[1]:.2f} ms, without a run {before[0]:.2f} and {before[1]:.2f} ms;"
        f" {len(slower) * 100 // len(run.throttles)} % of its steps were slowed down",
    )  # fmt: skip


def _percentiles(waits: list[float]) -> tuple[float, float]:
    """Give p50 and p99."""
    cuts = statistics.quantiles(waits, n=100)
    return cuts[49], cuts[98]
