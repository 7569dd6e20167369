"""The scheduler: who goes next is chosen, all else follows; after every step everything on the server is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from redis_models.client.abandoned import Abandoned, Session
from redis_models.client.commands import Command, changes_nothing
from redis_models.client.drivers import run

from .actors import Actor, Application
from .initial_state import Code, store_first_records
from .oracle import Operation, Truth, Violation, now_ms
from .replay import Choice
from .runners import LIFE_S, PACE, PAUSED, Purger, RunnerProcess, Watcher, Wish
from .scheduler import Scheduler
from .server import Seen, Wire, scan_of
from .shop import CUSTOMER, KINDS, is_stuck

_STEP_S: Final = 0.5  # that every fourth step takes, in the schedule's time; a run stores where it is every 2 s
_MOST_STEPS: Final = 6000  # until everything is at rest
_WRITES: Final = ("patch", "save", "increment", "put", "create", "patch", "delete", "careful", "expire", "persist")
_OLD_WRITES: Final = ("patch", "create", "save", "get", "increment", "create", "delete", "careful")
_READS: Final = ("get", "select", "get")
# What a runner may come to: how the trace tells a command.
POINTS: Final = ("replace", "finish", "rewrite", "SCAN 0", "checkpoint", "INFO", "lease", "HGET", "quarantine")


@dataclass
class Late:
    """A batch that something on the way holds, on a connection that its actor has given up.

    Attributes:
        actor: Who sent it.
        session: The connection, as the server calls it.
        batch: What was sent.
        operation, versions, epoch: Of the actor, when it sent it.
        is_orphan: Whether the process has died since.
        is_over: Whether it has sent something since, so that this must not begin any more.
    """

    actor: Actor
    session: Session
    batch: Sequence[Command]
    operation: Operation | None
    versions: Mapping[str, int]
    epoch: int | None
    is_orphan: bool = False
    is_over: bool = False


class World(Scheduler):
    """What a schedule does to customers and visits.

    Args:
        client: A plain client of the server.
        code: Of both versions, and the chain.
        goals: Positions that are asked for, one after the other.
    """

    def __init__(self, client: Any, code: Code, goals: Sequence[int]) -> None:
        super().__init__(Wire(client), code.chain, goals)
        self.truth = Truth(self.wire)
        self._code = code
        # When scans of each table began: the last of all, and by epoch, those on one run of the server, and whole ones.
        self._scan_began: dict[str, int] = {}
        self._under_way: dict[tuple[int | None, str], int] = {}
        self._whole_scan_began: dict[tuple[int | None, str], int] = {}
        self._late: list[Late] = []
        self._abandoned: dict[str, Abandoned] = {}  # by each process, as its clients of the server have it
        self.runners = [self._runner("runner A", self.wish), self._runner("runner B", self.wish)]
        self.actors: dict[str, Actor] = {
            "new 1": Application("new 1", self.truth, code.new, True, _WRITES),
            "new 2": Application("new 2", self.truth, code.new, True, _WRITES),
            "old 3": Application("old 3", self.truth, code.old, False, _OLD_WRITES),
            "old 4": Application("old 4", self.truth, code.old, False, ("create", "create", "delete")),
            "reader": Application("reader", self.truth, code.new, True, _READS),
            "lazy": Application("lazy", self.truth, code.lazy, True, _READS, writes_back=True),
            "watcher": Watcher("watcher", self.truth, code.chain),
            **{runner.name: runner for runner in self.runners},
            **{name: Purger(name, self.truth, self.wire, code.chain, self.wish) for name in ("purger", "purger 2")},
        }
        run(self.wire.exchange, self._runner("first", Wish((1,))).migrates())
        self.truth.begin(store_first_records(client))

    def _runner(self, name: str, wish: Wish) -> RunnerProcess:
        return RunnerProcess(name, self.truth, self.wire, self._code.chain, wish)

    def _do(self, choice: Choice) -> None:
        action, which = choice.action, choice.which
        if action in self.actors:
            self._goes_often(choice)
        elif action == "up to":
            self._goes_up_to(self.runners[which // len(POINTS)], POINTS[which % len(POINTS)], which)
        elif action in ("cut", "lose", "late"):
            self._breaks(list(self.actors.values())[which % len(self.actors)], which, action)
        elif action == "deliver":
            self._delivers(which)
        elif action == "part":
            # Runners more often than others.
            several = [*self.actors.values(), *self.runners]
            self._does_part(several[-1 - which % len(several)], which)
        elif action == "kill":
            # Runners more often than others.
            victims = [*self.runners, *self.runners, *self.actors.values()]
            self._kills(victims[which % len(victims)])
        elif action == "end":
            self._ends(which)
        elif action in ("spoil", "mend"):
            self._writes_age(which, is_bad=action == "spoil")
        elif action != "rest":
            self._befalls(action)

    def _befalls(self, action: str) -> None:
        self._tell("somebody" if action in ("turn", "pause") else "fate", action)
        if action == "turn":
            self.wish.turn()
        elif action == "pause":
            self.wish.pace = PACE if self.wish.pace is PAUSED else PAUSED
        elif action == "fill":
            self.wire.is_full = not self.wire.is_full
        elif action == "flush":
            self.wire.flush()
        elif action == "restart":
            self.wire.restarts()
            self._under_way.clear()
            self._late.clear()
        else:
            self.wire.passes(LIFE_S * {"lapse": 1.1, "tick": 0.35}[action])

    def _kills(self, victim: Actor) -> None:
        if victim.is_busy:
            self._tell(victim.name, "is killed")
            victim.dies()
            # Who comes in its place knows nothing of what it abandoned.
            self._abandoned.pop(victim.name, None)
            for late in self._late:
                late.is_orphan |= late.actor is victim

    def _ends(self, which: int) -> None:
        """End a record, or one of its fields that may end, as time would; best one that is about to be rewritten."""
        states, mortal = self.truth.states, self._close() if which % 4 > 1 else []
        mortal = mortal or [key for key in sorted(states) if states[key].field_ends or which % 2]
        if not mortal:
            return
        key = mortal[which * 5 % len(mortal)]
        ending = sorted(name for name in states[key].field_ends if name in CUSTOMER.optional)
        if which % 2 or not ending:
            self._tell(key, "ends")
            self.wire.client.delete(key)
            self.truth.ended(self._step, key, None)
            return
        self._tell(key, f"loses {ending[0]}, which ends")
        self.wire.client.hdel(key, ending[0])
        fields, field_ends = dict(states[key].fields), dict(states[key].field_ends)
        del fields[ending[0]], field_ends[ending[0]]
        self.truth.ended(self._step, key, replace(states[key], fields=fields, field_ends=field_ends))

    def _writes_age(self, which: int, *, is_bad: bool) -> None:
        """Let a plain client write an age that cannot be converted into an old record, or mend one."""
        states = self.truth.states
        keys = [key for key in sorted(states) if "age" in states[key].fields and states[key].version < CUSTOMER.newest]
        keys = keys if is_bad else [key for key in keys if is_stuck(states[key], CUSTOMER.newest)]
        if not keys:
            return
        key = keys[which * 5 % len(keys)]
        age = b"%s%d" % (b"x" if is_bad else b"", 7000 + self._step)
        self._tell(key, f"gets the age {age!r}")
        self.wire.client.hset(key, "age", age)
        self.truth.ended(self._step, key, replace(states[key], fields={**states[key].fields, "age": age}))

    def _close(self) -> list[str]:
        """Give the records that a runner is about to write: the best ones to interfere with."""
        arguments = {argument for runner in self.runners for command in runner.pending or () for argument in command}
        return sorted(key for key in self.truth.states if key.encode() in arguments)

    def _of_others(self, actor: Actor) -> list[str]:
        """Give the records that other actors of the application have to do with."""
        others = [
            other.operation for other in self.actors.values() if other is not actor and other.operation is not None
        ]
        return sorted({other.key for other in others})

    def _does_part(self, actor: Actor, which: int) -> None:
        """Let the server execute only the first commands of a batch, so that others come between them and the rest."""
        if not self._begins(actor, which):
            return
        left = len(actor.pending or ()) - len(actor.answered)
        if left > 1:
            count = 1 + which % (left - 1)
            self._tell(actor.name, f"{self._described(actor)}, the first {count} of it")
            self._execute(actor, count)

    def _begins(self, actor: Actor, which: int) -> bool:
        if actor.is_busy:
            return True
        # A run has something to do until all is as it is wanted, and a purge from then on.
        if isinstance(actor, RunnerProcess) and self._is_reached() is not isinstance(actor, Purger):
            return False
        near = self._of_others(actor) if which % 8 == 5 else self._close()
        actor.met_full = False
        self._tell(actor.name, f"begins to {actor.begin(self._step, which, near)}")
        self._hears(actor, None)
        return True

    def _is_reached(self) -> bool:
        """Whether everything is as wanted for good; if only for now, something else is wanted."""
        if not self._is_at_goal():
            return False
        if self.wish.is_last:
            return True
        self._befalls("turn")
        return False

    def _breaks(self, actor: Actor, which: int, action: str) -> None:
        """Break the connection of an actor: before or after the server executed its batch, or with it still on the way.

        What its driver does then is decided as it is: the batch is sent again, or ends in an error.
        """
        if not self._begins(actor, which) or not actor.pending:
            return
        effect = {"cut": "and hears no answer", "lose": "which is not sent", "late": "which is on its way"}[action]
        self._tell(actor.name, f"{self._described(actor)}, {effect}")
        if action == "cut":
            self._execute(actor)
        elif action == "late" and not changes_nothing(actor.pending):
            session = Session(self.wire.run_id.encode(), 1 + max((name.session.id for name in self._late), default=0))
            rest = actor.pending[len(actor.answered) :]
            self._late.append(Late(actor, session, rest, actor.operation, dict(actor.versions), actor.epoch))
            self._abandoned.setdefault(actor.name, Abandoned()).note(session)
        actor.answered = []
        self._hears_nothing(actor)

    def _ends_abandoned(self, actor: Actor) -> None:
        """Do what a pool does before a connection is used."""
        known, here = self._abandoned.get(actor.name), Session(self.wire.run_id.encode(), 0)
        if known is not None and known.waits_for(here):
            ids = known.ids_of(here)
            self._late = [name for name in self._late if name.session.id not in ids]
            known.ended(here, ids, [1] * len(ids))
        for late in self._late:
            late.is_over |= late.actor is actor and not late.is_orphan

    def _delivers(self, which: int) -> None:
        """Let what was on its way arrive, if its connection has not been ended meanwhile."""
        if not self._late:
            return
        late = self._late.pop(which % len(self._late))
        self._tell(late.actor.name, f"{' | '.join(map(self.wire.describe, late.batch))}, which comes late")
        self._step += 1
        before, began_ms = self.truth.seen, now_ms()
        is_runner = isinstance(late.actor, RunnerProcess)
        is_in_charge = is_runner and str(late.epoch) == before.lease.get("epoch")
        is_taken = is_runner and late.epoch is None and self.wire.is_lease_held()
        late.actor.met_full |= self.wire.is_full
        self.wire.send(late.batch)
        self.truth.compare(
            self._step,
            began_ms,
            None if late.is_over else late.operation,
            late.versions,
            is_runner=is_runner,
            purges=isinstance(late.actor, Purger),
        )
        if is_runner and not is_in_charge:
            self._check_lease(late.actor.name, late.epoch, before, is_taken=is_taken)
        self._check_bookkeeping(late.actor, before, is_in_charge=is_in_charge, knows=not late.is_orphan)

    def _execute(self, actor: Actor, count: int | None = None) -> list[Any]:
        """Execute what is left of an actor's batch, or so many commands of it; compare; give all replies so far."""
        self._ends_abandoned(actor)
        self._step += 1
        if self._step % 4 == 0:
            self.wire.passes(_STEP_S)
        batch, is_runner = (actor.pending or ())[len(actor.answered) :][:count], isinstance(actor, RunnerProcess)
        before, began_ms = self.truth.seen, now_ms()
        is_in_charge = is_runner and str(actor.epoch) == before.lease.get("epoch")
        is_taken = is_runner and actor.epoch is None and self.wire.is_lease_held()
        scan = next((key for key in batch if scan_of(key)), None) if is_in_charge else None
        actor.met_full |= self.wire.is_full
        replies = self.wire.send(batch)
        self.truth.compare(
            self._step, began_ms, actor.operation, actor.versions, is_runner=is_runner, purges=isinstance(actor, Purger)
        )
        if is_runner and not is_in_charge:
            self._check_lease(actor.name, actor.epoch, before, is_taken=is_taken)
        self._check_bookkeeping(actor, before, is_in_charge=is_in_charge)
        if scan is not None:
            self._scans_on(actor, scan, replies[batch.index(scan)])
        actor.answered += replies
        return actor.answered

    def _scans_on(self, runner: Actor, scan: Command, reply: Any) -> None:
        """Take note of where scans begin, and of whole ones."""
        step = scan_of(scan)
        assert step is not None
        table = str(step[3]).partition(":")[0]
        if str(step[1]) == "0":
            self._scan_began[table] = self._under_way[runner.epoch, table] = self._step
        if reply[0] == b"0" and (began := self._under_way.pop((runner.epoch, table), None)) is not None:
            self._whole_scan_began[runner.epoch, table] = began

    def _check_lease(self, name: str, epoch: int | None, before: Seen, *, is_taken: bool) -> None:
        """A runner without a lease may only take a free one, under a new epoch."""
        old, new = before.lease, self.truth.seen.lease
        if old.get("holder") == new.get("holder"):
            return
        if epoch is not None or "holder" not in new:
            raise Violation(f"{name}, without a lease, changed the lease")
        if is_taken:
            raise Violation(f"{name} took the lease of its holder")
        if int(new["epoch"]) <= int(old.get("epoch", 0)):
            raise Violation(f"{name} has the epoch of another runner, {new['epoch']}")

    def _check_bookkeeping(self, actor: Actor, before: Seen, *, is_in_charge: bool, knows: bool = True) -> None:
        seen = self.truth.seen
        is_recorded = (seen.ledger, seen.snapshot) != (before.ledger, before.snapshot)
        is_changed = isinstance(actor, RunnerProcess) and seen.records != before.records
        if not is_in_charge and (
            is_recorded or seen.journal != before.journal or is_changed or seen.quarantine != before.quarantine
        ):
            what = "the ledger" if is_recorded else "records" if is_changed else "the journal"
            what = "the quarantine" if seen.quarantine != before.quarantine else what
            raise Violation(f"{actor.name}, without a lease, changed {what}")
        if is_recorded and knows:
            assert isinstance(actor, RunnerProcess)
            self._check_applied(actor)
        self._check_journal()

    def _check_applied(self, runner: RunnerProcess) -> None:
        """What is recorded is so: all are at the goal, but those written elsewhere behind the last whole scan."""
        seen, chain = self.truth.seen, self._code.chain
        applied = frozenset(link.id for link in chain.migrations[: runner.goal])
        if seen.ledger != applied or seen.snapshot != chain.snapshots[runner.goal].to_json() or seen.journal:
            raise Violation(f"{runner.name} is at {runner.goal}, but recorded {seen.ledger}, {seen.journal}")
        for kind in KINDS:
            # A plan that leaves a model alone does not scan it, and trusts that no other client wrote to it.
            unscanned = self._step if kind.name in runner.scans else -1
            began = self._whole_scan_began.get((runner.epoch, kind.table), unscanned)
            version = runner.versions[kind.name]
            if behind := self.truth.behind(kind, version, began, leaves_newer=runner.leaves_newer):
                raise Violation(f"{runner.name} says that all is at {runner.goal}, but these are not: {behind}")

    def _check_journal(self) -> None:
        """A checkpoint is never ahead of the records."""
        journal = self.truth.seen.journal
        if journal.get("run_id") != self.wire.run_id or journal.get("cursor", "0") == "0":
            return
        kind = next(kind for kind in KINDS if journal["model"].startswith(f"{kind.name} "))
        version, began = kind.versions[int(journal["target"])], self._scan_began.get(kind.table, -1)
        leaves_newer = journal["reach"] == journal["target"]
        for key in self.truth.behind(kind, version, began, leaves_newer=leaves_newer):
            is_passed = self.wire.place_of(key.encode()) < int(journal["cursor"])
            if is_passed and self.truth.written.get(key, -1) <= began:
                raise Violation(f"the journal is at {journal['cursor']}, past {key}, which is not at {version}")

    def _rest(self) -> None:
        """Let the application end what it began and old code leave, wake zombies, and migrate to every goal left."""
        self._tell("everybody", "ends what is under way")
        self.wish.pace, self.wire.is_full = PACE, False
        while self._late:
            self._delivers(0)
        for actor in self.actors.values():
            self._settles(actor)
        self.wire.passes(LIFE_S * 1.1)
        for which, _ in enumerate(self.truth.states):
            self._writes_age(which, is_bad=False)
        first = self.runners[0]
        while not self._is_reached():
            self._goes(first, 0)
            self._settles(first)
        self._check_all_read()

    def _settles(self, actor: Actor) -> None:
        while actor.is_busy:
            if self._step > _MOST_STEPS:
                raise Violation(f"{actor.name} does not come to its end")
            self._goes(actor, 0)

    def _check_all_read(self) -> None:
        """What is not at the goal was brought elsewhere by the application itself; new code reads it all."""
        for kind in KINDS:
            reader = Application("reader", self.truth, self._code.new, True, ("select",))
            reader.read_all(kind, self._step)
            while reader.pending is not None:
                self._hears(reader, self._execute(reader))
