"""Redirection: servers in whose place another one is to be taken, so that tests cannot reach that of the settings.

Every connection that a store makes asks here where it leads. Processes that a test starts are told by an environment
variable; they learn the address of their settings when these are loaded.
"""

import os
import weakref
from typing import Final, Protocol
from urllib.parse import urlsplit

__all__ = ["VARIABLE", "Redirected", "end_redirection", "redirect", "redirected", "restore", "watch"]

VARIABLE: Final = "REDIS_MODELS_TEST_URL"  # set by ``redis_models.testing``, for processes that a test starts
_LOCAL: Final = frozenset(["localhost", "127.0.0.1", "::1", "0.0.0.0", ""])
_PORT: Final = 6379


class Redirected(Protocol):
    """What holds connections."""

    def reset(self) -> None:
        """Forget every connection: the next ones go where they lead by then."""
        ...


_targets: dict[str, str] = {}  # URL of another server, by where a server is
_watching: "weakref.WeakSet[Redirected]" = weakref.WeakSet()


def redirect(url: str, target: str) -> None:
    """Let everything that leads to the server of a URL, whatever its database, lead to another one."""
    place = _place_of(url)
    if place is not None and _targets.get(place) != target and place != _place_of(target):
        _targets[place] = target
        _reset()


def restore() -> None:
    """Let everything lead where it did."""
    if _targets:
        _targets.clear()
        _reset()


def end_redirection(target: str) -> None:
    """Let everything that leads elsewhere lead to ``target``, where nothing is, until the process ends."""
    for place in _targets:
        _targets[place] = target
    _reset()


def redirected(url: str) -> str:
    """Give where a URL leads now."""
    if not _targets:
        return url
    return _targets.get(_place_of(url) or "", url)


def watch(watcher: Redirected) -> None:
    """Tell an object, for as long as there is one, that connections lead elsewhere."""
    _watching.add(watcher)


def _reset() -> None:
    for watcher in list(_watching):
        watcher.reset()


def _place_of(url: str) -> str | None:
    """Say where the server of a URL is, in one spelling; None for a throw-away one, which is never shared."""
    scheme, _, rest = url.partition(":")
    path = rest.removeprefix("//")
    if scheme == "embedded":
        return f"embedded:{os.path.realpath(path)}" if path else None
    if scheme == "unix":
        return f"unix:{os.path.realpath(path.rpartition('@')[2].partition('?')[0])}"
    if "://" not in url:
        return None  # an imitation, which is in this process
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port or _PORT
    except ValueError:  # several hosts, or a password that is not percent-encoded
        return f"//{path.rpartition('@')[2].partition('/')[0].lower()}"
    return f"{'localhost' if host in _LOCAL else host}:{port}"
