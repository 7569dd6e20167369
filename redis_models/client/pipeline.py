"""Pipelines: batches of one operation in flight on one connection, while the operation continues.

See ``commands.Pipelined``. When the connection breaks, it is unknown which of them were executed. They are exchanged
again, in their order, if all of them may be executed twice; otherwise that is an error, and none is sent again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import RedisModelsError
from . import wire
from .commands import Command, PendingReplies, Pipelined, changes_nothing
from .connection import Line
from .retry import BROKEN, is_turned_away

if TYPE_CHECKING:
    from .client import AsyncClient, SyncClient

__all__ = ["AsyncPipeline", "SyncPipeline"]


class SyncPipeline:
    """The pipelined batches of one blocking operation.

    Meanwhile the operation may run code of the application, such as a validator, that sends commands itself. If a
    connection is not left for that, the batch is exchanged without pipelining.

    Args:
        client: Its connections are used.
    """

    def __init__(self, client: "SyncClient") -> None:
        self._client = client
        self._line: Line | None = None
        self._in_flight = deque[tuple[Pipelined, PendingReplies]]()

    def send(self, commands: Pipelined) -> PendingReplies:
        """Send a batch, then read the replies of those before it.

        Returns:
            The replies of this batch, which are filled by a later call.

        Raises:
            As ``SyncClient.exchange``.
        """
        replies = PendingReplies()
        self._in_flight.append((commands, replies))
        try:
            if self._line is None:
                self._line = self._client.pool.take_spare()
            if self._line is not None:
                wire.send(self._line, commands)
                self._read(self._line, 1)
                return replies
        except BROKEN as exc:
            self._exchange_again(exc)
            return replies
        except BaseException:
            self._drop()
            raise
        self._in_flight.clear()
        replies.fill(self._client.exchange(commands))
        return replies

    def drain(self) -> None:
        """Read the replies of all batches in flight.

        Raises:
            As ``SyncClient.exchange``.
        """
        if self._line is None:
            return
        try:
            self._read(self._line, 0)
        except BROKEN as exc:
            self._exchange_again(exc)
        except BaseException:
            self._drop()
            raise
        self._give_back()

    def end(self) -> None:
        """Wait for batches whose replies are no longer needed, so that none is executed later."""
        with suppress(RedisModelsError):
            self.drain()

    def _read(self, line: Line, left: int) -> None:
        turned_away: list[tuple[Pipelined, PendingReplies]] = []
        # If another server must be asked, all replies of this one are read first.
        while len(self._in_flight) > (0 if line.is_elsewhere else left):
            commands, replies = self._in_flight[0]
            replies.fill(wire.receive(line, len(commands), self._client.until()))
            self._in_flight.popleft()
            if line.is_elsewhere and is_turned_away(commands, replies):
                turned_away.append((commands, replies))
        if line.is_elsewhere:
            self._give_back()
            for commands, replies in turned_away:
                replies.fill(self._client.exchange(commands))

    def _give_back(self) -> None:
        if self._line is not None:
            # Cleared first: an interrupt in between may lose a connection, but must never give one back twice.
            line, self._line = self._line, None
            self._client.pool.give(line)

    def _exchange_again(self, exc: Exception) -> None:
        unanswered, is_sent = list(self._in_flight), self._line is not None
        self._drop()
        # As one batch: if one of them must not be executed twice, none is.
        retry = self._client.new_retry(_commands_of(unanswered))
        retry.is_sent = is_sent
        time.sleep(retry.pause_after(exc))
        for commands, replies in unanswered:
            replies.fill(self._client.exchange(commands))

    def _drop(self) -> None:
        is_abandoned = not changes_nothing(_commands_of(self._in_flight))
        self._in_flight.clear()
        if self._line is not None:
            line, self._line = self._line, None
            self._client.pool.drop(line, is_abandoned=is_abandoned)


class AsyncPipeline:
    """The pipelined batches of one operation in asyncio.

    Args:
        client: Its connections are used.
    """

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client
        self._line: Line | None = None
        self._in_flight = deque[tuple[Pipelined, PendingReplies]]()

    async def send(self, commands: Pipelined) -> PendingReplies:
        """Do what ``SyncPipeline.send`` does."""
        replies = PendingReplies()
        self._in_flight.append((commands, replies))
        try:
            if self._line is None:
                await self._client.pool.await_server()
            async with asyncio.timeout(self._client.timeout_s):
                if self._line is None:
                    self._line = await self._client.pool.take()
                await wire.send_async(self._line, commands)
            await self._read(self._line, 1)
        except BROKEN as exc:
            await self._exchange_again(exc)
        except BaseException:
            await self._drop()
            raise
        return replies

    async def drain(self) -> None:
        """Do what ``SyncPipeline.drain`` does."""
        if self._line is None:
            return
        try:
            await self._read(self._line, 0)
        except BROKEN as exc:
            await self._exchange_again(exc)
        except BaseException:
            await self._drop()
            raise
        await self._give_back()

    async def end(self) -> None:
        """Do what ``SyncPipeline.end`` does."""
        with suppress(RedisModelsError):
            await self.drain()

    async def _read(self, line: Line, left: int) -> None:
        turned_away: list[tuple[Pipelined, PendingReplies]] = []
        while len(self._in_flight) > (0 if line.is_elsewhere else left):
            commands, replies = self._in_flight[0]
            async with asyncio.timeout(self._client.timeout_s):
                replies.fill(await wire.receive_async(line, len(commands)))
            self._in_flight.popleft()
            if line.is_elsewhere and is_turned_away(commands, replies):
                turned_away.append((commands, replies))
        if line.is_elsewhere:
            await self._give_back()
            for commands, replies in turned_away:
                replies.fill(await self._client.exchange(commands))

    async def _give_back(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            await self._client.pool.give(line)

    async def _exchange_again(self, exc: Exception) -> None:
        unanswered, is_sent = list(self._in_flight), self._line is not None
        await self._drop()
        await self._client.pool.settle()
        retry = self._client.new_retry(_commands_of(unanswered))
        retry.is_sent = is_sent
        await asyncio.sleep(retry.pause_after(exc))
        for commands, replies in unanswered:
            replies.fill(await self._client.exchange(commands))

    async def _drop(self) -> None:
        is_abandoned = not changes_nothing(_commands_of(self._in_flight))
        self._in_flight.clear()
        if self._line is not None:
            line, self._line = self._line, None
            await self._client.pool.drop(line, is_abandoned=is_abandoned)


def _commands_of(batches: Iterable[tuple[Pipelined, PendingReplies]]) -> list[Command]:
    return [command for commands, _ in batches for command in commands]
