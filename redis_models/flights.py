"""Flights: batches of one operation under way on one connection, while the operation goes on (see ``batches.Ahead``).

What breaks their connection leaves open which of them were executed. All may be executed twice, so they are exchanged
again, in their order.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import wire
from .batches import Ahead, Reply
from .errors import RedisModelsError
from .trial import BROKEN, Trial

if TYPE_CHECKING:
    from .client import AsyncClient, SyncClient

__all__ = ["AsyncFlights", "SyncFlights"]


class SyncFlights:
    """Those of one blocking operation.

    What the operation does meanwhile may be code of others, as a validator, that asks the server for something itself:
    there is a connection left for it, or the batch is exchanged as any other.

    Args:
        client: Whose connections they take.
    """

    def __init__(self, client: "SyncClient") -> None:
        self._client = client
        self._connection: Any = None
        self._open = deque[tuple[Ahead, list[Reply]]]()

    def send(self, commands: Ahead) -> list[Reply]:
        """Send a batch, then read the replies of those before it; give the list that its own will be in.

        Raises:
            As ``SyncClient.exchange``.
        """
        replies: list[Reply] = []
        self._open.append((commands, replies))
        try:
            if self._connection is None:
                self._connection = self._client.pool.take_spare()
            if self._connection is not None:
                wire.send(self._connection, commands)
                self._read(1)
                return replies
        except BROKEN as exc:
            self._exchange_again(exc)
            return replies
        except BaseException:
            self._drop()
            raise
        self._open.clear()
        return self._client.exchange(commands)

    def land(self) -> None:
        """Read the replies of all that are under way.

        Raises:
            As ``SyncClient.exchange``.
        """
        try:
            self._read(0)
        except BROKEN as exc:
            self._exchange_again(exc)
        except BaseException:
            self._drop()
            raise
        if self._connection is not None:
            # Let go of first: an interrupt in between may lose a connection, but must never give one back twice.
            connection, self._connection = self._connection, None
            self._client.pool.give(connection)

    def end(self) -> None:
        """Wait for what is under way where nobody asks for it any more, so that nothing is executed later."""
        with suppress(RedisModelsError):
            self.land()

    def _read(self, left: int) -> None:
        while len(self._open) > left:
            commands, replies = self._open[0]
            replies[:] = wire.receive(self._connection, len(commands), self._client.until())
            self._open.popleft()

    def _exchange_again(self, exc: Exception) -> None:
        trial = Trial(self._open[0][0], self._client.address)
        trial.is_sent = self._connection is not None
        again = list(self._open)
        self._drop()
        time.sleep(trial.pause_after(exc))
        for commands, replies in again:
            replies[:] = self._client.exchange(commands)

    def _drop(self) -> None:
        self._open.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._client.pool.drop(connection)


class AsyncFlights:
    """Those of one operation in asyncio.

    Args:
        client: Whose connections they take.
    """

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client
        self._connection: Any = None
        self._open = deque[tuple[Ahead, list[Reply]]]()

    async def send(self, commands: Ahead) -> list[Reply]:
        """Do what ``SyncFlights.send`` does."""
        replies: list[Reply] = []
        self._open.append((commands, replies))
        try:
            async with asyncio.timeout(self._client.timeout_s):
                if self._connection is None:
                    self._connection = await self._client.pool.take()
                await wire.send_async(self._connection, commands)
            await self._read(1)
        except BROKEN as exc:
            await self._exchange_again(exc)
        except BaseException:
            await self._drop()
            raise
        return replies

    async def land(self) -> None:
        """Do what ``SyncFlights.land`` does."""
        try:
            await self._read(0)
        except BROKEN as exc:
            await self._exchange_again(exc)
        except BaseException:
            await self._drop()
            raise
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._client.pool.give(connection)

    async def end(self) -> None:
        """Do what ``SyncFlights.end`` does."""
        with suppress(RedisModelsError):
            await self.land()

    async def _read(self, left: int) -> None:
        while len(self._open) > left:
            commands, replies = self._open[0]
            async with asyncio.timeout(self._client.timeout_s):
                replies[:] = await wire.receive_async(self._connection, len(commands))
            self._open.popleft()

    async def _exchange_again(self, exc: Exception) -> None:
        trial = Trial(self._open[0][0], self._client.address)
        trial.is_sent = self._connection is not None
        again = list(self._open)
        await self._drop()
        await asyncio.sleep(trial.pause_after(exc))
        for commands, replies in again:
            replies[:] = await self._client.exchange(commands)

    async def _drop(self) -> None:
        self._open.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._client.pool.drop(connection)
