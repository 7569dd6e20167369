"""Stores: a name for one Redis database, its connections, and the models that live in it."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote

import redis
import redis.asyncio
from pydantic import BaseModel, ConfigDict
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from .batches import Batches
from .client import AsyncClient, SyncClient, run, run_async
from .connections import address_of, async_class, masked, options_of_pool, options_of_url, sync_class
from .embedded import EmbeddedServer
from .embedded_connection import AsyncEmbeddedConnection, EmbeddedConnection
from .errors import ModelDeclarationError

if TYPE_CHECKING:
    from .model import Model

__all__ = ["RedisConfig", "Store", "Upgrader"]

Result = TypeVar("Result")
_TIMEOUT_S: Final = 5.0  # one batch; a stalled server is reported, not waited for
_CONNECTIONS: Final = 100  # as redis-py 8; more callers wait for a free one instead of failing
# RESP2: no answer of ours gains by RESP3, whose push messages redis-py mixes into the stream.
_DEFAULTS: Final = {"protocol": 2}


class Upgrader(Protocol):
    """What knows the way from an older version of a model to the one in this process: the migration engine."""

    def upgrade(self, model: "type[Model]", key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        """Give a record as the newest version would store it; writes nothing."""
        ...

    def rewrite(self, model: "type[Model]", key: str) -> Batches[None]:
        """Bring the stored record to the newest version, unless somebody else does it first."""
        ...


class RedisConfig(BaseModel):
    """Where a Redis server is, in parts.

    Attributes:
        host, port, db: As in a URL.
        password: Percent-encoded where it goes into the URL, and never shown.
        ssl: Whether to speak TLS.
        encoding: Kept for the seed's sake; values are read as bytes.
    """

    model_config = ConfigDict(from_attributes=True)

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    password: str | None = None
    ssl: bool = False
    encoding: str | None = "utf-8"

    @property
    def redis_url(self) -> str:
        """The URL that ``Store.from_url`` takes."""
        scheme = "rediss" if self.ssl else "redis"
        secret = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"{scheme}://{secret}{self.host}:{self.port}/{self.db}"

    def __repr_args__(self) -> "list[tuple[str | None, object]]":
        shown = {**self.__dict__, "password": "***" if self.password else None}
        return list(shown.items())


class Store:
    """One Redis database and the models that live in it. Making one does no I/O.

    Holds connection pools; may be shared by threads and by event loops, each of which gets connections of its own.

    Args:
        name: For people.
        redis_config: Where the server is.
        redis_store: An asyncio client to use instead of one made from ``redis_config``; settable at any time.
        life_span_in_seconds: Life span of records whose model has no ttl of its own, or None.
        url: ``redis:// rediss:// valkey:// unix://`` or ``embedded:DIR``; wins over ``redis_config``.
        timeout_s: How long one exchange with the server may take, in seconds.
    """

    def __init__(
        self,
        name: str,
        redis_config: RedisConfig | None = None,
        redis_store: redis.asyncio.Redis | None = None,
        life_span_in_seconds: int | None = None,
        *,
        url: str | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self.name = name
        self.redis_config = redis_config or RedisConfig()
        self.redis_store = redis_store
        self.life_span_in_seconds = life_span_in_seconds
        self.models: dict[str, type[Model]] = {}
        self._registered: dict[str, type[Model]] = {}
        self.upgrader: Upgrader | None = None
        self._url = url or self.redis_config.redis_url
        self._timeout_s = timeout_s
        self._embedded: EmbeddedServer | None = None
        # The blocking client, and the redis_store that it was made after.
        self._sync: tuple[redis.asyncio.Redis | None, redis.Redis, SyncClient] | None = None
        self._async: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[redis.asyncio.Redis, AsyncClient]]
        self._async = weakref.WeakKeyDictionary()
        self._closings: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]]
        self._closings = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    @classmethod
    def from_url(cls, url: str, *, name: str = "default", life_span_in_seconds: int | None = None) -> "Store":
        """Make a store of a URL; see ``Store``."""
        return cls(name, url=url, life_span_in_seconds=life_span_in_seconds)

    def __repr__(self) -> str:
        return f"Store({self.name!r}, url={self.address!r})"

    @property
    def address(self) -> str:
        """The URL without its password."""
        return masked(self._url)

    def register_model(self, model: "type[Model]") -> None:
        """Bind a model class to this store.

        Raises:
            NotImplementedError: Its primary key is not named by text, as in the seed.
            ModelDeclarationError: It cannot be stored as it is declared, or another model has its keys.
        """
        if not isinstance(cast(object, model.get_primary_key_field()), str):
            raise NotImplementedError(f"{model.__name__} should have a _primary_key_field")
        if model.__options__.abstract:
            raise ModelDeclarationError(
                model.__name__, "is abstract, hence never stored; register what derives from it"
            )
        start, name = model.__shape__.keys.start, _full_name(model)
        for other in self._registered.values():
            if other.__shape__.keys.start == start and _full_name(other) != name:
                raise ModelDeclarationError(
                    model.__name__, f"has the keys of {_full_name(other)} ({start}*); give one of them another table"
                )
        self._registered[name] = self.models[model.__name__.lower()] = model
        model._store = self

    def model(self, name: str) -> "type[Model]":
        """Give the registered model of that name, in any case; ``KeyError`` if there is none."""
        return self.models[name.lower()]

    def run(self, batches: Batches[Result]) -> Result:
        """Run an operation to its end, blocking."""
        return run(self.sync_client, batches)

    async def run_async(self, batches: Batches[Result]) -> Result:
        """Run an operation to its end, in the running loop."""
        return await run_async(await self._client_of_loop(), batches)

    @property
    def sync_client(self) -> SyncClient:
        """What exchanges command batches, blocking."""
        made = self._sync
        if made is None or made[0] is not self.redis_store:
            with self._lock:
                made = self._sync
                if made is None or made[0] is not self.redis_store:
                    made = self._sync = self._new_sync()
        return made[2]

    def close(self) -> None:
        """Close the blocking connections; those of event loops end with ``aclose`` or their loop."""
        if self._sync is not None:
            self._sync[1].close()
            self._sync = None
        if self._embedded is not None and not self._async:
            self._embedded.release()

    async def aclose(self) -> None:
        """Close all connections of this store that the running loop may close."""
        closing = self._closings.pop(asyncio.get_running_loop(), None)
        if closing is not None:
            await closing.aclose()
        self.close()

    async def _client_of_loop(self) -> AsyncClient:
        """Give what exchanges command batches in the running loop."""
        if self.redis_store is not None:
            pool = self.redis_store.connection_pool
            return AsyncClient(self.redis_store, address_of(pool.connection_kwargs), self._timeout_s)
        loop = asyncio.get_running_loop()
        made = self._async.get(loop)
        if made is None:
            with self._lock:
                made = self._async[loop] = self._new_async()
            closing = self._closings[loop] = self._closing(loop)
            await anext(closing)
        return made[1]

    async def _closing(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Close a loop's connections when it ends: asyncio.run ends the asynchronous generators of a loop before it."""
        try:
            yield
        finally:
            made = self._async.pop(loop, None)
            if made is not None:
                await made[0].aclose()

    def _new_sync(self) -> tuple[redis.asyncio.Redis | None, redis.Redis, SyncClient]:
        if self._sync is not None:
            self._sync[1].close()
        if self.redis_store is not None:
            plain, options = options_of_pool(self.redis_store.connection_pool)
            address = address_of(options)
        else:
            plain, options = self._options()
            address = self.address
        pool = cast(Any, redis.BlockingConnectionPool)(
            max_connections=_CONNECTIONS,
            timeout=self._timeout_s,
            connection_class=sync_class(EmbeddedConnection if self._embedded else plain),
            **{**_DEFAULTS, "socket_timeout": self._timeout_s, **options, "retry": Retry(NoBackoff(), 0)},
        )
        client = redis.Redis.from_pool(pool)
        return self.redis_store, client, SyncClient(client, address)

    def _new_async(self) -> tuple[redis.asyncio.Redis, AsyncClient]:
        for loop in [loop for loop in self._async if loop.is_closed()]:
            del self._async[loop]  # its connections refer to it, so that it would stay for ever
        plain, options = self._options()
        pool = cast(Any, redis.asyncio.BlockingConnectionPool)(
            max_connections=_CONNECTIONS,
            timeout=None,
            connection_class=async_class(AsyncEmbeddedConnection if self._embedded else plain),
            **{**_DEFAULTS, "socket_timeout": None, **options, "retry": AsyncRetry(NoBackoff(), 0)},
        )
        client = redis.asyncio.Redis.from_pool(pool)
        return client, AsyncClient(client, self.address, self._timeout_s)

    def _options(self) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """Class and options of connections to the store's own server; starts nothing."""
        scheme, _, rest = self._url.partition(":")
        if scheme != "embedded":
            return options_of_url(self._url)
        if self._embedded is None:
            self._embedded = EmbeddedServer(rest.removeprefix("//") or None)
        return redis.Connection, {"embedded": self._embedded, "path": self._embedded.socket_path}


def _full_name(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"
