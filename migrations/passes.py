"""A pass: meet every record of one model and bring it to a version, batch by batch, resumable at any point.

The keyspace is walked with SCAN, so that records which are missing from the index are met too. Where it is, is stored
in the journal after the records of a batch are written, never before. A cursor is used only on the run of the server
that gave it; after a restart the walk begins anew, which is cheap, because records at the target are skipped. Between
two scripts the run rests as long as its pace says, and waits for a server that cannot do it now.
"""

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from redis_models.batches import Ahead, Batches, Pause, Reply, check
from redis_models.client import Driver
from redis_models.errors import (
    IncompleteError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerReadOnlyError,
    ServerUnreachableError,
)

from .bookkeeping import Journal, Shelf
from .crew import Crew
from .hands import Hands, crew_hands, helping, own_hands
from .keyspace import has_field_lives, index_size, scan, scan_rest, scanned, scanning, server_run_id
from .lease import Lease
from .moving import Move, move_records
from .outcomes import Fence, Outcome
from .pace import Pace
from .quarantine import Intake
from .work import Work

__all__ = ["Policy", "Progress", "Runner"]

Result = TypeVar("Result")

_CHECKPOINT_S: Final = 2.0
_ROUNDS: Final = 10  # walks of one pass; the last finds nothing to do
_SHORT_S, _LONG_S = (
    0.05,
    0.25,
)  # shares that may be larger, and such that must be smaller: the lease is kept between two
# SCANs a page: where many other keys lie between the records, the lease must be kept and a pause be heard.
_MOST_SCANS: Final = 100
_LOOK_S: Final = 0.1  # between two looks at whether a run that waits may go on
# After a failover a client may meet the old primary for a while, which answers as a replica.
_PASSING: Final = (ServerUnreachableError, ServerOutOfMemoryError, ServerBusyError, ServerReadOnlyError)


@dataclass(frozen=True)
class Progress:
    """How far a pass is.

    Attributes:
        model: Name of the model.
        seen: Records met in this walk.
        changed: Records rewritten in this pass.
        total: How many the index has, as an estimate.
        pace: How fast it goes, and why not faster; "" while nothing holds it back.
    """

    model: str
    seen: int
    changed: int
    total: int
    pace: str = ""


@dataclass
class Policy:
    """How a run goes on where it could stop, and how fast.

    Attributes:
        pace: Gives the pace of the moment.
        patience_s: How long to wait for a server that cannot do it now; 0 to stop at once.
        most_errors: How many records may go to quarantine before the run stops; 0 to stop at the first.
        watch: Given what the run speaks to the server with, gives what it is to use instead.
        crew: Processes that help where Python does the work; None to do it alone.
    """

    pace: Callable[[], Pace]
    patience_s: float = 0.0
    most_errors: int = 0
    watch: Callable[[Driver], Driver] = lambda driver: driver
    crew: Crew | None = None


