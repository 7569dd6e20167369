"""A crew: processes that rewrite records by Python beside the run, which deals out their keys.

One Python process uses one processor. So each member reads, computes and writes by itself, under the fence of the run's
lease; keys go out and counts come back, records do not travel. A member finds the project by the name of its settings
module, so that any executor of ``concurrent.futures`` serves, also one whose members are on other machines.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType
from typing import Any, Final, Self, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips, Sleep
from redis_models.client.drivers import run
from redis_models.errors import DriftError, IncompleteError

from ..chain.chain import Chain
from ..chain.lineage import routes_of
from ..chain.upgrade_path import UpgradePath
from ..keyspace.batch_size import AdaptiveBatchSize
from ..keyspace.results import Fence, Outcome, PendingResult
from ..planner.loosened_constraints import route_looking_back
from ..rewriter.compare_and_set import rewrite_here
from .latency_probe import Timed
from .throttle import ThrottleState

__all__ = ["WorkerPool", "WorkerTask", "new_pool", "processors"]

_LOOK_S: Final = 0.004  # between two looks at whether a share is done; one takes tens, and another waits behind it


@dataclass(frozen=True)
class WorkerTask:
    """Some records for a member to bring to a version.

    Attributes:
        settings: Dotted name of the project's settings module.
        app: Label of their app.
        checksums: Of the app's migration files, which must be the member's as well.
        start: What their keys begin with; tells the route.
        leaves_newer: As in ``UpgradePath``.
        looks_back_to: Position to which records are taken back; None where nobody looks at them.
        fence: Of the run's lease.
        target: Version to reach.
        keys: The records.
        at_once: How many of them a script takes.
        is_free: Whether the pace is.
    """

    settings: str
    app: str
    checksums: tuple[str, ...]
    start: str
    leaves_newer: bool
    looks_back_to: int | None
    fence: Fence
    target: int
    keys: Sequence[bytes]
    at_once: int
    is_free: bool


@dataclass(frozen=True)
class WorkerResult:
    """What a member did.

    Attributes:
        outcome: What came of the records.
        took_s: How long that took it, in seconds.
        batches_ms: How long each of its batches took.
    """

    outcome: Outcome
    took_s: float
    batches_ms: tuple[float, ...]


class WorkerPool:
    """Deals shares out to an executor, which it makes when there is the first, and ends with the ``with`` block.

    Args:
        size: How many members there are, beside the run.
        settings: Dotted name of the project's settings module.
        chains: The project's migrations, by the label of the app.
        least: How many records a pass must have for them to be worth their start.
        make: Makes the executor, of its size.
        note: Is told how long batches of members took, in milliseconds.
    """

    def __init__(
        self,
        size: int,
        settings: str,
        chains: Mapping[str, Chain],
        least: int,
        make: Callable[[int], Executor],
        note: Callable[[Sequence[float]], None],
    ) -> None:
        self.size, self.least = size, least
        self._settings, self._chains, self._make, self._note = settings, chains, make, note
        self._executor: Executor | None = None
        self._pending = set[Future[WorkerResult]]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._executor is not None:
            for future in self._pending:
                future.cancel()
            # What a member does meanwhile is whole; its lease is over soon, and then it changes nothing.
            self._executor.shutdown(wait=kind is None)

    def recalled(self, meanwhile: Callable[[], RoundTrips[None]]) -> RoundTrips[None]:
        """Take back what no member has begun, and wait for the rest; ``meanwhile`` as for ``deal``.

        What is left of a walk that broke off would have the run's own fence, and could undo what its next leg does.
        """
        for future in self._pending:
            future.cancel()
        while not all(future.done() for future in self._pending):
            yield Sleep(_LOOK_S)
            yield from meanwhile()
        self._pending.clear()

    def knows(self, app: str, start: str, route: UpgradePath) -> bool:
        """Whether a member finds the same route in the project's files; it has none for a plan without files."""
        known = routes_of(self._chains[app]).get(start)
        return known is not None and (known.versions, known.model) == (route.versions, route.model)

    def deal(
        self,
        app: str,
        start: str,
        route: UpgradePath,
        fence: Fence,
        target: int,
        keys: Sequence[bytes],
        pace: ThrottleState,
        stride: AdaptiveBatchSize,
        meanwhile: Callable[[], RoundTrips[None]],
    ) -> PendingResult:
        """Give some records to a member, at once.

        Args:
            app, start, route, fence, target, keys, pace: What a task has of them.
            stride: Is told how long that took.
            meanwhile: Done again and again while it is waited for.

        Raises:
            IncompleteError: A member ended since the last task was given.
        """
        if self._executor is None:
            self._executor = self._make(self.size)
        task = WorkerTask(
            self._settings,
            app,
            _checksums(self._chains[app]),
            start,
            route.leaves_newer,
            None if route.earlier is None else route.earlier.position,
            fence,
            target,
            tuple(keys),
            pace.batch_size,
            pace.is_free,
        )
        try:
            future = self._executor.submit(rewrite_task, task)
        except BrokenExecutor as exc:
            raise _ended(exc) from exc
        self._pending.add(future)
        return PendingResult(self._awaited(future, len(keys), stride, meanwhile), future.done)

    def _awaited(
        self,
        future: Future[WorkerResult],
        count: int,
        stride: AdaptiveBatchSize,
        meanwhile: Callable[[], RoundTrips[None]],
    ) -> RoundTrips[Outcome]:
        while not future.done():
            yield Sleep(_LOOK_S)
            yield from meanwhile()
        self._pending.discard(future)
        try:
            done = future.result()
        except (BrokenExecutor, CancelledError) as exc:
            raise _ended(exc) from exc
        self._note(done.batches_ms)
        stride.note(count, done.took_s)
        return done.outcome


