"""Drivers: run an operation to its end, batch by batch, blocking or in an event loop."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

from .client import AsyncClient, SyncClient
from .commands import Command, Pipelined, Reply, RoundTrips
from .pipeline import AsyncPipeline, SyncPipeline

__all__ = ["AsyncDriver", "ChangingDriver", "Driver", "run", "run_async"]


Result = TypeVar("Result")


class Driver(Protocol):
    """Exchanges a batch for its replies, blocking."""

    def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


class ChangingDriver:
    """A driver that may change from batch to batch.

    Args:
        current: Gives the current one.
    """

    def __init__(self, current: Callable[[], Driver]) -> None:
        self.current = current

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Exchange by the current driver."""
        return self.current().exchange(commands)


class AsyncDriver(Protocol):
    """Exchanges a batch for its replies, in asyncio."""

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


def run(driver: Driver, batches: RoundTrips[Result]) -> Result:
    """Run an operation to its end, blocking."""
    pipeline: SyncPipeline | None = None
    replies: list[Reply]
    try:
        commands = next(batches)
        while True:
            try:
                current = driver.current() if isinstance(driver, ChangingDriver) else driver
                if isinstance(commands, Pipelined) and isinstance(current, SyncClient):
                    pipeline = pipeline or SyncPipeline(current)
                    replies = pipeline.send(commands)
                else:
                    if pipeline is not None:
                        pipeline.drain()
                    replies = current.exchange(commands)
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is unknown
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        if pipeline is not None:
            pipeline.end()


async def run_async(driver: AsyncDriver, batches: RoundTrips[Result]) -> Result:
    """Run an operation to its end, in the running loop."""
    pipeline: AsyncPipeline | None = None
    replies: list[Reply]
    try:
        commands = next(batches)
        while True:
            try:
                if isinstance(commands, Pipelined) and isinstance(driver, AsyncClient):
                    pipeline = pipeline or AsyncPipeline(driver)
                    replies = await pipeline.send(commands)
                else:
                    if pipeline is not None:
                        await pipeline.drain()
                    replies = await driver.exchange(commands)
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is unknown
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)
    finally:
        if pipeline is not None:
            await pipeline.end()
