"""Runners that sleep beyond their lease, and runners that are killed, beside live writers."""

import random
import signal
from collections.abc import Callable
from typing import Any

_COUNT = 6_000


def test_a_runner_that_slept_beyond_its_lease_writes_nothing_when_it_wakes(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    server = new_server("--appendonly", "no")
    shop = new_shop(server, _COUNT)
    shop.project.settings(REDIS_URL=server.url, APPS=["shop"], LEASE_SECONDS=1)
    shop.start_writers()
    sleepers = list[Any]()
    for number in range(3):
        sleeper = shop.start("--batch", "10", "--wait", "60")
        sleeper.await_changed(_COUNT * (number + 1) // 6 if number == 0 else 200)
        sleeper.process.send_signal(signal.SIGSTOP)
        sleepers.append(sleeper)
    runs = shop.settle("--wait", "60")
    with server.client() as client:
        client.config_resetstat()
    shop.await_writes(20)
    report = shop.stop_writers()
    before = shop.project.records()
    for sleeper in sleepers:
        sleeper.process.send_signal(signal.SIGCONT)
    codes = [sleeper.end() for sleeper in sleepers]

    assert codes == [4, 4, 4]
    assert shop.project.records() == before
    compared = shop.compare(report)
    assert (compared.wrong, compared.lost, compared.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        "runner asleep beyond its lease, another finishes", records=_COUNT, faults=len(sleepers),
        acknowledged=report.acknowledged, lost=0,
        seen=f"{runs} run to the end; all {len(sleepers)} sleepers woke up, wrote nothing and ended with 4",
    )  # fmt: skip


def test_a_runner_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    most, kills, pick = 20, 0, random.Random(3)
    server = new_server("--appendonly", "no")
    shop = new_shop(server, _COUNT)
    shop.start_writers()
    for _ in range(most):
        run = shop.start("--batch", "2")
        if not run.is_at(pick.randrange(1, _COUNT // most // 3)):
            break  # it was faster
        run.process.send_signal(signal.SIGKILL)
        kills += run.end() == -signal.SIGKILL
    runs = shop.settle()
    report = shop.stop_writers()
    compared = shop.compare(report)

    assert kills > 4
    assert (compared.wrong, compared.lost, compared.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        "runner killed at a random moment", records=_COUNT, faults=kills, acknowledged=report.acknowledged, lost=0,
        seen=f"{runs} more run to the end",
    )  # fmt: skip
