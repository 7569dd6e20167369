"""Clients: exchange batches of commands over redis-py's connections, one blocking, one for asyncio.

Both use redis-py's connections directly: a batch is packed and sent once, and its replies are read as bytes, even if
the application's client decodes. redis-py's own retries are off, because they repeat every write. Ours repeat a batch
of which nothing was executed (its connection broke before, or the server refused all of it), and a repeatable one (see
``commands``). Any other broken exchange raises at once an error that says that the outcome is unknown; its commands are
not executed later (see ``abandoned``).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import redis
import redis.asyncio

from . import wire
from .abandoned import Abandoned
from .commands import Command, Reply, Sleep, changes_nothing
from .connection import Line
from .pools import AsyncPool, SyncPool
from .retry import BROKEN, RetryState

__all__ = ["AsyncClient", "SyncClient"]


class _Client:
    """The arguments of both clients, and the retries of a batch."""

    def __init__(self, address: str, timeout_s: float | None, resends: bool) -> None:
        self.address, self.timeout_s, self.resends = address, timeout_s, resends

    def new_retry(self, commands: Sequence[Command]) -> RetryState:
        """Make the state of a batch's retries."""
        return RetryState(commands, self.address, resends=self.resends)

    def _broken(self, retry: RetryState | None, commands: Sequence[Command], *, is_sent: bool) -> RetryState:
        """Give the retry state of a batch whose connection broke; a new one at its first failure."""
        retry = retry or self.new_retry(commands)
        retry.is_sent = is_sent
        return retry


class SyncClient(_Client):
    """Exchanges batches for blocking callers. May be shared by threads.

    Args:
        client: Its pool says where to connect to; nothing else of it is used.
        address: Name of the server in errors, without a password.
        timeout_s: How long to wait for a free connection, and how long one batch may take, in seconds; if the server
            sends nothing, the client gives up after the ``socket_timeout`` of ``client``.
        abandoned: Connections that its store has abandoned; None to keep its own.
        resends: Whether writes are sent again after a broken connection, even if other clients wrote meanwhile.

    Attributes:
        pool: Its connections.
        address, timeout_s, resends: As given.
    """

    def __init__(
        self,
        client: redis.Redis,
        address: str,
        timeout_s: float | None = None,
        *,
        abandoned: Abandoned | None = None,
        resends: bool = False,
    ) -> None:
        self.pool = SyncPool(cast(Any, client).connection_pool, timeout_s, abandoned or Abandoned())
        super().__init__(address, timeout_s, resends)

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` together and read all their replies, with errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; the text says whether commands may have
                been executed.
            ServerRefusedError: The server refuses the connection.
        """
        if not commands:
            if isinstance(commands, Sleep):
                time.sleep(commands.seconds)
            return []
        retry = None
        while True:
            is_sent = False
            try:
                line = self.pool.take()
                is_sent = True
                replies = self._speak(line, commands)
            except BROKEN as exc:
                retry = self._broken(retry, commands, is_sent=is_sent)
                pause = retry.pause_after(exc)
            else:
                if not line.is_elsewhere:
                    return replies
                retry = retry or self.new_retry(commands)
                if (refused := retry.pause_after_refusal(replies)) is None:
                    return replies
                pause = refused
            time.sleep(pause)

    def until(self) -> float | None:
        """The deadline of a batch that begins now, by ``time.monotonic``."""
        return None if self.timeout_s is None else time.monotonic() + self.timeout_s

    def new_plain(self) -> redis.Redis:
        """Make a redis-py client for the same server, which returns bytes and does not retry. The caller closes it."""
        return redis.Redis.from_pool(self.pool.new_plain())

    def close(self) -> None:
        """Close the connections; those in use are closed when they have their replies."""
        self.pool.close()

    def _speak(self, line: Line, commands: Sequence[Command]) -> list[Reply]:
        until = self.until()
        try:
            wire.send(line, commands)
            replies = wire.receive(line, len(commands), until)
        except BaseException:
            # The next batch on this connection would read the replies of this one.
            self.pool.drop(line, is_abandoned=not changes_nothing(commands))
            raise
        self.pool.give(line)
        return replies


class AsyncClient(_Client):
    """Exchanges batches in asyncio. Belongs to one event loop.

    Args:
        client: Its pool says where to connect to; nothing else of it is used, so it may belong to any loop.
        address: Name of the server in errors, without a password.
        timeout_s: How long one batch may take, with the wait for a free connection, in seconds; None for no limit.
        abandoned, resends: As for ``SyncClient``.

    Attributes:
        pool: Its connections.
        address, timeout_s, resends: As given.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        address: str,
        timeout_s: float | None = None,
        *,
        abandoned: Abandoned | None = None,
        resends: bool = False,
    ) -> None:
        self.pool = AsyncPool(cast(Any, client).connection_pool, timeout_s, abandoned or Abandoned())
        super().__init__(address, timeout_s, resends)

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` together and read all their replies, with errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; the text says whether commands may have
                been executed.
            ServerRefusedError: The server refuses the connection.
        """
        if not commands:
            if isinstance(commands, Sleep):
                await asyncio.sleep(commands.seconds)
            return []
        retry = None
        while True:
            is_sent = False
            try:
                await self.pool.await_server()
                async with asyncio.timeout(self.timeout_s):
                    line = await self.pool.take()
                    is_sent = True
                    replies = await self._speak(line, commands)
            except BROKEN as exc:
                if not is_sent and await self.pool.is_loading():
                    continue  # it stopped after it had answered, and is starting again
                await self.pool.settle()
                retry = self._broken(retry, commands, is_sent=is_sent)
                pause = retry.pause_after(exc)
            else:
                if not line.is_elsewhere:
                    return replies
                retry = retry or self.new_retry(commands)
                if (refused := retry.pause_after_refusal(replies)) is None:
                    return replies
                pause = refused
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        """Close the connections; those in use are closed when they have their replies."""
        await self.pool.aclose()

    async def _speak(self, line: Line, commands: Sequence[Command]) -> list[Reply]:
        try:
            await wire.send_async(line, commands)
            replies = await wire.receive_async(line, len(commands))
        except BaseException:
            await self.pool.drop(line, is_abandoned=not changes_nothing(commands))
            raise
        await self.pool.give(line)
        return replies
