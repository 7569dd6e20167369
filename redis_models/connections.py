"""Where a server is and how to speak to it: options for redis-py's connection pools, out of a URL or another client."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis import connection
from redis.connection import AbstractConnection

from .errors import SettingsError

__all__ = ["address_of", "async_class", "masked", "options_of_pool", "options_of_url", "sync_class"]

_PASSWORD: Final = re.compile(r"://([^:/?#]*):.*@|([?&]password=)[^&]*")
_WHERE: Final = frozenset(["client_name", "db", "host", "password", "path", "port", "protocol", "username"])
_SSL: Final = "ssl_"
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}
_BLOCKING: Final[Mapping[type[Any], type[Any]]] = {
    redis.asyncio.UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
    redis.asyncio.SSLConnection: redis.SSLConnection,
    redis.asyncio.Connection: redis.Connection,
}
_ASYNC: Final = {blocking: one for one, blocking in _BLOCKING.items()}


def options_of_url(url: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Give the class of blocking connections and their options; connects to nothing.

    Raises:
        SettingsError: It is no URL of a server.
    """
    scheme, _, rest = url.partition(":")
    parse: Callable[[str], dict[str, Any]] = cast(Any, connection).parse_url
    try:
        options = parse(f"{_SCHEMES.get(scheme, scheme)}:{rest}")
    except ValueError:
        # Its text may hold half a password that was not percent-encoded.
        raise SettingsError(
            None,
            f"{masked(url)!r} is no URL of a server; write redis://USER:PASSWORD@HOST:PORT/DB, rediss://, unix://PATH"
            " or embedded:DIR, with / ? # @ : in a password percent-encoded",
        ) from None
    return options.pop("connection_class", redis.Connection), options


def options_of_pool(pool: redis.asyncio.ConnectionPool) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Give the class and the options of blocking connections to the server that an asyncio pool connects to.

    Raises:
        SettingsError: Its connections are of a kind that has no blocking twin.
    """
    for asynchronous, blocking in _BLOCKING.items():
        if issubclass(pool.connection_class, asynchronous):
            told = pool.connection_kwargs.items()
            return blocking, {name: value for name, value in told if name in _WHERE or name.startswith(_SSL)}
    raise SettingsError(
        None,
        f"redis_store has connections of class {pool.connection_class.__name__}, which only asyncio can use; leave"
        " redis_store out and give the store a url for blocking verbs, .sync and AutoModel",
    )


def sync_class(plain: type[AbstractConnection]) -> type[AbstractConnection]:
    """Give a class like ``plain`` whose connections are never half-open."""
    return cast("type[AbstractConnection]", type(plain.__name__, (_Whole, plain), {}))


def async_class(plain: type[Any]) -> type[redis.asyncio.Connection]:
    """Give the asyncio twin of ``plain``; those close themselves wherever a task can be cancelled."""
    return cast("type[redis.asyncio.Connection]", _ASYNC.get(plain, plain))


def address_of(options: Mapping[str, object]) -> str:
    """Give connection options as a URL without secrets."""
    if "path" in options:
        return f"unix://{options['path']}"
    return f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db') or 0}"


def masked(url: str) -> str:
    """Give ``url`` without its password, also where that is not percent-encoded."""
    shown = _PASSWORD.sub(lambda found: f"{found[2]}***" if found[2] else f"://{found[1]}:***@", url)
    return shown if _has_plain_port(shown) else shown.partition("://")[0] + "://***"


def _has_plain_port(url: str) -> bool:
    """Whether what stands after the host is a port: else it may be a password in a URL without a user or host."""
    try:
        return (urlsplit(url).port or 0) >= 0
    except ValueError:
        return False


class _Whole:
    """A blocking connection that is greeted or closed.

    redis-py puts a connection whose greeting was interrupted back into the pool, connected; the late answer to the
    greeting would be taken for the next caller's.
    """

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]  # of the class beside this one
        except BaseException:
            cast(redis.Connection, self).disconnect()  # type: ignore[no-untyped-call]
            raise
