"""A pass: visit every record of one model and bring it to a version, batch by batch; resumable at any point.

SCAN reads the keyspace, so that records which are missing from the index are found, too. The journal stores the cursor
after the records of a batch are written, never before. A cursor is used only on the run of the server that gave it.
After a restart of the server the scan begins again, which is cheap: records at the target version are skipped.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from redis_models.client.commands import RoundTrips
from redis_models.errors import IncompleteError

from ..keyspace.results import Fence, Outcome, PendingResult
from ..keyspace.scan import index_size
from ..keyspace.server_facts import has_field_lives, server_run_id
from ..planner.passes import RenameKeysPass, RewritePass
from ..state.entries import Journal
from ..state.lease import Lease
from ..state.quarantine import QuarantinePolicy
from ..state.store import StateStore
from .key_pages import Page, Pages
from .progress import Policy, Progress
from .strategies import (
    RefuseOutdatedStrategy,
    RenameKeysStrategy,
    RewriteStrategy,
    WorkerPoolStrategy,
    local_strategy,
    pool_if_worthwhile,
)
from .throttle import ThrottleState
from .waiting import TEMPORARY, Waiter

__all__ = ["PassRunner"]

_CHECKPOINT_S: Final = 2.0
_MARKER: Final = "witness"  # how the fields of the journal that are markers begin; stored
_MOST_SCANS: Final = 10  # of one pass; the last one finds nothing to do

# Takes whether most records are expected to be below the target version.
StrategyFactory = Callable[[bool], RewriteStrategy]


@dataclass
class InFlightBatch:
    """A batch that was started.

    Attributes:
        count: Number of its records.
        began: When it was started, by the clock of the lease, in seconds.
        throttle: At what throttle, for people; "" without one.
        pending: Its result.
        following: The cursor of the next page, where all records before that cursor are in this batch or were in
            another; else None.
    """

    count: int
    began: float
    throttle: str
    pending: PendingResult
    following: str | None = None


@dataclass
class PassRunner:
    """Runs passes under a lease.

    Args:
        lease: Held by this process.
        store: Bookkeeping of the app.
        journal: Where the run is; changes as it goes.
        policy: How fast it goes, and what stops it.
        quarantine: What happens to records that cannot be rewritten.
        report: Called after every batch.

    Attributes:
        markers: What the journal must still contain when the run is recorded. If a marker is there, everything that
            was written before it is there, too. Each pass has the marker of its last scan, which changed nothing.
        rewriting_s: Seconds that were spent on scans that changed records.
        waiter: Waits for the throttle and for the server.
    """

    lease: Lease
    store: StateStore
    journal: Journal
    policy: Policy
    quarantine: QuarantinePolicy
    report: Callable[[Progress], None]
    markers: dict[str, str] = field(default_factory=dict[str, str])
    rewriting_s: float = 0.0
    waiter: Waiter = field(init=False)
    _saved_at: float = field(init=False)
    _model: str = ""
    _total: int = 0

    def __post_init__(self) -> None:
        self._saved_at = self.lease.clock()
        self.waiter = Waiter(
            self.lease, self.policy, lambda: self.journal.model or self.store.app, self._report, self._note_hold
        )

    def run_pass(self, rewrite_pass: RewritePass) -> RoundTrips[Outcome]:
        """Bring every record of a model that has one prefix of keys to a version.

        Raises:
            IncompleteError: A record cannot be rewritten, or other clients write all the time; every record is
                consistent.
            LockedError: Another runner holds the lease now.
            ServerError: The server cannot do it now.
            UnsafeError: A record needs a consent that was not asked for; it is unchanged.
        """
        self._model = rewrite_pass.path.model
        return (yield from self._repeat_until_stable(rewrite_pass, (yield from self._strategies_of(rewrite_pass))))

    def run_rename(self, rename_pass: RenameKeysPass) -> RoundTrips[Outcome]:
        """Give every record that has one prefix of keys its new key.

        Raises:
            As ``run_pass``.
        """
        self._model = rename_pass.path.model
        strategy: RewriteStrategy
        if rename_pass.keys.start in self.policy.unasked:
            strategy = RefuseOutdatedStrategy(rename_pass)
        else:
            fence = Fence(self.lease.key, self.lease.epoch, None, rename_pass.keys)
            strategy = RenameKeysStrategy(rename_pass, fence, self.quarantine)
        return (yield from self._repeat_until_stable(rename_pass, lambda _: strategy))

    def _strategies_of(self, rewrite_pass: RewritePass) -> RoundTrips[StrategyFactory]:
        if rewrite_pass.keys.start in self.policy.unasked:
            return lambda _: RefuseOutdatedStrategy(rewrite_pass)
        retry, lease, app = self.waiter.retry_until_available, self.lease, self.store.app
        fence = Fence(lease.key, lease.epoch, (yield from retry(has_field_lives)), rewrite_pass.keys)
        pool = yield from retry(lambda: pool_if_worthwhile(self.policy.worker_pool, app, rewrite_pass))
        if pool is None:
            return lambda expected: local_strategy(rewrite_pass, fence, expects_outdated=expected, clock=lease.clock)
        return lambda expected: WorkerPoolStrategy(pool, app, rewrite_pass, lease, fence, expects_outdated=expected)

    def write_marker(self, label: str) -> RoundTrips[None]:
        """Save the journal with a marker that proves that earlier writes survived; raises as ``run_pass``."""
        marker = {f"{_MARKER} {label}": secrets.token_hex(8)}
        yield from self.store.save_journal(self.lease.key, self.lease.epoch, self.journal, marker)
        self.markers.update(marker)

    def _repeat_until_stable(
        self, record_pass: RewritePass | RenameKeysPass, strategy_for: StrategyFactory
    ) -> RoundTrips[Outcome]:
        """Scan until a complete scan on one run of the server finds nothing to do.

        Old code may have written records behind the cursor of an earlier scan, and after a restart of the server a
        cursor skips some. A scan that the server interrupts is continued, or begun again on another run of the server.
        """
        done, scan, scans = Outcome(), Outcome(), 0
        done.changed = self.journal.changed if self.journal.model == record_pass.label else 0
        while scans < _MOST_SCANS:
            try:
                if self.policy.worker_pool is not None:
                    yield from self.policy.worker_pool.cancel_pending(self.lease.renewed_if_due)
                run_id = yield from server_run_id()
                cursor, seen = self._resumed(record_pass.label, run_id)
                strategy = strategy_for(cursor == "0" and done.changed == 0)
                if cursor == "0":
                    yield from self.write_marker(record_pass.label)
                began = self.lease.clock()
                scan = yield from self._scan(record_pass, strategy, run_id, cursor, seen, done.changed)
                if scan.changed:
                    self.rewriting_s += self.lease.clock() - began
                is_whole = cursor == "0" and run_id == (yield from server_run_id())
                scans += 1
                done.add(scan)
                if is_whole and scan.changed == 0 and scan.contested == 0:
                    failing = {failure.key for failure in scan.failures}
                    yield from self.quarantine.release(self.lease, record_pass.keys, failing)
                    return done
            except IncompleteError:
                with suppress(*TEMPORARY):  # what stopped the run matters more than the count of the run that resumes
                    yield from self._save(self.journal, force=True)
                raise
            except TEMPORARY as exc:
                yield from self.waiter.wait_for_server(exc)
                done.changed = self.journal.changed if self.journal.model == record_pass.label else done.changed
        raise IncompleteError(_unstable_message(record_pass.label, scan))

    def _scan(
        self,
        record_pass: RewritePass | RenameKeysPass,
        strategy: RewriteStrategy,
        run_id: str,
        cursor: str,
        seen: int,
        changed_before: int,
    ) -> RoundTrips[Outcome]:
        self._total = yield from index_size(record_pass.keys)
        self.journal = replace(
            self.journal, model=record_pass.label, cursor=cursor, run_id=run_id, seen=seen, changed=changed_before
        )
        scan, in_flight = Outcome(), deque[InFlightBatch]()
        pages, page, place = Pages(record_pass, strategy, cursor), Page((), 0, cursor), 0
        while True:
            yield from self.lease.renewed_if_due()
            is_over = place >= len(page.keys) and pages.is_over
            is_full = len(in_flight) >= strategy.max_in_flight
            if in_flight and (is_over or is_full or in_flight[0].pending.is_done()):
                yield from self._settle(record_pass, in_flight.popleft(), scan)
                continue
            if is_over:
                return scan
            throttle, now = (yield from self.waiter.wait_for_throttle()), self.lease.clock()
            if place >= len(page.keys):
                page, place = (yield from pages.next(throttle)), 0
                yield from self._open(page, throttle, now, scan, in_flight)
                continue
            keys = page.keys[place : place + strategy.batch_size(throttle)]
            place += len(keys)
            following = page.following if place >= len(page.keys) else None
            pending = yield from strategy.start(keys, throttle)
            batch = InFlightBatch(len(keys), now, _shown(throttle), pending, following)
            yield from pages.ask(throttle)
            if not pending.is_done():
                in_flight.append(batch)
                continue
            if in_flight and following is not None:  # batches in flight are of this page, too, or of one before
                in_flight[-1].following, batch.following = following, None
            yield from self._settle(record_pass, batch, scan)

    def _open(
        self, page: Page, throttle: ThrottleState, began: float, scan: Outcome, in_flight: Sequence[InFlightBatch]
    ) -> RoundTrips[None]:
        """Count the records of a page that the server found to be done already; it was asked for at ``began``."""
        scan.skipped += page.passed
        self.journal = replace(self.journal, seen=self.journal.seen + page.passed, pace=_shown(throttle))
        if page.passed:
            self._report(_shown(throttle))
            yield from self.waiter.sleep_after(began)
        if not page.keys and in_flight:
            in_flight[-1].following = page.following
        elif not page.keys:
            yield from self._advance_cursor(page.following)

    def _settle(
        self, record_pass: RewritePass | RenameKeysPass, batch: InFlightBatch, scan: Outcome
    ) -> RoundTrips[None]:
        """Wait for the result of a batch, count it, and sleep as the throttle demands."""
        outcome = yield from batch.pending.wait()
        scan.add(outcome)
        if outcome.changed:  # what was done before a server failed is visited again, and does not count as progress
            self.waiter.note_progress()
        # The cursor is still that of the page. What was changed is known even if the next script fails.
        seen, changed = self.journal.seen + batch.count, self.journal.changed + outcome.changed
        self.journal = replace(self.journal, seen=seen, changed=changed, pace=batch.throttle)
        self._report(batch.throttle)
        if outcome.failures:
            yield from self.quarantine.take(self.lease, record_pass, outcome.failures, changed)
        if outcome.refusal is not None:
            raise outcome.refusal
        yield from self.waiter.sleep_after(batch.began)
        if batch.following is not None:
            yield from self._advance_cursor(batch.following)

    def _advance_cursor(self, following: str) -> RoundTrips[None]:
        """Note that all records before a cursor are done."""
        self.waiter.note_progress()
        yield from self._save(replace(self.journal, cursor=following), force=following == "0")

    def _note_hold(self, throttle: ThrottleState) -> RoundTrips[None]:
        return self._save(replace(self.journal, pace=str(throttle)), force=False)

    def _report(self, throttle: str) -> None:
        seen, changed = self.journal.seen, self.journal.changed
        self.report(Progress(self._model or self.store.app, seen, changed, max(self._total, seen), throttle))

    def _resumed(self, model: str, run_id: str) -> tuple[str, int]:
        if not self.journal.checkpoint.is_at(model, run_id):
            return "0", 0
        return self.journal.cursor, self.journal.seen if self.journal.cursor != "0" else 0

    def _save(self, journal: Journal, *, force: bool) -> RoundTrips[None]:
        self.journal = journal
        now = self.lease.clock()
        if force or now - self._saved_at >= _CHECKPOINT_S:
            stamped = replace(journal, updated_at=datetime.now(UTC).isoformat(timespec="seconds"))
            yield from self.store.save_journal(self.lease.key, self.lease.epoch, stamped)
            self._saved_at = now


def _shown(throttle: ThrottleState) -> str:
    """Give the throttle for people; "" where nothing slows the run down."""
    return str(throttle) if throttle.reason else ""


def _unstable_message(label: str, last: Outcome) -> str:
    if last.contested:
        records = "1 record" if last.contested == 1 else f"{last.contested} records"
        return (
            f"{label}: other clients change {records} faster than the migration can. Run 'migrate' again when there"
            " are fewer writes"
        )
    if last.changed:
        records = "1 record" if last.changed == 1 else f"{last.changed} records"
        return (
            f"{label}: old code is still writing ({records} in the last of {_MOST_SCANS} scans). Stop it, then run"
            " 'migrate' again"
        )
    return f"{label}: the server was restarted during each of {_MOST_SCANS} scans. Run 'migrate' again when it stays up"
