"""A live client: increments counters and takes down how long each answer takes, until its input ends.

Runs as a process of its own: ``live.py PORT RECORDS``. It says ``ready``, and in the end prints two lists as JSON: when
each increment began, in seconds of the system's monotonic clock, and how long it took, in milliseconds.
"""

import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import redis

__all__ = ["Latencies", "LiveClient"]

_EVERY_S: Final = 0.001


@dataclass(frozen=True)
class Latencies:
    """What a live client met.

    Attributes:
        began: When each command began, in seconds of the monotonic clock.
        took_ms: How long each answer took.
    """

    began: list[float]
    took_ms: list[float]

    def between(self, start: float, end: float) -> "Latencies":
        """Give what began in a time."""
        steps = [(at, ms) for at, ms in zip(self.began, self.took_ms, strict=True) if start <= at < end]
        return Latencies([at for at, _ in steps], [ms for _, ms in steps])

    def quantile_ms(self, share: float) -> float:
        """Give the latency that this share of the answers did not exceed; 0 if there was none."""
        ordered = sorted(self.took_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class LiveClient:
    """Starts a live client, and ends it."""

    def __init__(self, port: int, records: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(port), str(records)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == "ready\n", said

    def end(self) -> Latencies:
        """End it; give what it met."""
        out, _ = self._process.communicate("")
        return Latencies(*json.loads(out))


def _hear_the_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def main() -> None:
    """Be one."""
    port, records = int(sys.argv[1]), int(sys.argv[2])
    ended = threading.Event()
    threading.Thread(target=_hear_the_end, args=[ended], daemon=True).start()
    began: list[float] = []
    took_ms: list[float] = []
    client: Any = redis.Redis(port=port)
    client.ping()
    print("ready", flush=True)
    while not ended.wait(_EVERY_S):
        key = f"customer:{random.randrange(records)}"
        start = time.monotonic()
        client.hincrby(key, "visits", 1)
        took_ms.append(1000 * (time.monotonic() - start))
        began.append(start)
    print(json.dumps([began, took_ms]))


if __name__ == "__main__":
    main()
