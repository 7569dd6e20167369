"""Lines: connections of redis-py that are open, each with what is known of it, and how one is let go of for good."""

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

# RESP3 mixes messages into them; and without that nothing tells that a reply has not come yet.
_ONLY_REPLIES: Final = (2, "2") if hasattr(parser, "NOT_ENOUGH_DATA") else ()
_THROW_AWAY: Final = struct.pack("ii", 1, 0)  # for SO_LINGER: what was not sent by the end never is
_NEWS: Final = getattr(select, "POLLIN", 0) | getattr(select, "POLLRDHUP", 0)
_PLAIN_SENDERS: Final = tuple(cast(Any, kind).send_packed_command for kind in (AbstractConnection, AsyncConnection))
_is_fake: Final[Callable[[Any], bool]] = cache(is_fake)


class Line:
    """An open connection, blocking or of asyncio. A connection that is opened again gets a new one.

    Args:
        connection: Of redis-py, greeted.

    Attributes:
        connection: As given.
        session: What its server calls it, where that is known.
        is_asked: Whether the server was asked for that, and has said all that it will.
        given: When it was given back, by ``time.monotonic``.
        is_elsewhere: Whether its server said that another one is to be asked.
        socket: What blocking callers send on; None where redis-py must be asked.
        writer: Likewise, in asyncio.
        reader: Of hiredis; None where redis-py must be asked for each reply, which takes longer than parsing does.
        wait: What feeds the reader.
    """

    __slots__ = (
        "_poll", "connection", "given", "is_asked", "is_elsewhere", "reader", "session", "socket", "wait", "writer",
    )  # fmt: skip

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.session: Session | None = None
        self.is_asked = False
        self.given = 0.0
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
        with suppress(AttributeError, OSError, TypeError, ValueError):  # where there is no poll, or nothing to poll
            poll = select.poll()
            poll.register(self._end(), _NEWS)
            self._poll = poll

    def is_still(self) -> bool:
        """Whether nothing has come, not even its end, as far as that can be told at once: False may be a mistake."""
        if self._poll is None or (self.writer is not None and self.writer.transport.is_closing()):
            return False
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Throw away what was not sent yet, and close it as far as that takes no waiting.

        A transport of asyncio that is closed goes on sending what it holds.
        """
        with suppress(AttributeError, OSError, TypeError, ValueError):
            self._end().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _THROW_AWAY)
        if self.writer is not None:
            self.writer.transport.abort()

    def peer(self) -> str:
        """Say which server is at the other end: the address that was connected to, wherever its name leads by now."""
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
