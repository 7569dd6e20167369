"""Probing: ask the server again and again, beside a run, how it does; and hear what people say to the run.

A probe is a PING on a connection of its own, so it waits as long as any other client does. It runs in a thread; what it
sees becomes the pace that the run reads between two scripts. The run's own batches are timed as well.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Self, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import Command, Reply, RoundTrips, check
from redis_models.client.drivers import Changing, Driver, run
from redis_models.errors import DriftError, ServerError

from ..state.control import Control, read_control
from .throttle import ServerMeasurement, ThrottleLimits, ThrottleState, added_latency, next_throttle, own_latency

__all__ = ["LATEST", "Probe", "Timed", "sighting_of"]


LATEST: Final = 100  # batches; older ones say nothing of the moment


@dataclass(frozen=True)
class Timed:
    """A driver that takes down how long the latest batches took; pauses do not count.

    Attributes:
        driver: What exchanges them.
        taken_ms: What they took, in milliseconds; grows at the end, and may be emptied by another thread.
    """

    driver: Driver
    taken_ms: deque[float] = field(default_factory=lambda: deque[float](maxlen=LATEST))

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Do what the driver does."""
        began = time.perf_counter()
        replies = self.driver.exchange(commands)
        if commands:
            self.taken_ms.append((time.perf_counter() - began) * 1000)
        return replies


_EVERY_S: Final = 0.02
_WINDOW: Final = 25  # probes that one decision is made of: half a second
_INFO_EVERY: Final = 2  # windows
_USUAL_OF: Final = 9  # probes before the run, for what is usual
# A thread that waits for the interpreter lock would measure that instead of the server: 5 ms is Python's own interval.
_SWITCH_S: Final = 0.0005


class Probe:
    """Watches a server for the length of a ``with`` block, and gives the pace of a run. Used by one run.

    Args:
        client: Of the server; the probe uses a connection of its own.
        namespace: ``NAMESPACE`` of the settings, for what people say.
        limits: What the run must keep to.
    """

    def __init__(self, client: SyncClient, namespace: str, limits: ThrottleLimits) -> None:
        self._client, self._namespace, self._limits = client, namespace, limits
        self._taken_ms = deque[float](maxlen=LATEST)
        self._pace = ThrottleState(limits.batch_size, is_unthrottled=limits.is_unthrottled)
        self._seen = ServerMeasurement()
        self._usual_ms = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="redis_models probe", daemon=True)
        self._switch_s = sys.getswitchinterval()

    def __enter__(self) -> Self:
        self._usual_ms = sorted(self._wait_ms() for _ in range(_USUAL_OF))[_USUAL_OF // 4]
        sys.setswitchinterval(_SWITCH_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=1.0)  # one that waits for a server that is gone ends by itself
        sys.setswitchinterval(self._switch_s)

    def pace(self) -> ThrottleState:
        """Give the pace as it is now."""
        return self._pace

    def watch(self, driver: Driver) -> Driver:
        """Give what the run is to speak to the server with, so that its batches are timed while anybody minds."""
        timed = Timed(driver, self._taken_ms)
        return Changing(lambda: driver if self._limits.is_unthrottled else timed)

    def note(self, batches_ms: Sequence[float]) -> None:
        """Take in how long batches of the run took that others sent for it."""
        self._taken_ms.extend(batches_ms)

    @property
    def limits(self) -> ThrottleLimits:
        """What the run must keep to, as people have it now."""
        return self._limits

    def _watch(self) -> None:
        window, usual = 0, self._limits
        while not self._ended.is_set():
            waits: list[float] = []
            trouble = ""
            try:
                control = run(self._client, read_control(self._namespace))
                self._limits = _limits_by(usual, control)
                if window % _INFO_EVERY == 0:
                    self._seen = sighting_of(run(self._client, _server_state()))
                while len(waits) < _WINDOW and not self._ended.wait(_EVERY_S):
                    waits.append(self._wait_ms())
                paused = control.paused
            except (ServerError, DriftError) as exc:
                trouble, paused = str(exc), self._seen.paused
                self._ended.wait(_WINDOW * _EVERY_S)
            added = added_latency(waits, self._usual_ms) if waits else None
            own = own_latency(self._taken(), waits)
            self._seen = replace(self._seen, added_ms=added, own_ms=own, trouble=trouble, paused=paused)
            self._pace = next_throttle(self._pace, self._seen, self._limits)
            window += 1

    def _taken(self) -> list[float]:
        """Take what the run's batches took since the last decision; it may add to them meanwhile."""
        return [self._taken_ms.popleft() for _ in range(len(self._taken_ms))]

    def _wait_ms(self) -> float:
        began = time.perf_counter()
        check(self._client.exchange([("PING",)]))
        return (time.perf_counter() - began) * 1000


def _limits_by(usual: ThrottleLimits, said: Control) -> ThrottleLimits:
    return replace(
        usual,
        max_latency_ms=usual.max_latency_ms if said.max_latency_ms is None else said.max_latency_ms,
        batch_size=usual.batch_size if said.batch_size is None else said.batch_size,
    )


def _server_state() -> RoundTrips[Mapping[str, str]]:
    """Read what INFO says; nothing where this user may not ask, so that the pace goes by the probes alone."""
    replies = yield [("INFO", section) for section in ("memory", "replication", "persistence")]
    told: dict[str, str] = {}
    for reply in replies:
        if not isinstance(reply, Exception):
            lines = cast(bytes, reply).decode("utf-8", "replace").splitlines()
            told.update((name, value) for name, colon, value in (line.partition(":") for line in lines) if colon)
    return told


def sighting_of(told: Mapping[str, str]) -> ServerMeasurement:
    """Read what matters out of INFO's sections memory, replication and persistence."""
    limit = int(told.get("maxmemory", "0"))
    # With another policy memory is always full, and writes evict.
    is_strict = limit > 0 and told.get("maxmemory_policy") == "noeviction"
    return ServerMeasurement(
        memory=int(told.get("used_memory", "0")) / limit if is_strict else None,
        behind=_behind(told),
        is_saving=any(told.get(name) == "1" for name in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress")),
    )


def _behind(told: Mapping[str, str]) -> int:
    """Give how many bytes the slowest replica that is online has not acknowledged."""
    written = int(told.get("master_repl_offset", "0"))
    behind = 0
    for name, value in told.items():
        if name.startswith("slave") and "state=online" in value:
            parts = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
            behind = max(behind, written - int(parts.get("offset", written)))
    return behind
