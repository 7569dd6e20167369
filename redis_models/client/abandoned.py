"""Connections that were given up while the server, or something on the way to it, may still have had a message of ours.

A message that is given up must not begin later, over something that was written since. So the server is told to end
such a connection: at once, beside the caller that gave it up, because others may write; and where that failed, before
anything else is sent. What it carried was executed by then, or never will be.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from redis.exceptions import ResponseError

from ..errors import ServerBusyError
from .commands import Command, Reply
from .errors import translate

__all__ = ["ASKING", "Abandoned", "AsyncEnding", "Session", "SyncEnding", "ending"]

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
        number, info = replies
        errors = [reply for reply in replies if isinstance(reply, ResponseError)]
        self.is_barred |= any(map(_is_final, errors))
        found = _RUN.search(info) if isinstance(info, bytes) else None
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
                    raise translate(reply)
                self.is_barred = True
        with self._lock:
            left = self.open.get(session.run, {})
            for number in ids:
                left.pop(number, None)
            if not left:
                self.open.pop(session.run, None)


def ending(ids: Iterable[int]) -> list[Command]:
    """Give the commands that end connections."""
    return [("CLIENT", "KILL", "ID", number) for number in ids]


def _is_final(error: ResponseError) -> bool:
    """Whether a server would refuse the same again: this user may not, or it knows no such command."""
    return not isinstance(translate(error), ServerBusyError)


# A new connection, with TLS, a password and a number of a database, and the two exchanges on it are about eight round
# trips: enough for those of 100 ms. Where no server listens, it fails at once.
WAIT_S: Final = 1.0


class SyncEnding:
    """The one attempt at a time of a pool for blocking callers. May be shared by threads.

    It has a thread of its own, as nothing else bounds the time that looking up a name takes; and a server that has
    stalled ends what was abandoned when it goes on, though its caller has left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wait(self, end: Callable[[], None], is_open: Callable[[], bool], patience_s: float | None) -> None:
        """Have something ended, and wait for it, but not for long.

        Args:
            end: Ends all there is; raises nothing.
            is_open: Whether there is something left.
            patience_s: How long the caller has waited in vain already; it does not wait for longer than that again.
        """
        until = time.monotonic() + min(WAIT_S, WAIT_S if patience_s is None else patience_s)
        for _ in range(2):  # an attempt that was under way may have looked too early
            if not is_open() or (thread := self._under_way(end)) is None:
                return
            thread.join(max(0.0, until - time.monotonic()))

    def _under_way(self, end: Callable[[], None]) -> threading.Thread | None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=end, name="redis-models-ending", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter ends, or there can be no more threads
                    return None
                self._thread = thread
            return self._thread


class AsyncEnding:
    """The one attempt at a time of a pool of one event loop: a task of its own, which no caller's cancellation ends.

    Attributes:
        is_due: Whether something was abandoned since the last attempt that was not cut short.
    """

    def __init__(self) -> None:
        self.is_due = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have something ended in the background.

        Args:
            end: Ends all there is; raises nothing but a cancellation.
        """
        self.is_due = True
        if self._task is None or self._task.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # a coroutine that is thrown away behind the end of its loop
                return
            self._task = loop.create_task(self._run(end), name="redis-models-ending")
            # Who closes a loop without an end to its tasks is not to read of one that is not theirs.
            cast(Any, self._task)._log_destroy_pending = False  # as asyncio.gather does

    async def wait(self, patience_s: float | None) -> None:
        """Wait for what is under way, but not for long; it goes on if the caller is cancelled."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=min(WAIT_S, WAIT_S if patience_s is None else patience_s))

    async def close(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Come to an end: asyncio.run has cancelled all tasks before it closes what they used."""
        if self.is_due and (self._task is None or self._task.done()):
            self.begin(end)
        await self.wait(None)
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=WAIT_S)

    async def _run(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while self.is_due:
            self.is_due = False
            try:
                await end()
            except asyncio.CancelledError:
                self.is_due = True
                raise
