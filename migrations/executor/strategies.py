"""Rewrite strategies: who rewrites a batch of a pass (the server, this process, a worker pool), and how large it is."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from redis_models.client.commands import RoundTrips
from redis_models.encoding.raw_text import text_of

from ..keyspace.batch_size import AdaptiveBatchSize
from ..keyspace.results import Fence, Outcome, PendingResult
from ..keyspace.scan import index_size
from ..planner.passes import RenameKeysPass, RewritePass
from ..rewriter.compare_and_set import rewrite_here
from ..rewriter.outdated_records import refuse_outdated
from ..rewriter.program import compile_program
from ..rewriter.rename_keys import move_records
from ..rewriter.server_side import start_in_server
from ..state.lease import Lease
from ..state.quarantine import QuarantinePolicy
from .throttle import ThrottleState
from .worker_pool import WorkerPool, WorkerResult

__all__ = [
    "LocalStrategy",
    "RefuseOutdatedStrategy",
    "RenameKeysStrategy",
    "RewriteStrategy",
    "ServerStrategy",
    "WorkerPoolStrategy",
    "local_strategy",
    "pool_if_worthwhile",
]

_SCRIPTS_A_TASK: Final = 4  # of a worker
# Scripts of a batch that this process rewrites without a throttle. After each batch the server waits until Python has
# computed the next.
_LOCAL_SCRIPTS: Final = 40
# Scripts that the server gets at once without a throttle: three milliseconds of work. To send one script and to ask for
# the throttle costs a tenth of what the script takes.
_SERVER_SCRIPTS: Final = 3
_SERVER_IN_FLIGHT: Final = 3  # one that the server executes, one that waits there, and one that is being sent
_AHEAD: Final = 5000  # keys
_BETWEEN: Final = 2000  # keys; the server needs about as long for such a SCAN as for one script, and others wait for it


class RewriteStrategy(ABC):
    """Rewrites the batches of one pass.

    Args:
        expects_outdated: Whether most records are expected to be below the target version. Else the server first looks
            for the records that are.

    Attributes:
        needs_unthrottled: Whether this strategy reads ahead only in a run without a throttle.
        page_size: Least number of keys to read at a time when it reads ahead.
        max_in_flight: Most batches that may be started and not settled.
    """

    needs_unthrottled: bool = False
    page_size: int = 1
    max_in_flight: int = 1

    def __init__(self, *, expects_outdated: bool = True) -> None:
        self.expects_outdated = expects_outdated

    def batch_size(self, throttle: ThrottleState) -> int:
        """Give the number of records for the next batch."""
        return throttle.batch_size

    @abstractmethod
    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Start to rewrite a batch; the result may be there at once.

        Raises:
            LockedError: Another runner holds the lease now.
            IncompleteError: A worker process ended.
            ServerError: The server cannot do it now.
        """


class ServerStrategy(RewriteStrategy):
    """Lets the server rewrite records with a Lua script that was written for this migration.

    Without a throttle, scripts are sent before the earlier ones are answered.
    """

    needs_unthrottled = True
    page_size = _BETWEEN
    max_in_flight = _SERVER_IN_FLIGHT

    def __init__(self, rewrite_pass: RewritePass, fence: Fence, *, expects_outdated: bool) -> None:
        super().__init__(expects_outdated=expects_outdated)
        self._fence, self._target = fence, rewrite_pass.target
        self._program = compile_program(rewrite_pass.path, rewrite_pass.target)

    def batch_size(self, throttle: ThrottleState) -> int:
        """Give the number of records for the next batch: those of several scripts without a throttle."""
        return throttle.batch_size * (_SERVER_SCRIPTS if throttle.is_unthrottled else 1)

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Send the scripts; wait for them only if the run has a throttle."""
        pending = yield from start_in_server(self._fence, self._program, self._target, keys, throttle.batch_size)
        if throttle.is_unthrottled and not throttle.rest:
            return pending
        return PendingResult.completed((yield from pending.wait()))


class LocalStrategy(RewriteStrategy):
    """Rewrites records with Python in this process, under compare-and-set; each batch is done at once."""

    needs_unthrottled = True
    page_size = _AHEAD

    def __init__(
        self,
        rewrite_pass: RewritePass,
        fence: Fence,
        *,
        expects_outdated: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(expects_outdated=expects_outdated)
        self._pass, self._fence, self._clock = rewrite_pass, fence, clock
        self._size = AdaptiveBatchSize()

    def batch_size(self, throttle: ThrottleState) -> int:
        """Give the number of records for the next batch, by how long the latest ones took."""
        return self._size.of(throttle.batch_size * (_LOCAL_SCRIPTS if throttle.is_unthrottled else 1))

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Rewrite the batch."""
        began, rewrite_pass = self._clock(), self._pass
        is_unthrottled = throttle.is_unthrottled
        outcome = yield from rewrite_here(
            self._fence,
            rewrite_pass.path,
            rewrite_pass.target,
            keys,
            throttle.batch_size,
            is_unthrottled=is_unthrottled,
        )
        self._size.note(len(keys), self._clock() - began)
        return PendingResult.completed(outcome)


