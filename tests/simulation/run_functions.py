"""Free steps in schedules: a function that must not run twice, called by runs that die or lose their lease.

What a run does blocking is done in a thread of its own, which waits before each exchange until it is let go; so there
is one actor at a time here as well.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Self, cast

from redis_models.client.commands import AtMostOnce, Command, RoundTrips
from redis_models.client.drivers import run
from redis_models.errors import IncompleteError, LockedError, RedisModelsError
from redis_models.migrations.chain.chain import Chain
from redis_models.migrations.executor.progress import Policy
from redis_models.migrations.executor.run import execute_run
from redis_models.migrations.planner.segments import make_run_plan
from redis_models.migrations.state.lease import take_lease
from redis_models.migrations.state.store import StateStore

from .actors import Actor
from .oracle import Violation
from .replay import Choice
from .runners import LIFE_S, PACE
from .scheduler import Scheduler
from .server import LEASE, Seen, Wire

_GOAL: Final = 3
_MOST_STEPS: Final = 600
CALLED, ENDED = "step:called", "step:ended"
_POINTS: Final = ("checkpoint", f"INCR {CALLED}", "GET step", f"INCR {ENDED}", "finish")  # before or behind a call
MIGRATIONS: Final = {
    "0001_initial": """
class Migration(migrations.Migration):
    id = "aaaa1001"
    previous = None
    versions = {"Meter": 1}
    operations = [migrations.CreateModel("Meter", fields={"id": "str"}, primary_key="id", table="meter")]
""",
    "0002_step": f"""
def count(context):
    context.redis.execute_command("INCR", "{CALLED}")
    if context.redis.execute_command("GET", "step:broken"):
        raise ValueError("it is broken")
    context.redis.execute_command("INCR", "{ENDED}")

class Migration(migrations.Migration):
    id = "bbbb1002"
    previous = "aaaa1001"
    versions = {{}}
    operations = [migrations.Run(count, may_run_twice=False)]
""",
    "0003_field": """
class Migration(migrations.Migration):
    id = "cccc1003"
    previous = "bbbb1002"
    versions = {"Meter": 2}
    operations = [migrations.AddField("Meter", "unit", "str", fill="V")]
""",
}


def write_step_migrations(folder: Path) -> None:
    """Write the files of the chain."""
    for name, text in MIGRATIONS.items():
        (folder / f"{name}.py").write_text(f"from redis_models import migrations\n{text}")


class _Killed(BaseException):
    """The process has ended."""


class Relay:
    """A driver for blocking code: each of its exchanges waits until the schedule lets it happen."""

    def __init__(self) -> None:
        self.asked, self.answers = SimpleQueue[tuple[str, Any]](), SimpleQueue[Any]()
        self._is_killed = False

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Wait for the schedule, and give its replies."""
        if not self._is_killed:
            self.asked.put(("exchange", commands))
            answer = self.answers.get()
            if not isinstance(answer, BaseException):
                return cast("list[Any]", answer)
            if not isinstance(answer, _Killed):
                raise answer
            self._is_killed = True
        raise _Killed

    def execute_command(self, *words: str) -> Any:
        """Do what a plain client does."""
        return self.exchange(AtMostOnce([words]))[0]

    def new_plain(self) -> Self:
        """Be the plain client of the function, too."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stay open."""


def as_batches(work: Callable[[Any], int]) -> RoundTrips[int]:
    """Make a generator of batches of blocking code, which is given its driver."""
    relay = Relay()

    def works() -> None:
        try:
            relay.asked.put(("ended", work(relay)))
        except BaseException as exc:
            relay.asked.put(("failed", exc))

    thread = Thread(target=works, name="a schedule's actor", daemon=True)
    thread.start()
    try:
        while True:
            what, request = relay.asked.get()
            if what == "ended":
                return cast(int, request)
            if what == "failed":
                raise request
            try:
                replies = yield request
            except GeneratorExit:
                relay.answers.put(_Killed())
                raise
            except BaseException as exc:
                relay.answers.put(exc)
            else:
                relay.answers.put(replies)
    finally:
        thread.join()


