"""Waiting: for a throttle that allows the next batch, for a server that is able to do it, and after each batch.

While a run waits, it renews its lease, and reads the throttle again and again: so a pause is noticed at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from redis_models.client.commands import RoundTrips, Sleep
from redis_models.errors import (
    ServerBusyError,
    ServerDiskError,
    ServerError,
    ServerOutOfMemoryError,
    ServerReadOnlyError,
    ServerUnreachableError,
)

from ..state.lease import Lease
from .progress import Policy
from .throttle import ThrottleState

__all__ = ["TEMPORARY", "Waiter"]

Result = TypeVar("Result")

_POLL_S: Final = 0.1  # between two looks at whether a run that waits may go on
# After a failover, a client may reach the old primary for a while, which answers as a replica.
TEMPORARY: Final = (
    ServerUnreachableError,
    ServerOutOfMemoryError,
    ServerDiskError,
    ServerBusyError,
    ServerReadOnlyError,
)


@dataclass
class Waiter:
    """Waits under a lease. Used by one run.

    Args:
        lease: Held by this process.
        policy: Gives the throttle, and how long to wait.
        label: Names what waits, for messages.
        report: Called with the text of what it waits for.
        on_hold: Called each time the throttle still allows nothing.
    """

    lease: Lease
    policy: Policy
    label: Callable[[], str]
    report: Callable[[str], None]
    on_hold: Callable[[ThrottleState], RoundTrips[None]]
    _slept_at: float = field(init=False)
    _stuck_since: float | None = None

    def __post_init__(self) -> None:
        self._slept_at = self.lease.clock()

    def note_progress(self) -> None:
        """Note that something was done: from here on, the run is as patient as at its start."""
        self._stuck_since = None

    def retry_until_available(self, operation: Callable[[], RoundTrips[Result]]) -> RoundTrips[Result]:
        """Do something that may be repeated, as soon as the server is able to do it.

        Raises:
            ServerError: The server was not able to do it in time.
            LockedError: Another runner holds the lease now.
        """
        while True:
            try:
                return (yield from operation())
            except TEMPORARY as exc:
                yield from self.wait_for_server(exc)

    def wait_for_throttle(self) -> RoundTrips[ThrottleState]:
        """Wait until the throttle allows the next batch; give the throttle.

        Raises:
            ServerBusyError: It did not allow one in time; the text has the reason only.
        """
        reported = ""
        while True:
            throttle = self.policy.throttle()
            if not throttle.hold:
                return throttle
            if throttle.is_paused:
                self._stuck_since = None
            elif self._is_out_of_patience():
                raise ServerBusyError(throttle.hold)
            if str(throttle) != reported:
                reported = str(throttle)
                self.report(reported)
            yield from self.on_hold(throttle)
            yield Sleep(_POLL_S)
            yield from self.lease.renewed_if_due()
            self._slept_at = self.lease.clock()

    def sleep_after(self, began: float) -> RoundTrips[None]:
        """Sleep after a batch as long as the throttle demands.

        Args:
            began: When the batch was started. Time before the last sleep ended does not count again: else the sleep
                after a batch that was in flight then would be as long as all before it together.
        """
        now, left = self.lease.clock(), 1.0
        worked_s = now - max(began, self._slept_at)
        while left > 0:
            throttle = self.policy.throttle()
            left = throttle.rest * worked_s - (self.lease.clock() - now)
            if throttle.hold or left <= 0:
                break
            yield Sleep(min(left, _POLL_S))
            yield from self.lease.renewed_if_due()
            left -= _POLL_S  # the last piece ends it, whatever the clock says then
        self._slept_at = self.lease.clock()

    def wait_for_server(self, exc: ServerError) -> RoundTrips[None]:
        """Wait until the server answers again.

        Raises:
            ServerError: It did not in time; of the class of ``exc``, or of the latest answer.
        """
        while not self._is_out_of_patience():
            self.report(f"waits: {exc}")
            yield Sleep(_POLL_S * 10)
            try:
                return (yield from self.lease.renewed())
            except TEMPORARY as latest:
                exc = latest
        raise type(exc)(_timeout_message(self.label(), self.policy.patience_s, str(exc))) from exc

    def _is_out_of_patience(self) -> bool:
        """Whether nothing could be done for as long as the policy waits; the clock starts with the first question."""
        now = self.lease.clock()
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since >= self.policy.patience_s


def _timeout_message(label: str, patience_s: float, reason: str) -> str:
    if patience_s:
        begin = f"{label}: timed out after {patience_s:g} s (--patience): {reason}"
    else:
        begin = f"{label}: stopped: {reason}"
    return f"{begin}. Every record is consistent; run 'migrate' again to go on"
