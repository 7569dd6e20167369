"""Lines: open connections of redis-py, with their state."""

import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, Final, cast

import hiredis
from redis._parsers import hiredis as parser
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection

from .abandoned import Session
from .urls import is_fake

__all__ = ["Line"]

# RESP3 mixes push messages into the replies; without NOT_ENOUGH_DATA an incomplete reply cannot be recognized.
_ONLY_REPLIES: Final = (2, "2") if hasattr(parser, "NOT_ENOUGH_DATA") else ()
_THROW_AWAY: Final = struct.pack("ii", 1, 0)  # for SO_LINGER: unsent bytes are discarded on close
_NEWS: Final = getattr(select, "POLLIN", 0) | getattr(select, "POLLRDHUP", 0)
_PLAIN_SENDERS: Final = tuple(cast(Any, kind).send_packed_command for kind in (AbstractConnection, AsyncConnection))
_is_fake: Final[Callable[[Any], bool]] = cache(is_fake)


class Line:
    """An open connection, blocking or of asyncio. A connection that is opened again gets a new one.

    Args:
        connection: A connection of redis-py, after its handshake.

    Attributes:
        connection: As given.
        session: Its session on the server, if known.
        is_asked: Whether the server was asked for the session, and need not be asked again.
        returned_at: When it was given back, by ``time.monotonic``.
        is_elsewhere: Whether its server replied that another one must be asked.
        socket: The socket on which blocking callers send; None if redis-py must send.
        writer: Likewise, in asyncio.
        reader: The reader of hiredis; None if redis-py must read each reply, which takes longer than parsing does.
        wait: Feeds the reader.
    """

    __slots__ = (
        "_poll",
        "connection",
        "is_asked",
        "is_elsewhere",
        "reader",
        "returned_at",
        "session",
        "socket",
        "wait",
        "writer",
    )  # fmt: skip

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.session: Session | None = None
        self.is_asked = False
        self.returned_at = 0.0
        self.is_elsewhere = False
        self.socket: Any = None
        self.writer: Any = None
        self.reader: Any = None
        self.wait: Callable[[], Any] = _nothing
        self._poll: Any = None
        kind = cast(Any, type(connection))
        if _is_fake(kind):
            self.is_asked = True
            return
        if kind.send_packed_command in _PLAIN_SENDERS:
            self.socket = getattr(connection, "_sock", None)
            self.writer = getattr(connection, "_writer", None)
        if connection.protocol in _ONLY_REPLIES:
            self._find_reader()
        with suppress(AttributeError, OSError, TypeError, ValueError):  # without poll, or without a socket
            poll = select.poll()
            poll.register(self._end(), _NEWS)
            self._poll = poll

    def is_still(self) -> bool:
        """Whether nothing has arrived, not even the end of the connection. If not certain, False."""
        if self._poll is None or (self.writer is not None and self.writer.transport.is_closing()):
            return False
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Discard unsent bytes, and close as far as that does not wait.

        Closing a transport of asyncio alone would still send its buffer.
        """
        with suppress(AttributeError, OSError, TypeError, ValueError):
            self._end().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _THROW_AWAY)
        if self.writer is not None:
            self.writer.transport.abort()

    def peer(self) -> str:
        """Give the address of the server at the other end."""
        with suppress(AttributeError, OSError, TypeError, ValueError):
            address: object = self._end().getpeername()
            if isinstance(address, tuple):
                host, port = cast("tuple[str, int]", address)[:2]
                return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            return str(address) if address else ""
        return ""

    def _end(self) -> Any:
        """Give the socket."""
        return self.socket if self.writer is None else self.writer.transport.get_extra_info("socket")

    def _find_reader(self) -> None:
        feeder = getattr(self.connection, "_parser", None)
        reader, wait = getattr(feeder, "_reader", None), getattr(feeder, "read_from_socket", None)
        if isinstance(reader, hiredis.Reader) and wait is not None:
            self.reader, self.wait = reader, wait


def _nothing() -> None: ...
