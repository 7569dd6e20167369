"""Live clients: each is a process that uses the flights while they migrate, and remembers what was acknowledged.

Runs inside the project: ``live.py ROLE FLIGHTS SOCKET``. It says ``ready``, takes its turns until its input ends, then
prints a report. Which flights a role may write is told by the last digits of their number, so that none of them
writes into the expectations of another.
"""

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import flights.models as models
import redis
import redis_models
from redis.backoff import NoBackoff
from redis.retry import Retry

from expected import EXPECTED, differences
from source import pieces, record_id

_LEAST_TURNS: Final = 10  # also where the migration is over before a client has begun
_READ: Final = 4_000  # flights that the reader knows by heart
_WRITER, _DELETER = 10, 50  # last two digits of the flights that these two own

Flight = models.Flight


@dataclass
class Report:
    """What one client did, and was told by the server that it is done."""

    increments: Counter[str] = field(default_factory=Counter[str])
    edits: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    deleted: list[str] = field(default_factory=list[str])
    faults: list[str] = field(default_factory=list[str])
    latencies_ms: list[float] = field(default_factory=list[float])

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take down how long a block takes."""
        began = time.perf_counter()
        yield
        self.latencies_ms.append(1000 * (time.perf_counter() - began))

    def latency(self) -> Mapping[str, float]:
        """Give the figures that people look at, in milliseconds."""
        ordered = sorted(self.latencies_ms)
        last = len(ordered) - 1
        return {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "max": ordered[-1]}


def reader(count: int, socket: str) -> Callable[[Report], None]:
    """Read through the models, whatever version a record has by now, and compare with the file."""
    rows = {row["id"]: row for row in next(pieces(min(count, _READ))).rows()}
    readable = [id for id in rows if int(id) % 100 not in (_WRITER, _DELETER)]
    wanted_of = EXPECTED[Flight.Meta.version]

    def turn(report: Report) -> None:
        id = random.choice(readable)
        with report.timed():
            flight = Flight.sync.get(id)
        wanted = wanted_of(rows[id])
        del wanted["views"]  # another client increments it
        report.faults += differences(flight, wanted)

    return turn


def counter(count: int, socket: str) -> Callable[[Report], None]:
    """Count views by plain HINCRBY, as a client that knows nothing of models does."""
    # Without redis-py's own retries: a repeated HINCRBY would count twice.
    client = redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0))
    countable = [number for number in range(1, count + 1) if number % 100 != _DELETER]

    def turn(report: Report) -> None:
        id = record_id(random.choice(countable))
        with report.timed():
            client.hincrby(f"flights:flight:{id}", "views", 1)
        report.increments[id] += 1

    return turn


def writer(count: int, socket: str) -> Callable[[Report], None]:
    """Change flights through the models: some by patch, some by load, assign and save."""
    own = [record_id(number) for number in range(_WRITER, count + 1, 100)]

    def turn(report: Report) -> None:
        number = len(report.latencies_ms)
        id, changes = random.choice(own), _changes(number)
        with report.timed():
            if number % 2:
                Flight.sync.patch(id, **changes)
            else:
                flight = Flight.sync.get(id)
                for name, value in changes.items():
                    setattr(flight, name, value)
                flight.sync.save()
        report.edits.setdefault(id, {}).update(changes)

    return turn


def _changes(number: int) -> dict[str, object]:
    if Flight.Meta.version == 2:
        return {"status": f"diverted {number}", "destination": ("BOS", "PHL", "BWI")[number % 3]}
    return {"status": f"corrected {number}", "arr_delay": number % 90}


def deleter(count: int, socket: str) -> Callable[[Report], None]:
    """Delete some flights through the models."""
    own = [record_id(number) for number in range(_DELETER, count + 1, 100)]

    def turn(report: Report) -> None:
        id = random.choice(own)
        with report.timed():
            existed, _ = Flight.sync.delete(id) or (0, 0)
        if existed:
            report.deleted.append(id)

    return turn


# Seconds between two turns of each client.
_PACES: Final = {reader: 0.02, counter: 0.01, writer: 0.03, deleter: 0.1}
_ROLES: Final = {role.__name__: role for role in _PACES}


def main() -> None:
    """Play one role."""
    role, count, socket = _ROLES[sys.argv[1]], int(sys.argv[2]), sys.argv[3]
    redis_models.setup()
    turn, report, ended = role(count, socket), Report(), threading.Event()
    turn(report)
    report.latencies_ms.clear()  # that one connected, and read the migration files
    threading.Thread(target=_wait_for_the_end, args=[ended], daemon=True).start()
    print("ready", flush=True)
    while not ended.wait(_PACES[role]) or len(report.latencies_ms) < _LEAST_TURNS:
        turn(report)
    acknowledged = {"increments": report.increments, "edits": report.edits, "deleted": report.deleted}
    print(json.dumps({**acknowledged, "faults": report.faults, "count": len(report.latencies_ms), **report.latency()}))


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    main()
