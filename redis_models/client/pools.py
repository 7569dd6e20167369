"""Connection pools: one for all threads, and one for each event loop.

redis-py's own pools keep statistics that are not used here, which take a third of the time of a short exchange; its
asyncio pools serve one event loop only. These pools use a redis-py pool only to make connections.

When a connection is abandoned, the server is asked over a new one to end it (see ``abandoned``). If that fails, it is
ended before the next connection is handed out.
"""

import asyncio
import os
import queue
import select
import time
import weakref
from contextlib import suppress
from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from ..embedded.server import EmbeddedServer
from . import wire
from .abandoned import SESSION_COMMANDS, Abandoned, AsyncEnding, SyncEnding, kill_commands
from .connection import Line

__all__ = ["AsyncPool", "SyncPool"]

MOST: Final = 100  # connections, as in redis-py 8; more callers wait for a free one
_FRESH_S: Final = 0.02  # after which an idle connection is checked before use
_UP_S: Final = 1.0  # for which an embedded server that answered counts as running
_GOES_ON_S: Final = 10.0  # how long to try to end connections in the background, if the server is stalled
_BROKEN: Final = (ConnectionError, TimeoutError, OSError)
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)  # if it does not exist, POLLHUP, which is always reported, is used


class SyncPool:
    """Connections of one kind for blocking callers; may be shared by threads, and survives ``os.fork``.

    Args:
        source: How connections are made, and how many there may be at a time.
        patience_s: How long to wait for a free one, in seconds.
        abandoned: Connections that the server must end first.
    """

    def __init__(self, source: redis.ConnectionPool, patience_s: float | None, abandoned: Abandoned) -> None:
        self._source, self._patience_s, self._abandoned = source, patience_s, abandoned
        self._size = _size_of(source)
        self._can_end = _may_be_on_the_way(source)
        self._idle: list[Line] = []
        self._open()
        # A socket may be garbage collected before its connection closed it, and would warn.
        weakref.finalize(self, _disconnect, self._idle)

    def take(self) -> Line:
        """Give an open connection with nothing left to read; return it with ``give`` or ``drop``.

        Raises:
            ConnectionError, TimeoutError, OSError: There is none. Nothing was sent.
        """
        if self._process != os.getpid():
            self._open()  # the parent's connections are shared with it
        try:
            self._free.get(timeout=self._patience_s)
        except queue.Empty:
            raise TimeoutError("all connections were busy") from None
        return self._ready()

    def take_spare(self) -> Line | None:
        """Do what ``take`` does without waiting, if another connection stays free; otherwise give None.

        For a caller that keeps a connection while other code of the same thread may need one. Because one always stays
        free, two such callers cannot wait for each other.

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
        return self._ready()

    def _ready(self) -> Line:
        """Give a connection to a caller that has taken a permit."""
        line: Line | None = None
        try:
            try:
                line = self._idle.pop()
            except IndexError:
                line = self._new()
            else:
                is_fresh = time.monotonic() - line.returned_at < _FRESH_S
                if not (is_fresh and line.is_still()) and not _is_quiet(line.connection):
                    line.connection.disconnect()
                    line = None
                    line = self._new()
            if not line.is_asked:
                self._ask(line)
            if self._abandoned.open and self._abandoned.waits_for(line.session):
                self._end_abandoned(line)
        except BaseException:
            self.drop(line)
            raise
        return line

    def _new(self, timeout_s: float | None = None) -> Line:
        connection = _new(self._source, Retry(NoBackoff(), 0))
        if timeout_s is not None:
            connection.socket_timeout = timeout_s
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return Line(connection)

    def _ask(self, line: Line) -> None:
        if self._abandoned.is_barred:
            line.is_asked = True
            return
        wire.send(line, SESSION_COMMANDS)
        line.is_asked, line.session = self._abandoned.session_of(
            wire.receive(line, len(SESSION_COMMANDS), self._until())
        )

    def _end_abandoned(self, line: Line) -> None:
        if line.session is not None and (ids := self._abandoned.ids_of(line.session)):
            wire.send(line, kill_commands(ids))
            self._abandoned.ended(line.session, ids, wire.receive(line, len(ids), self._until()))

    def _until(self) -> float | None:
        return None if self._patience_s is None else time.monotonic() + self._patience_s

    def give(self, line: Line) -> None:
        """Take back a connection whose replies were all read."""
        if self._is_closed or line.is_elsewhere:
            if line.is_elsewhere:
                _disconnect(self._idle)  # a new connection may lead to another server
            self.drop(line)
            return
        line.returned_at = time.monotonic()
        self._idle.append(line)
        self._free.put(None)

    def drop(self, line: Line | None, *, is_abandoned: bool = False) -> None:
        """Close a connection that may have replies left to read, or failed to open; unsent bytes are discarded.

        Args:
            line: The connection; None if only its permit is returned.
            is_abandoned: Whether something was sent on it that must not be executed later.
        """
        session = line.session if line is not None and is_abandoned else None
        try:
            if line is not None:
                if session is not None:
                    self._abandoned.note(session)
                line.abort()
                line.connection.disconnect()
        finally:
            self._free.put(None)
        if session is not None and self._can_end:
            self._ending.wait(self._end_now, lambda: self._abandoned.can_end(session), self._patience_s)

    def _end_now(self) -> None:
        # By a new connection: the idle ones may be broken too. It needs no permit.
        with suppress(Exception):  # the next caller gets the error, whatever a provider of passwords may raise
            line = self._new(_GOES_ON_S)
            try:
                self._ask(line)
                self._end_abandoned(line)
            finally:
                line.connection.disconnect()

    def new_plain(self) -> redis.ConnectionPool:
        """Make a redis-py pool with such connections, which return bytes and do not retry."""
        source: Any = self._source
        kwargs: dict[str, Any] = source.connection_kwargs
        options: dict[str, Any] = {**kwargs, "decode_responses": False, "retry": Retry(NoBackoff(), 0)}
        return redis.ConnectionPool(source.connection_class, **options)

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are given back."""
        self._is_closed = True
        _disconnect(self._idle)

    def _open(self) -> None:
        self._idle.clear()
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()  # permits; a semaphore costs five times more
        for _ in range(self._size):
            self._free.put(None)
        self._ending = SyncEnding()
        self._process, self._is_closed = os.getpid(), False


