"""The server's clock is set in the midst of a run. Needs Debian's libfaketime."""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .sentinel_group import wait

_COUNT = 6_000
_HOUR_S = 3_600
_VARIABLE = "LIBFAKETIME"  # where it is, if not where Debian puts it


def _library() -> str:
    found = [Path(os.environ[_VARIABLE])] if _VARIABLE in os.environ else []
    found += sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return next((str(path) for path in found if path.is_file()), "")


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that says how far ahead of the true time the server's clock is, in seconds."""
    if not _library():
        pytest.skip(f"there is no libfaketime: apt-get install libfaketime, or name its file in {_VARIABLE}")
    (tmp_path / "clock").write_text("+0\n")
    return tmp_path / "clock"


def _is_ahead(client: Any, seconds: int) -> bool:
    return abs(float(client.time()[0]) - time.time() - seconds) < _HOUR_S / 2


def test_a_server_whose_clock_is_set_costs_a_run_nothing(
    clock: Path,
    monkeypatch: pytest.MonkeyPatch,
    new_server: Any,
    new_wire: Any,
    new_shop: Any,
    tell: Callable[..., None],
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", _library())
        patch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
        patch.setenv("FAKETIME_CACHE_DURATION", "1")
        patch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        server = new_server("--appendonly", "no")
    wire = new_wire(lambda: server.socket_path, delay_s=0.003)
    shop, times, ended = new_shop(server, _COUNT, wire.url), (-_HOUR_S, _HOUR_S, 0), list[int]()
    shop.project.settings(REDIS_URL=wire.url, APPS=["shop"], LEASE_SECONDS=3)
    shop.start_writers()
    run = shop.start("--batch", "2")  # slowly
    with server.client() as client:
        for ahead_s in times:
            run.await_changed(run.changed + _COUNT // 20)
            assert shop.project.run("migrate", "--pause").code == 0
            clock.write_text(f"{ahead_s:+d}\n")
            wait(partial(_is_ahead, client, ahead_s))
            if ahead_s < 0:  # the lease would last for an hour
                ended.append(shop.project.migrate().code)
            # If it seems to have expired, no runner is known until it is renewed.
            wait(lambda: shop.project.run("migrate", "--resume").code == 0)
    shop.project.run("migrate", "--set", "batch=100")
    code = run.end()
    count = shop.compare(shop.stop_writers())

    assert ended == [4]
    assert code == 0, run.output
    assert (count.wrong, count.lost, count.doubled) == ([], 0, 0)
    shop.check_all()
    tell(
        "clock of the server set back and ahead by an hour", records=_COUNT, faults=len(times),
        acknowledged=count.acknowledged, lost=0,
        seen="1 run to the end; another runner is refused while it is under way",
    )  # fmt: skip
