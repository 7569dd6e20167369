"""Execute a run: all its segments under one lease, each recorded before the next starts.

A process that dies between two segments has finished the first; the next run has a shorter plan.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import LockedError

from ..planner.plan import Plan
from ..planner.segments import RunPlan, step_of
from ..state.entries import State
from ..state.lease import Lease
from ..state.store import StateStore
from .preflight import OF_THE_END, commands_of, refuse_missing_rights
from .progress import Policy, Progress
from .segment import Result, call_step, run_plan

__all__ = ["execute_run"]


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
    if fresh.works or fresh.moves:
        commands = commands_of((work.route for work in fresh.works), fresh.moves)
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
