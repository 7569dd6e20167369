"""Worker pool: processes that rewrite records with Python beside the run, which submits batches of keys to them.

One Python process uses one processor. So each worker reads, computes and writes by itself, under the fence of the run's
lease: keys go out and counts come back; records do not travel. A worker finds the project by the name of its settings
module, so that any executor of ``concurrent.futures`` will do, also one with workers on other machines.
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
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType
from typing import Any, Final, Self, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips, Sleep
from redis_models.client.drivers import run
from redis_models.errors import DriftError, IncompleteError

from ..chain.chain import Chain
from ..chain.lineage import upgrade_paths_of
from ..chain.upgrade_path import UpgradePath
from ..keyspace.results import Fence, Outcome
from ..planner.loosened_constraints import checked_path_by_keys
from ..planner.passes import RewritePass
from ..rewriter.compare_and_set import rewrite_here
from .latency_probe import Timed
from .throttle import ThrottleState

__all__ = ["WorkerPool", "WorkerTask", "new_pool", "processors"]

_PACKAGE: Final = "redis-models-orm"
_POLL_S: Final = 0.004  # between two looks at whether a batch is done; it takes tens, and another waits behind it
_PENDING_EACH: Final = 2  # batches of a worker; while it rewrites one, the next waits there already


@dataclass(frozen=True)
class WorkerTask:
    """A batch for a worker.

    Attributes:
        settings: Dotted name of the project's settings module.
        app: Label of the app.
        checksums: Of the app's migration files; the worker must have the same.
        start: Prefix of the keys; tells the upgrade path.
        leaves_newer: As in ``UpgradePath``.
        looks_back_to: Position to which records are taken back; None where that is not checked.
        fence: Of the run's lease.
        target: Version to reach.
        keys: The records.
        at_once: Most records that a script takes.
        is_unthrottled: Whether the run has no throttle.
        library_version: Of the run; the worker must have the same.
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
    is_unthrottled: bool
    library_version: str = ""


@dataclass(frozen=True)
class WorkerResult:
    """What a worker did.

    Attributes:
        outcome: What happened to the records.
        took_s: How long that took, in seconds.
        batches_ms: How long each exchange with the server took.
    """

    outcome: Outcome
    took_s: float
    batches_ms: tuple[float, ...]


class WorkerPool:
    """Submits batches to an executor, which it makes for the first batch and shuts down with the ``with`` block.

    Args:
        size: Number of workers, beside the run.
        settings: Dotted name of the project's settings module.
        chains: The project's migrations, by the label of the app.
        min_records: Least number of records of a pass that is worth the start of workers.
        make: Makes the executor, of its size.
        on_batch_times: Called with the times that a worker's exchanges with the server took, in milliseconds.
    """

    def __init__(
        self,
        size: int,
        settings: str,
        chains: Mapping[str, Chain],
        min_records: int,
        make: Callable[[int], Executor],
        on_batch_times: Callable[[Sequence[float]], None],
    ) -> None:
        self.min_records, self.max_pending = min_records, _PENDING_EACH * size
        self._size, self._settings, self._chains = size, settings, chains
        self._make, self._on_batch_times = make, on_batch_times
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
            # Each batch that a worker still finishes is consistent. Once the lease ends, the worker writes nothing.
            self._executor.shutdown(wait=kind is None)

    @property
    def is_full(self) -> bool:
        """Whether each worker has enough to do for now."""
        return len(self._pending) >= self.max_pending

    def cancel_pending(self, on_idle: Callable[[], RoundTrips[None]]) -> RoundTrips[None]:
        """Cancel what no worker has begun, and wait for the rest; ``on_idle`` as for ``wait``.

        Batches of an interrupted scan have the run's own fence, and could undo what its next segment does.
        """
        for future in self._pending:
            future.cancel()
        while not all(future.done() for future in self._pending):
            yield Sleep(_POLL_S)
            yield from on_idle()
        self._pending.clear()

    def has_path(self, app: str, rewrite_pass: RewritePass) -> bool:
        """Whether a worker finds the same upgrade path in the project's files; it has none for a plan without files."""
        path = upgrade_paths_of(self._chains[app]).get(rewrite_pass.keys.start)
        return path is not None and (path.versions, path.model) == (rewrite_pass.path.versions, rewrite_pass.path.model)

    def submit(
        self, app: str, rewrite_pass: RewritePass, fence: Fence, keys: Sequence[bytes], throttle: ThrottleState
    ) -> Future[WorkerResult]:
        """Submit a batch to a worker.

        Args:
            app: Label of the app.
            rewrite_pass: The pass.
            fence: Of the run's lease.
            keys: The records.
            throttle: Of the moment.

        Raises:
            IncompleteError: A worker ended since the last batch was submitted.
        """
        if self._executor is None:
            self._executor = self._make(self._size)
        path = rewrite_pass.path
        task = WorkerTask(
            settings=self._settings,
            app=app,
            checksums=_checksums(self._chains[app]),
            start=rewrite_pass.keys.start,
            leaves_newer=path.leaves_newer,
            looks_back_to=None if path.earlier is None else path.earlier.position,
            fence=fence,
            target=rewrite_pass.target,
            keys=tuple(keys),
            at_once=throttle.batch_size,
            is_unthrottled=throttle.is_unthrottled,
            library_version=_library_version(),
        )
        try:
            future = self._executor.submit(rewrite_task, task)
        except BrokenExecutor as exc:
            raise _ended(exc) from exc
        self._pending.add(future)
        return future

    def wait(self, future: Future[WorkerResult], on_idle: Callable[[], RoundTrips[None]]) -> RoundTrips[WorkerResult]:
        """Wait for the result of a batch.

        Args:
            future: What ``submit`` gave.
            on_idle: Called again and again meanwhile.

        Raises:
            IncompleteError: A worker ended.
            DriftError: It has other migration files, or another version of the library.
            RedisModelsError: What else it raised.
        """
        while not future.done():
            yield Sleep(_POLL_S)
            yield from on_idle()
        self._pending.discard(future)
        try:
            result = future.result()
        except (BrokenExecutor, CancelledError) as exc:
            raise _ended(exc) from exc
        self._on_batch_times(result.batches_ms)
        return result


