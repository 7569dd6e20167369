"""Sentinel makes the replica the primary in the midst of a run: behind, or beside an old primary that still writes."""

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

_COUNT = 6_000


class _Of:
    """What a project needs of a server, for the primary of a group."""

    def __init__(self, group: Any, url: str) -> None:
        self._group, self.url = group, url

    def client(self) -> Any:
        return self._group.client()


@pytest.mark.parametrize("lag", [False, True], ids=["healthy", "behind"])
def test_a_failover_loses_what_the_replica_had_not_got_and_nothing_of_the_migration(
    new_group: Any, new_wire: Any, new_shop: Any, tell: Callable[..., None], lag: bool
) -> None:
    group = new_group()
    wire = new_wire(lambda: group.primary_port)
    group.on_change(wire.cut_all)
    shop = new_shop(_Of(group, wire.url), _COUNT, wire.url)
    shop.start_writers()
    run = shop.start("--batch", "10", "--patience", "60")
    run.await_changed(_COUNT // 3)
    old, replica = group.nodes
    if lag:
        replica.send(signal.SIGSTOP)
        with old.client() as client:  # or the kernel would keep for the replica what was sent until the end
            client.client_kill_filter(_type="replica")
        behind_from = run.changed
        run.await_changed(behind_from + _COUNT // 6)
        shop.await_writes(20)
    has_ended = run.process.poll() is not None  # the server forgets what it did then, and only the next run finds out
    old.send(signal.SIGKILL)
    replica.send(signal.SIGCONT)
    group.await_failover(old.port)
    shop.await_writes(20)
    code = run.end()
    runs = 0 if code == 0 and not has_ended else shop.settle()
    shop.await_writes(20)
    count = shop.compare(shop.stop_writers())

    assert code in (0, 4, 6, 7), run.output
    assert (count.wrong, count.doubled) == ([], 0)
    assert lag or count.lost == 0
    shop.check_all()
    tell(
        "Sentinel failover, " + ("replica behind" if lag else "replica in step"), records=_COUNT, faults=1,
        acknowledged=count.acknowledged, lost=f"{count.lost} by the server" if lag else count.lost,
        seen=f"{1 + runs} run{'s' if runs else ''} to the end, every record at the target; {count.open} writes of open"
        " outcome, none doubled",
    )  # fmt: skip


@pytest.mark.parametrize("guarded", [False, True], ids=["alone", "min-replicas-to-write"])
def test_an_old_primary_that_wakes_up_takes_nothing_along(
    new_group: Any, new_wire: Any, new_shop: Any, tell: Callable[..., None], guarded: bool
) -> None:
    options = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1") if guarded else ()
    group = new_group(*options)
    if guarded:  # it may have been promoted alone, and then would take no writes at all
        with group.nodes[1].client() as client:
            client.config_set("min-replicas-to-write", 0)
    wire = new_wire(lambda: group.primary_port)
    old, _ = group.nodes
    stuck = new_wire(lambda: old.port)  # those who were never told of another primary
    shop = new_shop(_Of(group, stuck.url), _COUNT, stuck.url)
    shop.start_writers()
    run = shop.start("--batch", "10", "--patience", "5")
    run.await_changed(_COUNT // 4)
    old.send(signal.SIGSTOP)
    group.await_failover(old.port)
    shop.project.settings(REDIS_URL=wire.url, APPS=["shop"])
    beside = shop.start("--batch", "10", "--wait", "60", "--patience", "60")
    beside.await_changed(10)
    old.send(signal.SIGCONT)
    time.sleep(1.5)  # writers and the first run go on with the old one, until the Sentinels make it a replica
    count = shop.stop_writers()
    codes = run.end(), beside.end()
    runs = 0 if codes[1] == 0 else shop.settle()
    shop.settle()
    count = shop.compare(count)

    assert (count.wrong, count.doubled) == ([], 0)
    shop.check_all()
    tell(
        "split brain, " + ("min-replicas-to-write 1" if guarded else "no min-replicas"), records=_COUNT, faults=1,
        acknowledged=count.acknowledged, lost=f"{count.lost} by the old primary",
        seen=f"the run on the old primary ended with {codes[0]}, that on the new one with {codes[1]}"
        f"{f' and {runs} more' if runs else ''}; every record at the target",
    )  # fmt: skip