class WorkerPoolStrategy(LocalStrategy):
    """Rewrites records with Python in worker processes, and in this process while each of them has enough to do."""

    needs_unthrottled = False

    def __init__(
        self,
        pool: WorkerPool,
        app: str,
        rewrite_pass: RewritePass,
        lease: Lease,
        fence: Fence,
        *,
        expects_outdated: bool,
    ) -> None:
        super().__init__(rewrite_pass, fence, expects_outdated=expects_outdated, clock=lease.clock)
        self._pool, self._app, self._lease = pool, app, lease
        self.max_in_flight = pool.max_pending + 1

    def batch_size(self, throttle: ThrottleState) -> int:
        """Give the number of records for the next batch, by how long the latest ones took."""
        return self._size.of(throttle.batch_size * _SCRIPTS_A_TASK)

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Submit the batch to a worker; rewrite it here if all have enough to do, or if the run must rest after it."""
        if throttle.rest or self._pool.is_full:
            return (yield from super().start(keys, throttle))
        future = self._pool.submit(self._app, self._pass, self._fence, keys, throttle)
        return PendingResult(future.done, self._result_of(future, len(keys)))

    def _result_of(self, future: Future[WorkerResult], count: int) -> RoundTrips[Outcome]:
        result = yield from self._pool.wait(future, self._lease.renewed_if_due)
        self._size.note(count, result.took_s)
        return result.outcome


class RenameKeysStrategy(RewriteStrategy):
    """Gives records their new keys; each batch is done at once."""

    def __init__(self, rename_pass: RenameKeysPass, fence: Fence, quarantine: QuarantinePolicy) -> None:
        super().__init__()
        self._pass, self._fence, self._quarantine = rename_pass, fence, quarantine

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Rename the keys, except of quarantined records: the pass before could not bring these to their version."""
        failures = self._quarantine.among(keys)
        quarantined = {failure.key for failure in failures}
        movable = [key for key in keys if text_of(key) not in quarantined]
        outcome = yield from move_records(self._fence, self._pass, movable)
        outcome.failures += failures
        return PendingResult.completed(outcome)


class RefuseOutdatedStrategy(RewriteStrategy):
    """Changes nothing: the plan had no record to change here, so that no consent was asked for."""

    def __init__(self, record_pass: RewritePass | RenameKeysPass) -> None:
        super().__init__()
        self._pass = record_pass

    def start(self, keys: Sequence[bytes], throttle: ThrottleState) -> RoundTrips[PendingResult]:
        """Look at the batch.

        Raises:
            UnsafeError: A record would have to be changed.
        """
        return PendingResult.completed((yield from refuse_outdated(self._pass, keys)))


def local_strategy(
    rewrite_pass: RewritePass, fence: Fence, *, expects_outdated: bool, clock: Callable[[], float] = time.monotonic
) -> RewriteStrategy:
    """Give the strategy without workers: in the server where it is able to, else in this process.

    Args:
        rewrite_pass: What is to be done.
        fence: Of the run's lease.
        expects_outdated: As in ``RewriteStrategy``.
        clock: Of the lease; gives seconds, of any origin.
    """
    if rewrite_pass.is_in_server:
        return ServerStrategy(rewrite_pass, fence, expects_outdated=expects_outdated)
    return LocalStrategy(rewrite_pass, fence, expects_outdated=expects_outdated, clock=clock)


def pool_if_worthwhile(pool: WorkerPool | None, app: str, rewrite_pass: RewritePass) -> RoundTrips[WorkerPool | None]:
    """Give the worker pool if it is useful for a pass: Python rewrites, and there are enough records."""
    if pool is None or rewrite_pass.is_in_server or not pool.has_path(app, rewrite_pass):
        return None
    return pool if (yield from index_size(rewrite_pass.keys)) >= pool.min_records else None
