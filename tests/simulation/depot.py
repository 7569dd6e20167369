"""The depot: a schedule in which records get other keys, while code of each version and plain clients write them.

After every step each record is still there, once, with its fields and its TTL; only the actor whose step it was
changed anything, and only what it may: a runner brings records to the version of its plan, where they lie, or moves
them to the key that belongs to it, whole.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

from redis_models.client.commands import Command, Sleep
from redis_models.client.drivers import run

from .actors import Actor
from .depot_actors import COUNT, Clerk, DepotRetrier, Depots, Mover
from .oracle import Violation
from .parcels import TABLES, Parcel, key_at, parcels_of
from .replay import Choice
from .runners import LIFE_S, Retrier, Wish
from .scheduler import Scheduler
from .server import Seen, Wire, scan_of

_HOUR_MS: Final = 3_600_000
_MOST_STEPS: Final = 2500
_STEP_S: Final = 0.5
# What a runner may come to: how the trace tells a command.
POINTS: Final = ("move", "HMGET pack", "rewrite", "replace", "finish", "SCAN 0", "quarantine")


class Depot(Scheduler):
    """What a schedule does to parcels, which are moved.

    Args:
        client: A plain client of the server.
        code: Of all versions, and the chain.
        goals: Positions that are asked for, one after the other.
    """

    longest_run = 250

    def __init__(self, client: Any, code: Depots, goals: Sequence[int]) -> None:
        super().__init__(Wire(client, "pa*", TABLES, "depot"), code.chain, goals)
        self.code = code
        self.has_clashed = self.was_spoilt = False
        self._marks = 0
        # By mark: the step at which an actor other than a runner created a record, or changed its version.
        self._touched: dict[str, int] = {}
        self.movers = [Mover("runner A", self, self.wish), Mover("runner B", self, self.wish)]
        self.actors: dict[str, Actor] = {
            "new": Clerk("new", self, 3),
            "mid": Clerk("mid", self, 2),
            "old": Clerk("old", self, 1),
            **{mover.name: mover for mover in self.movers},
            "retrier": DepotRetrier("retrier", self, self.wish),
        }
        run(self.wire.exchange, Mover("first", self, Wish((1,))).migrates())
        self._store_first_records(client)
        self.parcels = self._read()

    def _store_first_records(self, client: Any) -> None:
        pipeline = client.pipeline(transaction=False)
        for number in range(COUNT):
            fields = {"id": f"i{number}", "code": f"c{number}", "note": f"t{number}", "n": number, "uid": f"u{number}"}
            pipeline.hset(f"parcel:i{number}", mapping=fields if number % 3 else {**fields, "_v": 1})
            pipeline.zadd("parcel:__index", {f"parcel:i{number}": 0})
            if number % 4 == 0:
                pipeline.pexpire(f"parcel:i{number}", (number + 100) * _HOUR_MS)
        pipeline.execute()
        self.wire.look()

    def _do(self, choice: Choice) -> None:
        action, which = choice.action, choice.which
        if action in self.actors:
            self._goes_often(choice)
        elif action == "up to":
            self._goes_up_to(self.movers[which // len(POINTS) % 2], POINTS[which % len(POINTS)], which)
        elif action == "cut":
            self._cuts(self.movers[which % 2], which)
        elif action == "kill":
            victim = [*self.movers, *self.actors.values()][which % (2 + len(self.actors))]
            self._tell(victim.name, "is killed")
            victim.dies()
        elif action in ("recode", "spoil", "mend", "bare"):
            self._writes_plainly(action, which)
        elif action != "rest":
            self._befalls(action)

    def _befalls(self, action: str) -> None:
        self._tell("fate", action)
        if action == "turn":
            self.wish.turn()
        elif action == "flush":
            self.wire.flush()
        elif action == "restart":
            self.wire.restarts()
        else:
            self.wire.passes(LIFE_S * 1.1)  # "lapse"

    def _writes_plainly(self, action: str, which: int) -> None:
        """Let a plain client write a record that is not at the newest keys yet; best one that is about to be moved."""
        parcels = [parcel for [parcel] in self.parcels.values() if not parcel.key.startswith("pack:c")]
        close = set(self._close())
        parcels = [parcel for parcel in parcels if parcel.key in close] or parcels
        parcels = [parcel for parcel in parcels if ("code" in parcel.fields) is (action != "mend")]
        if not parcels:
            return
        chosen = sorted(parcels, key=lambda each: each.key)[which * 5 % len(parcels)]
        self._marks += 1
        self._tell("somebody", f"{action} {chosen.key}")
        if action == "spoil":
            self.was_spoilt = True
            self.wire.client.hdel(chosen.key, "code")
        elif action == "bare":  # deletes it, and code of the first version makes another of its key
            pipeline = self.wire.client.pipeline(transaction=True)
            pipeline.delete(chosen.key)
            mark = f"b{self._marks}"
            fields = {"id": chosen.key.partition(":")[2], "code": f"c{mark}", "note": "x", "n": 1, "uid": f"u{mark}"}
            pipeline.hset(chosen.key, mapping=fields)
            pipeline.execute()
        else:
            self.wire.client.hset(chosen.key, "code", f"cx{self._marks}")
        self.wire.look()
        self.parcels = self._read()
        for mark, [each] in self.parcels.items():
            if each.key == chosen.key and action == "bare":
                self._touched[mark] = self._step

    def _close(self) -> list[str]:
        """Give the records that a runner is about to write, or to move."""
        arguments = {argument for mover in self.movers for command in mover.pending or () for argument in command}
        found = {parcel.key for [parcel] in self.parcels.values() if parcel.key.encode() in arguments}
        # And the keys that they are to have.
        found |= {
            str(argument, "utf-8")
            for argument in arguments
            if isinstance(argument, bytes) and argument.startswith(b"pack:c")
        }
        return sorted(found)

    def _begins(self, actor: Actor, which: int) -> bool:
        if actor.is_busy:
            return True
        if isinstance(actor, Retrier):
            if not self.wire.seen.quarantine:
                return False
        elif isinstance(actor, Mover) and self._is_reached():
            return False
        self._tell(actor.name, f"begins to {actor.begin(self._step, which, self._close())}")
        if isinstance(actor, Clerk) and actor.action is not None and actor.action.label == "create":
            self.has_clashed = True
        self._hears(actor, None)
        return True

    def _is_reached(self) -> bool:
        if not self._is_at_goal():
            return False
        if not self.wish.is_last:
            self._befalls("turn")
            return False
        return True

    def _cuts(self, mover: Mover, which: int) -> None:
        """Break the connection of a runner behind its batch: what may be sent again is sent again."""
        if self._begins(mover, which) and mover.pending and not isinstance(mover.pending, Sleep):
            self._tell(mover.name, "hears no answer")
            self._execute(mover)
            self._hears_nothing(mover)

    def _execute(self, actor: Actor) -> list[Any]:
        self._step += 1
        if self._step % 4 == 0:
            self.wire.passes(_STEP_S)
        before = self.wire.seen
        for command in actor.pending or ():
            scan = scan_of(command)
            if isinstance(actor, Mover) and scan is not None and str(scan[1]) == "0":
                actor.scan_began[str(scan[3]).partition(":")[0]] = self._step
        is_in_charge = isinstance(actor, Mover) and str(actor.epoch) == before.lease.get("epoch")
        replies = self.wire.send(cast("Sequence[Command]", actor.pending))
        was, self.parcels = self.parcels, self._read()
        for mark in was.keys() | self.parcels.keys():
            if was.get(mark) != self.parcels.get(mark):
                self._check_change(actor, mark, was.get(mark), self.parcels.get(mark))
        if isinstance(actor, Mover):
            self._check_bookkeeping(actor, before, is_in_charge=is_in_charge)
        return replies

    def _read(self) -> dict[str, list[Parcel]]:
        """Take what the server holds; each record must be there once, and in the index of its place."""
        seen = self.wire.seen
        parcels = parcels_of(seen.records)
        for mark, listed in parcels.items():
            if len(listed) != 1:
                raise Violation(f"{mark} is there twice: {listed}")
            table = listed[0].key.partition(":")[0]
            if listed[0].key not in seen.indexes[table]:
                raise Violation(f"{listed[0].key} is not in the index")
        return parcels

    def _at(self, key: str) -> Parcel | None:
        return next((parcel for [parcel] in self.parcels.values() if parcel.key == key), None)

    def _check_change(self, actor: Actor, mark: str, was: list[Parcel] | None, now: list[Parcel] | None) -> None:
        before, after = was[0] if was else None, now[0] if now else None
        if isinstance(actor, Mover) and before is not None:
            goal = actor.versions.get("Parcel")
            allowed = [before.at_version(goal), before.moved() if before.version == goal else None] if goal else []
            if actor.leaves_newer and before.version > (goal or 0):
                allowed.append(before.moved())
            if after is not None and after in allowed:
                return
        elif isinstance(actor, Clerk) and actor.action is not None:
            key = actor.action.key
            is_about = (before is None or before.key == key) and (after is None or after.key == key)
            starts = [before]
            if before is not None and before.version < actor.version:
                starts.append(before.at_version(actor.version))  # code brings up what it writes
            is_done = actor.action.after is not None and after in map(actor.action.after, starts)
            if is_about and (is_done or after in starts):
                if before is None or after is None or before.version != after.version:
                    self._touched[mark] = self._step
                actor.action.is_seen |= is_done
                return
        raise Violation(f"{actor.name}: the record {mark} is {after}\n  it was {before}")

    def _check_bookkeeping(self, mover: Mover, before: Seen, *, is_in_charge: bool) -> None:
        seen = self.wire.seen
        is_recorded = (seen.ledger, seen.snapshot) != (before.ledger, before.snapshot)
        is_other = seen.records != before.records or seen.journal != before.journal
        if not is_in_charge and (is_recorded or is_other or seen.quarantine != before.quarantine):
            what = "records" if seen.records != before.records else "the bookkeeping"
            raise Violation(f"{mover.name}, without a lease, changed {what}")
        if is_recorded:
            applied = frozenset(link.id for link in self.code.chain.migrations[: mover.goal])
            if seen.ledger != applied or seen.journal:
                raise Violation(f"{mover.name} is at {mover.goal}, but recorded {seen.ledger}, {seen.journal}")
            if behind := self._behind(mover.goal, mover):
                raise Violation(f"{mover.name} says that all is at {mover.goal}, but these are not: {behind}")
        gone = before.quarantine - seen.quarantine
        for key in sorted(gone):
            parcel = self._at(key)
            if parcel is not None and parcel != self._settled(parcel, mover.versions.get("Parcel", 0)):
                raise Violation(f"{mover.name} let {key} out of quarantine, which is {parcel}")

    def _settled(self, parcel: Parcel, goal: int) -> Parcel | None:
        return parcel if parcel.version > goal else parcel.at_version(goal).moved()

    def _behind(self, goal: int, mover: Mover) -> list[str]:
        """Give the records that are not where and what they are to be, though the last scan must have met them so.

        What older code wrote behind an earlier run, under keys that the plan has no more to do with, is not met.
        """
        return [
            parcel.key
            for mark, [parcel] in sorted(self.parcels.items())
            if self._must_be_met(mark, parcel.key.partition(":")[0], mover)
            if parcel.key not in self.wire.seen.quarantine and not (mover.leaves_newer and parcel.version > goal)
            if parcel != parcel.at_version(goal).moved()
        ]

    def _must_be_met(self, mark: str, table: str, mover: Mover) -> bool:
        if mark not in self._touched:
            return True
        return f"{table}:" in mover.places and self._touched[mark] < mover.scan_began.get(table, -1)

    def _rest(self) -> None:
        """Let everybody end, mend and make way, and migrate to every goal left: then all is where it is to be."""
        self._tell("everybody", "ends what is under way")
        for actor in self.actors.values():
            while actor.is_busy:
                self._goes(actor, 0)
        self.wire.passes(LIFE_S * 1.1)
        for which in range(len(self.parcels)):
            self._writes_plainly("mend", which)
        mover = self.movers[0]
        while not self._is_reached() or self.wire.seen.quarantine:
            if self._step > _MOST_STEPS:
                raise Violation("it does not come to its end")
            if not mover.is_busy and self._is_reached():
                self._goes(self.actors["retrier"], 0)
                self._makes_way()
                continue
            self._goes(mover, 0)
            if not mover.is_busy:
                self._makes_way()
        if left := self._behind(self.wish.goal, Mover("nobody", self, self.wish)):
            raise Violation(f"all is at rest, but these are not at {self.wish.goal}: {left}")

    def _makes_way(self) -> None:
        """Delete all but one of the records that are to have the same key."""
        wanted: dict[str, Parcel] = {}
        for _, [parcel] in sorted(self.parcels.items()):
            for target in {
                parcel.key,
                *(key for goal in (1, 2, 3) if (key := key_at(goal, parcel.fields)) is not None),
            }:
                if wanted.setdefault(target, parcel) is not parcel:
                    self._tell("somebody", f"deletes {parcel.key}")
                    self.wire.client.delete(parcel.key)
                    self.wire.client.zrem(f"{parcel.key.partition(':')[0]}:__index", parcel.key)
                    self.wire.look()
                    self.parcels = self._read()
                    return self._makes_way()
        return None
