"""The server's own limit: one giant script that rewrites all customers; nobody is answered meanwhile."""

from collections.abc import Sequence

from ..project import Change
from ..server import Server

__all__ = ["rewrite_all"]

_RENAMED = {"full_name": "name", "mail": "email", "town": "city"}
_FILLED = {"currency": "EUR", "level": "1", "country": "DE"}


def rewrite_all(server: Server, changes: Sequence[Change], *, keeps: bool) -> int:
    """Rewrite every customer of the index.

    Args:
        server: Where they are.
        changes: What is done to each, as in ``project.IN_SERVER``.
        keeps: Whether removed values stay under another name, as the library keeps them for the way back.

    Returns:
        How many there were.
    """
    return int(server.client.eval(_script(changes, keeps), 1, "customer:__index"))


def _script(changes: Sequence[Change], keeps: bool) -> str:
    removed = [name for change in changes for name in change.removed]
    renamed = [(new, _RENAMED[new]) for change in changes for new in change.added if new in _RENAMED]
    filled = [(name, _FILLED[name]) for change in changes for name in change.added if name in _FILLED]
    gone = [name for name in removed if name not in _RENAMED.values()] if keeps else []
    read = [old for _, old in renamed] + gone
    sets = ["'_v', '2'"]
    sets += [f"'{name}', '{value}'" for name, value in filled]
    sets += [f"'{new}', held[{place}]" for place, (new, _) in enumerate(renamed, 1)]
    sets += [f"'_b2.{place}', held[{place + len(renamed)}]" for place, _ in enumerate(gone, 1)]
    hmget = f"local held = redis.call('HMGET', key, {_listed(read)})" if read else ""
    hdel = f"redis.call('HDEL', key, {_listed(removed)})" if removed else ""
    return (
        f"local keys = redis.call('ZRANGE', KEYS[1], 0, -1)\nfor _, key in ipairs(keys) do\n  {hmget}\n"
        f"  redis.call('HSET', key, {', '.join(sets)})\n  {hdel}\nend\nreturn #keys\n"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
