"""A million records go there and back in little memory."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_RECORDS = int(os.environ.get("FAULTS_RECORDS", "1000000"))
_MOST_KIB = 100 * 1024
_PAGE = 10_000
_OPTIONS = ("--workers", "2", "--max-latency-ms", "0", "--yes", "--allow-destructive")
_LONGEST_S = 900

_ROLLUP = "/proc/{}/smaps_rollup"


class Memory(threading.Thread):
    """Watches how much memory a process and its children have together, pages that they share counted once.

    Attributes:
        most_kib: The most that they had.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.most_kib = pid, 0

    def run(self) -> None:
        while True:
            try:
                children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
                kib = sum(map(_held_kib, (str(self._pid), *children)))
            except OSError:
                return  # it has ended
            self.most_kib = max(self.most_kib, kib)
            time.sleep(0.1)


def _held_kib(pid: str) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(_ROLLUP.format(pid)).read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.skipif(not Path(_ROLLUP.format("self")).exists(), reason="the system does not tell what processes share")
@pytest.mark.parametrize("version", [2, 3], ids=["server", "python"])
def test_a_million_records_migrate_forward_and_back_in_under_100_mb(
    new_server: Any, new_project: Any, tell: Callable[..., None], version: int
) -> None:
    count = _RECORDS if version == 2 else _RECORDS // 5
    server = new_server("--appendonly", "no")
    project = new_project(server)
    project.deploy(1)
    for start in range(0, count, _PAGE):
        project.fill(min(_PAGE, count - start), start)
    project.deploy(version)
    peaks, seconds = list[int](), list[float]()
    with server.client() as client:
        sample = [client.hgetall(f"customer:{at}") for at in range(0, count, 997)]
        for target in (str(version), "1"):
            process = project.start("--json", "migrate", "shop", target, *_OPTIONS)
            memory = Memory(process.pid)
            memory.start()
            out, err = process.communicate(timeout=_LONGEST_S)
            memory.join()
            assert process.returncode == 0, err[-2000:]
            peaks.append(memory.most_kib)
            report = json.loads(out)["apps"]["shop"]
            seconds.append(report["seconds"])
            assert sum(report["changed"].values()) == count
        assert client.zcard("customer:__index") == count
        assert [client.hgetall(f"customer:{at}") for at in range(0, count, 997)] == sample

    assert max(peaks) < _MOST_KIB
    tell(
        f"{count:,} records there and back, " + ("by the server" if version == 2 else "by Python"), records=count,
        faults=0, acknowledged=0, lost=0,
        seen=f"at most {peaks[0] // 1024} and {peaks[1] // 1024} MB in the client and its worker; {seconds[0]:.0f} s"
        f" there, {seconds[1]:.0f} s back",
    )  # fmt: skip
