"""Drive command batches over redis-py connections: one blocking driver, one for asyncio.

Both take a connection out of the client's pool and speak on it directly: a batch is packed once, sent once, and its
replies are read as bytes whatever the client decodes. redis-py's own retries stay off, because they repeat writes after
a time-out without asking; ours repeat a batch after a broken connection, which every batch allows (see ``batches``).
"""

import asyncio
import builtins
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

import hiredis
import redis
import redis.asyncio
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from .batches import Batches, Command, Reply
from .errors import RedisModelsError, ServerRefusedError, ServerUnreachableError

__all__ = ["AsyncClient", "AsyncDriver", "Driver", "SyncClient", "run", "run_async"]

Result = TypeVar("Result")
_PAUSES: Final = (0.02, 0.1, 0.4)  # seconds before each new try after a broken connection
_BROKEN: Final = (OSError, RedisError)


class Driver(Protocol):
    """What exchanges a batch for its replies, blocking."""

    def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


class AsyncDriver(Protocol):
    """What exchanges a batch for its replies, in asyncio."""

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]: ...


def run(driver: Driver, batches: Batches[Result]) -> Result:
    """Move an operation to its end, blocking."""
    try:
        commands = next(batches)
        while True:
            try:
                replies = driver.exchange(commands)
            except RedisModelsError as exc:
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)


async def run_async(driver: AsyncDriver, batches: Batches[Result]) -> Result:
    """Move an operation to its end, in the running loop."""
    try:
        commands = next(batches)
        while True:
            try:
                replies = await driver.exchange(commands)
            except RedisModelsError as exc:
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)


class SyncClient:
    """Exchanges batches over a blocking redis-py client. May be shared by threads.

    Args:
        client: Its connection pool is used; nothing else of it.
        address: What errors call the server, without a password.
    """

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._pool: Any = client.connection_pool  # redis-py leaves it half untyped
        self._address = address

    def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` in one piece and read all their replies, errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; what was sent may have been executed.
            ServerRefusedError: The server does not let us in.
        """
        if not commands:
            return []
        packed = _packed(commands)
        for pause in _pauses():
            try:
                return self._attempt(packed, len(commands))
            except _BROKEN as exc:
                cause = _unwrapped(exc)
                if pause is None or not _is_worth_a_retry(cause):
                    raise _unreachable(cause, self._address) from cause
                time.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    def _attempt(self, packed: bytes, count: int) -> list[Reply]:
        connection = self._pool.get_connection()
        try:
            connection.send_packed_command([packed], check_health=False)
            replies: list[Reply] = []
            for _ in range(count):
                try:
                    replies.append(connection.read_response(disable_decoding=True))
                except ResponseError as exc:
                    replies.append(exc)
        except BaseException:
            # Unread replies would answer the next batch on this connection.
            connection.disconnect()
            raise
        finally:
            self._pool.release(connection)
        return replies


class AsyncClient:
    """Exchanges batches over an asyncio redis-py client. Belongs to one event loop.

    Args:
        client: Its connection pool is used; nothing else of it.
        address: What errors call the server, without a password.
        timeout_s: How long one batch may take, in seconds; None for ever.
    """

    def __init__(self, client: redis.asyncio.Redis, address: str, timeout_s: float | None = None) -> None:
        self._pool: Any = client.connection_pool
        self._address, self._timeout_s = address, timeout_s

    async def exchange(self, commands: Sequence[Command]) -> list[Reply]:
        """Send ``commands`` in one piece and read all their replies, errors in their places.

        Raises:
            ServerUnreachableError: No connection, or it broke again and again; what was sent may have been executed.
            ServerRefusedError: The server does not let us in.
        """
        if not commands:
            return []
        packed = _packed(commands)
        for pause in _pauses():
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._attempt(packed, len(commands))
            except _BROKEN as exc:
                cause = _unwrapped(exc)
                if pause is None or not _is_worth_a_retry(cause):
                    raise _unreachable(cause, self._address) from cause
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last pause is None")

    async def _attempt(self, packed: bytes, count: int) -> list[Reply]:
        connection = await self._pool.get_connection()
        try:
            await connection.send_packed_command([packed], check_health=False)
            replies: list[Reply] = []
            for _ in range(count):
                try:
                    replies.append(await connection.read_response(disable_decoding=True))
                except ResponseError as exc:
                    replies.append(exc)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)
        return replies


def _packed(commands: Sequence[Command]) -> bytes:
    pack: Callable[[Command], bytes] = cast(Any, hiredis).pack_command  # whose signature says a tuple of one
    return b"".join([pack(command) for command in commands])


def _pauses() -> Iterator[float | None]:
    yield from _PAUSES
    yield None


def _unwrapped(exc: Exception) -> BaseException:
    """redis-py's asyncio connections hide what went wrong in the greeting, as a wrong password, in another error."""
    return exc.__cause__ if isinstance(exc.__cause__, RedisError) else exc


def _is_worth_a_retry(exc: BaseException) -> bool:
    if isinstance(exc, (AuthenticationError, TimeoutError, builtins.TimeoutError)):
        return False  # the first will not change; the others have used up the time already
    return isinstance(exc, (ConnectionError, BusyLoadingError, OSError))


def _unreachable(exc: BaseException, address: str) -> RedisModelsError:
    if isinstance(exc, AuthenticationError):
        return ServerRefusedError(f"{address} refuses the user name or password ({exc}); correct it in REDIS_URL")
    if isinstance(exc, (TimeoutError, builtins.TimeoutError)):
        return ServerUnreachableError(f"{address} did not answer in time; what was sent may have been executed")
    return ServerUnreachableError(f"{address} cannot be reached ({exc}); start the server, or correct REDIS_URL")
