"""Call free steps: a note before the call, a lease that is kept meanwhile, and the ledger afterwards.

The note is in the journal. A run that finds one knows that the function was called and may have run partly;
``segments`` says whether it may go on.
"""

import inspect
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from redis_models.client.client import SyncClient
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, LockedError

from ..chain.link import Link
from ..operations.run import Function, Run, RunContext, function_name
from ..planner.plan import Plan
from ..state.entries import Journal
from ..state.lease import Lease, kept_alive
from ..state.quarantine import Quarantine
from ..state.store import Shelf
from .progress import Progress
from .recorder import entry_of, events_of, now
from .segment import Result, held_by

__all__ = ["call_step"]


def call_step(
    client: SyncClient,
    lease: Lease,
    shelf: Shelf,
    leg: Plan,
    step: Run,
    report: Callable[[Progress], None],
) -> Result:
    """Call the function of a free step once, and record it.

    If the process dies between the note and the ledger, the next run finds the note.

    Args:
        client: Where the database is.
        lease: Held by this process.
        shelf: Bookkeeping of the app.
        leg: The step's.
        step: What is called; its ``back`` where the leg takes it back.
        report: Called as often as the function reports.

    Raises:
        IncompleteError: The function raised something; it quotes that.
        LockedError: Another runner has taken over; nothing is recorded.
    """
    began = time.monotonic()
    [link] = (*leg.applied, *leg.unapplied)
    function = step.function if leg.applied else step.back
    assert function is not None, "a leg that cannot be taken back was begun"
    held = held_by(shelf, run(client, shelf.read()), leg)
    note = Journal(
        leg.target, leg.reach, leg.depth, leg.fingerprint, step=link.id, began_at=now(), updated_at=now(), said=leg.said
    )
    run(client, shelf.checkpoint(lease.key, lease.epoch, note))
    with _telling(shelf.app, link, function):
        with kept_alive(lease):
            _call(client, leg, link, step, function, report)
        seconds = round(time.monotonic() - began, 3)
        applied = [entry_of(one, seconds, 0) for one in leg.applied]
        unapplied = [one.id for one in leg.unapplied]
        events = events_of(leg, seconds, 0, lease.epoch)
        run(client, shelf.finish(lease.key, lease.epoch, applied, unapplied, leg.snapshot, events, held=held))
    return Result({}, seconds, quarantined=run(client, Quarantine(shelf.namespace, shelf.app).size()))


@contextmanager
def _telling(app: str, link: Link, function: Function) -> Generator[None]:
    try:
        yield
    except LockedError as exc:
        raise LockedError(
            f"{app}: another runner took the lease over while {function_name(function)} of {link.name} ran; nothing is"
            " recorded of it. Look at what it did before you run 'migrate' again"
        ) from exc


def _call(
    client: SyncClient, leg: Plan, link: Link, step: Run, function: Function, report: Callable[[Progress], None]
) -> None:
    def tell(done: int, total: int) -> None:
        report(Progress(link.name, done, 0, max(done, total)))

    with client.new_plain() as redis:
        try:
            result = function(RunContext(redis, leg.snapshot, tell))
            if inspect.isawaitable(result):
                _drop(result)
                raise TypeError("it gave something to await, which nothing does; call asyncio.run in it")
        # The function is the user's and may raise anything, and even leave the process.
        except (Exception, SystemExit) as exc:
            raise IncompleteError(_failed(leg.app, link, step, function, exc)) from exc


def _drop(awaitable: object) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()  # or Python complains about it on stderr


def _failed(app: str, link: Link, step: Run, function: Function, exc: BaseException) -> str:
    quoted = f"{type(exc).__name__}: {' '.join(str(exc).split())}".rstrip(": ")
    cure = (
        "Mend the function or what it met, and run 'migrate' again, which calls it again"
        if step.may_run_twice
        else "It may have run partly, and may not run twice: look at what it did; 'migrate' says how to go on"
    )
    return f"{app}: {function_name(function)} of {link.name} raised {quoted}; it is not recorded. {cure}"
