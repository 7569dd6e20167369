"""Endings: what was abandoned is ended at once, beside whoever gave it up, for others may write before we ask again.

Best effort: what fails or takes longer stays remembered, and is done before the next exchange (see ``abandoned``).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

__all__ = ["AsyncEnding", "SyncEnding"]

# A new connection, with TLS, a password and a number of a database, and the two exchanges on it are about eight round
# trips: enough for those of 100 ms. Where nobody listens it is over at once.
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
    """The one attempt at a time of a pool of one event loop: a task that belongs to nobody who may be cancelled.

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
