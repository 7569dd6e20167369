"""Progress of a pass, and the policy by which a run goes on where it could stop."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from redis_models.client.drivers import Driver

from .throttle import ThrottleState
from .worker_pool import WorkerPool

__all__ = ["Policy", "Progress"]


@dataclass(frozen=True)
class Progress:
    """The progress of a pass.

    Attributes:
        model: Name of the model.
        seen: Records visited in this scan.
        changed: Records rewritten in this pass.
        total: How many the index has, as an estimate.
        pace: The throttle, and its reason; "" while nothing slows the run down.
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
        throttle: Gives the throttle of the moment.
        patience_s: How long to wait for a server that cannot do it now; 0 to stop at once.
        most_errors: How many records may go to quarantine before the run stops; 0 to stop at the first.
        watch: Takes the driver of the run, and gives the one to use instead.
        worker_pool: Worker processes that help where Python rewrites; None to use this process only.
        unasked: Prefixes of keys with no record to change when the run was planned. So no consent was asked for, and
            none of these records is changed.
    """

    throttle: Callable[[], ThrottleState]
    patience_s: float = 0.0
    most_errors: int = 0
    watch: Callable[[Driver], Driver] = lambda driver: driver
    worker_pool: WorkerPool | None = None
    unasked: Collection[str] = ()
