"""Runs with workers. Each worker is an actor, which may be slow, die, or outlive its run."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from typing import Any

from redis_models.client.commands import RoundTrips
from redis_models.errors import IncompleteError, RedisModelsError
from redis_models.migrations.chain.lineage import upgrade_paths_of
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.worker_pool import WorkerPool, WorkerResult, WorkerTask
from redis_models.migrations.rewriter.compare_and_set import rewrite_here

from .runners import RunnerProcess
from .shop import KINDS

_ENDED = "a worker process ended"


class Pool(Executor):
    """An executor whose members are actors: what is submitted waits until one of them is let go."""

    def __init__(self) -> None:
        self.waiting = deque[tuple[WorkerTask, Future[WorkerResult]]]()
        self.is_broken = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let a task wait for a member."""
        if self.is_broken:
            raise BrokenExecutor("a member was killed")
        future = Future[Any]()
        self.waiting.append((args[0], future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; members go on with what they have."""
        self.waiting.clear()

    def next_task(self) -> "tuple[WorkerTask, Future[WorkerResult]] | None":
        """Give the next task that is still wanted."""
        while self.waiting:
            task, future = self.waiting.popleft()
            if future.set_running_or_notify_cancel():
                return task, future
        return None

    def breaks(self) -> None:
        """Be broken, as a pool is one of whose processes is killed."""
        self.is_broken = True
        for _, future in self.waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(BrokenExecutor("a member was killed"))
        self.waiting.clear()


class PoolRunner(RunnerProcess):
    """A process that runs ``migrate --workers``."""

    pool: Pool | None = None
    _worker_pool: WorkerPool | None = None

    def migrates(self, most_errors: int = 0) -> RoundTrips[int]:
        self.pool = Pool()
        with WorkerPool(2, "shop", {"shop": self._chain}, 0, self._made, lambda _: None) as self._worker_pool:
            return (yield from super().migrates(most_errors))

    def policy(self, most_errors: int) -> Policy:
        return replace(super().policy(most_errors), worker_pool=self._worker_pool)

    def has_reason(self, exc: RedisModelsError) -> bool:
        has_ended = isinstance(exc, IncompleteError) and _ENDED in str(exc)
        return (has_ended and self.pool is not None and self.pool.is_broken) or super().has_reason(exc)

    def _made(self, size: int) -> Executor:
        assert self.pool is not None
        return self.pool


class Member(RunnerProcess):
    """A worker process."""

    _future: Future[WorkerResult] | None = None
    _pool: Pool | None = None

    def takes(self, pool: Pool | None) -> bool:
        """Take the next task, if there is one."""
        found = None if pool is None else pool.next_task()
        if found is None:
            return False
        task, self._future = found
        self._pool = pool
        self.epoch = int(task.fence.epoch)
        kind = next(kind for kind in KINDS if task.start == f"{kind.table}:")
        self.versions = {kind.name: task.target}
        upgrade_path = replace(upgrade_paths_of(self._chain)[task.start], leaves_newer=task.leaves_newer)
        self._doing = rewrite_here(
            task.fence, upgrade_path, task.target, task.keys, task.at_once, is_unthrottled=task.is_unthrottled
        )
        return True

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        return "rewrite some records"

    def dies(self) -> None:
        super().dies()
        if self._future is not None:
            self._future.set_exception(BrokenExecutor("a member was killed"))
            self._future = None
        if self._pool is not None:
            self._pool.breaks()

    def _ended(self, result: Any) -> str:
        self._stop()
        future, self._future = self._future, None
        assert future is not None
        future.set_result(WorkerResult(result, 0.0, ()))
        return "done"

    def _failed(self, exc: RedisModelsError) -> str:
        self._stop()
        future, self._future = self._future, None
        assert future is not None
        future.set_exception(exc)  # the run judges whether there is a reason
        return type(exc).__name__
