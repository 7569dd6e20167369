"""The connector of a store: one client for all blocking callers, and one for each event loop."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import redis
import redis.asyncio
from redis.connection import AbstractConnection

from ..embedded.connection import AsyncEmbeddedConnection, EmbeddedConnection
from ..embedded.server import EmbeddedServer
from ..errors import SettingsError
from ..redaction import NO_FOLDER, is_server, masked
from ..server_override import redirected, watch
from .abandoned import Abandoned
from .client import AsyncClient, SyncClient
from .urls import address_of, async_class, options_of_pool, options_of_url

__all__ = ["Connector"]

# RESP2: RESP3 has no advantage here, and redis-py mixes its push messages into the stream.
_DEFAULTS: Final = {"protocol": 2}
GivenClient = redis.asyncio.Redis | None


_STALE: Final = object()  # in place of the given client: the clients must be made again


class Connector:
    """The clients of a store. Making one does no I/O.

    May be shared by threads and by event loops; each loop gets its own connections.

    Args:
        url: URL of the store's own server.
        timeout_s: How long one exchange may take, in seconds.
        encoding: Encoding of the text that ``client`` returns.
        resends: Whether writes are sent again after a broken connection.

    Attributes:
        given: A client of the application, whose server is used instead; may be changed at any time.
    """

    def __init__(self, url: str, timeout_s: float, encoding: str | None, *, resends: bool = False) -> None:
        self.given_client: GivenClient = None
        self._declared, self._timeout_s, self._encoding = url, timeout_s, encoding
        # A write that one client of the store abandoned must not begin after a write of another one.
        self._shared: dict[str, Any] = {"abandoned": Abandoned(), "resends": resends}
        self._embedded: EmbeddedServer | None = None
        self._sync: tuple[GivenClient, SyncClient] | None = None
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClients] = weakref.WeakKeyDictionary()
        self._loopless: GivenClient = None  # asked for outside of any loop, and of the first that asks then
        self._lock = threading.Lock()
        watch(self)

    @property
    def _url(self) -> str:
        """The URL of the server to use if there is no given client, or if tests redirect it."""
        return redirected(self._declared if self.given_client is None else self._address_given)

    @property
    def _address_given(self) -> str:
        return address_of(cast(Any, self.given_client).connection_pool)

    @property
    def _source(self) -> GivenClient:
        """The given client, unless tests redirect its server."""
        is_itself = self.given_client is None or redirected(self._address_given) == self._address_given
        return self.given_client if is_itself else None

    @property
    def address(self) -> str:
        """The URL of the server in use, without its password."""
        return masked(self._url) if self._source is None else self._address_given

    @property
    def client(self) -> redis.asyncio.Redis:
        """The given client, or one for the running loop that returns text. No I/O until it is used."""
        if self._source is not None:
            return self._source
        loop = _running_loop()
        if loop is None:
            self._loopless = self._loopless or self._new_plain()
            return self._loopless
        clients = self._clients_of(loop)
        if clients.plain is None:
            clients.plain, self._loopless = self._loopless or self._new_plain(), None
        return clients.plain

    def sync_client(self) -> SyncClient:
        """Give the client of blocking callers."""
        current = self._sync
        if current is None or current[0] is not self.given_client:
            with self._lock:
                current = self._sync
                if current is None or current[0] is not self.given_client:
                    if current is not None:
                        current[1].close()
                    current = self._sync = self.given_client, self._new_sync()
        return current[1]

    async def async_client(self) -> AsyncClient:
        """Give the client of the running loop."""
        clients = self._loops.get(loop := asyncio.get_running_loop()) or self._clients_of(loop)
        previous = clients.batches
        if previous is not None and clients.given_client is self.given_client:
            return previous
        source = self._source or self._new_client()
        patience_s = self._patience_s(cast(Any, source).connection_pool.connection_kwargs)
        client = AsyncClient(source, self.address, patience_s, **self._shared)
        clients.given_client, clients.batches = self.given_client, client
        if previous is not None:
            await previous.aclose()
        return client

    def close(self) -> None:
        """Close the blocking connections."""
        with self._lock:
            current, self._sync = self._sync, None
        if current is not None:
            current[1].close()
        if self._embedded is not None and not self._loops:
            self._embedded.release()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the blocking ones."""
        clients = self._loops.get(asyncio.get_running_loop())
        if clients is not None:
            await clients.closing.aclose()
        loopless, self._loopless = self._loopless, None
        if loopless is not None:
            await loopless.aclose()
        self.close()

    def reset(self) -> None:
        """Drop all clients: the next ones connect to where the URL leads then."""
        with self._lock:
            current, self._sync = self._sync, None
            for clients in self._loops.values():
                clients.given_client, clients.plain = (
                    _STALE,
                    None,
                )  # closed by their loop, as soon as it asks for another
            self._loopless = None
            embedded, self._embedded = self._embedded, None
        if current is not None:
            current[1].close()
        if embedded is not None:
            embedded.release()

    def _clients_of(self, loop: asyncio.AbstractEventLoop) -> "_LoopClients":
        with self._lock:
            for closed_loop in [loop for loop in self._loops if loop.is_closed()]:
                del self._loops[closed_loop]  # its connections refer to it, so it would never be collected
            clients = self._loops.get(loop)
            if clients is None:
                clients = self._loops[loop] = _LoopClients(self._closing(loop))
                clients.arm()
        return clients

    async def _closing(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Close a loop's connections when it ends: asyncio.run closes the loop's asynchronous generators first."""
        try:
            yield
        finally:
            clients = self._loops.pop(loop, None)
            if clients is not None:
                await clients.close()

    def _new_sync(self) -> SyncClient:
        if self._source is not None:
            kind, options = options_of_pool(cast(Any, self._source).connection_pool)
        else:
            kind, options = self._options()
        pool: Any = cast(Any, redis.ConnectionPool)(
            connection_class=kind, **{**_DEFAULTS, **options, "socket_timeout": self._patience_s(options)}
        )
        return SyncClient(redis.Redis.from_pool(pool), self.address, self._timeout_s, **self._shared)

    def _new_plain(self) -> redis.asyncio.Redis:
        return self._new_client(decode_responses=True, encoding=self._encoding)

    def _new_client(self, **defaults: object) -> redis.asyncio.Redis:
        plain, options = self._options()
        kind = AsyncEmbeddedConnection if plain is EmbeddedConnection else async_class(plain)
        pool: Any = cast(Any, redis.asyncio.ConnectionPool)(
            connection_class=kind, **{**_DEFAULTS, **defaults, **options}
        )
        return redis.asyncio.Redis.from_pool(pool)

    def _patience_s(self, options: Mapping[str, Any]) -> float:
        """How long to wait for the server: the store's time, or a shorter socket timeout of the client or URL."""
        return min(self._timeout_s, options.get("socket_timeout") or self._timeout_s)

    def _options(self) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """Give class and options of connections to the store's own server. It does not start one."""
        scheme, _, rest = self._url.partition(":")
        if scheme != "embedded":
            return options_of_url(self._url)
        if is_server(rest):
            raise SettingsError(None, f"{masked(self._url)!r}: {NO_FOLDER}")
        if self._embedded is None:
            self._embedded = EmbeddedServer(rest.removeprefix("//") or None)
        return EmbeddedConnection, {"embedded": self._embedded, "path": self._embedded.socket_path}


class _LoopClients:
    """The clients of a store in one event loop.

    Attributes:
        given: The given client when ``batches`` was made.
        batches: The client that exchanges batches.
        plain: The client that ``Store.redis_store`` gives.
        closing: Closes both when the loop ends, or when it is closed itself.
    """

    def __init__(self, closing: AsyncGenerator[None]) -> None:
        self.given_client: object = None
        self.batches: AsyncClient | None = None
        self.plain: GivenClient = None
        self.closing = closing

    def arm(self) -> None:
        """Start ``closing`` up to its yield, without awaiting, so that the loop registers it."""
        with suppress(StopIteration):
            self.closing.__anext__().send(None)

    async def close(self) -> None:
        """Close every connection."""
        if self.batches is not None:
            await self.batches.aclose()
        if self.plain is not None:
            await self.plain.aclose()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
