"""Memory ends in the midst of a run: the server refuses, or evicts; and records of unusual size."""

from collections.abc import Callable
from typing import Any

from .sentinel_group import wait

_COUNT = 6_000


def _limit(client: Any, spare: int) -> None:
    client.config_set("maxmemory", client.info("memory")["used_memory"] + spare)


def test_full_memory_refuses_whole_records_and_the_run_goes_on_when_there_is_room(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    server = new_server("--appendonly", "no", "--maxmemory-policy", "noeviction")
    shop = new_shop(server, _COUNT)
    shop.start_writers()
    run = shop.start("--batch", "10", "--patience", "120")
    faults = 3
    with server.client() as client:
        for number in range(faults):
            run.await_changed(_COUNT * (number + 1) // (faults + 2))
            _limit(client, 20_000)
            wait(lambda: any("OOM" in name for name in client.info("errorstats")))
            assert shop.torn() == []
            client.config_resetstat()
            client.config_set("maxmemory", 0)
            shop.await_writes(10)
    code = run.end()
    runs = 0 if code == 0 else shop.settle()
    count = shop.compare(shop.stop_writers())

    assert (count.wrong, count.lost, count.doubled) == ([], 0, 0)
    shop.check_all()
    refused = count.errors["ServerOutOfMemoryError"]
    tell(
        "memory full, noeviction", records=_COUNT, faults=faults, acknowledged=count.acknowledged, lost=0,
        seen=f"{1 + runs} run{'s' if runs else ''} to the end; {refused} writes of the application were refused whole",
    )  # fmt: skip


def test_a_server_that_evicts_takes_whole_records_and_none_comes_back(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    server = new_server("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    shop = new_shop(server, _COUNT)
    shop.start_writers()
    run = shop.start("--batch", "10", "--patience", "60")
    run.await_changed(_COUNT // 4)
    with server.client() as client:
        _limit(client, -100_000)
        wait(lambda: client.info("stats")["evicted_keys"] > 50)
        shop.await_writes(10)
        client.config_set("maxmemory", 0)
    code = run.end()
    runs = 0 if code == 0 else shop.settle()
    count = shop.compare(shop.stop_writers(), gone=True)
    evicted = _COUNT - len(shop.project.records())
    forgotten = sorted({"ledger:shop", "snapshot:shop"} - shop.project.bookkeeping())
    repaired = shop.project.run("verify", "--repair-index")

    assert evicted > 0
    assert (count.wrong, count.lost, count.doubled) == ([], 0, 0)
    assert repaired.code == 0, repaired
    tell(
        "memory full, allkeys-lru", records=_COUNT, faults=1, acknowledged=count.acknowledged,
        lost=f"with {evicted} records, by the server",
        seen=f"the run ended with {code}, {runs} more; what is left is whole and at the target, nothing came back;"
        f" of the bookkeeping was evicted: {', '.join(forgotten) or 'nothing'}",
    )  # fmt: skip


def test_records_of_unusual_size_go_there_and_back(new_server: Any, new_shop: Any, tell: Callable[..., None]) -> None:
    server = new_server("--appendonly", "no")
    shop = new_shop(server, 100)
    with server.client() as client:
        client.hset("customer:7", "name", b"x" * 10_000_000)
        for start in range(0, 20_000, 1000):
            client.hset("customer:8", mapping={f"own{number}": "y" for number in range(start, start + 1000)})
        before = shop.project.records()
        there = shop.settle()
        after = shop.project.records()
        back = shop.project.run("migrate", "shop", "1", "--yes", "--allow-destructive")

    assert {record["_v"] for record in after.values()} == {b"3"}
    assert (len(after["customer:7"]["full_name"]), len(after["customer:8"]) > 20_000) == (10_000_000, True)
    assert back.code == 0
    assert shop.project.records() == before
    tell(
        "a value of 10 MB, a record of 20,000 fields", records=100, faults=0, acknowledged=0, lost=0,
        seen=f"{there} run there, one back; byte for byte what it was",
    )  # fmt: skip
