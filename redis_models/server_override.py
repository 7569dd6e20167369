"""Redirection: another server is used in place of that of the settings, so that tests cannot reach it.

Every store asks this module where to connect. A process that a test starts reads the target from an environment
variable, and redirects the server of its settings when it loads them.
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
    """An object that holds connections."""

    def reset(self) -> None:
        """Forget all connections; the next ones lead to the new target."""
        ...


_targets: dict[str, str] = {}  # URL of another server, by where a server is
_watching: "weakref.WeakSet[Redirected]" = weakref.WeakSet()


def redirect(url: str, target: str) -> None:
    """Use another server in place of that of a URL, for all its databases."""
    place = _place_of(url)
    if place is not None and _targets.get(place) != target and place != _place_of(target):
        _targets[place] = target
        _reset()


def restore() -> None:
    """End all redirections."""
    if _targets:
        _targets.clear()
        _reset()


def end_redirection(target: str) -> None:
    """Redirect everything that is redirected now to ``target``, where no server is, until the process ends."""
    for place in _targets:
        _targets[place] = target
    _reset()


def redirected(url: str) -> str:
    """Give the URL to use in place of ``url``."""
    if not _targets:
        return url
    return _targets.get(_place_of(url) or "", url)


def watch(watcher: Redirected) -> None:
    """Reset an object, as long as it exists, whenever a redirection changes."""
    _watching.add(watcher)


def _reset() -> None:
    for watcher in list(_watching):
        watcher.reset()


def _place_of(url: str) -> str | None:
    """Give the place of a URL's server in one spelling; None for a throw-away server, which is never shared."""
    scheme, _, rest = url.partition(":")
    path = rest.removeprefix("//")
    if scheme == "embedded":
        return f"embedded:{os.path.realpath(path)}" if path else None
    if scheme == "unix":
        return f"unix:{os.path.realpath(path.rpartition('@')[2].partition('?')[0])}"
    if "://" not in url:
        return None  # fakeredis, which is in this process
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port or _PORT
    except ValueError:  # several hosts, or a password that is not percent-encoded
        return f"//{path.rpartition('@')[2].partition('/')[0].lower()}"
    return f"{'localhost' if host in _LOCAL else host}:{port}"
