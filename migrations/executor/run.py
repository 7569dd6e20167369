"""Runs: the plans of all apps under one lease, with one latency probe and one worker pool.

Each segment of a plan is recorded before the next starts. A process that dies between two segments has finished the
first; the next run has a shorter plan.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import LockedError
from redis_models.project.apps import App
from redis_models.project.settings import Settings

from ..chain.chain import Chain
from ..planner.plan import Plan
from ..planner.safety_check import Finding
from ..planner.segments import RunPlan, step_of
from ..state.control import clear_control
from ..state.entries import State
from ..state.lease import Lease, hold_lease
from ..state.store import StateStore
from .latency_probe import Probe
from .preflight import OF_THE_END, commands_of, refuse_missing_rights
from .progress import Policy, Progress
from .segment import Result, call_step, run_plan
from .throttle import ThrottleLimits
from .worker_pool import WorkerPool, new_pool, processors

__all__ = ["AppTask", "RunOptions", "Runner", "execute_run", "open_runner"]

_WORTH_WORKERS: Final = 200_000  # records; fewer are rewritten before processes of their own have started


@dataclass(frozen=True)
class AppTask:
    """What is to be done to the database of one app.

    Attributes:
        app: The app.
        store: Its bookkeeping.
        run_plan: What its files, or its code, and the database come to.
        replan: Makes the plan again, for the database as it is by then.
        followed_chain: The migrations that the run follows: the files, or what ``--auto`` makes.
        has_unmade_changes: Whether the code is ahead of the files.
        findings: What safety rules say of these.
        unasked: As ``Policy`` has it.
    """

    app: App
    store: StateStore
    run_plan: RunPlan
    replan: Callable[[State], RunPlan]
    followed_chain: Chain
    has_unmade_changes: bool = False
    findings: Sequence[Finding] = ()
    unasked: frozenset[str] = frozenset()

    @property
    def consents(self) -> list[str]:
        """Codes of the safety rules that refuse it, and that a user consented to if it runs all the same."""
        return sorted({finding.rule.code for finding in self.findings if finding.is_refused})


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        wait_s: Seconds to wait for another runner.
        limits: What the throttle must keep to.
        most_errors: Records that may go to quarantine before the run stops; 0 to stop at the first.
        run_again: Consent to call a function again that was begun and may not run twice.
        workers: Processes that rewrite records by Python, the run itself included; None for as many as there are
            processors, where that is worth their start.
    """

    wait_s: float
    limits: ThrottleLimits
    most_errors: int
    run_again: bool
    workers: int | None = None


@dataclass(frozen=True)
class Runner:
    """Runs the tasks of a project, one after the other, while it holds the lease. Made by ``open_runner``.

    Attributes:
        client: Where the database is.
        lease: Held by this process.
        chains: The migrations of every app by its files, which workers load, too.
        policy: How fast it goes, and what stops it.
        run_again: As in ``RunOptions``.
    """

    client: SyncClient
    lease: Lease
    chains: Mapping[str, Chain]
    policy: Policy
    run_again: bool

    def run(self, task: AppTask, report: Callable[[Progress], None]) -> Iterator[tuple[Plan, Result]]:
        """Bring the database of an app to the target of its plan.

        Args:
            task: What to do.
            report: Called after every batch.

        Yields:
            As ``execute_run``.

        Raises:
            MigrationError: As ``execute_run``.
        """
        policy = replace(self.policy, unasked=task.unasked)
        if task.run_plan.chain is not self.chains.get(task.app.label):
            policy = replace(policy, worker_pool=None)  # it would do what the files say, which is something else
        return execute_run(
            self.client,
            self.lease,
            task.store,
            task.run_plan,
            task.replan,
            policy=policy,
            report=report,
            run_again=self.run_again,
            consents=task.consents,
        )


@contextmanager
def open_runner(
    client: SyncClient, settings: Settings, chains: Mapping[str, Chain], options: RunOptions
) -> Generator[Runner]:
    """Hold the lease for the length of a block, with a latency probe and a worker pool.

    Args:
        client: Where the database is.
        settings: Of the project.
        chains: The migrations of every app, by label.
        options: How to run.

    Raises:
        LockedError: Another runner holds the lease, and did not release it while ``options.wait_s`` passed.
    """
    with hold_lease(client, settings.namespace, life_s=settings.lease_seconds, wait_s=options.wait_s) as lease:
        run(client, clear_control(settings.namespace))  # before the probe reads what was set for the last run
        with (
            Probe(client, settings.namespace, options.limits) as probe,
            _worker_pool(settings, chains, options.workers, probe) as pool,
        ):
            policy = Policy(probe.pace, options.limits.patience_s, options.most_errors, probe.watch, pool)
            yield Runner(client, lease, chains, policy, options.run_again)


def _worker_pool(
    settings: Settings, chains: Mapping[str, Chain], workers: int | None, probe: Probe
) -> AbstractContextManager[WorkerPool | None]:
    size = workers or processors()
    if size == 1:
        return nullcontext()
    min_records = _WORTH_WORKERS if workers is None else 0
    return WorkerPool(size - 1, settings.module, chains, min_records, settings.executor or new_pool, probe.note)


def execute_run(
    client: SyncClient,
    lease: Lease,
    store: StateStore,
    plan: RunPlan,
    replan: Callable[[State], RunPlan],
    *,
    policy: Policy,
    report: Callable[[Progress], None],
    run_again: bool = False,
    consents: Sequence[str] = (),
) -> Iterator[tuple[Plan, Result]]:
    """Bring the database to the target of a plan, segment by segment.

    Args:
        client: Where the database is.
        lease: Held by this process.
        store: Bookkeeping of the app.
        plan: Made before the lease was taken.
        replan: Makes the plan again from the database as it is now; it must come out the same.
        policy: How fast it goes, and what stops it.
        report: Called after every batch.
        consents: Safety rules that a user consented to, for the history.
        run_again: Consent to call a function that was begun, did not end, and may not run twice.

    Yields:
        Each segment, when it is recorded, and its result. Nothing, if nothing is left to do.

    Raises:
        IncompleteError: It stopped; every record is consistent, and the same command resumes it, or the text says
            what to do first.
        LockedError: Another runner changed the database since the plan was made, or holds the lease now.
        ServerRefusedError: This user may not call a command that a script needs; nothing was written.
        UnsafeError: A segment cannot be taken back.
    """
    fresh = replan(run(client, store.read()))
    if fresh.is_empty:
        return
    if fresh.identity != plan.identity:
        raise LockedError("another runner changed the database since this plan was made; look at it and run again")
    for objection in fresh.objections(run_again=run_again):
        raise objection
    if fresh.passes or fresh.moves:
        commands = commands_of((rewrite_pass.path for rewrite_pass in fresh.passes), fresh.moves)
        run(client, refuse_missing_rights(lease, store.namespace, (*commands, *OF_THE_END)))
    for segment in fresh.segments:
        segment = replace(segment, consents=tuple(consents))
        yield segment, _run_segment(client, lease, store, segment, policy, report)


def _run_segment(
    client: SyncClient,
    lease: Lease,
    store: StateStore,
    segment: Plan,
    policy: Policy,
    report: Callable[[Progress], None],
) -> Result:
    step = step_of(segment)
    if step is not None:
        return call_step(client, lease, store, segment, step, report)
    return run(policy.watch(client), run_plan(lease, store, segment, policy=policy, report=report))
