"""Latency probe: measures the server again and again beside a run, and reads the control settings.

A probe is a PING on a connection of its own, so it waits as long as any other client does. It runs in a thread. Its
measurements become the throttle that the run reads between two scripts. The run's own batches are timed as well.
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
from redis_models.client.drivers import ChangingDriver, Driver, run
from redis_models.errors import DriftError, ServerError

from ..state.control import Control, read_control
from .throttle import ServerMeasurement, ThrottleLimits, ThrottleState, added_latency, next_throttle, own_latency

__all__ = ["LATEST", "Probe", "Timed", "measurement_of"]


LATEST: Final = 100  # batches; older ones do not describe the current state


@dataclass(frozen=True)
class Timed:
    """A driver that notes how long the latest batches took; sleeps do not count.

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
_WINDOW: Final = 25  # probes for one decision: half a second
_INFO_EVERY: Final = 2  # windows
_USUAL_OF: Final = 9  # probes before the run, for the usual latency
# A thread that waits for the interpreter lock would measure that instead of the server: 5 ms is Python's own interval.
_SWITCH_S: Final = 0.0005


class Probe:
    """Watches a server for the length of a ``with`` block, and gives the throttle of a run. Used by one run.

    Args:
        client: Of the server; the probe uses a connection of its own.
        namespace: ``NAMESPACE`` of the settings, for the control settings.
        limits: Of the run.
    """

    def __init__(self, client: SyncClient, namespace: str, limits: ThrottleLimits) -> None:
        self._client, self._namespace, self._limits = client, namespace, limits
        self._taken_ms = deque[float](maxlen=LATEST)
        self._throttle = ThrottleState(limits.batch_size, is_unthrottled=limits.is_unthrottled)
        self._measured = ServerMeasurement()
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
        self._thread.join(timeout=1.0)  # a thread that waits for a server that is gone ends by itself
        sys.setswitchinterval(self._switch_s)

    def pace(self) -> ThrottleState:
        """Give the current throttle."""
        return self._throttle

    def watch(self, driver: Driver) -> Driver:
        """Give the driver for the run: it times batches while there is a limit of latency."""
        timed = Timed(driver, self._taken_ms)
        return ChangingDriver(lambda: driver if self._limits.is_unthrottled else timed)

    def note(self, batches_ms: Sequence[float]) -> None:
        """Note how long batches took that workers sent for the run."""
        self._taken_ms.extend(batches_ms)

    @property
    def limits(self) -> ThrottleLimits:
        """The current limits, with the control settings."""
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
                    self._measured = measurement_of(run(self._client, _server_state()))
                while len(waits) < _WINDOW and not self._ended.wait(_EVERY_S):
                    waits.append(self._wait_ms())
                paused = control.paused
            except (ServerError, DriftError) as exc:
                trouble, paused = str(exc), self._measured.paused
                self._ended.wait(_WINDOW * _EVERY_S)
            added = added_latency(waits, self._usual_ms) if waits else None
            own = own_latency(self._taken(), waits)
            self._measured = replace(self._measured, added_ms=added, own_ms=own, trouble=trouble, paused=paused)
            self._throttle = next_throttle(self._throttle, self._measured, self._limits)
            window += 1

    def _taken(self) -> list[float]:
        """Take the times of the run's batches since the last decision; the run may add more meanwhile."""
        return [self._taken_ms.popleft() for _ in range(len(self._taken_ms))]

    def _wait_ms(self) -> float:
        began = time.perf_counter()
        check(self._client.exchange([("PING",)]))
        return (time.perf_counter() - began) * 1000


def _limits_by(usual: ThrottleLimits, control: Control) -> ThrottleLimits:
    return replace(
        usual,
        max_latency_ms=usual.max_latency_ms if control.max_latency_ms is None else control.max_latency_ms,
        batch_size=usual.batch_size if control.batch_size is None else control.batch_size,
    )


def _server_state() -> RoundTrips[Mapping[str, str]]:
    """Read what INFO says; nothing where this user may not call it, so that the throttle follows the probes alone."""
    replies = yield [("INFO", section) for section in ("memory", "replication", "persistence")]
    info: dict[str, str] = {}
    for reply in replies:
        if not isinstance(reply, Exception):
            lines = cast(bytes, reply).decode("utf-8", "replace").splitlines()
            info.update((name, value) for name, colon, value in (line.partition(":") for line in lines) if colon)
    return info


def measurement_of(info: Mapping[str, str]) -> ServerMeasurement:
    """Make a measurement from INFO's sections memory, replication and persistence."""
    limit = int(info.get("maxmemory", "0"))
    # With another policy, memory is always full, and writes evict keys.
    is_strict = limit > 0 and info.get("maxmemory_policy") == "noeviction"
    return ServerMeasurement(
        memory=int(info.get("used_memory", "0")) / limit if is_strict else None,
        behind=_behind(info),
        is_saving=any(info.get(name) == "1" for name in ("rdb_bgsave_in_progress", "aof_rewrite_in_progress")),
    )


def _behind(info: Mapping[str, str]) -> int:
    """Give how many bytes the slowest replica that is online has not acknowledged."""
    written = int(info.get("master_repl_offset", "0"))
    behind = 0
    for name, value in info.items():
        if name.startswith("slave") and "state=online" in value:
            parts = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
            behind = max(behind, written - int(parts.get("offset", written)))
    return behind
