"""Rounds: contenders are run in turn, so that whatever else the machine does meets all of them alike."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Contender", "in_turn", "nothing"]


def nothing() -> None:
    """Prepare, or check, nothing."""


@dataclass(frozen=True)
class Contender:
    """One way of doing the work of a case.

    Attributes:
        name: What tables call it.
        work: What is timed; gives how much was done, such as a number of records.
        prepare: Brings the server and the objects to where ``work`` begins; not timed.
        check: Raises AssertionError if ``work`` did not do what it should; called once, not timed.
    """

    name: str
    work: Callable[[], int]
    prepare: Callable[[], None] = nothing
    check: Callable[[], None] = nothing


def in_turn(
    contenders: Sequence[Contender], rounds: int, *, warms_up: bool, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Run contenders round by round, each once a round; give the rates of each, a second, in the order of the rounds.

    What each came to is checked after its first time.

    Args:
        contenders: Ours and its yardsticks.
        rounds: How many are counted.
        warms_up: Whether one more comes before these.
        clock: Gives seconds.
    """
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + warms_up):
        # Who comes first meets a server that was just emptied by the last; so it is not always the same.
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            contender.prepare()
            gc.collect()
            gc.freeze()  # what all the contenders keep is nothing that this one's garbage collector must walk
            began = clock()
            done = contender.work()
            took = clock() - began
            gc.unfreeze()
            if number == 0:
                contender.check()
            if number >= warms_up:
                rates[contender.name].append(done / took)
    return rates