def _ended(exc: BaseException) -> IncompleteError:
    return IncompleteError(
        f"a process that rewrites records ended ({exc or type(exc).__name__}); every record is consistent. Run"
        " 'migrate' again to go on, with --workers 1 if it happens again"
    )


def rewrite_task(task: WorkerTask) -> WorkerResult:
    """Bring the records of a task to its version. Runs in a member.

    Raises:
        DriftError: This member has other migration files than the run.
    """
    driver, chains = _project(task.settings)
    chain = chains.get(task.app)
    if chain is None or _checksums(chain) != task.checksums:
        raise DriftError(
            f"{task.app}: a process that rewrites records has other migration files than the run; every record is"
            " consistent. Deploy the same files wherever the executor of the settings leads, and run 'migrate' again"
        )
    route = _route(task.settings, task.app, task.start, task.leaves_newer, task.looks_back_to)
    timed, began = Timed(driver), time.monotonic()
    rewriting = rewrite_here(task.fence, route, task.target, task.keys, task.at_once, is_free=task.is_free)
    outcome = run(driver if task.is_free else timed, rewriting)
    return WorkerResult(outcome, time.monotonic() - began, tuple(timed.taken_ms))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def new_pool(size: int) -> Executor:
    """Make processes of this machine. They end with this one, also where it is killed, and leave Ctrl-C to it."""
    return ProcessPoolExecutor(size, _Context(), _begin)


class _Member(SpawnProcess):
    """A process that does not import the script that is run, which may begin a run where it stands."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return cast(Any, SpawnProcess)._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    """How members are started. Forked, they would have the locks of this process's threads, for ever."""

    Process = _Member


def _checksums(chain: Chain) -> tuple[str, ...]:
    return tuple(link.whole_checksum for link in chain.migrations)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="redis_models parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def _project(settings: str) -> tuple[SyncClient, Mapping[str, Chain]]:
    """Load a project in a member, once."""
    from redis_models.project.apps import load_apps
    from redis_models.project.settings import load_settings
    from redis_models.store import Store

    from ..files.project_chains import load_chains

    loaded = load_settings(settings, named_by="the run")
    chains = load_chains(load_apps(loaded))
    return Store.from_url(loaded.redis_url, name=loaded.namespace).sync_client, {chain.app: chain for chain in chains}


@cache
def _route(settings: str, app: str, start: str, leaves_newer: bool, looks_back_to: int | None) -> UpgradePath:
    """Make a route in a member, once: what its steps are made of, validators above all, is made with it."""
    _, chains = _project(settings)
    return replace(route_looking_back(chains[app], start, looks_back_to), leaves_newer=leaves_newer)
