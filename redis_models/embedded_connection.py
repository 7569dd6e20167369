"""Connections of redis-py that start their embedded server, and start it again, whenever they connect."""

import asyncio
import socket

import redis.asyncio
from redis.exceptions import ConnectionError

from .embedded import EmbeddedServer
from .errors import EmbeddedServerError

__all__ = ["AsyncEmbeddedConnection", "EmbeddedConnection"]


class EmbeddedConnection(redis.UnixDomainSocketConnection):
    """A redis-py connection that starts its server if need be, every time it connects.

    Args:
        embedded: Whose server; instead of a path.
        options: As for any redis-py connection.
    """

    def __init__(self, *, embedded: EmbeddedServer, **options: object) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # redis-py leaves its connections untyped
        self.path, self._embedded = embedded.socket_path, embedded

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
        embedded: Whose server; instead of a path.
        options: As for any redis-py connection.
    """

    def __init__(self, *, embedded: EmbeddedServer, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # they are checked there
        self.path, self._embedded = embedded.socket_path, embedded

    async def _connect(self) -> None:
        try:
            await self._connect_once()
        except (OSError, ConnectionError):  # the server died in between
            await self._connect_once()

    async def _connect_once(self) -> None:
        self.path = await asyncio.to_thread(self._embedded.ensure)
        await super()._connect()  # type: ignore[no-untyped-call]  # likewise

    async def connect_check_health(self, *args: bool, **options: bool) -> None:
        """Connect. redis-py wraps what it does not know into its own error; our error comes out as it is."""
        try:
            await super().connect_check_health(*args, **options)
        except ConnectionError as exc:
            if isinstance(exc.__cause__, EmbeddedServerError):
                raise exc.__cause__ from None
            raise
