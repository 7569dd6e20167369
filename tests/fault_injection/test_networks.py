"""Connections are cut at any byte, both of the run and of the writers; and a network that is slow."""

from collections.abc import Callable
from typing import Any


def test_connections_that_are_cut_at_any_byte_lose_and_double_nothing(
    new_server: Any, new_wire: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    count = 4_000
    server = new_server("--appendonly", "no")
    wire = new_wire(lambda: server.socket_path, cut_after=(200, 60_000))
    shop = new_shop(server, count, wire.url)
    shop.start_writers()
    runs = shop.settle("--batch", "10")
    shop.await_writes(200)
    report = shop.stop_writers()
    cuts, wire.cut_after = wire.cuts, None
    compared = shop.compare(report)

    assert cuts > 20
    assert (compared.wrong, compared.lost, compared.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        "connections cut at a random byte", records=count, faults=cuts, acknowledged=report.acknowledged, lost=0,
        seen=f"{runs} run{'s' if runs > 1 else ''} to the end; {report.open} writes of open outcome, none doubled",
    )  # fmt: skip


def test_a_slow_network_that_delivers_crumbs_loses_nothing(
    new_server: Any, new_wire: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    count = 600
    server = new_server("--appendonly", "no")
    wire = new_wire(lambda: server.socket_path, delay_s=0.01, piece=1000)
    shop = new_shop(server, count, wire.url)
    shop.start_writers()
    runs = shop.settle("--batch", "25")
    report = shop.stop_writers()
    compared = shop.compare(report)

    assert (compared.wrong, compared.lost, compared.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        "network of 10 ms each way, in pieces of 1,000 bytes", records=count, faults=1,
        acknowledged=report.acknowledged, lost=0, seen=f"{runs} run to the end",
    )  # fmt: skip