class AsyncPool:
    """Connections of one kind for one event loop.

    Args:
        source: How connections are made, and how many there may be at a time.
        patience_s: How long callers wait for the server, in seconds.
        abandoned: Connections that the server must end first.
    """

    def __init__(self, source: redis.asyncio.ConnectionPool, patience_s: float | None, abandoned: Abandoned) -> None:
        self._source: Any = source
        self._patience_s, self._abandoned = patience_s, abandoned
        self._can_end, self._ending = _may_be_on_the_way(source), AsyncEnding()
        self._embedded: EmbeddedServer | None = self._source.connection_kwargs.get("embedded")
        self._answered_at = -_UP_S  # when a line was last given back, by ``time.monotonic``
        self._idle: list[Line] = []
        self._free = asyncio.Semaphore(_size_of(source))
        self._is_closed = False

    async def await_server(self) -> None:
        """Wait until an embedded server has loaded its data; this does not count towards the exchange's timeout."""
        if self._embedded is None or self._idle or time.monotonic() - self._answered_at < _UP_S:
            return
        await asyncio.to_thread(self._embedded.ensure)

    async def is_loading(self) -> bool:
        """Whether this is an embedded server that is starting or loading its data."""
        return self._embedded is not None and not await asyncio.to_thread(self._embedded.is_ready)

    async def take(self) -> Line:
        """Do what ``SyncPool.take`` does."""
        await self._free.acquire()
        line: Line | None = None
        try:
            if self._idle:
                line = self._idle.pop()
                is_fresh = time.monotonic() - line.returned_at < _FRESH_S
                if not (is_fresh and line.is_still()) and not await _is_quiet_async(line.connection):
                    line.abort()
                    await line.connection.disconnect(nowait=True)
                    line = None
            if line is None:
                line = await self._new()
            if not line.is_asked:
                await self._ask(line)
            if self._abandoned.open and self._abandoned.waits_for(line.session):
                await self._end_abandoned(line)
        except BaseException:
            await self.drop(line)
            raise
        return line

    async def _new(self) -> Line:
        connection = _new(self._source, AsyncRetry(NoBackoff(), 0))
        connection.socket_timeout = None  # not a timer for each reply: the batch has a deadline
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return Line(connection)

    async def _ask(self, line: Line) -> None:
        if self._abandoned.is_barred:
            line.is_asked = True
            return
        await wire.send_async(line, SESSION_COMMANDS)
        line.is_asked, line.session = self._abandoned.session_of(await wire.receive_async(line, len(SESSION_COMMANDS)))

    async def _end_abandoned(self, line: Line) -> None:
        if line.session is not None and (ids := self._abandoned.ids_of(line.session)):
            await wire.send_async(line, kill_commands(ids))
            self._abandoned.ended(line.session, ids, await wire.receive_async(line, len(ids)))

    async def give(self, line: Line) -> None:
        """Take back a connection whose replies were all read."""
        if self._is_closed or line.is_elsewhere:
            if line.is_elsewhere:
                await self._close_idle()
            await self.drop(line)
            return
        self._answered_at = line.returned_at = time.monotonic()
        self._idle.append(line)
        self._free.release()

    async def drop(self, line: Line | None, *, is_abandoned: bool = False) -> None:
        """Do what ``SyncPool.drop`` does, but wait for nothing: a cancelled task must not wait (see ``settle``)."""
        try:
            if line is not None:
                if is_abandoned and line.session is not None:
                    self._abandoned.note(line.session)
                    if self._can_end and self._abandoned.can_end(line.session):
                        self._ending.begin(self._end_now)
                line.abort()
                await line.connection.disconnect(nowait=True)
        finally:
            self._free.release()

    async def settle(self) -> None:
        """Wait a short time until abandoned connections are ended."""
        await self._ending.wait(self._patience_s)

    async def _end_now(self) -> None:
        with suppress(Exception):
            async with asyncio.timeout(_GOES_ON_S):
                line = await self._new()
                try:
                    await self._ask(line)
                    await self._end_abandoned(line)
                finally:
                    line.abort()
                    await line.connection.disconnect(nowait=True)

    async def aclose(self) -> None:
        """Close the idle connections now, and those in use when they come back."""
        self._is_closed = True
        await self._close_idle()
        await self._ending.close(self._end_now)

    async def _close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().connection.disconnect()


def _disconnect(lines: list[Line]) -> None:
    while lines:
        lines.pop().connection.disconnect()


def _may_be_on_the_way(source: Any) -> bool:
    """Whether there may be a proxy. An embedded server has none, and must not be started to end a connection."""
    return "embedded" not in source.connection_kwargs


def _size_of(source: Any) -> int:
    return min(MOST, getattr(source, "max_connections", MOST))


def _new(source: Any, retry: object) -> Any:
    """Make a connection that returns bytes and does not retry: the client retries, because it knows what was sent."""
    # Not with make_connection: the blocking pool counts the connections that it makes, dropped ones included.
    connection = source.connection_class(**source.connection_kwargs)
    connection.retry = retry
    connection.encoder.decode_responses = False  # fakeredis 2.26 ignores the option
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
    """Whether the server has closed the connection, which the event loop may not have noticed yet."""
    get_extra_info = getattr(getattr(connection, "_writer", None), "get_extra_info", None)
    socket = get_extra_info and get_extra_info("socket")
    if not socket or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(socket, _HUNG_UP)
    return bool(poll.poll(0))
