"""Hands: who rewrites the records of a pass, and how many of them at a time. The server, this process, or a crew."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from redis_models.client.commands import RoundTrips

from ..keyspace.batch_size import AdaptiveBatchSize
from ..keyspace.results import Fence, Outcome, PendingResult
from ..keyspace.scan import index_size
from ..planner.passes import RewritePass
from ..rewriter.compare_and_set import rewrite_here
from ..rewriter.program import compile_program
from ..rewriter.server_side import begin_in_server, rewrite_in_server
from ..state.lease import Lease
from .throttle import ThrottleState
from .worker_pool import WorkerPool

__all__ = ["InFlightBatch", "RewriteStrategy", "local_strategy", "pool_if_worthwhile", "pool_strategy"]

_SCRIPTS_A_SHARE: Final = 4  # of a member of a crew
_EACH: Final = 2  # shares that a member has; while it does one, the next is there already
_LONGEST: Final = 40  # scripts of a share by Python, at whose end the server waits for it to compute what is next
# That the server is given in one piece, where others may wait as long as they have to: three milliseconds. To send one
# and to ask who else is there costs a tenth of what it takes.
_FREE_SCRIPTS: Final = 3
_AHEAD: Final = 5000  # keys
_BETWEEN: Final = 2000  # keys; such a SCAN takes the server about as long as one script, and others wait for it

# Takes keys, and the pace.
Rewriter = Callable[[Sequence[bytes], ThrottleState], RoundTrips[Outcome]]


@dataclass(frozen=True)
class RewriteStrategy:
    """Who rewrites the records of a pass.

    Attributes:
        rewrite: Brings some of them to the target.
        is_first: Whether most records are expected to be behind the target; else the server looks first which are.
        size: How many records make a share, which is rewritten at a time.
        page: How many keys to read ahead at least, where the pace is free or a crew waits for them.
        deal: Has a share begun by somebody else, a crew or the server; None where nobody does.
        dealt: How many shares may be begun at a time.
        takes_freedom: Whether that, and reading ahead, needs a pace that is free.
    """

    rewrite: Rewriter
    is_first: bool = True
    size: Callable[[ThrottleState], int] = attrgetter("batch_size")
    page: int = 1
    deal: Callable[[Sequence[bytes], ThrottleState], RoundTrips[PendingResult]] | None = None
    dealt: int = 0
    takes_freedom: bool = False


def local_strategy(
    work: RewritePass, fence: Fence, is_first: bool, clock: Callable[[], float] = time.monotonic
) -> RewriteStrategy:
    """Let the server do it where it can, else this process.

    Args:
        work: What is to be done.
        fence: Of the run's lease.
        is_first: Whether most records are expected to be behind the target.
        clock: Of the lease; gives seconds, of any origin.
    """
    route, target = work.route, work.target
    if not work.is_in_server:
        return _own_python(work, fence, is_first, clock)
    program = compile_program(route, target)

    def rewrite(keys: Sequence[bytes], pace: ThrottleState) -> RoundTrips[Outcome]:
        return (yield from rewrite_in_server(fence, program, target, keys, pace.batch_size))

    def begin(keys: Sequence[bytes], pace: ThrottleState) -> RoundTrips[PendingResult]:
        return (yield from begin_in_server(fence, program, target, keys, pace.batch_size))

    def size(pace: ThrottleState) -> int:
        return pace.batch_size * (_FREE_SCRIPTS if pace.is_free else 1)

    # One that the server is at, and one that lies there already.
    return RewriteStrategy(rewrite, is_first, size, page=_BETWEEN, deal=begin, dealt=2, takes_freedom=True)


def _own_python(work: RewritePass, fence: Fence, is_first: bool, clock: Callable[[], float]) -> RewriteStrategy:
    stride = AdaptiveBatchSize()

    def size(pace: ThrottleState) -> int:
        return stride.of(pace.batch_size * (_LONGEST if pace.is_free else 1))

    return RewriteStrategy(_by_python(work, fence, stride, clock), is_first, size, page=_AHEAD, takes_freedom=True)


def pool_strategy(
    crew: WorkerPool, app: str, work: RewritePass, lease: Lease, fence: Fence, is_first: bool
) -> RewriteStrategy:
    """Do it with a crew; arguments as for ``local_strategy``, the label of the app, and the lease to keep meanwhile."""
    stride = AdaptiveBatchSize()

    def size(pace: ThrottleState) -> int:
        return stride.of(pace.batch_size * _SCRIPTS_A_SHARE)

    def deal(keys: Sequence[bytes], pace: ThrottleState) -> RoundTrips[PendingResult]:
        yield from ()  # it is no batch that begins it
        place = (app, work.keys.start, work.route)
        return crew.deal(*place, fence, work.target, keys, pace, stride, lease.kept)

    rewrite = _by_python(work, fence, stride, lease.clock)
    return RewriteStrategy(rewrite, is_first, size, page=_AHEAD, deal=deal, dealt=_EACH * crew.size)


def pool_if_worthwhile(crew: WorkerPool | None, app: str, work: RewritePass) -> RoundTrips[WorkerPool | None]:
    """Give the crew if it is of use for some work: Python does it, and there are records enough."""
    if crew is None or work.is_in_server or not crew.knows(app, work.keys.start, work.route):
        return None
    return crew if (yield from index_size(work.keys)) >= crew.least else None


def _by_python(work: RewritePass, fence: Fence, stride: AdaptiveBatchSize, clock: Callable[[], float]) -> Rewriter:
    def rewrite(keys: Sequence[bytes], pace: ThrottleState) -> RoundTrips[Outcome]:
        began = clock()
        outcome = yield from rewrite_here(fence, work.route, work.target, keys, pace.batch_size, is_free=pace.is_free)
        stride.note(len(keys), clock() - began)
        return outcome

    return rewrite


@dataclass
class InFlightBatch:
    """Records that are being rewritten.

    Attributes:
        count: How many.
        began: When they were begun, by the clock of the lease, in seconds.
        pace: At what pace, for people.
        doing: Gives what came of them.
        is_done: Whether that would not wait any more.
        following: The cursor of the next page, where all the records before it are in this share or were in another;
            else None.
    """

    count: int
    began: float
    pace: str
    doing: RoundTrips[Outcome]
    is_done: Callable[[], bool]
    following: str | None = None
