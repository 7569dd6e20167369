"""Drivers: move an operation to its end, blocking or in an event loop, batch by batch."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

from .client import AsyncClient, SyncClient
from .commands import Command, Pipelined, Reply, RoundTrips
from .pipeline import AsyncFlights, SyncFlights

__all__ = ["AsyncDriver", "Changing", "Driver", "run", "run_async"]


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


def run(driver: Driver, batches: RoundTrips[Result]) -> Result:
    """Move an operation to its end, blocking."""
    flights: SyncFlights | None = None
    try:
        commands = next(batches)
        while True:
            try:
                now = driver.current() if isinstance(driver, Changing) else driver
                if isinstance(commands, Pipelined) and isinstance(now, SyncClient):
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


async def run_async(driver: AsyncDriver, batches: RoundTrips[Result]) -> Result:
    """Move an operation to its end, in the running loop."""
    flights: AsyncFlights | None = None
    try:
        commands = next(batches)
        while True:
            try:
                if isinstance(commands, Pipelined) and isinstance(driver, AsyncClient):
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
