"""Run what must end in a process of its own, which the system ends if it does not."""

import os
import signal
from collections.abc import Callable

__all__ = ["ENDLESS", "outcome"]

ENDLESS = "does not end"
_LIMIT_S = 20  # a hundred times what the slowest of them takes on a busy machine


def outcome(call: Callable[[], object], limit_s: int = _LIMIT_S) -> str:
    """Say what came of a call: the ``repr`` of its value, the name of the class that it raised, or ``ENDLESS``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(limit_s)
        try:
            said = repr(call())
        except BaseException as exc:
            said = type(exc).__name__
        os.write(writing, said.encode("utf-8", "backslashreplace")[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        return said
    return ENDLESS if os.WTERMSIG(status) == signal.SIGALRM else f"ended by signal {os.WTERMSIG(status)}"
