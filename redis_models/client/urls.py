"""URLs of servers: options for redis-py's connections, from a URL or from another client."""

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import redis
import redis.asyncio
from redis import connection
from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from ..errors import SettingsError
from ..redaction import is_cut_short, masked

__all__ = ["address_of", "async_class", "is_fake", "options_of_pool", "options_of_url"]

_WHERE: Final = frozenset(
    ["client_name", "credential_provider", "db", "host", "password", "path", "port", "protocol", "username"]
)
_ON_THE_WAY: Final = ("ssl_", "socket_keepalive", "socket_timeout", "socket_connect_timeout")
_FAKE: Final = frozenset(["connected", "lua_modules", "server", "server_type", "version"])
_CLOSE: Final = 0.7  # difflib ratio: socket_time is taken for socket_timeout
_SCHEMES: Final = {"valkey": "redis", "valkeys": "rediss"}
_BLOCKING: Final[Mapping[type[Any], type[Any]]] = {
    redis.asyncio.UnixDomainSocketConnection: redis.UnixDomainSocketConnection,
    redis.asyncio.SSLConnection: redis.SSLConnection,
    redis.asyncio.Connection: redis.Connection,
}
_ASYNC: Final = {blocking: asynchronous for asynchronous, blocking in _BLOCKING.items()}
# A class that defines one of these may connect to another server than its options say, as Sentinel's do.
_LEADS: Final = frozenset(["_connect", "_connection_arguments", "connect", "connect_check_health"])


def _check_place(options: dict[str, Any]) -> dict[str, Any]:
    """Give options back; ``ValueError`` for a host that cannot be a name, or a path that cannot be a file."""
    str(options.get("host", "")).encode("idna")
    if "\0" in str(options.get("path", "")):
        raise ValueError("a path with a NUL character")
    return options


def options_of_url(url: str) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Give the class of blocking connections and their options; connects to nothing.

    Raises:
        SettingsError: It is not the URL of a server.
    """
    scheme, _, rest = url.partition(":")
    parse: Callable[[str], dict[str, Any]] = cast(Any, connection).parse_url
    options: dict[str, Any] | None = None
    if not is_cut_short(url):
        with suppress(ValueError):
            options = _check_place(parse(f"{_SCHEMES.get(scheme, scheme)}:{rest}"))
    if options is None:
        # Without redis-py's text: it may contain part of a password that was not percent-encoded.
        raise SettingsError(
            None,
            f"{masked(url)!r} is not the URL of a server; write redis://USER:PASSWORD@HOST:PORT/DB, rediss://, unix://PATH"
            " or embedded:DIR, with / ? # @ : in a password percent-encoded",
        )
    kind: type[Any] = options.pop("connection_class", redis.Connection)
    user, password = options.pop("username", None), options.pop("password", None)
    if user or password:
        # The repr of redis-py 7's pools shows a password, but not the contents of such an object.
        options["credential_provider"] = redis.UsernamePasswordCredentialProvider(user, password)
    max_connections = options.pop("max_connections", None)
    complaint = _wrong_option(kind, options)
    if complaint is not None:
        raise SettingsError(None, f"{masked(url)!r} has an unknown option{_suggestion(kind, complaint)}")
    return kind, options if max_connections is None else {**options, "max_connections": max_connections}


def _suggestion(kind: type[object], name: str) -> str:
    """Suggest an option. The wrong one is not quoted: it may be the rest of a password with ? or & in it."""
    known = (
        {parameter for base in kind.__mro__ for parameter in inspect.signature(base).parameters} if name else set[str]()
    )
    known |= {"db", "max_connections"} if name else set[str]()
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_CLOSE)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint}; its name is not shown, because it may be part of a password: percent-encode / ? # @ & in one"


def _wrong_option(kind: Callable[..., object], options: Mapping[str, Any]) -> str | None:
    """Give the name of an option that connections of a kind do not take, "" if unknown; None if they take all."""
    try:
        kind(**options)
    except (TypeError, ValueError, RedisError) as exc:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(exc))
        return found[1] if found else ""
    return None


def options_of_pool(pool: redis.asyncio.ConnectionPool) -> tuple[type[AbstractConnection], dict[str, Any]]:
    """Give the class and the options of blocking connections to the server that an asyncio pool connects to.

    Raises:
        SettingsError: There are no blocking connections of that kind.
    """
    options = pool.connection_kwargs.items()
    kept = {name: value for name, value in options if name in _WHERE or name.startswith(_ON_THE_WAY)}
    if is_fake(pool.connection_class):
        # The server is a Python object among the options, or is found by the host's name.
        fakeredis: Any = sys.modules["fakeredis"]
        kind = fakeredis.FakeRedis().connection_pool.connection_class
        return kind, {**kept, **{name: value for name, value in options if name in _FAKE}}
    for ancestor in pool.connection_class.__mro__:
        if ancestor in _BLOCKING:
            return _BLOCKING[ancestor], kept
        if _LEADS & vars(ancestor).keys():
            break
    raise SettingsError(
        None,
        f"redis_store has connections of class {pool.connection_class.__name__}, which only asyncio can use; leave"
        " redis_store out and give the store a url for blocking verbs, .sync and AutoModel",
    )


def is_fake(kind: type) -> bool:
    """Whether connections of this class lead to fakeredis, which is not imported here."""
    return any(ancestor.__module__.partition(".")[0] == "fakeredis" for ancestor in kind.__mro__)


def async_class(plain: type[Any]) -> type[redis.asyncio.Connection]:
    """Give the asyncio twin of a blocking class."""
    return cast("type[redis.asyncio.Connection]", _ASYNC[plain])


def address_of(pool: redis.asyncio.ConnectionPool) -> str:
    """Give the server of a pool as a URL without secrets."""
    options = pool.connection_kwargs
    if is_fake(pool.connection_class):
        return "fakeredis"
    if "path" in options:
        return f"unix://{options['path']}"
    return f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db') or 0}"
