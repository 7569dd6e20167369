"""The scheduler: who goes next is chosen, all else follows; what each world adds is what may never be seen there."""

from collections.abc import Sequence
from typing import Any, ClassVar

from redis.exceptions import ConnectionError

from redis_models.client.commands import Sleep
from redis_models.client.retry import RetryState
from redis_models.errors import ServerUnreachableError
from redis_models.migrations.chain.chain import Chain

from .actors import Actor
from .oracle import Violation
from .replay import Choice, printed
from .runners import RunnerProcess, Wish
from .server import Wire

__all__ = ["Scheduler"]

_PAUSE_S = 3.0


class Scheduler:
    """One schedule on a server, which is emptied first.

    Args:
        wire: To the server.
        chain: What runs follow.
        goals: Positions that are asked for, one after the other.

    Attributes:
        wish: What is asked for now.
        actors: Who takes part, by name.
        trace: What was done.
    """

    longest_run: ClassVar[int] = 150  # steps of a runner that goes up to some point
    actors: dict[str, Actor]

    def __init__(self, wire: Wire, chain: Chain, goals: Sequence[int]) -> None:
        self.wire, self.chain, self.wish = wire, chain, Wish(goals)
        self.trace: list[str] = []
        self._step: int = 0

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
            report, again = "\n".join(self.trace), printed(self.wish.goals, schedule)
            raise Violation(f"{exc}\n\nWhat was done:\n{report}\n\n{again}") from exc

    def _do(self, choice: Choice) -> None:
        raise NotImplementedError

    def _rest(self) -> None:
        raise NotImplementedError

    def _begins(self, actor: Actor, which: int) -> bool:
        """Let an actor begin something, unless it is about something; give whether it is."""
        raise NotImplementedError

    def _execute(self, actor: Actor) -> Any:
        """Let the server execute what an actor sends, and look what that changed; give the replies."""
        raise NotImplementedError

    def _goes(self, actor: Actor, which: int) -> bool:
        """Let an actor exchange one batch; give whether it may go on at once."""
        if not self._begins(actor, which):
            return False
        if not actor.is_busy:
            return True
        if isinstance(actor.pending, Sleep):
            self.wire.passes(_PAUSE_S)
            self._hears(actor, [])
            return False
        self._tell(actor.name, self._described(actor))
        self._hears(actor, self._execute(actor))
        return actor.is_busy or not isinstance(actor, RunnerProcess)

    def _goes_often(self, choice: Choice) -> None:
        """Let the actor that a choice names go as often as it says."""
        for _ in range(choice.times):
            if not self._goes(self.actors[choice.action], choice.which):
                return

    def _goes_up_to(self, runner: Actor, point: str, which: int) -> None:
        """Let a runner go until it is about to send some command."""
        for _ in range(self.longest_run):
            if runner.pending and any(self.wire.describe(command).startswith(point) for command in runner.pending):
                return
            if not self._goes(runner, which):
                return

    def _is_at_goal(self) -> bool:
        seen = self.wire.seen
        return not seen.journal and seen.ledger == frozenset(
            link.id for link in self.chain.migrations[: self.wish.goal]
        )

    def _described(self, actor: Actor) -> str:
        return " | ".join(map(self.wire.describe, (actor.pending or ())[len(actor.answered) :])) or "nothing"

    def _hears(self, actor: Actor, replies: list[Any] | BaseException | None) -> None:
        came = actor.goes_on(replies)
        if came:
            self._tell(actor.name, f"  {came}")

    def _hears_nothing(self, actor: Actor) -> None:
        """Break the connection of an actor behind its batch: its driver sends that again, or it ends in an error."""
        retry = RetryState(actor.pending or (), "the server")
        retry.is_sent = True
        try:
            retry.pause_after(ConnectionError("the connection broke"))
        except ServerUnreachableError as exc:
            self._hears(actor, exc)

    def _tell(self, who: str, what: str) -> None:
        self.trace.append(f"{self._step:4d} {who:9s} {what}")
