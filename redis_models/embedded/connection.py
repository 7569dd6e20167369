"""Connections of redis-py that start their embedded server when they connect, if it does not run."""

import asyncio
import socket
import time
from typing import Any, Final

import redis.asyncio
from redis.exceptions import ConnectionError

from ..errors import EmbeddedServerError
from .server import EmbeddedServer

__all__ = ["AsyncEmbeddedConnection", "EmbeddedConnection"]

_LOOK_S: Final = 0.1  # between two looks at the server's directory, on each connection


class EmbeddedConnection(redis.UnixDomainSocketConnection):
    """A redis-py connection that starts its server when it connects, if it does not run.

    Args:
        embedded: The server, in place of a path.
        options: As for any redis-py connection.
    """

    def __init__(self, *, embedded: EmbeddedServer, **options: object) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py leaves its connections untyped
        self.path, self._embedded, self._checked_at = embedded.socket_path, embedded, 0.0

    def send_packed_command(self, command: object, check_health: bool = True) -> None:
        """Send, unless the server's directory is gone: it would acknowledge writes that are lost when it stops."""
        if (now := time.monotonic()) - self._checked_at > _LOOK_S:
            self._checked_at = now
            self._embedded.check_in_place()
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]  # likewise

    def _connect(self) -> socket.socket:
        try:
            return self._connect_once()
        except OSError:  # the server died in between
            return self._connect_once()

    def _connect_once(self) -> socket.socket:
        self.path = self._embedded.ensure()
        connected: socket.socket = super()._connect()  # type: ignore[no-untyped-call]  # likewise
        return connected


class AsyncEmbeddedConnection(redis.asyncio.UnixDomainSocketConnection):
    """The same for asyncio; looking for the server and starting it happens in a thread.

    Args:
        embedded: The server, in place of a path.
        options: As for any redis-py connection.
    """

    def __init__(self, *, embedded: EmbeddedServer, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # they are checked there
        self.path, self._embedded, self._checked_at = embedded.socket_path, embedded, 0.0

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Do what the blocking connection does."""
        if (now := time.monotonic()) - self._checked_at > _LOOK_S:
            self._checked_at = now
            self._embedded.check_in_place()
        await super().send_packed_command(command, check_health)

    async def _connect(self) -> None:
        try:
            await self._connect_once()
        except (OSError, ConnectionError):  # the server died in between
            await self._connect_once()

    async def _connect_once(self) -> None:
        self.path = await asyncio.to_thread(self._embedded.ensure)
        await super()._connect()  # type: ignore[no-untyped-call]  # likewise

    async def connect_check_health(self, *args: bool, **options: bool) -> None:
        """Connect. redis-py wraps unknown errors into its own; our error is raised unwrapped."""
        try:
            await super().connect_check_health(*args, **options)
        except ConnectionError as exc:
            if isinstance(exc.__cause__, EmbeddedServerError):
                raise exc.__cause__ from None
            raise
