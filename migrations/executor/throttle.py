"""Throttle: how fast a run goes, from what a probe measured at the server. Pure.

The batch size grows by a little and shrinks by half, as TCP does in congestion (RFC 5681). The worst of these decides:
other clients wait too long, memory runs out, replicas fall behind, the server saves, it does not answer, or a user
paused the run.

High latency alone does not show that the migration causes it. A server does one thing at a time. So a run that sends
one script after the other makes other clients wait for one script at most; where scripts are short, the cause is
another client.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = [
    "ServerMeasurement",
    "ThrottleLimits",
    "ThrottleState",
    "added_latency",
    "fixed_throttle",
    "next_throttle",
    "own_latency",
]

_SMALLEST: Final = 5  # records a script; fewer would not make the others' wait shorter
_MOST_REST: Final = 9.0  # a tenth of the time is left for the run
_SAVING_REST: Final = 1.0
_FULL: Final = 0.95  # of maxmemory; undo fields need some
_FAR_BEHIND: Final = 32 * 1024 * 1024  # bytes; a replica that loses its backlog copies everything again
_OUTLIERS: Final = 25  # one of so many probes may be late for reasons of its own
# Of the allowed latency; scripts that take less are not its cause. Where others keep the server busy for nine tenths
# of the time, each millisecond more makes those behind wait for ten.
_OWN_PART: Final = 0.1


@dataclass(frozen=True)
class ThrottleLimits:
    """The limits of a run.

    Attributes:
        max_latency_ms: Maximum latency added for other clients; 0 for no limit.
        batch_size: Most records a script takes.
        patience_s: How long to wait for a server that is full, busy, behind or gone.
    """

    max_latency_ms: float
    batch_size: int
    patience_s: float

    @property
    def is_unthrottled(self) -> bool:
        """Whether there is no limit of latency."""
        return self.max_latency_ms == 0


@dataclass(frozen=True)
class ServerMeasurement:
    """What a probe measured.

    Attributes:
        added_ms: How much longer an answer takes than before the run; None until that is known.
        own_ms: How long the server is busy with one batch of the run; None where that is not known.
        memory: Used share of ``maxmemory``, where a full one refuses writes; None without.
        behind: Bytes that the slowest replica has not got yet.
        is_saving: Whether the server writes its data to disk.
        trouble: Why a probe failed, or "".
        paused: Who paused the run, and when, or "".
    """

    added_ms: float | None = None
    own_ms: float | None = None
    memory: float | None = None
    behind: int = 0
    is_saving: bool = False
    trouble: str = ""
    paused: str = ""


@dataclass(frozen=True)
class ThrottleState:
    """How fast a run goes now.

    Attributes:
        batch_size: Records a script takes.
        rest: Seconds to sleep for each second of work.
        hold: Why the run must wait, or "".
        is_paused: Whether a user paused the run; it waits for that without a limit.
        reason: Why it is not faster although it does not wait, or "".
        is_unthrottled: Whether the run has no limit of latency, so that scripts may be sent before earlier ones are
            answered.
    """

    batch_size: int
    rest: float = 0.0
    hold: str = ""
    is_paused: bool = False
    reason: str = ""
    is_unthrottled: bool = False

    def __str__(self) -> str:
        if self.hold:
            return f"waits: {self.hold}"
        resting = f", rests {self.rest / (1 + self.rest):.0%} of the time" if self.rest else ""
        return f"{self.batch_size} records a script{resting}" + (f": {self.reason}" if self.reason else "")


def fixed_throttle(batch_size: int) -> Callable[[], ThrottleState]:
    """Give the throttle of a run without a probe: always the same."""
    throttle = ThrottleState(batch_size)
    return lambda: throttle


def next_throttle(throttle: ThrottleState, seen: ServerMeasurement, limits: ThrottleLimits) -> ThrottleState:
    """Give the throttle after a measurement."""
    hold = seen.paused or _obstacle(seen)
    if hold:
        # The reason stays: it says why the run is not at full speed yet after the hold.
        return replace(throttle, hold=hold, is_paused=bool(seen.paused))
    if _makes_wait(seen, limits.max_latency_ms):
        reason = f"others wait {seen.added_ms:.1f} ms longer, and {limits.max_latency_ms:g} ms are allowed"
        size = max(min(_SMALLEST, limits.batch_size), min(throttle.batch_size, limits.batch_size) // 2)
        return ThrottleState(size, min(_MOST_REST, max(0.25, throttle.rest * 2)), reason=reason)
    size = min(limits.batch_size, throttle.batch_size + max(1, throttle.batch_size // 5))
    rest = max(0.0, throttle.rest * 0.75 - 0.05)
    if seen.is_saving:
        return ThrottleState(size, max(rest, _SAVING_REST), reason="the server is writing its data to disk")
    return ThrottleState(
        size,
        rest,
        reason=throttle.reason if rest or size < limits.batch_size else "",
        is_unthrottled=limits.is_unthrottled,
    )


def added_latency(waits_ms: Sequence[float], usual_ms: float) -> float:
    """Say how much longer than usual others wait, from some probes: the worst of them, less one in 25."""
    worst = sorted(waits_ms)[-1 - len(waits_ms) // _OUTLIERS]
    return max(0.0, worst - usual_ms)


def own_latency(batches_ms: Sequence[float], waits_ms: Sequence[float]) -> float | None:
    """Say how long the server is busy with a batch: how much longer it takes than a probe; None if there was none.

    Both are taken at their best quarter, because both wait for others, and on a busy machine for a processor.
    """
    if not batches_ms or not waits_ms:
        return None
    return max(0.0, _quarter(batches_ms) - _quarter(waits_ms))


def _quarter(ms: Sequence[float]) -> float:
    return sorted(ms)[len(ms) // 4]


def _makes_wait(seen: ServerMeasurement, most_ms: float) -> bool:
    is_late = most_ms > 0 and seen.added_ms is not None and seen.added_ms > most_ms
    return is_late and (seen.own_ms is None or seen.own_ms > most_ms * _OWN_PART)


def _obstacle(seen: ServerMeasurement) -> str:
    if seen.trouble:
        return f"the server does not answer a probe ({seen.trouble})"
    if seen.memory is not None and seen.memory > _FULL:
        return f"its memory is full, {seen.memory:.0%} of maxmemory. Raise maxmemory or free some"
    if seen.behind > _FAR_BEHIND:
        return f"a replica is {seen.behind // 1024**2} MiB behind"
    return ""
