"""Hands: who rewrites the records of a pass, and how many of them at a time. The server, this process, or a crew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from redis_models.batches import Batches

from .crew import Crew, Dealt
from .keyspace import index_size
from .program import compile_program
from .rewriting import Fence, Outcome, rewrite_here, rewrite_in_server, rewrite_rest
from .work import Work

__all__ = ["Hands", "crew_hands", "helping", "own_hands"]

_SCRIPTS_A_SHARE: Final = 4  # some hundred records, tens of milliseconds
_EACH: Final = 2  # shares that a member has; while it does one, the next is there already
_AHEAD: Final = 5000  # keys; at the end of so many the members wait for the last of them

# Takes keys, and how many of them a script takes.
Rewriter = Callable[[Sequence[bytes], int], Batches[Outcome]]


@dataclass(frozen=True)
class Hands:
    """Who rewrites the records of a pass.

    Attributes:
        rewrite: Brings some of them to the target.
        scripts: How many scripts' worth of records make a share, which is rewritten at a time.
        page: How many keys to read ahead at least.
        deal: Gives a share to a crew; None where there is none.
        dealt: How many shares the crew may have.
    """

    rewrite: Rewriter
    scripts: int = 1
    page: int = 1
    deal: Callable[[Sequence[bytes], int], Dealt] | None = None
    dealt: int = 0


def own_hands(work: Work, fence: Fence, is_first: bool) -> Hands:
    """Let the server do it where it can, else this process.

    Args:
        work: What is to be done.
        fence: Of the run's lease.
        is_first: Whether most records are expected to be behind the target.
    """
    # Where most records are done, asking for the stamps first saves reading them whole.
    if work.is_in_server:
        program, rest = compile_program(work.route, work.target), not is_first
        return Hands(
            lambda keys, at_once: rewrite_in_server(fence, program, work.target, keys, at_once, most_are_there=rest)
        )
    select = rewrite_here if is_first else rewrite_rest
    return Hands(lambda keys, at_once: select(fence, work.route, work.target, keys, at_once))


def crew_hands(crew: Crew, app: str, work: Work, fence: Fence, is_first: bool) -> Hands:
    """Do it with a crew; arguments as for ``own_hands``, and the label of the app."""

    def deal(keys: Sequence[bytes], at_once: int) -> Dealt:
        place = (app, work.keys.start, work.route)
        return crew.deal(*place, fence, work.target, keys, at_once, is_first=is_first)

    own = own_hands(work, fence, is_first)
    return replace(own, scripts=_SCRIPTS_A_SHARE, page=_AHEAD, deal=deal, dealt=_EACH * crew.size)


def helping(crew: Crew | None, app: str, work: Work) -> Batches[Crew | None]:
    """Give the crew if it is of use for some work: Python does it, and there are records enough."""
    if crew is None or work.is_in_server or not crew.knows(app, work.keys.start, work.route):
        return None
    return crew if (yield from index_size(work.keys)) >= crew.least else None
