"""Do the pieces of a work in two processes, and show how far it is."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import track

__all__ = ["PROCESSES", "in_both"]

PROCESSES = 2

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_both(
    title: str, function: Callable[[Piece], Result], pieces: Sequence[Piece], prepare: Callable[[], object]
) -> Iterator[Result]:
    """Give the result of every piece, in their order.

    Args:
        title: What the progress bar is called; there is one only on a terminal.
        function: Does one piece; a function of a module, so that another process finds it.
        pieces: What there is to do.
        prepare: Called once in each process.
    """
    console = Console(stderr=True)
    # Fresh interpreters: neither connections nor threads survive a fork.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=fresh, initializer=prepare) as pool:
        results = pool.map(function, pieces)
        yield from track(results, title, len(pieces), console=console, transient=True, disable=not console.is_terminal)
