"""Flights: batches of one operation under way on one connection, while the operation goes on (see ``commands.Ahead``).

What breaks their connection leaves open which of them were executed. Where all of them may be executed twice, they are
exchanged again, in their order; else that is an error, and none is.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import RedisModelsError
from . import wire
from .commands import Command, Pipelined, Reply, changes_nothing
from .connection import Line
from .retry import BROKEN, is_turned_away

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
        self._line: Line | None = None
        self._open = deque[tuple[Pipelined, list[Reply]]]()

    def send(self, commands: Pipelined) -> list[Reply]:
        """Send a batch, then read the replies of those before it; give the list that its own will be in.

        Raises:
            As ``SyncClient.exchange``.
        """
        replies: list[Reply] = []
        self._open.append((commands, replies))
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
        self._open.clear()
        return self._client.exchange(commands)

    def land(self) -> None:
        """Read the replies of all that are under way.

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
            self.land()

    def _read(self, line: Line, left: int) -> None:
        refused: list[tuple[Pipelined, list[Reply]]] = []
        # Of a server that is not the one to ask, all replies are read, before another one is looked for.
        while len(self._open) > (0 if line.is_elsewhere else left):
            commands, replies = self._open[0]
            replies[:] = wire.receive(line, len(commands), self._client.until())
            self._open.popleft()
            if line.is_elsewhere and is_turned_away(commands, replies):
                refused.append((commands, replies))
        if line.is_elsewhere:
            self._give_back()
            for commands, replies in refused:
                replies[:] = self._client.exchange(commands)

    def _give_back(self) -> None:
        if self._line is not None:
            # Let go of first: an interrupt in between may lose a connection, but must never give one back twice.
            line, self._line = self._line, None
            self._client.pool.give(line)

    def _exchange_again(self, exc: Exception) -> None:
        again, is_sent = list(self._open), self._line is not None
        self._drop()
        # As one batch: if one of them must not be executed twice, none is.
        trial = self._client.new_trial(_all_of(again))
        trial.is_sent = is_sent
        time.sleep(trial.pause_after(exc))
        for commands, replies in again:
            replies[:] = self._client.exchange(commands)

    def _drop(self) -> None:
        is_abandoned = not changes_nothing(_all_of(self._open))
        self._open.clear()
        if self._line is not None:
            line, self._line = self._line, None
            self._client.pool.drop(line, is_abandoned=is_abandoned)


class AsyncFlights:
    """Those of one operation in asyncio.

    Args:
        client: Whose connections they take.
    """

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client
        self._line: Line | None = None
        self._open = deque[tuple[Pipelined, list[Reply]]]()

    async def send(self, commands: Pipelined) -> list[Reply]:
        """Do what ``SyncFlights.send`` does."""
        replies: list[Reply] = []
        self._open.append((commands, replies))
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

    async def land(self) -> None:
        """Do what ``SyncFlights.land`` does."""
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
        """Do what ``SyncFlights.end`` does."""
        with suppress(RedisModelsError):
            await self.land()

    async def _read(self, line: Line, left: int) -> None:
        refused: list[tuple[Pipelined, list[Reply]]] = []
        while len(self._open) > (0 if line.is_elsewhere else left):
            commands, replies = self._open[0]
            async with asyncio.timeout(self._client.timeout_s):
                replies[:] = await wire.receive_async(line, len(commands))
            self._open.popleft()
            if line.is_elsewhere and is_turned_away(commands, replies):
                refused.append((commands, replies))
        if line.is_elsewhere:
            await self._give_back()
            for commands, replies in refused:
                replies[:] = await self._client.exchange(commands)

    async def _give_back(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            await self._client.pool.give(line)

    async def _exchange_again(self, exc: Exception) -> None:
        again, is_sent = list(self._open), self._line is not None
        await self._drop()
        await self._client.pool.settle()
        trial = self._client.new_trial(_all_of(again))
        trial.is_sent = is_sent
        await asyncio.sleep(trial.pause_after(exc))
        for commands, replies in again:
            replies[:] = await self._client.exchange(commands)

    async def _drop(self) -> None:
        is_abandoned = not changes_nothing(_all_of(self._open))
        self._open.clear()
        if self._line is not None:
            line, self._line = self._line, None
            await self._client.pool.drop(line, is_abandoned=is_abandoned)


def _all_of(flights: Iterable[tuple[Pipelined, list[Reply]]]) -> list[Command]:
    return [command for commands, _ in flights for command in commands]
