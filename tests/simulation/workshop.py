"""The shop, with runs that have workers, and with people who retry what is in quarantine."""

from collections.abc import Sequence
from typing import Any

from .actors import Actor
from .initial_state import Code
from .oracle import Violation, kind_of
from .replay import Choice
from .runners import Retrier, RunnerProcess
from .server import Seen
from .workers import Member, PoolRunner
from .world import World

MEMBERS = ("member 1", "member 2")


class Workshop(World):
    """One schedule of the shop, with more who work on it; arguments as for ``World``."""

    def __init__(self, client: Any, code: Code, goals: Sequence[int]) -> None:
        super().__init__(client, code, goals)
        given = self.truth, self.wire, code.chain, self.wish
        self.chief = PoolRunner("runner C", *given)
        self.members = [Member(name, *given) for name in MEMBERS]
        self.runners.append(self.chief)
        self.actors |= {actor.name: actor for actor in (self.chief, *self.members, Retrier("retrier", *given))}

    def _do(self, choice: Choice) -> None:
        if choice.action == "end work":
            self._kills((self.chief, *self.members)[choice.which % 3])
        elif choice.action == "up to share":
            member = self.members[choice.which % 2]
            for _ in range(200):
                # It goes on until it waits for a member, which then has begun.
                if self._begins(member, 0) or not (self._goes(self.chief, choice.which) or self.chief.is_busy):
                    break
        else:
            super()._do(choice)

    def _begins(self, actor: Actor, which: int) -> bool:
        if actor.is_busy:
            return True
        if isinstance(actor, Member):
            if not actor.takes(self.chief.pool):
                return False
        elif isinstance(actor, Retrier):
            if not self.truth.seen.quarantine:
                return False
        else:
            return super()._begins(actor, which)
        actor.met_full = False
        if isinstance(actor, Member):
            self._tell(actor.name, "begins to rewrite some records")
        else:
            self._tell(actor.name, f"begins to {actor.begin(self._step, which, ())}")
        self._hears(actor, None)
        return True

    def _check_bookkeeping(self, actor: Actor, before: Seen, *, is_in_charge: bool, knows: bool = True) -> None:
        super()._check_bookkeeping(actor, before, is_in_charge=is_in_charge, knows=knows)
        if not isinstance(actor, RunnerProcess):
            return
        for key in sorted(before.quarantine - self.truth.seen.quarantine):
            state, target = self.truth.states.get(key), actor.versions.get(kind_of(key).name)
            is_elsewhere = state is not None and state.version != target
            if is_elsewhere and not actor.leaves_newer and self.truth.since.get(key, -1) < actor.began:
                raise Violation(f"{actor.name} let {key} out of quarantine, which is {state}")

    def _settles(self, actor: Actor) -> None:
        if actor is not self.chief:
            super()._settles(actor)
            return
        while actor.is_busy:
            self._goes(actor, 0)
            for member in self.members:
                self._goes(member, 0)
                super()._settles(member)
