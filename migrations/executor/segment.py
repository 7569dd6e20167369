"""Run plans: passes under a lease, then the ledger; so "applied" means that every record was met and none failed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis_models.client.commands import Batches

from ..planner.plan import Plan
from ..state.entries import Journal, State
from ..state.lease import Lease
from ..state.quarantine import Intake, Quarantine
from ..state.store import Shelf
from .pass_runner import Runner
from .preflight import refuse_collisions
from .progress import Policy, Progress
from .recorder import entry_of, events_of

__all__ = ["Result", "held_by", "run_plan", "sum_of"]


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        changed: Records rewritten, by model.
        seconds: How long it took.
        rewriting_s: How much of that was spent on walks that changed records; the rest proves that none is left.
        moved: Records that got other keys.
        quarantined: Records that are in quarantine, from this run or an earlier one.
        newly: How many of these this run put there; all, where it went on with one that stopped.
    """

    changed: dict[str, int]
    seconds: float
    rewriting_s: float = 0.0
    moved: int = 0
    quarantined: int = 0
    newly: int = 0


def sum_of(results: Sequence[Result]) -> Result:
    """Give what several runs came to, one after the other."""
    changed = Counter[str]()
    for one in results:
        changed.update(one.changed)
    seconds = round(sum(one.seconds for one in results), 3)
    moved = sum(one.moved for one in results)
    rewriting_s = round(sum(one.rewriting_s for one in results), 3)
    quarantined = results[-1].quarantined if results else 0
    newly = min(quarantined, sum(one.newly for one in results))
    return Result(dict(changed), seconds, rewriting_s, moved, quarantined, newly)


def run_plan(
    lease: Lease,
    shelf: Shelf,
    plan: Plan,
    *,
    policy: Policy,
    report: Callable[[Progress], None],
) -> Batches[Result]:
    """Bring the database to the target of a plan.

    Args:
        lease: Held by this process.
        shelf: Bookkeeping of the app.
        plan: Made under the lease.
        policy: How fast it goes, and what stops it.
        report: Called after every batch.

    Raises:
        IncompleteError: It stopped half-way, or the server forgot some of it; every record is consistent, and the same
            plan resumes.
        LockedError: Another runner has taken over.
        UnsafeError: Keys of records would collide; nothing was written.
        ConflictError: An index of records that are to move is no sorted set; likewise.
    """
    began = lease.clock()
    state = yield from shelf.read()
    journal, held = _journal(plan, state), held_by(shelf, state, plan)
    intake = Intake(Quarantine(shelf.namespace, shelf.app), policy.most_errors)
    yield from intake.begin()
    runner = Runner(lease, shelf, journal, policy, intake, report)
    if plan.moves:
        yield from refuse_collisions(lease.kept, plan.moves, intake)
    yield from runner.testify("")  # that the legs before this one are still recorded
    changed = Counter[str]()
    for work in plan.works:
        changed[work.route.model] += (yield from runner.run_pass(work)).changed
    moved = 0
    for move in plan.moves:
        moved += (yield from runner.run_move(move)).changed
    seconds = round(lease.clock() - began, 3)
    recorded = plan.applied if plan.is_recorded else ()
    records = sum(changed.values())
    applied = [entry_of(link, seconds, records) for link in recorded]
    unapplied = [link.id for link in plan.unapplied]
    events = events_of(plan, seconds, records, lease.epoch)
    yield from runner.patiently(
        lambda: shelf.finish(lease.key, lease.epoch, applied, unapplied, plan.snapshot, events, runner.witnesses, held)
    )
    newly = intake.size if plan.is_resumed else min(intake.added, intake.size)
    return Result(dict(changed), seconds, round(runner.rewriting_s, 3), moved, intake.size, newly)


def held_by(shelf: Shelf, state: State, plan: Plan) -> int:
    """Count the migrations that the ledger has, and must still have when a plan is done.

    Raises:
        IncompleteError: It has none any more, though the plan begins behind some.
    """
    if plan.is_recorded and plan.start and not state.ledger:
        raise shelf.forgotten()
    return len(state.ledger)


def _journal(plan: Plan, state: State) -> Journal:
    """Go on with the journal of a run to the same target; else begin one that remembers how far records may be."""
    old = state.journal
    # To the same target records are led no further up than before, but one that is to meet all begins further down.
    if old is not None and (old.target, old.depth) == (plan.target, plan.depth):
        return old
    return Journal(plan.target, plan.reach, plan.depth, plan.fingerprint, said=plan.said)
