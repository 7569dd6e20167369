"""Progress of a pass, and the policy by which a run goes on where it could stop."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from redis_models.client.drivers import Driver

from .throttle import ThrottleState
from .worker_pool import WorkerPool

__all__ = ["Policy", "Progress"]


@dataclass(frozen=True)
class Progress:
    """How far a pass is.

    Attributes:
        model: Name of the model.
        seen: Records met in this walk.
        changed: Records rewritten in this pass.
        total: How many the index has, as an estimate.
        pace: How fast it goes, and why not faster; "" while nothing holds it back.
    """

    model: str
    seen: int
    changed: int
    total: int
    pace: str = ""


@dataclass
class Policy:
    """How a run goes on where it could stop, and how fast.

    Attributes:
        pace: Gives the pace of the moment.
        patience_s: How long to wait for a server that cannot do it now; 0 to stop at once.
        most_errors: How many records may go to quarantine before the run stops; 0 to stop at the first.
        watch: Given what the run speaks to the server with, gives what it is to use instead.
        crew: Processes that help where Python does the work; None to do it alone.
        unasked: What keys begin with under which no record was to be changed when the run was planned, so that nobody
            was asked for a consent; none is changed.
    """

    pace: Callable[[], ThrottleState]
    patience_s: float = 0.0
    most_errors: int = 0
    watch: Callable[[Driver], Driver] = lambda driver: driver
    crew: WorkerPool | None = None
    unasked: Collection[str] = ()
