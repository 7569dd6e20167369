"""A pass: meet every record of one model and bring it to a version, batch by batch, resumable at any point.

The keyspace is walked with SCAN, so that records which are missing from the index are met too. Where it is, is stored
in the journal after the records of a batch are written, never before. A cursor is used only on the run of the server
that gave it; after a restart the walk begins anew, which is cheap, because records at the target are skipped. Between
two scripts the run rests as long as its pace says, and waits for a server that cannot do it now.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from redis_models.client.commands import RoundTrips, Sleep
from redis_models.errors import (
    IncompleteError,
    ServerBusyError,
    ServerDiskError,
    ServerError,
    ServerOutOfMemoryError,
    ServerReadOnlyError,
    ServerUnreachableError,
)

from ..keyspace.results import Fence, Outcome
from ..keyspace.scan import index_size
from ..keyspace.server_facts import has_field_lives, server_run_id
from ..planner.passes import RenameKeysPass, RewritePass
from ..rewriter.outdated_records import refuse_outdated
from ..rewriter.rename_keys import move_records
from ..state.entries import Journal
from ..state.lease import Lease
from ..state.quarantine import QuarantinePolicy
from ..state.store import StateStore
from .key_pages import Page, Pages
from .progress import Policy, Progress
from .strategies import InFlightBatch, RewriteStrategy, local_strategy, pool_if_worthwhile, pool_strategy
from .throttle import ThrottleState

__all__ = ["Runner"]

Result = TypeVar("Result")

_CHECKPOINT_S: Final = 2.0
_ROUNDS: Final = 10  # walks of one pass; the last finds nothing to do
_LOOK_S: Final = 0.1  # between two looks at whether a run that waits may go on
# After a failover a client may meet the old primary for a while, which answers as a replica.
_PASSING: Final = (
    ServerUnreachableError,
    ServerOutOfMemoryError,
    ServerDiskError,
    ServerBusyError,
    ServerReadOnlyError,
)


@dataclass
class Runner:
    """Runs passes under a lease.

    Args:
        lease: Held by this process.
        shelf: Bookkeeping of the app.
        journal: Where the run is; changes as it goes.
        policy: How fast it goes, and what stops it.
        intake: What becomes of records that cannot be rewritten.
        report: Called after every batch.

    Attributes:
        witnesses: What the journal must still have when the run is recorded: where it is, all that was written before
            it is. Each pass has the one of its last walk, which changed nothing.
        rewriting_s: Seconds that were spent on walks that changed records.
    """

    lease: Lease
    shelf: StateStore
    journal: Journal
    policy: Policy
    intake: QuarantinePolicy
    report: Callable[[Progress], None]
    witnesses: dict[str, str] = field(default_factory=dict[str, str])
    rewriting_s: float = 0.0
    _saved_at: float = field(init=False)
    _rested_at: float = field(init=False)
    _stuck_since: float | None = None
    _model: str = ""
    _total: int = 0

    def __post_init__(self) -> None:
        self._saved_at = self._rested_at = self.lease.clock()

    def run_pass(self, work: RewritePass) -> RoundTrips[Outcome]:
        """Bring every record of a model that lies in one place to a version.

        Raises:
            IncompleteError: A record cannot be rewritten, or others write all the time; every record is consistent.
            LockedError: The lease is somebody else's by now.
            ServerError: The server cannot do it now.
            UnsafeError: A record needs a consent that nobody was asked for; it is unchanged.
        """
        self._model = work.route.model
        if work.keys.start in self.policy.unasked:
            return (
                yield from self._repeat_until_stable(
                    work, lambda _: RewriteStrategy(lambda keys, _: refuse_outdated(work, keys))
                )
            )
        fence = Fence(self.lease.key, self.lease.epoch, (yield from self.retry_until_available(has_field_lives)))
        crew = yield from self.retry_until_available(lambda: pool_if_worthwhile(self.policy.crew, self.shelf.app, work))
        if crew is None:
            clock = self.lease.clock
            return (
                yield from self._repeat_until_stable(
                    work, lambda is_first: local_strategy(work, fence, is_first, clock)
                )
            )
        given = crew, self.shelf.app, work, self.lease, fence
        return (yield from self._repeat_until_stable(work, lambda is_first: pool_strategy(*given, is_first)))

    def run_move(self, move: RenameKeysPass) -> RoundTrips[Outcome]:
        """Give every record that lies in one place its new key.

        Raises:
            As ``run_pass``.
        """
        self._model = move.route.model
        if move.keys.start in self.policy.unasked:
            return (
                yield from self._repeat_until_stable(
                    move, lambda _: RewriteStrategy(lambda keys, _: refuse_outdated(move, keys))
                )
            )
        fence = Fence(self.lease.key, self.lease.epoch, None)
        hands = RewriteStrategy(lambda keys, _: self._move(fence, move, keys))
        return (yield from self._repeat_until_stable(move, lambda _: hands))

    def _move(self, fence: Fence, move: RenameKeysPass, keys: Sequence[bytes]) -> RoundTrips[Outcome]:
        """Move records, but for those in quarantine, which the pass before could not bring to their version."""
        held = self.intake.among(keys)
        known = {one.key for one in held}
        rest = [key for key in keys if key.decode("utf-8", "surrogateescape") not in known]
        outcome = yield from move_records(fence, move, rest)
        outcome.failures += held
        return outcome

    def write_marker(self, label: str) -> RoundTrips[None]:
        """Store the journal, with a new witness of what was written until now; raises as ``run_pass``."""
        one = {f"witness {label}": secrets.token_hex(8)}
        yield from self.shelf.checkpoint(self.lease.key, self.lease.epoch, self.journal, one)
        self.witnesses.update(one)

    def retry_until_available(self, operation: Callable[[], RoundTrips[Result]]) -> RoundTrips[Result]:
        """Do something that may be done again, as soon as the server can do it.

        Raises:
            As ``run_pass``.
        """
        while True:
            try:
                return (yield from operation())
            except _PASSING as exc:
                yield from self._wait_for_server(exc)

    def _repeat_until_stable(
        self, work: RewritePass | RenameKeysPass, hands: Callable[[bool], RewriteStrategy]
    ) -> RoundTrips[Outcome]:
        """Walk until a whole walk on one run of the server finds nothing.

        Records may have been written at an older version behind an earlier walk, and after a restart a cursor skips
        some. A walk that the server breaks off is begun again when it can go on, as the server's run allows.
        """
        done, walk, rounds = Outcome(), Outcome(), 0
        done.changed = self.journal.changed if self.journal.model == work.label else 0
        while rounds < _ROUNDS:
            try:
                if self.policy.crew is not None:
                    yield from self.policy.crew.recalled(self.lease.kept)
                run_id = yield from server_run_id()
                cursor, seen = self._resumed(work.label, run_id)
                is_first = cursor == "0" and done.changed == 0
                if cursor == "0":
                    yield from self.write_marker(work.label)
                began = self.lease.clock()
                walk = yield from self._walk(work, hands(is_first), run_id, cursor, seen, done.changed)
                if walk.changed:
                    self.rewriting_s += self.lease.clock() - began
                is_whole = cursor == "0" and run_id == (yield from server_run_id())
                rounds += 1
                done.add(walk)
                if is_whole and walk.changed == 0 and walk.contested == 0:
                    yield from self.intake.release(self.lease, work.keys, {one.key for one in walk.failures})
                    return done
            except IncompleteError:
                with suppress(*_PASSING):  # what stopped the run matters more than the count of who resumes
                    yield from self._save(self.journal, force=True)
                raise
            except _PASSING as exc:
                yield from self._wait_for_server(exc)
                done.changed = self.journal.changed if self.journal.model == work.label else done.changed
        raise IncompleteError(_unstable_message(work.label, walk))

    def _walk(
        self,
        work: RewritePass | RenameKeysPass,
        hands: RewriteStrategy,
        run_id: str,
        cursor: str,
        seen: int,
        changed_before: int,
    ) -> RoundTrips[Outcome]:
        self._total = yield from index_size(work.keys)
        self.journal = replace(
            self.journal, model=work.label, cursor=cursor, run_id=run_id, seen=seen, changed=changed_before
        )
        walk, dealt = Outcome(), deque[InFlightBatch]()
        pages, page, place = Pages(work, hands, cursor), Page((), 0, cursor), 0
        while True:
            yield from self.lease.kept()
            is_over = place >= len(page.keys) and pages.is_over
            if dealt and (is_over or dealt[0].is_done()):
                yield from self._settle(work, dealt.popleft(), walk)
                continue
            if is_over:
                return walk
            pace, at = (yield from self._wait_for_throttle()), self.lease.clock()
            if place >= len(page.keys):
                page, place = (yield from pages.next(pace)), 0
                yield from self._open(page, pace, at, walk, dealt)
            else:
                some = page.keys[place : place + hands.size(pace)]
                place += len(some)
                following = page.following if place >= len(page.keys) else None
                is_fit = not pace.rest and (pace.is_free or not hands.takes_freedom)
                if hands.deal is not None and len(dealt) < hands.dealt and is_fit:
                    begun = yield from hands.deal(some, pace)
                    dealt.append(InFlightBatch(len(some), at, _told(pace), begun.outcome, begun.is_done, following))
                    yield from pages.ask(pace)
                    continue
                if dealt and following is not None:  # those that were dealt are of this page, too, or of one before
                    dealt[-1].following, following = following, None
                share = InFlightBatch(len(some), at, _told(pace), hands.rewrite(some, pace), lambda: True, following)
                yield from self._settle(work, share, walk)

    def _open(
        self, page: Page, pace: ThrottleState, at: float, walk: Outcome, dealt: Sequence[InFlightBatch]
    ) -> RoundTrips[None]:
        """Take in a page, and what the server found to be done already; ``at`` is when it was asked to look."""
        walk.skipped += page.passed
        self.journal = replace(self.journal, seen=self.journal.seen + page.passed, pace=_told(pace))
        if page.passed:
            self._tell(_told(pace))
            yield from self._rest(at)
        if not page.keys and dealt:
            dealt[-1].following = page.following
        elif not page.keys:
            yield from self._turn(page.following)

    def _settle(self, work: RewritePass | RenameKeysPass, share: InFlightBatch, walk: Outcome) -> RoundTrips[None]:
        """Take in what came of a share, when all before it are settled; waits for it if need be."""
        some = yield from share.doing
        walk.add(some)
        if some.changed:  # what was done before a server failed is met again, and is no progress
            self._stuck_since = None
        # The cursor is still that of the page. What was changed is known even if the next script fails.
        seen, changed = self.journal.seen + share.count, self.journal.changed + some.changed
        self.journal = replace(self.journal, seen=seen, changed=changed, pace=share.pace)
        self._tell(share.pace)
        if some.failures:
            yield from self.intake.take(self.lease, work, some.failures, changed)
        if some.refusal is not None:
            raise some.refusal
        yield from self._rest(share.began)
        if share.following is not None:
            yield from self._turn(share.following)

    def _turn(self, following: str) -> RoundTrips[None]:
        """Note that all the records before a cursor are done."""
        self._stuck_since = None
        yield from self._save(replace(self.journal, cursor=following), force=following == "0")

    def _wait_for_throttle(self) -> RoundTrips[ThrottleState]:
        """Wait until the pace allows the next script; give the pace.

        Raises:
            ServerBusyError: The server was not fit for it in time; says only why.
        """
        told = ""
        while True:
            pace = self.policy.pace()
            if not pace.hold:
                return pace
            if pace.is_paused:
                self._stuck_since = None
            elif self._is_out_of_patience():
                raise ServerBusyError(pace.hold)
            if str(pace) != told:
                told = str(pace)
                self._tell(told)
            yield from self._save(replace(self.journal, pace=str(pace)), force=False)
            yield Sleep(_LOOK_S)
            yield from self.lease.kept()
            self._rested_at = self.lease.clock()

    def _rest(self, since: float) -> RoundTrips[None]:
        """Rest as the pace says; in pieces, so that the lease is kept, and what people say is heard.

        Args:
            since: When was begun what it rests for. The time before the last rest ended does not count again: a share
                that is under way meanwhile would make the next rest as long as all before it together.
        """
        began, left = self.lease.clock(), 1.0
        worked_s = began - max(since, self._rested_at)
        while left > 0:
            pace = self.policy.pace()
            left = pace.rest * worked_s - (self.lease.clock() - began)
            if pace.hold or left <= 0:
                break
            yield Sleep(min(left, _LOOK_S))
            yield from self.lease.kept()
            left -= _LOOK_S  # the last piece ends it, whatever the clock says by then
        self._rested_at = self.lease.clock()

    def _wait_for_server(self, exc: ServerError) -> RoundTrips[None]:
        """Wait until the server answers again; raise what it said if that takes too long."""
        while not self._is_out_of_patience():
            self._tell(f"waits: {exc}")
            yield Sleep(_LOOK_S * 10)
            try:
                return (yield from self.lease.renewed())
            except _PASSING as again:
                exc = again
        label = self.journal.model or self.shelf.app
        raise type(exc)(_timeout_message(label, self.policy.patience_s, str(exc))) from exc

    def _tell(self, pace: str) -> None:
        seen, changed = self.journal.seen, self.journal.changed
        self.report(Progress(self._model or self.shelf.app, seen, changed, max(self._total, seen), pace))

    def _is_out_of_patience(self) -> bool:
        """Whether nothing could be done for as long as the policy waits; the clock starts with the first question."""
        now = self.lease.clock()
        if self._stuck_since is None:
            self._stuck_since = now
        return now - self._stuck_since >= self.policy.patience_s

    def _resumed(self, model: str, run_id: str) -> tuple[str, int]:
        if run_id and (self.journal.model, self.journal.run_id) == (model, run_id):
            return self.journal.cursor, self.journal.seen if self.journal.cursor != "0" else 0
        return "0", 0

    def _save(self, journal: Journal, *, force: bool) -> RoundTrips[None]:
        self.journal = journal
        now = self.lease.clock()
        if force or now - self._saved_at >= _CHECKPOINT_S:
            stamped = replace(journal, updated_at=datetime.now(UTC).isoformat(timespec="seconds"))
            yield from self.shelf.checkpoint(self.lease.key, self.lease.epoch, stamped)
            self._saved_at = now


def _told(pace: ThrottleState) -> str:
    """Give the pace for people, where something holds it back."""
    return str(pace) if pace.reason else ""


def _unstable_message(model: str, last: Outcome) -> str:
    if last.contested:
        noun = "record is" if last.contested == 1 else "records are"
        return (
            f"{model}: {last.contested} {noun} written by others faster than can be rewritten; run again when it is"
            " calmer"
        )
    if last.changed:
        return (
            f"{model}: records of an older version are still being written, {last.changed} in the last of {_ROUNDS}"
            " walks; end what runs the old code, and run 'migrate' again"
        )
    return f"{model}: the server was restarted in each of {_ROUNDS} walks; run 'migrate' again when it stays up"


def _timeout_message(label: str, patience_s: float, hold: str) -> str:
    waited = f" after {patience_s:g} s of waiting (--patience)" if patience_s else ""
    return f"{label}: stopped{waited}, because {hold}; every record is consistent. Run 'migrate' again to go on"
