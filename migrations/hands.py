"""Hands: who rewrites the records of a pass, and how many of them at a time. The server, this process, or a crew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from redis_models.batches import Batches

from .crew import Crew
from .keyspace import index_size
from .outcomes import Begun, Fence, Outcome
from .pace import Pace
from .program import compile_program
from .replacing import rewrite_here
from .rewriting import begin_in_server, rewrite_in_server
from .work import Work

__all__ = ["Hands", "crew_hands", "helping", "own_hands"]

_SCRIPTS_A_SHARE: Final = 4  # some hundred records, tens of milliseconds
_EACH: Final = 2  # shares that a member has; while it does one, the next is there already
_AHEAD: Final = 5000  # keys; at the end of so many all wait for the last of them
_FREE_SCRIPTS: Final = 40  # at whose end the server waits for Python to compute what is next

# Takes keys, and the pace.
Rewriter = Callable[[Sequence[bytes], Pace], Batches[Outcome]]


def _a_script(pace: Pace) -> int:
    return pace.batch_size


@dataclass(frozen=True)
class Hands:
    """Who rewrites the records of a pass.

    Attributes:
        rewrite: Brings some of them to the target.
        is_first: Whether most records are expected to be behind the target; else the server looks first which are.
        size: How many records make a share, which is rewritten at a time.
        times: How many times as many that may be where the pace is free, and records take little time.
        page: How many keys to read ahead at least, where the pace is free or a crew waits for them.
        deal: Has a share begun by somebody else, a crew or the server; None where nobody does.
        dealt: How many shares may be begun at a time.
        takes_freedom: Whether that, and reading ahead, needs a pace that is free.
    """

    rewrite: Rewriter
    is_first: bool = True
    size: Callable[[Pace], int] = _a_script
    times: int = 1
    page: int = 1
    deal: Callable[[Sequence[bytes], Pace], Batches[Begun]] | None = None
    dealt: int = 0
    takes_freedom: bool = False


def own_hands(work: Work, fence: Fence, is_first: bool) -> Hands:
    """Let the server do it where it can, else this process.

    Args:
        work: What is to be done.
        fence: Of the run's lease.
        is_first: Whether most records are expected to be behind the target.
    """
    route, target = work.route, work.target
    program = compile_program(route, target) if work.is_in_server else None

    def rewrite(keys: Sequence[bytes], pace: Pace) -> Batches[Outcome]:
        if program is not None:
            return (yield from rewrite_in_server(fence, program, target, keys, pace.batch_size))
        return (yield from rewrite_here(fence, route, target, keys, pace.batch_size, is_free=pace.is_free))

    if program is None:
        return Hands(rewrite, is_first, times=_FREE_SCRIPTS, page=_AHEAD, takes_freedom=True)

    def begin(keys: Sequence[bytes], _: Pace) -> Batches[Begun]:
        return (yield from begin_in_server(fence, program, target, keys))

    # One that the server is at, and one that lies there already.
    return Hands(rewrite, is_first, page=_AHEAD, deal=begin, dealt=2, takes_freedom=True)


def crew_hands(crew: Crew, app: str, work: Work, fence: Fence, is_first: bool) -> Hands:
    """Do it with a crew; arguments as for ``own_hands``, and the label of the app."""

    def deal(keys: Sequence[bytes], pace: Pace) -> Batches[Begun]:
        yield from ()  # it is no batch that begins it
        place = (app, work.keys.start, work.route)
        return crew.deal(*place, fence, work.target, keys, pace)

    own = own_hands(work, fence, is_first)
    return Hands(own.rewrite, is_first, _some_scripts, page=_AHEAD, deal=deal, dealt=_EACH * crew.size)


def helping(crew: Crew | None, app: str, work: Work) -> Batches[Crew | None]:
    """Give the crew if it is of use for some work: Python does it, and there are records enough."""
    if crew is None or work.is_in_server or not crew.knows(app, work.keys.start, work.route):
        return None
    return crew if (yield from index_size(work.keys)) >= crew.least else None


def _some_scripts(pace: Pace) -> int:
    return pace.batch_size * _SCRIPTS_A_SHARE
