"""A segment of a run: passes under a lease, or the call of one function, then the ledger.

"Applied" means that every record was visited and none failed. Before a function is called, the journal
gets a note. A run that finds one knows that the function was called and may have run partly; ``planner/segments`` says
whether it may go on.
"""

import inspect
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis_models.client.client import SyncClient
from redis_models.client.commands import RoundTrips
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, LockedError

from ..chain.loaded_migration import LoadedMigration
from ..operations.run import Function, Run, RunContext, function_name
from ..planner.plan import Plan
from ..state.entries import Journal, State
from ..state.lease import Lease, renew_in_thread
from ..state.quarantine import Quarantine, QuarantinePolicy
from ..state.store import StateStore
from .pass_runner import PassRunner
from .preflight import refuse_collisions
from .progress import Policy, Progress
from .recorder import entry_of, events_of, now

__all__ = ["Result", "call_step", "ledger_size", "run_plan", "sum_of"]


@dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
        changed: Records rewritten, by model.
        seconds: How long it took.
        rewriting_s: How much of that was spent on scans that changed records; the other scans prove that none is left.
        moved: Records that got other keys.
        quarantined: Records in quarantine, from this run or an earlier one.
        newly: How many of these this run put there; all, where it resumed a stopped run.
    """

    changed: dict[str, int]
    seconds: float
    rewriting_s: float = 0.0
    moved: int = 0
    quarantined: int = 0
    newly: int = 0


def sum_of(results: Sequence[Result]) -> Result:
    """Give the sum of several results."""
    changed = Counter[str]()
    for result in results:
        changed.update(result.changed)
    seconds = round(sum(result.seconds for result in results), 3)
    moved = sum(result.moved for result in results)
    rewriting_s = round(sum(result.rewriting_s for result in results), 3)
    quarantined = results[-1].quarantined if results else 0
    newly = min(quarantined, sum(result.newly for result in results))
    return Result(dict(changed), seconds, rewriting_s, moved, quarantined, newly)


def run_plan(
    lease: Lease,
    store: StateStore,
    plan: Plan,
    *,
    policy: Policy,
    report: Callable[[Progress], None],
) -> RoundTrips[Result]:
    """Bring the database to the target of a plan.

    Args:
        lease: Held by this process.
        store: Bookkeeping of the app.
        plan: Made under the lease.
        policy: How fast it goes, and what stops it.
        report: Called after every batch.

    Raises:
        IncompleteError: It stopped, or the server lost some of it; every record is consistent, and the same
            plan resumes.
        LockedError: Another runner holds the lease now.
        UnsafeError: Keys of records would collide; nothing was written.
        ConflictError: The key of an index holds another type than a sorted set; nothing was written.
    """
    began = lease.clock()
    state = yield from store.read()
    journal, size_before = _journal(plan, state), ledger_size(store, state, plan)
    quarantine = QuarantinePolicy(Quarantine(store.namespace, store.app), policy.most_errors)
    yield from quarantine.begin()
    runner = PassRunner(lease, store, journal, policy, quarantine, report)
    if plan.moves:
        yield from refuse_collisions(lease.renewed_if_due, plan.moves, quarantine)
    yield from runner.write_marker("")  # that the segments before this one are still recorded
    changed = Counter[str]()
    for rewrite_pass in plan.passes:
        changed[rewrite_pass.path.model] += (yield from runner.run_pass(rewrite_pass)).changed
    moved = 0
    for rename_pass in plan.moves:
        moved += (yield from runner.run_rename(rename_pass)).changed
    seconds = round(lease.clock() - began, 3)
    recorded = plan.applied if plan.is_recorded else ()
    records = sum(changed.values())
    applied = [entry_of(migration, seconds, records) for migration in recorded]
    unapplied = [migration.id for migration in plan.unapplied]
    events = events_of(plan, seconds, records, lease.epoch)
    yield from runner.waiter.retry_until_available(
        lambda: store.finish(
            lease.key, lease.epoch, applied, unapplied, plan.snapshot, events, runner.markers, size_before
        )
    )
    newly = quarantine.size if plan.is_resumed else min(quarantine.added, quarantine.size)
    return Result(dict(changed), seconds, round(runner.rewriting_s, 3), moved, quarantine.size, newly)


def ledger_size(store: StateStore, state: State, plan: Plan) -> int:
    """Count the migrations that the ledger has, and must still have when a plan is done.

    Raises:
        IncompleteError: It has none now, though the plan begins after some.
    """
    if plan.is_recorded and plan.start and not state.ledger:
        raise store.forgotten()
    return len(state.ledger)


def _journal(plan: Plan, state: State) -> Journal:
    """Go on with the journal of a run to the same target; else begin one that remembers how far records may be."""
    old = state.journal
    # To the same target records are led no further up than before, but one that is to meet all begins further down.
    if old is not None and (old.target, old.depth) == (plan.target, plan.depth):
        return old
    return Journal(plan.target, plan.reach, plan.depth, plan.fingerprint, said=plan.said)


def call_step(
    client: SyncClient,
    lease: Lease,
    store: StateStore,
    segment: Plan,
    step: Run,
    report: Callable[[Progress], None],
) -> Result:
    """Call the function of a free step once, and record it.

    If the process dies between the note and the ledger, the next run finds the note.

    Args:
        client: Where the database is.
        lease: Held by this process.
        store: Bookkeeping of the app.
        segment: The one of the step.
        step: What is called; its ``back`` where the segment takes it back.
        report: Called as often as the function reports.

    Raises:
        IncompleteError: The function raised something; it quotes that.
        LockedError: Another runner holds the lease now; nothing is recorded.
    """
    began = time.monotonic()
    [migration] = (*segment.applied, *segment.unapplied)
    function = step.function if segment.applied else step.back
    assert function is not None, "a segment that cannot be taken back was begun"
    size_before = ledger_size(store, run(client, store.read()), segment)
    note = Journal(
        segment.target,
        segment.reach,
        segment.depth,
        segment.fingerprint,
        step=migration.id,
        began_at=now(),
        updated_at=now(),
        said=segment.said,
    )
    run(client, store.save_journal(lease.key, lease.epoch, note))
    with _naming_function(store.app, migration, function):
        with renew_in_thread(lease):
            _call(client, segment, migration, step, function, report)
        seconds = round(time.monotonic() - began, 3)
        applied = [entry_of(migration, seconds, 0) for migration in segment.applied]
        unapplied = [migration.id for migration in segment.unapplied]
        events = events_of(segment, seconds, 0, lease.epoch)
        run(
            client,
            store.finish(lease.key, lease.epoch, applied, unapplied, segment.snapshot, events, ledger_size=size_before),
        )
    return Result({}, seconds, quarantined=run(client, Quarantine(store.namespace, store.app).size()))


@contextmanager
def _naming_function(app: str, migration: LoadedMigration, function: Function) -> Generator[None]:
    try:
        yield
    except LockedError as exc:
        raise LockedError(
            f"{app}: another runner took the lease over while {function_name(function)} of {migration.name} ran;"
            " nothing is recorded of it. Look at what it did before you run 'migrate' again"
        ) from exc


def _call(
    client: SyncClient,
    segment: Plan,
    migration: LoadedMigration,
    step: Run,
    function: Function,
    report: Callable[[Progress], None],
) -> None:
    def report_function(done: int, total: int) -> None:
        report(Progress(migration.name, done, 0, max(done, total)))

    with client.new_plain() as redis:
        try:
            result = function(RunContext(redis, segment.snapshot, report_function))
            if inspect.isawaitable(result):
                _drop(result)
                raise TypeError("it returned an awaitable, which is not awaited; call asyncio.run in it")
        # The function is the user's and may raise anything, and even leave the process.
        except (Exception, SystemExit) as exc:
            raise IncompleteError(_failed(segment.app, migration, step, function, exc)) from exc


def _drop(awaitable: object) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()  # or Python complains about it on stderr


def _failed(app: str, migration: LoadedMigration, step: Run, function: Function, exc: BaseException) -> str:
    quoted = f"{type(exc).__name__}: {' '.join(str(exc).split())}".rstrip(": ")
    cure = (
        "Correct the function or the data, and run 'migrate' again, which calls it again"
        if step.may_run_twice
        else "It may have run partly, and may not run twice: look at what it did; 'migrate' says how to go on"
    )
    return f"{app}: {function_name(function)} of {migration.name} raised {quoted}; it is not recorded. {cure}"
