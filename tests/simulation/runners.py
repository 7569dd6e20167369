"""Runners as actors of a schedule: processes that migrate, and what people want of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from redis_models.client.commands import RoundTrips
from redis_models.errors import IncompleteError, LockedError, RedisModelsError, ServerOutOfMemoryError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.segment import run_plan
from redis_models.migrations.executor.throttle import ThrottleState
from redis_models.migrations.maintenance.purge import purge
from redis_models.migrations.maintenance.retry import retry_records
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state.lease import Lease, take_lease
from redis_models.migrations.state.quarantine import Quarantine
from redis_models.migrations.state.store import StateStore

from .actors import Actor
from .oracle import Truth, Violation
from .server import LEASE, Wire
from .shop import CUSTOMER, KINDS

LIFE_S: Final = 1000.0  # of a lease, in the schedule's seconds; so long that the real ones do not count
PACE: Final = ThrottleState(3)
FREE: Final = ThrottleState(3, is_unthrottled=True)  # what is sent is not waited for
PAUSED: Final = ThrottleState(3, hold="paused by a user", is_paused=True, reason="paused by a user")
_RESTLESS: Final = ("other clients change", "old code is still writing", "was restarted")  # why a run may end early


@dataclass
class Wish:
    """What people want of the runners. Changed by the world.

    Attributes:
        goals: Positions in the chain to be at, one after the other.
        place: Of the one that is wanted now.
        pace: How fast to go, or that no runner may.
    """

    goals: Sequence[int]
    place: int = 0
    pace: ThrottleState = PACE

    @property
    def goal(self) -> int:
        """The position that is wanted now."""
        return self.goals[self.place]

    @property
    def is_last(self) -> bool:
        """Whether nothing else is wanted afterwards."""
        return self.place == len(self.goals) - 1

    def turn(self) -> None:
        """Want the next one, and another pace."""
        self.place += not self.is_last
        if self.pace is not PAUSED:
            self.pace = FREE if self.pace is PACE else PACE


class RunnerProcess(Actor):
    """A process that runs ``migrate``, towards what is wanted when it begins.

    Attributes:
        goal: Position that it leads to.
        scans: Models whose records it has to meet, all of them.
        places: What the keys of records begin with that it has to meet.
        leaves_newer: Whether it leads up, and no run before it led further: records beyond its goal are of newer code.
    """

    def __init__(self, name: str, truth: Truth, wire: Wire, chain: Chain, wish: Wish) -> None:
        super().__init__(name, truth)
        self._wire, self._chain, self._wish = wire, chain, wish
        self.goal = wish.goal
        self.scans: frozenset[str] = frozenset()
        self.places: frozenset[str] = frozenset()
        self.leaves_newer = False
        self.began = 0

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self.began, most_errors = step, 100 * (which % 2)
        self._doing = self.migrates(most_errors)
        return f"migrate to {self._wish.goal}{', with a quarantine' if most_errors else ''}"

    def migrates(self, most_errors: int = 0) -> RoundTrips[int]:
        """Do what ``migrate`` does, with the engine's own parts."""
        self.goal = self._wish.goal
        state_store, policy = StateStore("default", self._chain.app), self.policy(most_errors)
        lease: Lease = yield from take_lease(self._wire.exchange, LEASE, LIFE_S, self._wire.clock)
        self.epoch = lease.epoch
        changed = 0
        try:
            plan = make_run_plan(self._chain, (yield from state_store.read()), self.goal)
            self.versions = self.versions_at(self.goal)
            for segment in () if plan.is_empty else plan.segments:
                self.scans = frozenset(rewrite_pass.path.model for rewrite_pass in segment.passes)
                self.places = frozenset(
                    keys.start for keys in [*(w.keys for w in segment.passes), *(m.keys for m in segment.moves)]
                )
                self.leaves_newer = segment.reach == segment.target
                result = yield from run_plan(lease, state_store, segment, policy=policy, report=lambda _: None)
                changed += sum(result.changed.values())
        except RedisModelsError:
            yield from lease.released()
            raise
        yield from lease.released()
        return changed

    def policy(self, most_errors: int) -> Policy:
        """Give what a run goes by."""
        return Policy(lambda: self._wish.pace, most_errors=most_errors)

    def versions_at(self, goal: int) -> dict[str, int]:
        """Give the version of each model at a position in the chain."""
        return {kind.name: kind.versions[goal] for kind in KINDS}

    def has_reason(self, exc: RedisModelsError) -> bool:
        """Whether something that was met explains why a run ends so: that it cannot convert the age of some record."""
        is_named = isinstance(exc, IncompleteError) and "'age' holds b'x" in str(exc)
        return is_named and self.truth.has_met_stuck(CUSTOMER, CUSTOMER.versions[self.goal], self.began)

    def _ended(self, result: object) -> str:
        self._stop()
        return f"applied, {result} changed"

    def _failed(self, exc: RedisModelsError) -> str:
        self._stop()
        is_restless = isinstance(exc, IncompleteError) and any(word in str(exc) for word in _RESTLESS)
        is_refused = isinstance(exc, ServerOutOfMemoryError) and self.met_full
        if not is_restless and not is_refused and not isinstance(exc, LockedError) and not self.has_reason(exc):
            raise Violation(f"{self.name} fails without a reason: {exc!r}") from exc
        return type(exc).__name__

    def _stop(self) -> None:
        self._doing, self.pending, self.epoch, self.versions = None, None, None, {}


