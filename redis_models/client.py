"""Drive command batches over redis-py connections: one blocking driver, one for asyncio.

Both speak on redis-py's connections directly: a batch is packed once, sent once, and its replies are read as bytes
whatever the client decodes. redis-py's own retries stay off, because they repeat writes after a time-out without
asking. Ours repeat a batch after a broken connection, which every batch allows but ``Once`` (see ``batches``); that is
repeated only while nothing of it was sent, or the server answered that it is loading its data and executes nothing.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

import redis
import redis.asyncio

from . import wire
from .batches import Ahead, Batches, Command, Once, Pause, Reply
from .flights import AsyncFlights, SyncFlights
from .pools import AsyncPool, SyncPool
from .trial import BROKEN, Trial

__all__ = ["AsyncClient", "AsyncDriver", "Changing", "Driver", "SyncClient", "run", "run_async"]

Result = TypeVar("Result")


class Driver(Protocol):
    """What exchanges a batch for its replies, blocking."""

    def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


class Changing:
    """A driver that may be another one from batch to batch.

    Args:
        current: Gives the one of the moment.
    """

    def __init__(self, current: Callable[[], Driver]) -> None:
        self.current = current

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Do what the one of the moment does."""
        return self.current().exchange(commands)


class AsyncDriver(Protocol):
    """What exchanges a batch for its replies, in asyncio."""

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


def run(driver: Driver, batches: Batches[Result]) -> Result:
    """Move an operation to its end, blocking."""
    flights: SyncFlights | None = None
    try:
        commands = next(batches)
        while True:
            try:
                now = driver.current() if isinstance(driver, Changing) else driver
                if isinstance(commands, Ahead) and isinstance(now, SyncClient):
                    flights = flights or SyncFlights(now)
                    replies = flights.send(commands)
                else:
                    if flights is not None:
                        flights.land()
                    replies = now.exchange(commands)
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is open
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        if flights is not None:
            flights.end()


async def run_async(driver: AsyncDriver, batches: Batches[Result]) -> Result:
    """Move an operation to its end, in the running loop."""
    flights: AsyncFlights | None = None
    try:
        commands = next(batches)
        while True:
            try:
                if isinstance(commands, Ahead) and isinstance(driver, AsyncClient):
                    flights = flights or AsyncFlights(driver)
                    replies = await flights.send(commands)
                else:
                    if flights is not None:
                        await flights.land()
                    replies = await driver.exchange(commands)
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is open
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        if flights is not None:
            await flights.end()


class SyncClient:
    """Exchanges batches for blocking callers. May be shared by threads.

    Args:
        client: Where its pool connects to, this does; nothing else of it is used.
        address: What errors call the server, without a password.
        timeout_s: How long to wait for a free connection, and how long one batch may take, in seconds; a server that
            sends nothing is given up after the ``socket_timeout`` of ``client``.

    Attributes:
        pool: Its connections.
        address, timeout_s: As given.
    """

    def __init__(self, client: redis.Redis, address: str, timeout_s: float | None = None) -> None:
        self.pool = SyncPool(cast(Any, client).connection_pool, timeout_s)
        self.address, self.timeout_s = address, timeout_s

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` in one piece and read all their replies, errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; the text says whether what was sent may
                have been executed.
            ServerRefusedError: The server does not let us in.
        """
        if not commands:
            if isinstance(commands, Pause):
                time.sleep(commands.seconds)  # a pause is what the operation asked for
            return []
        trial = None
        while True:
            is_sent = False
            try:
                connection = self.pool.take(surely=isinstance(commands, Once))
                is_sent = True
                return self._speak(connection, commands)
            except BROKEN as exc:
                trial = trial or Trial(commands, self.address)
                trial.is_sent = is_sent
                time.sleep(trial.pause_after(exc))  # else all clients would come back at one moment

    def until(self) -> float | None:
        """When a batch that begins now must be over, by ``time.monotonic``."""
        return None if self.timeout_s is None else time.monotonic() + self.timeout_s

    def new_plain(self) -> redis.Redis:
        """Make a client of redis-py for the same server, that answers bytes and sends nothing twice; yours to close."""
        return redis.Redis.from_pool(self.pool.new_plain())

    def close(self) -> None:
        """Close the connections; those in use, when they have their replies."""
        self.pool.close()

    def _speak(self, connection: Any, commands: Sequence[Command]) -> list[Reply]:
        until = self.until()
        try:
            wire.send(connection, commands)
            replies = wire.receive(connection, len(commands), until)
        except BaseException:
            # Unread replies would answer the next batch on this connection.
            self.pool.drop(connection)
            raise
        self.pool.give(connection)
        return replies


class AsyncClient:
    """Exchanges batches in asyncio. Belongs to one event loop.

    Args:
        client: Where its pool connects to, this does; nothing else of it is used, so it may belong to any loop.
        address: What errors call the server, without a password.
        timeout_s: How long one batch may take, in seconds, waiting for a free connection included; None for ever.

    Attributes:
        pool: Its connections.
        address, timeout_s: As given.
    """

    def __init__(self, client: redis.asyncio.Redis, address: str, timeout_s: float | None = None) -> None:
        self.pool = AsyncPool(cast(Any, client).connection_pool)
        self.address, self.timeout_s = address, timeout_s

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` in one piece and read all their replies, errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; the text says whether what was sent may
                have been executed.
            ServerRefusedError: The server does not let us in.
        """
        if not commands:
            if isinstance(commands, Pause):
                await asyncio.sleep(commands.seconds)
            return []
        trial = Trial(commands, self.address)
        while True:
            try:
                trial.is_sent = False
                async with asyncio.timeout(self.timeout_s):
                    connection = await self.pool.take(surely=isinstance(commands, Once))
                    trial.is_sent = True
                    return await self._speak(connection, commands)
            except BROKEN as exc:
                await asyncio.sleep(trial.pause_after(exc))

    async def aclose(self) -> None:
        """Close the connections; those in use, when they have their replies."""
        await self.pool.aclose()

    async def _speak(self, connection: Any, commands: Sequence[Command]) -> list[Reply]:
        try:
            await wire.send_async(connection, commands)
            replies = await wire.receive_async(connection, len(commands))
        except BaseException:
            await self.pool.drop(connection)
            raise
        await self.pool.give(connection)
        return replies
