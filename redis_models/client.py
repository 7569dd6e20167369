"""Drive command batches over redis-py connections: one blocking driver, one for asyncio.

Both speak on redis-py's connections directly: a batch is packed once, sent once, and its replies are read as bytes
whatever the client decodes. redis-py's own retries stay off, because they repeat writes after a time-out without
asking. Ours repeat a batch after a broken connection, which every batch allows but ``Once`` (see ``batches``); that is
repeated only while nothing of it was sent, or the server answered that it is loading its data and executes nothing.
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

from .batches import Argument, Batches, Command, Once, Pause, Reply
from .connections import is_fake
from .errors import RedisModelsError, ServerRefusedError, ServerUnreachableError
from .pools import AsyncPool, SyncPool

__all__ = ["AsyncClient", "AsyncDriver", "Driver", "SyncClient", "run", "run_async"]

Result = TypeVar("Result")
_PAUSES: Final = (0.02, 0.1, 0.4)  # seconds before each new try after a broken connection
_BROKEN: Final = (OSError, RedisError)
_PIECE: Final = 16 * 1024  # bytes sent at a time; servers read no more at once
_PACK: Final[Callable[[Command], bytes]] = cast(Any, hiredis).pack_command  # whose signature says a tuple of one


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
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is open
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
            except BaseException as exc:  # a cancellation too: the operation must know that its outcome is open
                commands = batches.throw(exc)
            else:
                commands = batches.send(replies)
    except StopIteration as end:
        return cast(Result, end.value)


class SyncClient:
    """Exchanges batches for blocking callers. May be shared by threads.

    Args:
        client: Where its pool connects to, this does; nothing else of it is used.
        address: What errors call the server, without a password.
        timeout_s: How long to wait for a free connection, and how long one batch may take, in seconds; a server that
            sends nothing is given up after the ``socket_timeout`` of ``client``.
    """

    def __init__(self, client: redis.Redis, address: str, timeout_s: float | None = None) -> None:
        self._pool = SyncPool(cast(Any, client).connection_pool, timeout_s)
        self._address, self._timeout_s = address, timeout_s

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
                connection = self._pool.take()
                is_sent = True
                return self._speak(connection, commands)
            except _BROKEN as exc:
                trial = trial or _Trial(commands, self._address)
                trial.is_sent = is_sent
                time.sleep(trial.pause_after(exc))  # else all clients would come back at one moment

    def new_plain(self) -> redis.Redis:
        """Make a client of redis-py for the same server, that answers bytes and sends nothing twice; yours to close."""
        return redis.Redis.from_pool(self._pool.new_plain())

    def close(self) -> None:
        """Close the connections; those in use, when they have their replies."""
        self._pool.close()

    def _speak(self, connection: Any, commands: Sequence[Command]) -> list[Reply]:
        until = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        try:
            for piece in _pieces(commands):
                connection.send_packed_command([piece], check_health=False)
            count, replies = len(commands), list[Reply]()
            while len(replies) < count:
                if until is not None and time.monotonic() > until:
                    raise TimeoutError("replies came too slowly")
                try:
                    replies.append(connection.read_response(disable_decoding=True))
                except ResponseError as exc:
                    replies.append(_told(exc, connection))
        except BaseException:
            # Unread replies would answer the next batch on this connection.
            self._pool.drop(connection)
            raise
        self._pool.give(connection)
        return replies


class AsyncClient:
    """Exchanges batches in asyncio. Belongs to one event loop.

    Args:
        client: Where its pool connects to, this does; nothing else of it is used, so it may belong to any loop.
        address: What errors call the server, without a password.
        timeout_s: How long one batch may take, in seconds, waiting for a free connection included; None for ever.
    """

    def __init__(self, client: redis.asyncio.Redis, address: str, timeout_s: float | None = None) -> None:
        self._pool = AsyncPool(cast(Any, client).connection_pool)
        self._address, self._timeout_s = address, timeout_s

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
        trial = _Trial(commands, self._address)
        while True:
            try:
                trial.is_sent = False
                async with asyncio.timeout(self._timeout_s):
                    connection = await self._pool.take()
                    trial.is_sent = True
                    return await self._speak(connection, commands)
            except _BROKEN as exc:
                await asyncio.sleep(trial.pause_after(exc))

    async def aclose(self) -> None:
        """Close the connections; those in use, when they have their replies."""
        await self._pool.aclose()

    async def _speak(self, connection: Any, commands: Sequence[Command]) -> list[Reply]:
        try:
            for piece in _pieces(commands):
                await connection.send_packed_command([piece], check_health=False)
            count, replies = len(commands), list[Reply]()
            while len(replies) < count:
                try:
                    replies.append(await connection.read_response(disable_decoding=True))
                except ResponseError as exc:
                    replies.append(_told(exc, connection))
        except BaseException:
            await self._pool.drop(connection)
            raise
        await self._pool.give(connection)
        return replies


class _Trial:
    """The tries of one batch: what may have become of it, and whether there is another one.

    Attributes:
        is_sent: Whether something of the batch may have been sent in this try.
    """

    __slots__ = ("_address", "_commands", "_is_left_open", "_pauses", "is_sent")

    def __init__(self, commands: Sequence[Command], address: str) -> None:
        self._commands, self._address = commands, address
        self._pauses = iter(_PAUSES)
        self.is_sent = self._is_left_open = False

    def pause_after(self, exc: Exception) -> float:
        """Give the seconds to wait before the next try, or raise our own error if there is none."""
        cause = _unwrapped(exc)
        is_refused = isinstance(cause, BusyLoadingError) and len(self._commands) == 1
        self._is_left_open |= self.is_sent and not is_refused
        pause = next(self._pauses, None)
        if pause is None or not _is_worth_a_retry(cause) or (self._is_left_open and isinstance(self._commands, Once)):
            raise _unreachable(cause, self._address, self._is_left_open) from cause
        return pause


def _pieces(commands: Sequence[Command]) -> Iterator[bytes]:
    """Pack commands, and give them in pieces: the server begins with the first while the next is packed."""
    if len(commands) == 1:
        yield _packed(commands[0])
        return
    piece, size = list[bytes](), 0
    for command in commands:
        packed = _packed(command)
        piece.append(packed)
        size += len(packed)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _packed(command: Command) -> bytes:
    try:
        return _PACK(command)
    except UnicodeEncodeError:  # names that are no UTF-8 were read from the server, and go back as they came
        return _PACK(tuple(map(_as_read, command)))


def _as_read(argument: Argument) -> Argument:
    return argument.encode("utf-8", "surrogateescape") if isinstance(argument, str) else argument


def _told(error: ResponseError, connection: object) -> ResponseError:
    """Say the cure where fakeredis cannot run scripts; it answers as a server without the command would.

    Raises:
        AuthenticationError: The server wants a password, which Redis 7.0 says otherwise where the command is long.
    """
    if "unauthenticated" in str(error):
        raise AuthenticationError(str(error)) from None  # the cause would be taken for what a greeting hid
    if str(error).startswith("unknown command") and is_fake(type(connection)):
        return ResponseError(f"fakeredis needs its lua extra: pip install 'fakeredis[lua]' ({error})")
    return error


def _unwrapped(exc: Exception) -> BaseException:
    """redis-py's asyncio connections hide what went wrong in the greeting, as a wrong password, in another error."""
    return exc.__cause__ if isinstance(exc.__cause__, RedisError) else exc


def _is_worth_a_retry(exc: BaseException) -> bool:
    if isinstance(exc, (AuthenticationError, TimeoutError, builtins.TimeoutError)):
        return False  # the first will not change; the others have used up the time already
    return isinstance(exc, (ConnectionError, BusyLoadingError, OSError))


def _unreachable(exc: BaseException, address: str, is_left_open: bool) -> RedisModelsError:
    if isinstance(exc, AuthenticationError):
        return ServerRefusedError(f"{address} refuses the user name or password ({exc}); correct it in REDIS_URL")
    fate = "what was sent may have been executed" if is_left_open else "nothing was sent"
    if isinstance(exc, (TimeoutError, builtins.TimeoutError)):
        return ServerUnreachableError(f"{address} did not answer in time; {fate}", is_left_open)
    if is_left_open:
        return ServerUnreachableError(f"{address} cannot be reached any more ({exc}); {fate}", is_left_open)
    return ServerUnreachableError(f"{address} cannot be reached ({exc}); start the server, or correct REDIS_URL")