class Purger(RunnerProcess):
    """A process that runs ``purge``: of all that is applied, once nothing else is wanted."""

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self._doing = self._purges()
        return "purge"

    def _purges(self) -> RoundTrips[int]:
        lease: Lease = yield from take_lease(self._wire.exchange, LEASE, LIFE_S, self._wire.clock)
        self.epoch = lease.epoch
        state_store = StateStore("default", self._chain.app)
        try:
            done = yield from purge(lease, state_store, self._chain, None, pace=lambda: PACE, report=lambda _: None)
        except RedisModelsError:
            yield from lease.released()
            raise
        yield from lease.released()
        return done.records


class Retrier(RunnerProcess):
    """A process that runs ``quarantine retry``."""

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self.began = step
        self._doing = self._retries()
        return "retry what is in quarantine"

    def _retries(self) -> RoundTrips[int]:
        entries = list((yield from Quarantine("default", self._chain.app).read()).values())
        lease: Lease = yield from take_lease(self._wire.exchange, LEASE, LIFE_S, self._wire.clock)
        self.epoch = lease.epoch
        self.versions = self.versions_at(len(self._wire.seen.ledger))
        try:
            done = yield from retry_records(lease, "default", self._chain, entries)
        except RedisModelsError:
            yield from lease.released()
            raise
        yield from lease.released()
        return sum(reason == "" for reason in done.values())

    def has_reason(self, exc: RedisModelsError) -> bool:
        return isinstance(exc, IncompleteError) and "a run is unfinished" in str(exc)


class Watcher(Actor):
    """A process that asks, without a lease, where the database is: as ``showmigrations`` does."""

    def __init__(self, name: str, truth: Truth, chain: Chain) -> None:
        super().__init__(name, truth)
        self._chain = chain

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        self._doing = self._look()
        return "look where it is"

    def _look(self) -> RoundTrips[None]:
        state = yield from StateStore("default", self._chain.app).read()
        applied = frozenset(link.id for link in self._chain.migrations[: len(state.ledger)])
        if frozenset(state.ledger) != applied or state.snapshot != self._chain.snapshots[len(applied)]:
            raise Violation(f"{self.name} sees {sorted(state.ledger)} applied, but the schemas of another position")

    def _ended(self, result: object) -> str:
        self._doing, self.pending = None, None
        return "done"

    def _failed(self, exc: RedisModelsError) -> str:
        raise Violation(f"{self.name} fails without a reason: {exc!r}") from exc
