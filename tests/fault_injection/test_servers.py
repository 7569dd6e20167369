"""The server is killed in the midst of a run, under each kind of persistence; its file loses its end."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_COUNT = 6_000
_KILLS = 3


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_server_that_appends_is_killed_and_nothing_is_lost(
    new_server: Any, new_shop: Any, tell: Callable[..., None], fsync: str
) -> None:
    server = new_server("--appendonly", "yes", "--appendfsync", fsync)
    shop = new_shop(server, _COUNT)
    shop.start_writers()
    run = shop.start("--batch", "10")
    for kill in range(_KILLS):
        run.await_changed(_COUNT * (kill + 1) // (_KILLS + 2))
        server.kill()
        server.start()
        shop.await_writes(20)
    code = run.end()
    runs = 0 if code == 0 else shop.settle()
    shop.await_writes(20)
    count = shop.compare(shop.stop_writers())

    assert code in (0, 6, 7), run.output
    assert (count.wrong, count.lost, count.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        f"server killed, AOF {fsync}", records=_COUNT, faults=_KILLS, acknowledged=count.acknowledged, lost=0,
        seen=f"{1 + runs} run{'s' if runs else ''} to the end; {count.open} writes of open outcome, none doubled",
    )  # fmt: skip


def test_a_server_that_saves_now_and_then_forgets_and_what_is_left_agrees(
    new_server: Any, new_shop: Any, tell: Callable[..., None]
) -> None:
    server = new_server("--appendonly", "no")
    shop = new_shop(server, _COUNT)
    shop.start_writers()
    run = shop.start("--batch", "10")
    run.await_changed(_COUNT // 4)
    with server.client() as client:
        client.save()
    run.await_changed(_COUNT // 2)
    server.kill()
    server.start()
    after_restart = {record["_v"] for record in shop.project.records().values()}
    code = run.end()
    runs = 0 if code == 0 else shop.settle()
    count = shop.compare(shop.stop_writers())
    # Behind the end of all: the whole run is forgotten, with its ledger.
    shop.check_all()
    server.kill()
    server.start()
    forgotten = shop.project.run("migrate", "--check", "--verified")
    again = shop.settle()

    assert b"1" in after_restart
    assert (count.wrong, count.doubled) == ([], 0)
    assert forgotten.code == 1
    shop.check_all()
    tell(
        "server killed twice, RDB only", records=_COUNT, faults=2, acknowledged=count.acknowledged,
        lost=f"{count.lost} by the server",
        seen="what was written since the last save is gone, ledger and receipt with it; every record is whole, and"
        f" {1 + runs + again} runs bring all to the target",
    )  # fmt: skip


def test_an_append_only_file_that_loses_its_end_loses_no_half_of_anything(
    new_server: Any, new_shop: Any, tell: Callable[..., None], tmp_path: Path
) -> None:
    count, cuts, pick = 1_500, 12, random.Random(5)
    server = new_server("--appendonly", "yes", "--appendfsync", "always")
    shop = new_shop(server, count)
    folder = server.directory / "appendonlydir"
    file = next(folder.glob("*.incr.aof"))
    filled = file.stat().st_size
    shop.start_writers()
    assert shop.start("--batch", "10").end() == 0
    report = shop.stop_writers()
    server.kill()
    kept = shutil.copytree(folder, tmp_path / "kept")
    size, half, stale = file.stat().st_size, 0, 0
    for at in sorted(pick.randrange(filled, size) for _ in range(cuts)):
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        with file.open("r+b") as cut:
            cut.truncate(at)
        server.start()
        torn = shop.torn()
        half += len({record["_v"] for record in shop.project.records().values()}) == 2
        # What the ledger calls applied is in the records.
        applied = "ledger:shop" in shop.project.bookkeeping()
        stale += applied and any(record["_v"] != b"3" for record in shop.project.records().values())
        shop.settle("--batch", "100")
        after = shop.compare(report)
        assert (torn, after.wrong, after.doubled) == ([], [], 0)
        server.kill()
    server.start()

    assert stale == 0
    assert half > 0
    shop.check_all()
    tell(
        "power lost: AOF cut at a random byte", records=count, faults=cuts, acknowledged=report.acknowledged,
        lost="what the file lost",
        seen=f"{half} cuts left records of two versions; none was torn, the ledger was never ahead of the records",
    )  # fmt: skip
