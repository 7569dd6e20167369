"""A million records go there and back in little memory."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

_RECORDS = int(os.environ.get("FAULTS_RECORDS", "1000000"))
_MOST_KIB = 100 * 1024
_PAGE = 10_000
_CONSENT = ("--yes", "--allow-destructive")
_LONGEST_S = 900

# Runs a command, and tells how much memory this process ever had, and that of its one worker. What getrusage tells of
# itself begins with what the process had that started this one, so that Linux is asked otherwise.
_MEASURED = """
import json, re, resource, sys
from pathlib import Path
from redis_models.cli.main import main

code = main(sys.argv[1:], "redis-models")
status = Path("/proc/self/status")
if status.exists():
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1])
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # bytes on macOS
worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // (1 if status.exists() else 1024)
Path("peak").write_text(json.dumps(peak + worker))
sys.exit(code)
"""


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
    project.write("measured.py", _MEASURED)
    peaks, seconds = list[int](), list[float]()
    with server.client() as client:
        sample = [client.hgetall(f"customer:{at}") for at in range(0, count, 997)]
        for target in (str(version), "1"):
            process = project.start(
                "measured.py", "--json", "migrate", "shop", target, "--workers", "2", "--max-latency-ms", "0", *_CONSENT
            )
            out, err = process.communicate(timeout=_LONGEST_S)
            assert process.returncode == 0, err[-2000:]
            peaks.append(json.loads((project.root / "peak").read_text()))
            told = json.loads(out)["apps"]["shop"]
            seconds.append(told["seconds"])
            assert sum(told["changed"].values()) == count
        assert client.zcard("customer:__index") == count
        assert [client.hgetall(f"customer:{at}") for at in range(0, count, 997)] == sample

    assert max(peaks) < _MOST_KIB
    tell(
        f"{count:,} records there and back, " + ("by the server" if version == 2 else "by Python"), records=count,
        faults=0, acknowledged=0, lost=0,
        seen=f"at most {peaks[0] // 1024} and {peaks[1] // 1024} MB in the client and its worker; {seconds[0]:.0f} s there,"
        f" {seconds[1]:.0f} s back",
    )  # fmt: skip
