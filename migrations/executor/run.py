"""Make journeys: all legs of a run under one lease, each recorded before the next is begun.

A process that dies between two legs has finished the first; the next run makes a shorter journey.
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
    shelf: StateStore,
    journey: RunPlan,
    again: Callable[[State], RunPlan],
    *,
    policy: Policy,
    report: Callable[[Progress], None],
    run_again: bool = False,
    consents: Sequence[str] = (),
) -> Iterator[tuple[Plan, Result]]:
    """Bring the database to the target of a journey, leg by leg.

    Args:
        client: Where the database is.
        lease: Held by this process.
        shelf: Bookkeeping of the app.
        journey: Made before the lease was taken.
        again: Makes the journey again of the database as it is now; it must come out the same.
        policy: How fast it goes, and what stops it.
        report: Called after every batch.
        consents: Safety rules that somebody consented to, for the history.
        run_again: Consent to call a function that was begun, did not end, and may not run twice.

    Yields:
        Each leg, when it is recorded, and what it came to. Nothing, if there is nothing to do any more.

    Raises:
        IncompleteError: It stopped half-way; every record is consistent, and the same command resumes, or the text says
            what to do first.
        LockedError: Another runner was here since the journey was made, or has taken over.
        ServerRefusedError: This user may not call a command that a script needs; nothing was written.
        UnsafeError: A leg cannot be taken back.
    """
    fresh = again(run(client, shelf.read()))
    if fresh.is_empty:
        return
    if fresh.identity != journey.identity:
        raise LockedError("another runner changed the database since this plan was made; look at it and run again")
    for objection in fresh.objections(run_again=run_again):
        raise objection
    if fresh.works or fresh.moves:
        commands = commands_of((work.route for work in fresh.works), fresh.moves)
        run(client, refuse_missing_rights(lease, shelf.namespace, (*commands, *OF_THE_END)))
    for leg in fresh.legs:
        leg = replace(leg, consents=tuple(consents))
        yield leg, _run_leg(client, lease, shelf, leg, policy, report)


def _run_leg(
    client: SyncClient,
    lease: Lease,
    shelf: StateStore,
    leg: Plan,
    policy: Policy,
    report: Callable[[Progress], None],
) -> Result:
    step = step_of(leg)
    if step is not None:
        return call_step(client, lease, shelf, leg, step, report)
    return run(policy.watch(client), run_plan(lease, shelf, leg, policy=policy, report=report))
