"""Abandoned connections: closed while the server, or a proxy on the way to it, may still have held a write.

Such a write must not be executed later, over a newer one. So the server is told to end the connection: at once and in
the background, because other callers may write; if that fails, before anything else is sent. After that, the write was
executed or never will be.
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

__all__ = ["SESSION_COMMANDS", "Abandoned", "AsyncEnding", "Session", "SyncEnding", "kill_commands"]

SESSION_COMMANDS: Final[Sequence[Command]] = (("CLIENT", "ID"), ("INFO", "server"))
_MOST: Final = 1000  # connections of one run of a server
_MOST_RUNS: Final = 16
_RUN: Final = re.compile(rb"run_id:(\w+)")


class Session(NamedTuple):
    """The identity of a connection on its server.

    Attributes:
        run: The run id of the server, which is unique; numbers repeat on another server or after a restart.
        id: The number of the connection in that run.
    """

    run: bytes
    id: int


class Abandoned:
    """The abandoned connections of one store. May be shared by threads and event loops.

    Attributes:
        open: Numbers of connections to end, by run of their server. Read before every exchange.
        is_barred: Whether the server does not allow this user to list connections, or to end them.
    """

    __slots__ = ("_lock", "is_barred", "open")

    def __init__(self) -> None:
        self.open: dict[bytes, dict[int, None]] = {}
        self._lock = threading.Lock()
        self.is_barred = False

    def session_of(self, replies: Sequence[Reply]) -> tuple[bool, Session | None]:
        """Parse a server's replies to ``SESSION_COMMANDS``.

        Returns:
            Whether asking again would give the same, and the session; None if the replies do not contain it.
        """
        number, info = replies
        errors = [reply for reply in replies if isinstance(reply, ResponseError)]
        self.is_barred |= any(map(_is_final, errors))
        found = _RUN.search(info) if isinstance(info, bytes) else None
        session = Session(found[1], number) if found is not None and isinstance(number, int) else None
        return all(map(_is_final, errors)), session

    def note(self, session: Session) -> None:
        """Add a connection that must be ended."""
        with self._lock:
            if session.run not in self.open and len(self.open) >= _MOST_RUNS:
                del self.open[next(iter(self.open))]
            ids = self.open.setdefault(session.run, {})
            if len(ids) < _MOST:
                ids[session.id] = None

    def waits_for(self, session: Session | None) -> bool:
        """Whether there are connections to end in the session's run of the server."""
        return session is not None and session.run in self.open

    def can_end(self, session: Session) -> bool:
        """Whether this connection must still be ended, and this user may end it."""
        return not self.is_barred and session.id in self.open.get(session.run, ())

    def ids_of(self, session: Session) -> list[int]:
        """Give the numbers of the connections to end."""
        with self._lock:
            return list(self.open.get(session.run, ()))

    def ended(self, session: Session, ids: Iterable[int], replies: Sequence[Reply]) -> None:
        """Remove the connections that the server has ended, by its replies; a permanent refusal is noted too.

        Raises:
            ServerBusyError: The server cannot end them now. Nothing may be sent before they are ended.
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


def kill_commands(ids: Iterable[int]) -> list[Command]:
    """Give the commands that end connections."""
    return [("CLIENT", "KILL", "ID", number) for number in ids]


def _is_final(error: ResponseError) -> bool:
    """Whether a refusal is permanent: the user lacks the permission, or the server does not have the command."""
    return not isinstance(translate(error), ServerBusyError)


# A new connection (TLS, password, database) and its two exchanges are about eight round trips: enough for those of
# 100 ms. If no server listens, it fails at once.
WAIT_S: Final = 1.0


class SyncEnding:
    """Ends the abandoned connections of a blocking pool, one attempt at a time. May be shared by threads.

    It runs in a thread: only so can the time of a name lookup be limited, and a stalled server ends them when it
    continues, even if the caller has returned.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wait(self, end: Callable[[], None], is_open: Callable[[], bool], patience_s: float | None) -> None:
        """End the connections, and wait a short time for that.

        Args:
            end: Ends all of them; does not raise.
            is_open: Whether some are left.
            patience_s: The timeout after which the caller gave up; the wait is not longer.
        """
        until = time.monotonic() + min(WAIT_S, WAIT_S if patience_s is None else patience_s)
        for _ in range(2):  # an attempt that was already running may not have seen the new connection
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
    """Ends the abandoned connections of an asyncio pool, one attempt at a time, in a task that callers cannot cancel.

    Attributes:
        is_due: Whether a connection was abandoned since the last completed attempt.
    """

    def __init__(self) -> None:
        self.is_due = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """End the connections in the background.

        Args:
            end: Ends all of them; raises only a cancellation.
        """
        self.is_due = True
        if self._task is None or self._task.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:  # a coroutine that is closed after its loop
                return
            self._task = loop.create_task(self._run(end), name="redis-models-ending")
            # An application that closes its loop with tasks left must not get a warning about ours.
            cast(Any, self._task)._log_destroy_pending = False  # as asyncio.gather does

    async def wait(self, patience_s: float | None) -> None:
        """Wait a short time for the running attempt; it continues if the caller is cancelled."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=min(WAIT_S, WAIT_S if patience_s is None else patience_s))

    async def close(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Make a last attempt: asyncio.run cancels all tasks before it closes what they used."""
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
