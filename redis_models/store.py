"""Stores: a name for one Redis database, its connections, and the models that live in it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, Self, TypeVar, cast

import redis
import redis.asyncio

from .client.client import SyncClient
from .client.commands import RoundTrips
from .client.connector import Connector
from .client.drivers import run, run_async
from .config import RedisConfig
from .coroutines import is_blocking
from .errors import ModelDeclarationError
from .mapping.stored_model import StoredModel

__all__ = ["RedisConfig", "Store", "Upgrader"]

Result = TypeVar("Result")
_TIMEOUT_S: Final = 5.0  # one batch; a stalled server is reported, not waited for


class Upgrader(Protocol):
    """Upgrades records of older versions of a model to that of this process; the migration engine does it."""

    def upgrade(self, model: type[Any], key: str, record: Mapping[str, bytes]) -> dict[str, bytes]:
        """Give a record as the newest version would store it; writes nothing."""
        ...

    def rewrite(self, model: type[Any], key: str) -> RoundTrips[None]:
        """Upgrade the stored record to the newest version, unless another client does it first."""
        ...

    def former_names(self, model: type[Any], field: str) -> Mapping[int, str | None]:
        """Give the stored fields that held the same bytes as a field of the model, by its older versions.

        None for a version whose bytes migrations change.
        """
        ...

    def write_back(self, model: type[Any], keys: Sequence[str]) -> RoundTrips[None]:
        """Do that for records that were just read, if WRITE_BACK is on; a failure is not an error."""
        ...


class Store:
    """One Redis database and the models that live in it. Making one does no I/O.

    May be shared by threads and by event loops, each of which gets connections of its own. ``async with`` ends with
    ``aclose``, ``with`` ends with ``close``; a closed store opens again when it is used.

    Args:
        name: A name for messages.
        redis_config: Where the server is.
        redis_store: An asyncio client whose server is used instead.
        life_span_in_seconds: TTL of records whose model has none of its own, or None.
        url: ``redis:// rediss:// valkey:// unix://`` or ``embedded:DIR``; wins over ``redis_config``.
        timeout_s: How long one exchange with the server may take, in seconds.
        resend_writes: Whether a write whose connection broke is sent again, although it may have been executed. It then
            overwrites later writes of other clients, and its figures are those of the last execution. Never done for
            ``increment``, ``delete``, ``only="new"`` and ``if_unchanged``, whose results would be wrong.

    Attributes:
        models: The models of this store by their names in lower case; of two with the same name, the later one.

    Raises:
        TypeError: None of redis_config, redis_store and url is given.
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
        resend_writes: bool = False,
    ) -> None:
        if redis_config is None and redis_store is None and url is None:
            raise TypeError(f"Store({name!r}) needs a redis_config, or a url, or a client as its redis_store")
        self.name = name
        self.redis_config = redis_config or RedisConfig()
        self.life_span_in_seconds = life_span_in_seconds
        self.models: dict[str, type[Any]] = {}
        self._registered: dict[str, type[StoredModel]] = {}
        self.upgrader: Upgrader | None = None
        encoding = self.redis_config.encoding
        self._connector = Connector(url or self.redis_config.redis_url, timeout_s, encoding, resends=resend_writes)
        self.redis_store = redis_store

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        name: str = "default",
        life_span_in_seconds: int | None = None,
        resend_writes: bool = False,
    ) -> "Store":
        """Make a store of a URL; see ``Store``."""
        return cls(name, url=url, life_span_in_seconds=life_span_in_seconds, resend_writes=resend_writes)

    def __repr__(self) -> str:
        return f"Store({self.name!r}, url={self.address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def address(self) -> str:
        """The URL of the server in use, without its password."""
        return self._connector.address

    @property
    def redis_store(self) -> redis.asyncio.Redis:
        """An asyncio client of the store's server, for commands that no verb has; it answers text.

        Made on first use, one for each event loop, and closed with the store or the loop. Assign another client, and
        the next verbs use its server, blocking ones too; assign None to end that. Only the address is taken from that
        client, so it may belong to any event loop, may answer text or bytes, and the application closes it. A client of
        fakeredis works too, if its ``lua`` extra is installed.
        """
        return self._connector.client

    @redis_store.setter
    def redis_store(self, client: redis.asyncio.Redis | None) -> None:
        candidate = cast(object, client)
        if candidate is not None and (isinstance(candidate, redis.Redis) or not hasattr(candidate, "connection_pool")):
            raise TypeError(f"redis_store must be a client of redis.asyncio, not a {_kind_of(candidate)}")
        self._connector.given_client = client

    def register_model(self, model: type[StoredModel]) -> None:
        """Bind a model class to this store, and release it from any other.

        Raises:
            AttributeError: It does not name a primary key, as in pydantic-aioredis.
            NotImplementedError: The name of its primary key is not text, as in pydantic-aioredis.
            ModelDeclarationError: It cannot be stored as it is declared, or another model has the same keys.
        """
        if not isinstance(_primary_key_of(model), str):
            raise NotImplementedError(f"{model.__name__} should have a _primary_key_field")
        if model.__options__.abstract:
            raise ModelDeclarationError(
                model.__name__, "is abstract, hence never stored; register the classes that derive from it"
            )
        keys, name = model.__mapper__.keys, _full_name(model)
        for full, other in self._registered.items():
            shared = None if full == name else other.__mapper__.keys.shared_with(keys)
            if shared is not None:
                raise ModelDeclarationError(
                    model.__name__, f"has the same keys as {full} ({shared}*); give one another table or separator"
                )
        previous = cast("Store | None", model.__dict__.get("_store"))
        if previous is not None and previous is not self:
            previous._forget(model)
        self._registered[name] = self.models[model.__name__.lower()] = model
        model._store = self

    def model(self, name: str) -> type[Any]:
        """Give the registered model with this name, in any case, or with this full dotted name.

        Raises:
            KeyError: There is none, or there are several.
        """
        if name in self._registered:
            return self._registered[name]
        matches = [full for full, model in self._registered.items() if model.__name__.lower() == name.lower()]
        if len(matches) > 1:
            raise KeyError(f"{name} may be {' or '.join(matches)}; use a full name")
        try:
            return self.models[name.lower()]
        except KeyError:
            raise KeyError(name) from None

    def run(self, batches: RoundTrips[Result]) -> Result:
        """Run an operation to its end, blocking."""
        return run(self._connector.sync_client(), batches)

    async def run_async(self, batches: RoundTrips[Result]) -> Result:
        """Run an operation to its end, in the running loop."""
        if is_blocking():
            return self.run(batches)
        return await run_async(await self._connector.async_client(), batches)

    @property
    def sync_client(self) -> SyncClient:
        """The client of blocking callers."""
        return self._connector.sync_client()

    def close(self) -> None:
        """Close the blocking connections; may be called again. Those of event loops end with ``aclose`` or their loop.

        A connection in use is closed when it has its replies. An embedded server stops with its last user.
        """
        self._connector.close()

    async def aclose(self) -> None:
        """Close the connections of the running loop, and the blocking ones; may be called again.

        Those of other loops end with their loop.
        """
        await self._connector.aclose()

    def _forget(self, model: type[StoredModel]) -> None:
        """Release a model that another store has registered."""
        self._registered.pop(_full_name(model), None)
        short = model.__name__.lower()
        others = [other for other in self._registered.values() if other.__name__.lower() == short]
        if self.models.get(short) is model:
            del self.models[short]
            if others:
                self.models[short] = others[-1]


def _primary_key_of(model: type[StoredModel]) -> object:
    try:
        return model.get_primary_key_field()
    except AttributeError:
        raise AttributeError(f"type object {model.__name__!r} has no attribute '_primary_key_field'") from None


def _kind_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _full_name(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"