@dataclass(frozen=True)
class _Share:
    """Records that are being rewritten: how many, since when, at what pace, what does it, and whether that is over."""

    count: int
    began: float
    pace: str
    doing: Batches[Outcome]
    is_done: Callable[[], bool]


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
    shelf: Shelf
    journal: Journal
    policy: Policy
    intake: Intake
    report: Callable[[Progress], None]
    witnesses: dict[str, str] = field(default_factory=dict[str, str])
    rewriting_s: float = 0.0
    _saved_at: float = field(init=False)
    _stuck_since: float | None = None
    _model: str = ""
    _total: int = 0

    def __post_init__(self) -> None:
        self._saved_at = self.lease.clock()

    def run_pass(self, work: Work) -> Batches[Outcome]:
        """Bring every record of a model that lies in one place to a version.

        Raises:
            IncompleteError: A record cannot be rewritten, or others write all the time; every record is consistent.
            LockedError: The lease is somebody else's by now.
            ServerError: The server cannot do it now.
        """
        self._model = work.route.model
        fence = Fence(self.lease.key, self.lease.epoch, (yield from self.patiently(has_field_lives)))
        crew = yield from self.patiently(lambda: helping(self.policy.crew, self.shelf.app, work))
        if crew is None:
            return (yield from self._until_clean(work, lambda is_first: own_hands(work, fence, is_first)))
        app = self.shelf.app
        return (yield from self._until_clean(work, lambda is_first: crew_hands(crew, app, work, fence, is_first)))

    def run_move(self, move: Move) -> Batches[Outcome]:
        """Give every record that lies in one place its new key.

        Raises:
            As ``run_pass``.
        """
        self._model = move.route.model
        fence = Fence(self.lease.key, self.lease.epoch, None)
        hands = Hands(lambda keys, _: self._move(fence, move, keys))
        return (yield from self._until_clean(move, lambda _: hands))

    def _move(self, fence: Fence, move: Move, keys: Sequence[bytes]) -> Batches[Outcome]:
        """Move records, but for those in quarantine, which the pass before could not bring to their version."""
        held = self.intake.among(keys)
        known = {one.key for one in held}
        rest = [key for key in keys if key.decode("utf-8", "surrogateescape") not in known]
        outcome = yield from move_records(fence, move, rest)
        outcome.failures += held
        return outcome

    def testify(self, label: str) -> Batches[None]:
        """Store the journal, with a new witness of what was written until now; raises as ``run_pass``."""
        one = {f"witness {label}": secrets.token_hex(8)}
        yield from self.shelf.checkpoint(self.lease.key, self.lease.epoch, self.journal, one)
        self.witnesses.update(one)

    def patiently(self, operation: Callable[[], Batches[Result]]) -> Batches[Result]:
        """Do something that may be done again, as soon as the server can do it.

        Raises:
            As ``run_pass``.
        """
        while True:
            try:
                return (yield from operation())
            except _PASSING as exc:
                yield from self._outlast(exc)

    def _until_clean(self, work: Work | Move, hands: Callable[[bool], Hands]) -> Batches[Outcome]:
        """Walk until a whole walk on one run of the server finds nothing.

        Records may have been written at an older version behind an earlier walk, and after a restart a cursor skips
        some. A walk that the server breaks off is begun again when it can go on, as the server's run allows.
        """
        done, walk, rounds = Outcome(), Outcome(), 0
        done.changed = self.journal.changed if self.journal.model == work.label else 0
        while rounds < _ROUNDS:
            try:
                if self.policy.crew is not None:
                    yield from self.policy.crew.recalled()
                run_id = yield from server_run_id()
                cursor, seen = self._resumed(work.label, run_id)
                is_first = cursor == "0" and done.changed == 0
                if cursor == "0":
                    yield from self.testify(work.label)
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
            except _PASSING as exc:
                yield from self._outlast(exc)
                done.changed = self.journal.changed if self.journal.model == work.label else done.changed
        raise IncompleteError(_restless(work.label, walk))

    def _walk(
        self,
        work: Work | Move,
        hands: Hands,
        run_id: str,
        cursor: str,
        seen: int,
        changed_before: int,
    ) -> Batches[Outcome]:
        self._total = total = yield from index_size(work.keys)
        walk, times = Outcome(), 1
        ahead: list[Reply] | None = None
        while True:
            here = replace(self.journal, model=work.label, cursor=cursor, run_id=run_id, seen=seen)
            pace, at = (yield from self._go_ahead(work, here)), self.lease.clock()
            if ahead is None:
                cursor, keys, passed = yield from _page(cursor, work, hands, pace)
            else:
                (cursor, keys), passed, ahead = (yield from _arrived(ahead, work)), 0, None
            if passed:
                walk.skipped += passed
                seen += passed
                self.journal = here = replace(here, seen=seen)
                told = str(pace) if pace.reason else ""
                self.report(Progress(work.route.model, seen, changed_before + walk.changed, max(total, seen), told))
                yield from self._rest(self.lease.clock() - at)
                yield from self.lease.kept()
            dealt, place = deque[_Share](), 0
            while place < len(keys) or dealt:
                if dealt and (dealt[0].is_done() or place >= len(keys)):
                    share = dealt.popleft()
                else:
                    pace, at = (yield from self._go_ahead(work, here)), self.lease.clock()
                    some_keys = keys[place : place + hands.size(pace) * (times if pace.is_free else 1)]
                    place += len(some_keys)
                    told = str(pace) if pace.reason else ""
                    is_fit = not pace.rest and (pace.is_free or not hands.takes_freedom)
                    if hands.deal is not None and len(dealt) < hands.dealt and is_fit:
                        given = yield from hands.deal(some_keys, pace)
                        dealt.append(_Share(len(some_keys), at, told, given.outcome, given.is_done))
                        if place >= len(keys) and cursor != "0" and hands.is_first and pace.is_free:
                            ahead = yield Ahead([scanning(cursor, work.keys, hands.page)])
                        continue
                    share = _Share(len(some_keys), at, told, hands.rewrite(some_keys, pace), lambda: True)
                some = yield from share.doing
                walk.add(some)
                seen += share.count
                changed = changed_before + walk.changed
                if some.changed:  # what was done before a server failed is met again, and is no progress
                    self._stuck_since = None
                # Its cursor is still that of the whole page. What was changed is known even if the next script fails.
                here = replace(here, seen=seen, changed=changed, pace=share.pace)
                self.journal = here
                self.report(Progress(work.route.model, seen, changed, max(total, seen), share.pace))
                if some.failures:
                    yield from self.intake.take(self.lease, work, some.failures, changed)
                took_s = self.lease.clock() - share.began
                times = min(2 * times, hands.times) if took_s < _SHORT_S else 1 if took_s > _LONG_S else times
                yield from self._rest(took_s)
                yield from self.lease.kept()
            self._stuck_since = None
            yield from self._save(replace(here, cursor=cursor), force=cursor == "0")
            yield from self.lease.kept()
            if cursor == "0":
                return walk

    def _go_ahead(self, work: Work | Move, here: Journal) -> Batches[Pace]:
        """Wait until the pace allows the next script; give the pace.

        Raises:
            ServerBusyError: The server was not fit for it in time.
        """
        told = ""
        while True:
            pace = self.policy.pace()
            if not pace.hold:
                return pace
            if pace.is_paused:
                self._stuck_since = None
            elif self._is_out_of_patience():
                raise ServerBusyError(_impatient(work.label, self.policy.patience_s, pace.hold))
            if str(pace) != told:
                told = str(pace)
                self._tell(here, told)
            yield from self._save(replace(here, pace=str(pace)), force=False)
            yield Pause(_LOOK_S)
            yield from self.lease.kept()

    def _rest(self, worked_s: float) -> Batches[None]:
        """Rest as the pace says; in pieces, so that the lease is kept, and what people say is heard.

        Args:
            worked_s: How long the last script took, in seconds.
        """
        began, left = self.lease.clock(), 1.0
        while left > 0:
            pace = self.policy.pace()
            left = pace.rest * worked_s - (self.lease.clock() - began)
            if pace.hold or left <= 0:
                return
            yield Pause(min(left, _LOOK_S))
            yield from self.lease.kept()
            left -= _LOOK_S  # the last piece ends it, whatever the clock says by then

    def _outlast(self, exc: ServerError) -> Batches[None]:
        """Wait until the server answers again; raise what it said if that takes too long."""
        while not self._is_out_of_patience():
            self._tell(self.journal, f"waits: {exc}")
            yield Pause(_LOOK_S * 10)
            try:
                return (yield from self.lease.renewed())
            except _PASSING as again:
                exc = again
        label = self.journal.model or self.shelf.app
        raise type(exc)(_impatient(label, self.policy.patience_s, str(exc))) from exc

    def _tell(self, here: Journal, pace: str) -> None:
        self.report(Progress(self._model or self.shelf.app, here.seen, here.changed, max(self._total, here.seen), pace))

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

    def _save(self, journal: Journal, *, force: bool) -> Batches[None]:
        self.journal = journal
        now = self.lease.clock()
        if force or now - self._saved_at >= _CHECKPOINT_S:
            stamped = replace(journal, updated_at=datetime.now(UTC).isoformat(timespec="seconds"))
            yield from self.shelf.checkpoint(self.lease.key, self.lease.epoch, stamped)
            self._saved_at = now