def _ended(exc: BaseException) -> IncompleteError:
    return IncompleteError(
        f"a worker process ended ({exc or type(exc).__name__}). Every record is consistent; run 'migrate' again to go"
        " on, with --workers 1 if it happens again"
    )


def rewrite_task(task: WorkerTask) -> WorkerResult:
    """Bring the records of a task to its version. Runs in a worker.

    Raises:
        DriftError: This worker has another version of the library than the run, or other migration files.
    """
    if task.library_version != _library_version():
        raise DriftError(
            f"{task.app}: a worker has {_PACKAGE} {_library_version()}, the run has"
            f" {task.library_version or 'an older one'}. Every record is consistent. Install the same version wherever"
            " the executor of the settings starts workers, and run 'migrate' again"
        )
    driver, chains = _project(task.settings)
    chain = chains.get(task.app)
    if chain is None or _checksums(chain) != task.checksums:
        raise DriftError(
            f"{task.app}: a worker has other migration files than the run. Every record is consistent. Deploy the same"
            " files wherever the executor of the settings starts workers, and run 'migrate' again"
        )
    path = _path(task.settings, task.app, task.start, task.leaves_newer, task.looks_back_to)
    timed, began = Timed(driver), time.monotonic()
    is_unthrottled = task.is_unthrottled
    rewriting = rewrite_here(task.fence, path, task.target, task.keys, task.at_once, is_unthrottled=is_unthrottled)
    outcome = run(driver if is_unthrottled else timed, rewriting)
    return WorkerResult(outcome, time.monotonic() - began, tuple(timed.taken_ms))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def new_pool(size: int) -> Executor:
    """Make workers on this machine. They end with this process, even if it is killed, and leave Ctrl-C to it."""
    return ProcessPoolExecutor(size, _Context(), _begin)


class _Worker(SpawnProcess):
    """A process that does not import the main script, which may start a run when it is imported."""

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return cast(Any, SpawnProcess)._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    """Starts workers. A forked one would inherit locks of this process's threads, which are never released there."""

    Process = _Worker


def _checksums(chain: Chain) -> tuple[str, ...]:
    return tuple(migration.whole_checksum for migration in chain.migrations)


@cache
def _library_version() -> str:
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return "of an unknown version"  # a checkout that was not installed


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
    """Load a project in a worker, once."""
    from redis_models.project.apps import load_apps
    from redis_models.project.settings import load_settings
    from redis_models.store import Store

    from ..files.project_chains import load_chains

    loaded = load_settings(settings, named_by="the run")
    chains = load_chains(load_apps(loaded))
    return Store.from_url(loaded.redis_url, name=loaded.namespace).sync_client, {chain.app: chain for chain in chains}


@cache
def _path(settings: str, app: str, start: str, leaves_newer: bool, looks_back_to: int | None) -> UpgradePath:
    """Make an upgrade path in a worker, once: it takes time to build the validators of its steps."""
    _, chains = _project(settings)
    return replace(checked_path_by_keys(chains[app], start, looks_back_to), leaves_newer=leaves_newer)
