"""Live traffic: the clients of ``live.py`` beside a migration, and what they were promised."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from project import DemoError, Project

__all__ = ["Acknowledged", "live_traffic"]

_CLIENTS: Final = ("reader", "counter", "counter", "writer", "deleter")
_DOES: Final = {
    "reader": "reads through the models, compared with the file",
    "counter": "HINCRBY by a plain client",
    "writer": "patch and save through the models",
    "deleter": "deletes through the models",
}


@dataclass
class Acknowledged:
    """What the server told live clients that it has done, in all migrations so far.

    Attributes:
        increments: How often the views of a flight were counted, by its id.
        edits: Values written last, by field, by the flight's id.
        deleted: Ids of flights that were deleted.
        faults: What a reader found wrong.
    """

    increments: Counter[str] = field(default_factory=Counter[str])
    edits: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    deleted: set[str] = field(default_factory=set[str])
    faults: list[str] = field(default_factory=list[str])

    def add(self, report: Mapping[str, Any]) -> None:
        """Take in what one client reports."""
        self.increments.update(report["increments"])
        for id, changes in report["edits"].items():
            self.edits.setdefault(id, {}).update(changes)
        self.deleted.update(report["deleted"])
        self.faults += report["faults"]

    def as_json(self) -> str:
        """Give all of it as text, for ``check.py``."""
        return json.dumps({"increments": self.increments, "edits": self.edits, "deleted": sorted(self.deleted)})


@contextmanager
def live_traffic(project: Project, count: int, acknowledged: Acknowledged) -> Iterator[None]:
    """Run all clients for the length of a block; then add what was acknowledged, and print how they fared."""
    print(f"  {len(_CLIENTS)} processes begin to use the flights ...", flush=True)
    clients = [project.client("live.py", role, str(count), project.socket) for role in _CLIENTS]
    try:
        for client in clients:
            _line_of(client)  # that it is ready
        yield
        for client in clients:
            _end(client)
        reports = [json.loads(_line_of(client)) for client in clients]
    finally:
        for client in clients:
            client.kill()
            client.wait()
    print("  Meanwhile (milliseconds for one operation):")
    for role, report in zip(_CLIENTS, reports, strict=True):
        acknowledged.add(report)
        figures = "".join(f"   {name} {report[name]:6.2f}" for name in ("p50", "p99", "max"))
        print(f"    {report['count']:6,} x {_DOES[role]:<49}{figures}")


def _end(client: subprocess.Popen[str]) -> None:
    assert client.stdin is not None
    client.stdin.close()


def _line_of(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    said = client.stdout.readline()
    if not said:
        raise DemoError("a live client stopped by itself; what it says about that is above")
    return said
