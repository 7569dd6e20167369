"""Connections kept ready between exchanges: a pool for all threads, and one for each event loop.

redis-py's own pools count and measure what nobody here asks for, which takes a third of the time of a short exchange;
its asyncio pools serve one event loop only. These take nothing of a pool but how its connections are made.
"""

import asyncio
import os
import queue
import select
import time
import weakref
from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

__all__ = ["AsyncPool", "SyncPool"]

MOST: Final = 100  # connections, as redis-py 8; more callers wait for a free one
_FRESH_S: Final = 0.02  # after which an idle connection is looked at; what breaks within is sent again
_BROKEN: Final = (ConnectionError, TimeoutError, OSError)
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)  # without it POLLHUP, which comes unasked, has to do


class SyncPool:
    """Connections of one kind for blocking callers; may be shared by threads, and survives ``os.fork``.

    Args:
        source: Says how connections are made, and how many there may be at a time.
        patience_s: How long to wait for a free one, in seconds.
    """

    def __init__(self, source: redis.ConnectionPool, patience_s: float | None) -> None:
        self._source, self._patience_s = source, patience_s
        self._size = _size_of(source)
        self._idle: list[tuple[Any, float]] = []  # and when each was given back
        self._open()
        # A socket and its connection may be found to be rubbish together, and the socket would complain.
        weakref.finalize(self, _disconnect, self._idle)

    def take(self, *, surely: bool = False) -> Any:
        """Give a connection that was greeted and has nothing to read; it goes back by ``give`` or ``drop``.

        Args:
            surely: Whether to look if the server has ended it, even if it was in use a moment ago; it costs as much as
                sending.

        Raises:
            ConnectionError, TimeoutError, OSError: There is none. Nothing was sent.
        """
        if self._process != os.getpid():
            self._open()  # those of the parent would answer both
        try:
            self._free.get(timeout=self._patience_s)
        except queue.Empty:
            raise TimeoutError("all connections were busy") from None
        return self._greeted(surely=surely)

    def take_spare(self) -> Any:
        """Do what ``take`` does where that leaves one for others, without waiting for it; give None elsewhere.

        For who keeps a connection while other code runs in the same thread, which may want one too. Where all but the
        last are kept so, nobody who keeps one can be waiting for another for ever.

        Raises:
            As ``take``.
        """
        if self._process != os.getpid():
            self._open()
        taken = 0
        try:
            while taken < 2:
                self._free.get_nowait()
                taken += 1
        except queue.Empty:
            for _ in range(taken):
                self._free.put(None)
            return None
        self._free.put(None)
        return self._greeted(surely=False)

    def _greeted(self, *, surely: bool) -> Any:
        """Give a connection to who has leave to use one."""
        try:
            connection, given = self._idle.pop()
        except IndexError:
            connection, given = None, 0.0
        try:
            if connection is None:
                connection = _new(self._source, Retry(NoBackoff(), 0))
                connection.connect()
            elif (surely or time.monotonic() - given > _FRESH_S) and not _is_quiet(connection):
                connection.disconnect()
                connection.connect()
        except BaseException:
            self.drop(connection)
            raise
        return connection

    def give(self, connection: Any) -> None:
        """Take back a connection whose replies were all read."""
        if self._is_closed:
            self.drop(connection)
            return
        self._idle.append((connection, time.monotonic()))
        self._free.put(None)

    def drop(self, connection: Any) -> None:
        """Close a connection that may have something left to read, as one that was not greeted to the end."""
        try:
            if connection is not None:
                connection.disconnect()
        finally:
            self._free.put(None)

    def new_plain(self) -> redis.ConnectionPool:
        """Make a pool of redis-py's own with such connections, whose answers are bytes and whose retries are off."""
        source: Any = self._source
        kept: dict[str, Any] = source.connection_kwargs
        options: dict[str, Any] = {**kept, "decode_responses": False, "retry": Retry(NoBackoff(), 0)}
        return redis.ConnectionPool(source.connection_class, **options)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._is_closed = True
        _disconnect(self._idle)

    def _open(self) -> None:
        self._idle.clear()
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()  # leave to use one; a semaphore costs five times more
        for _ in range(self._size):
            self._free.put(None)
        self._process, self._is_closed = os.getpid(), False


class AsyncPool:
    """Connections of one kind for one event loop.

    Args:
        source: Says how connections are made, and how many there may be at a time.
    """

    def __init__(self, source: redis.asyncio.ConnectionPool) -> None:
        self._source: Any = source
        self._idle: list[tuple[Any, float]] = []  # and when each was given back
        self._free = asyncio.Semaphore(_size_of(source))
        self._is_closed = False

    async def take(self, *, surely: bool = False) -> Any:
        """Give a connection that was greeted and has nothing to read; it goes back by ``give`` or ``drop``.

        Args:
            surely: As for ``SyncPool.take``.

        Raises:
            ConnectionError, TimeoutError, OSError: There is none. Nothing was sent.
        """
        await self._free.acquire()
        connection, given = self._idle.pop() if self._idle else (None, 0.0)
        try:
            if connection is None:
                connection = _new(self._source, AsyncRetry(NoBackoff(), 0))
                connection.socket_timeout = None  # a timer for each reply; the deadline of the whole batch will do
                await connection.connect()
            elif (surely or time.monotonic() - given > _FRESH_S) and not await _is_quiet_async(connection):
                await connection.disconnect(nowait=True)
                await connection.connect()
        except BaseException:
            await self.drop(connection)
            raise
        return connection

    async def give(self, connection: Any) -> None:
        """Take back a connection whose replies were all read."""
        if self._is_closed:
            await self.drop(connection)
            return
        self._idle.append((connection, time.monotonic()))
        self._free.release()

    async def drop(self, connection: Any) -> None:
        """Close a connection that may have something left to read, as one that was not greeted to the end."""
        try:
            if connection is not None:
                await connection.disconnect(nowait=True)
        finally:
            self._free.release()

    async def aclose(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop()[0].disconnect()


def _disconnect(connections: list[tuple[Any, float]]) -> None:
    while connections:
        connections.pop()[0].disconnect()


def _size_of(source: Any) -> int:
    return min(MOST, getattr(source, "max_connections", MOST))


def _new(source: Any, retry: object) -> Any:
    """Make a connection that leaves all retries to the client, which knows what was sent, and answers bytes."""
    # Not by make_connection: the blocking pool counts those that it makes, and never those that were dropped.
    connection = source.connection_class(**source.connection_kwargs)
    connection.retry = retry
    connection.encoder.decode_responses = False  # fakeredis 2.26 decodes what it is asked not to
    return connection


def _is_quiet(connection: Any) -> bool:
    """Whether a connection is open and has nothing to read: the server may have ended it while it was idle."""
    try:
        return not connection.can_read(0)
    except _BROKEN:
        return False


async def _is_quiet_async(connection: Any) -> bool:
    try:
        can_read = getattr(connection, "can_read", None) or connection.can_read_destructive  # before redis-py 8
        return not _is_hung_up(connection) and not await can_read()
    except _BROKEN:
        return False


def _is_hung_up(connection: Any) -> bool:
    """Whether the server has gone; the event loop may not have come round to hear of it."""
    told = getattr(getattr(connection, "_writer", None), "get_extra_info", None)
    socket = told and told("socket")
    if not socket or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(socket, _HUNG_UP)
    return bool(poll.poll(0))
