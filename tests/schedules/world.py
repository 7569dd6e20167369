"""The scheduler: who goes next is chosen, all else follows; after every step everything on the server is compared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from redis_models import Store
from redis_models.apps import App
from redis_models.batches import Once
from redis_models.client import run
from redis_models.errors import ServerUnreachableError
from redis_models.migrations.chain import Chain
from redis_models.migrations.upgrade import ChainUpgrader
from redis_models.verbs import Verbs, verbs_of

from .actors import KNOWN, LIFE_S, Actor, Application, RunnerProcess
from .shop import CUSTOMER, KINDS, State, new_code, old_code
from .truth import Truth, Violation, now_ms
from .wire import Seen, Wire

_STEP_S: Final = 0.5  # of the schedule's time; a run stores where it is every 2 s
_MOST_STEPS: Final = 6000  # until everything is at rest
_WRITES: Final = ("patch", "save", "increment", "put", "create", "patch", "delete", "careful", "expire", "persist")
_OLD_WRITES: Final = ("patch", "create", "save", "increment", "create", "delete")
_READS: Final = ("get", "select", "get")


class Choice(NamedTuple):
    """One element of a schedule.

    Attributes:
        deed: What happens: the name of an actor that goes on, or of something that befalls one.
        times: For how many steps an actor goes on.
        which: What it does, and whom it befalls.
    """

    deed: str
    times: int
    which: int


class Shop:
    """Code of both versions, and the chain; made once, on one server."""

    def __init__(self, url: str, chain: Chain, migrations: Path) -> None:
        self.chain = chain
        self.stores: list[Store] = []
        self.old, self.new = self._bound(url, old_code()), self._bound(url, new_code())
        self.stores[1].upgrader = ChainUpgrader(
            [App("shop", "shop", (), migrations, tuple(self.stores[1].models.values()))]
        )
        self.verbs = [self._verbs(self.old), self._verbs(self.new)]

    def _bound(self, url: str, models: list[Any]) -> list[Any]:
        store = Store.from_url(url)
        self.stores.append(store)
        for model in models:
            store.register_model(model)
        return models

    def _verbs(self, models: list[Any]) -> dict[str, Verbs[Any]]:
        return {model.__name__: verbs_of(model) for model in models}

    def close(self) -> None:
        """Close the stores."""
        for store in self.stores:
            store.close()


class World:
    """One schedule on the server, which is emptied first.

    Args:
        client: A plain client of the server.
        shop: Code and chain.
        goals: Positions that are asked for, one after the other.
    """

    def __init__(self, client: Any, shop: Shop, goals: Sequence[int]) -> None:
        self.wire, self.shop, self.goals = Wire(client), shop, goals
        self.truth = Truth(self.wire)
        self.trace: list[str] = []
        self._step = self._goal = 0
        self._walk_began: dict[str, int] = {}
        old, new = self.shop.verbs
        self.runners = [
            RunnerProcess(f"runner {name}", self.truth, self.wire, shop.chain, lambda: self.goals[self._goal])
            for name in "AB"
        ]
        self.actors: dict[str, Actor] = {
            "new 1": Application("new 1", self.truth, new, True, _WRITES),
            "new 2": Application("new 2", self.truth, new, True, _WRITES),
            "old 3": Application("old 3", self.truth, old, False, _OLD_WRITES),
            "old 4": Application("old 4", self.truth, old, False, ("create", "create", "delete")),
            "reader": Application("reader", self.truth, new, True, _READS),
            **{one.name: one for one in self.runners},
        }
        self._fill()

    def _fill(self) -> None:
        first = RunnerProcess("first", self.truth, self.wire, self.shop.chain, lambda: 1)
        first.begin(0, 0, ())
        run(self.wire.exchange, first._migrates())
        pipeline = self.wire.client.pipeline(transaction=False)
        states: dict[str, State] = {}
        for kind in KINDS:
            for number in range(KNOWN[kind.table]):
                key, state = f"{kind.table}:{number}", _first_state(kind is CUSTOMER, number)
                states[key] = state
                pipeline.hset(key, mapping={**state.fields, **({"_v": 1} if state.is_stamped else {})})
                pipeline.zadd(f"{kind.table}:__index", {key: 0})
                if state.ends > 0:
                    pipeline.pexpireat(key, state.ends)
                for name, ends in state.lives.items():
                    pipeline.execute_command("HPEXPIREAT", key, ends, "FIELDS", 1, name)
        pipeline.execute()
        self.truth.begin(states)

    def follow(self, schedule: Sequence[Choice]) -> None:
        """Do what a schedule says, then let everything come to rest, and look whether it is as asked for.

        Raises:
            Violation: Something is there that must never be; its text ends with what was done.
        """
        try:
            for choice in schedule:
                self._do(choice)
            self._rest()
        except Violation as exc:
            told = "\n".join(self.trace)
            raise Violation(f"{exc}\n\nWhat was done:\n{told}") from exc

    def _do(self, choice: Choice) -> None:
        deed, which = choice.deed, choice.which
        if deed in self.actors:
            for _ in range(choice.times):
                if not self._goes(self.actors[deed], which):
                    break
        elif deed == "up to":
            self._goes_up_to(self.runners[which // 8], POINTS[which % len(POINTS)], which)
        elif deed in ("cut", "lose"):
            self._breaks(list(self.actors.values())[which % len(self.actors)], which, is_executed=deed == "cut")
        elif deed == "kill":
            # Runners more often than others.
            victims = [*self.runners, *self.runners, *self.actors.values()]
            victim = victims[which % len(victims)]
            if victim.is_busy:
                self._tell(victim.name, "is killed")
                victim.dies()
        elif deed == "end":
            self._ends(which)
        elif deed == "turn":
            if self._goal < len(self.goals) - 1:
                self._goal += 1
                self._tell("somebody", f"wants to be at {self.goals[self._goal]}")
        elif deed != "rest":
            self._befalls(deed)

    def _befalls(self, deed: str) -> None:
        self._tell("the server" if deed in ("flush", "restart") else "time", _BEFALLS[deed])
        if deed == "flush":
            self.wire.flush()
        elif deed == "restart":
            self.wire.restarts()
        else:
            self.wire.passes(LIFE_S * (1.1 if deed == "lapse" else 0.35))

    def _ends(self, which: int) -> None:
        """End a record, or one of its fields that may end, as time would."""
        close = self._close()
        mortal = (
            close
            if close and which % 4 > 1
            else [key for key, state in sorted(self.truth.states.items()) if state.lives or which % 2]
        )
        if not mortal:
            return
        key = mortal[which * 5 % len(mortal)]
        state = self.truth.states[key]
        ending = sorted(name for name in state.lives if name in CUSTOMER.optional)
        if which % 2 or not ending:
            self._tell("time", f"ends {key}")
            self.wire.client.delete(key)
            self.truth.ended(self._step, key, None)
            return
        self._tell("time", f"ends {ending[0]} of {key}")
        self.wire.client.hdel(key, ending[0])
        fields = {name: raw for name, raw in state.fields.items() if name != ending[0]}
        lives = {name: ends for name, ends in state.lives.items() if name != ending[0]}
        self.truth.ended(self._step, key, replace(state, fields=fields, lives=lives))

    def _close(self) -> list[str]:
        """Give the records that a runner is about to write."""
        named = {
            one.decode()
            for runner in self.runners
            for command in runner.pending or ()
            for one in command
            if isinstance(one, bytes) and b":" in one
        }
        return sorted(named & self.truth.states.keys())

    def _goes(self, actor: Actor, which: int) -> bool:
        """Let an actor exchange one batch; give whether it may go on at once."""
        if not self._begins(actor, which):
            return False
        if not actor.is_busy:
            return True
        assert actor.pending is not None
        self._tell(actor.name, " | ".join(map(self.wire.told, actor.pending)) or "nothing")
        self._hears(actor, self._execute(actor))
        return actor.is_busy or not isinstance(actor, RunnerProcess)

    def _goes_up_to(self, runner: RunnerProcess, point: str, which: int) -> None:
        """Let a runner go until it is about to send some command."""
        for _ in range(_LONGEST_RUN):
            if runner.pending and any(self.wire.told(one).startswith(point) for one in runner.pending):
                return
            if not self._goes(runner, which):
                return

    def _begins(self, actor: Actor, which: int) -> bool:
        if actor.is_busy:
            return True
        if isinstance(actor, RunnerProcess) and self._is_reached():
            return False
        self._tell(actor.name, f"begins to {actor.begin(self._step, which, self._close())}")
        self._hears(actor, None)
        return True

    def _is_reached(self) -> bool:
        ids = [link.id for link in self.shop.chain.links[: self.goals[self._goal]]]
        seen = self.truth.seen
        if seen.ledger == frozenset(ids) and not seen.journal and self._goal < len(self.goals) - 1:
            self._goal += 1
            self._tell("somebody", f"wants to be at {self.goals[self._goal]}")
            return False
        return seen.ledger == frozenset(ids) and not seen.journal

    def _hears(self, actor: Actor, replies: list[Any] | BaseException | None) -> None:
        came = actor.goes_on(replies)
        if came:
            self._tell(actor.name, f"  {came}")

    def _breaks(self, actor: Actor, which: int, *, is_executed: bool) -> None:
        """Break the connection of an actor, before or after the server executed its batch; its driver sends it again.

        A batch that must not be executed twice ends in an error instead.
        """
        if not self._begins(actor, which) or actor.pending is None:
            return
        told = " | ".join(map(self.wire.told, actor.pending))
        self._tell(actor.name, f"{told}, and hears {'no answer' if is_executed else 'that it was not sent'}")
        if is_executed:
            if actor.operation is not None:
                actor.operation.is_resent = True
            self._execute(actor)
        if isinstance(actor.pending, Once):
            self._hears(actor, ServerUnreachableError("the connection broke", True))

    def _execute(self, actor: Actor) -> list[Any]:
        self._step += 1
        self.wire.passes(_STEP_S) if self._step % 4 == 0 else None
        before_lease, began_ms = self.truth.seen.lease, now_ms()
        is_held = isinstance(actor, RunnerProcess) and actor.epoch is None and self.wire.is_lease_held()
        is_runner, batch = isinstance(actor, RunnerProcess), actor.pending or ()
        if is_runner and str(actor.epoch) == before_lease.get("epoch"):
            for command in batch:
                if command[0] == "SCAN" and str(command[1]) == "0":
                    self._walk_began[str(command[3]).partition(":")[0]] = self._step
        replies = self.wire.send(batch)
        before = self.truth.compare(self._step, began_ms, actor.operation, actor.versions, is_runner=is_runner)
        holders = [one.lease.get("holder") for one in (before, self.truth.seen)]
        if is_held and None not in holders and holders[0] != holders[1]:
            raise Violation(f"{actor.name} took the lease of somebody who holds it")
        self._check_bookkeeping(actor, before, before_lease.get("epoch", ""))
        return replies

    def _check_bookkeeping(self, actor: Actor, before: Seen, epoch: str) -> None:
        seen = self.truth.seen
        is_in_charge = isinstance(actor, RunnerProcess) and str(actor.epoch) == epoch
        kept = [(one.ledger, one.snapshot, one.journal) for one in (before, seen)]
        if not is_in_charge and (kept[0] != kept[1] or (actor.is_runner and before.records != seen.records)):
            raise Violation(f"{actor.name}, without a lease, changed something: {kept[0]} to {kept[1]}")
        if seen.ledger != before.ledger or seen.snapshot != before.snapshot:
            self._check_applied(actor)
        self._check_journal()

    def _check_applied(self, actor: Actor) -> None:
        assert isinstance(actor, RunnerProcess)
        seen, chain = self.truth.seen, self.shop.chain
        applied = frozenset(link.id for link in chain.links[: actor.goal])
        if seen.ledger != applied or seen.snapshot != chain.snapshots[actor.goal].to_json() or seen.journal:
            raise Violation(f"{actor.name} is at {actor.goal}, but recorded {seen.ledger}, {seen.journal}")
        for kind in KINDS:
            if behind := self.truth.behind(kind, actor.versions[kind.name], self._walk_began.get(kind.table, -1)):
                raise Violation(f"{actor.name} says that all is at {actor.goal}, but these are not: {behind}")

    def _check_journal(self) -> None:
        """A checkpoint is never ahead of the records."""
        journal = self.truth.seen.journal
        if journal.get("run_id") != self.wire.run_id or journal.get("cursor", "0") == "0":
            return
        kind = next(kind for kind in KINDS if journal["model"].startswith(f"{kind.name} "))
        version, began = kind.versions[int(journal["target"])], self._walk_began.get(kind.table, -1)
        for key in self.truth.behind(kind, version, began):
            is_passed = self.wire.place_of(key.encode()) < int(journal["cursor"])
            if is_passed and self.truth.written.get(key, -1) <= began:
                raise Violation(f"the journal is at {journal['cursor']}, past {key}, which is not at {version}")

    def _rest(self) -> None:
        """Let the application end what it began and old code leave, wake zombies, and migrate to the last goal."""
        self._tell("everybody", "ends what is under way")
        for actor in self.actors.values():
            self._until(actor, lambda one=actor: not one.is_busy)
        self._goal = len(self.goals) - 1
        self.wire.passes(LIFE_S * 1.1)
        while not self._is_reached():
            self._until(self.runners[0], lambda: not self.runners[0].is_busy, at_least_once=True)
        self._check_all_read()

    def _until(self, actor: Actor, is_over: Any, *, at_least_once: bool = False) -> None:
        if at_least_once:
            self._goes(actor, 0)
        while not is_over():
            if self._step > _MOST_STEPS:
                raise Violation(f"{actor.name} does not come to its end")
            self._goes(actor, 0)

    def _check_all_read(self) -> None:
        """What is not at the goal was brought elsewhere by the application itself; new code reads it all."""
        for kind in KINDS:
            reader = Application("reader", self.truth, self.shop.verbs[1], True, ("select",))
            reader.read_all(kind, self._step)
            while reader.pending is not None:
                self._hears(reader, self._execute(reader))

    def _tell(self, who: str, what: str) -> None:
        self.trace.append(f"{self._step:4d} {who:9s} {what}")


_LONGEST_RUN: Final = 150  # steps
POINTS: Final = (
    "replace",
    "finish",
    "rewrite",
    "SCAN 0",
    "checkpoint",
    "INFO",
    "lease",
    "HGET",
)  # that a runner comes to
_BEFALLS: Final = {
    "flush": "forgets its scripts",
    "restart": "is restarted",
    "lapse": "passes, and the lease ends",
    "tick": "passes, and the lease must be renewed",
}


def _first_state(is_customer: bool, number: int) -> State:
    if not is_customer:
        return State(1, {"id": b"%d" % number, "sum": b"s%d" % number})
    fields = {
        "id": b"%d" % number,
        "name": b"n%d" % number,
        "legacy_ref": b"r%d" % number,
        "age": b"NA" if number % 5 == 0 else b"0%d" % number if number % 5 == 1 else b"%d" % number,
        "visits": b"%d" % number,
        "code": b"c%d" % number,
    }
    hour = 3_600_000
    ends = round(now_ms()) + (number + 100) * hour if number % 3 == 0 else -1
    lives: dict[str, int] = {}
    if number % 4 == 1:
        name = ("code", "name", "legacy_ref", "code", "visits")[number // 4]
        lives[name] = round(now_ms()) + (number + 90) * hour
    return State(1, fields, is_stamped=number % 6 != 5, ends=ends, lives=lives)
