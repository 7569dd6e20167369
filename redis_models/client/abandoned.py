"""Connections that were given up while the server, or something on the way to it, may still have had a message of ours.

Whoever gives up a message must be sure that it does not begin later, over something that was written since. So the
server is told to end such a connection: at once, for others may write (see ``abandoned``), and where that failed,
before anything else is sent. What it carried was executed by then, or never will be.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from redis.exceptions import ResponseError

from ..errors import ServerBusyError
from .commands import Command, Reply, refused

__all__ = ["ASKING", "Abandoned", "Session", "ending"]

ASKING: Final[Sequence[Command]] = (("CLIENT", "ID"), ("INFO", "server"))
_MOST: Final = 1000  # connections of one run of a server
_MOST_RUNS: Final = 16
_RUN: Final = re.compile(rb"run_id:(\w+)")


class Session(NamedTuple):
    """A connection as its server calls it.

    Attributes:
        run: Of the server, which never repeats; numbers do, on another server or after a restart.
        id: The number of the connection in that run.
    """

    run: bytes
    id: int


class Abandoned:
    """What one store has abandoned, over whatever connections. May be shared by threads and event loops.

    Attributes:
        open: Numbers of connections that have to be ended, by run of their server. Looked at before every exchange.
        is_barred: Whether the server told this user that it may not ask for connections, or not end them.
    """

    __slots__ = ("_lock", "is_barred", "open")

    def __init__(self) -> None:
        self.open: dict[bytes, dict[int, None]] = {}
        self._lock = threading.Lock()
        self.is_barred = False

    def session_of(self, replies: Sequence[Reply]) -> tuple[bool, Session | None]:
        """Read what a server says to ``ASKING``.

        Returns:
            Whether it would say the same again, and the session; None where it does not say enough.
        """
        number, told = replies
        errors = [one for one in replies if isinstance(one, ResponseError)]
        self.is_barred |= any(map(_is_final, errors))
        found = _RUN.search(told) if isinstance(told, bytes) else None
        session = Session(found[1], number) if found is not None and isinstance(number, int) else None
        return all(map(_is_final, errors)), session

    def note(self, session: Session) -> None:
        """Remember a connection that has to be ended."""
        with self._lock:
            if session.run not in self.open and len(self.open) >= _MOST_RUNS:
                del self.open[next(iter(self.open))]
            ids = self.open.setdefault(session.run, {})
            if len(ids) < _MOST:
                ids[session.id] = None

    def waits_for(self, session: Session | None) -> bool:
        """Whether there is something to end over a connection to the same run of a server."""
        return session is not None and session.run in self.open

    def can_end(self, session: Session) -> bool:
        """Whether it is worth to ask the server, as far as is known, to end this one."""
        return not self.is_barred and session.id in self.open.get(session.run, ())

    def ids_of(self, session: Session) -> list[int]:
        """Give the numbers of the connections to end."""
        with self._lock:
            return list(self.open.get(session.run, ()))

    def ended(self, session: Session, ids: Iterable[int], replies: Sequence[Reply]) -> None:
        """Take note of what the server answered; also of a refusal that it would only repeat.

        Raises:
            ServerBusyError: It can do nothing now. Nothing may be sent before the connections are ended.
        """
        for reply in replies:
            if isinstance(reply, ResponseError):
                if not _is_final(reply):
                    raise refused(reply)
                self.is_barred = True
        with self._lock:
            left = self.open.get(session.run, {})
            for one in ids:
                left.pop(one, None)
            if not left:
                self.open.pop(session.run, None)


def ending(ids: Iterable[int]) -> list[Command]:
    """Give the commands that end connections."""
    return [("CLIENT", "KILL", "ID", one) for one in ids]


def _is_final(error: ResponseError) -> bool:
    """Whether a server would refuse the same again: this user may not, or it knows no such command."""
    return not isinstance(refused(error), ServerBusyError)