class StepRunner(Actor):
    """A process that runs ``migrate``, maybe with ``--run-again``."""

    def __init__(self, name: str, world: "Steps") -> None:
        super().__init__(name, cast(Any, world))
        self._world = world

    def begin(self, step: int, which: int, near: Sequence[str]) -> str:
        runs_again = which % 4 == 3
        self._doing = as_batches(lambda relay: self._migrates(relay, runs_again))
        return "migrate --run-again" if runs_again else "migrate"

    def _migrates(self, relay: Any, runs_again: bool) -> int:
        world, state_store = self._world, StateStore("default", "steps")
        lease = run(relay, take_lease(relay, LEASE, LIFE_S, world.wire.clock))
        self.epoch = lease.epoch
        try:
            state = run(relay, state_store.read())
            world.consents += runs_again and state.journal is not None and bool(state.journal.step)
            segments = execute_run(
                relay, lease, state_store, make_run_plan(world.chain, state, _GOAL),
                lambda now: make_run_plan(world.chain, now, _GOAL), policy=Policy(lambda: PACE), report=lambda _: None,
                run_again=runs_again,
            )  # fmt: skip
            return sum(1 for _ in segments)
        finally:
            with suppress(_Killed):
                run(relay, lease.released())

    def _ended(self, result: object) -> str:
        self._stop()
        return f"{result} segments"

    def _failed(self, exc: RedisModelsError) -> str:
        self._stop()
        words = ("it is broken", "may not run twice", "did not end")
        is_open = isinstance(exc, IncompleteError) and any(word in str(exc) for word in words)
        if not is_open and not isinstance(exc, LockedError):
            raise Violation(f"{self.name} fails without a reason: {exc!r}") from exc
        return type(exc).__name__

    def _stop(self) -> None:
        self._doing, self.pending, self.epoch = None, None, None


class Steps(Scheduler):
    """What a schedule does to a function that must not run twice.

    Attributes:
        consents: How often a user agreed that the function may be called again.
    """

    def __init__(self, client: Any, chain: Chain) -> None:
        super().__init__(Wire(client, "me*", ("meter",), "steps"), chain, (_GOAL,))
        self.consents = 0
        self.actors = {name: StepRunner(name, self) for name in ("runner A", "runner B", "runner C")}
        for number in range(3):
            client.hset(f"meter:{number}", mapping={"id": number})
            client.zadd("meter:__index", {f"meter:{number}": 0})
        self.wire.look()

    longest_run = 60

    def follow(self, schedule: Sequence[Choice]) -> None:
        try:
            super().follow(schedule)
        finally:
            for actor in self.actors.values():
                actor.dies()

    def _do(self, choice: Choice) -> None:
        if choice.action in self.actors:
            self._goes_often(choice)
        elif choice.action == "up to":
            actor = list(self.actors.values())[choice.which % 2]
            self._goes_up_to(actor, _POINTS[choice.which // 2 % len(_POINTS)], 0)
        elif choice.action == "kill":
            victim = list(self.actors.values())[choice.which % len(self.actors)]
            self._tell(victim.name, "is killed")
            victim.dies()
        elif choice.action == "break":
            self.wire.client.set("step:broken", "1")
        elif choice.action == "mend":
            self.wire.client.delete("step:broken")
        elif choice.action == "lapse":
            self._tell("fate", "lapse")
            self.wire.passes(LIFE_S * 1.1)

    def _goes(self, actor: Actor, which: int) -> bool:
        """Let an actor exchange one batch, or begin; give whether there is anything left to do."""
        if actor.is_busy:
            return super()._goes(actor, which) or True
        if len(self.wire.seen.ledger) == _GOAL:
            return False
        return self._begins(actor, which)

    def _begins(self, actor: Actor, which: int) -> bool:
        if not actor.is_busy:
            self._tell(actor.name, f"begins to {actor.begin(self._step, which, ())}")
            self._hears(actor, None)
        return True

    def _execute(self, actor: Actor) -> list[Any]:
        self._step += 1
        before, epoch = self.wire.seen, actor.epoch
        replies = self.wire.send(actor.pending or ())
        self._check(actor, epoch, before)
        return replies

    def _check(self, actor: Actor, epoch: int | None, before: Seen) -> None:
        seen, [called, ended] = self.wire.seen, [int(self.wire.client.get(key) or 0) for key in (CALLED, ENDED)]
        if called > 1 + self.consents:
            raise Violation(f"{actor.name}: the function was called {called} times, with {self.consents} consents")
        is_in_charge = str(epoch) == before.lease.get("epoch")
        if not is_in_charge and (seen.ledger, seen.journal) != (before.ledger, before.journal):
            raise Violation(f"{actor.name}, without a lease, changed the bookkeeping")
        if "bbbb1002" in seen.ledger and not ended:
            raise Violation(f"{actor.name} recorded the function, which has not ended")

    def _rest(self) -> None:
        self.wire.client.delete("step:broken")
        self.wire.passes(LIFE_S * 1.1)
        first = self.actors["runner A"]
        while any(actor.is_busy for actor in self.actors.values()) or len(self.wire.seen.ledger) < _GOAL:
            if self._step > _MOST_STEPS:
                raise Violation("it does not come to its end")
            for actor in [actor for actor in self.actors.values() if actor.is_busy] or [first]:
                self._goes(actor, 3)
        if any(record[2] for record in self.wire.seen.records.values() if b"unit" not in record[2]):
            raise Violation(f"all is recorded, but the records are {self.wire.seen.records}")