def _page(cursor: str, work: Work | Move, hands: Hands, pace: Pace) -> Batches[tuple[str, list[bytes], int]]:
    """Give the keys of some records that may have to be rewritten, and how many others were passed."""
    if isinstance(work, Work) and not hands.is_first:
        # A look at a stamp takes a fifth of what it takes to rewrite a record.
        return (yield from scan_rest(cursor, work.keys, work.target, 5 * pace.batch_size * (1 + pace.is_free)))
    least = hands.page if pace.is_free or not hands.takes_freedom else 1
    cursor, found = yield from scan(cursor, work.keys)
    for _ in range(_MOST_SCANS):
        if len(found) >= least or cursor == "0":
            break
        cursor, more = yield from scan(cursor, work.keys)
        found += more
    return cursor, found, 0


def _arrived(ahead: list[Reply], work: Work | Move) -> Batches[tuple[str, list[bytes]]]:
    """Give the keys that were asked for while the records before them were rewritten."""
    if not ahead:
        yield ()
    return scanned(check(ahead)[0], work.keys)


def _restless(model: str, last: Outcome) -> str:
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


def _impatient(label: str, patience_s: float, hold: str) -> str:
    waited = f" after {patience_s:g} s of waiting (--patience)" if patience_s else ""
    return f"{label}: stopped{waited}, because {hold}; every record is consistent. Run 'migrate' again to go on"
