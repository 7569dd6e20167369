"""The server's own limit: one giant script rewrites all customers, and blocks every other client."""

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
        keeps: Whether it does all that the library does: it looks at the version, so that it may be run again, and
            what it removes or overwrites stays under another name, for the way back.

    Returns:
        How many there were.
    """
    return int(server.client.eval(_script(changes, keeps), 1, "customer:__index"))


def _script(changes: Sequence[Change], keeps: bool) -> str:
    added = [name for change in changes for name in change.added]
    removed = [name for change in changes for name in change.removed]
    renamed = [(new, _RENAMED[new]) for new in added if new in _RENAMED]
    gone = [name for name in removed if name not in _RENAMED.values()]
    read = [old for _, old in renamed]
    sets = ["'_v', '2'", *(f"'{name}', '{_FILLED[name]}'" for name in added if name in _FILLED)]
    sets += [f"'{new}', held[{place}]" for place, (new, _) in enumerate(renamed, 1)]
    condition, undo = "true", ""
    if keeps:
        read += [*gone, *added, "_v"]
        sets += [f"'_b2.{name}', held[{read.index(name) + 1}]" for name in gone]
        condition = f"held[{len(read)}] == '1'"
        for name in added:
            was = f"held[{read.index(name) + 1}]"
            undo += f"    if {was} then redis.call('HSET', key, '_b2.{name}', {was}) end\n"
    hmget = f"local held = redis.call('HMGET', key, {_listed(read)})" if read else ""
    hdel = f"redis.call('HDEL', key, {_listed(removed)})" if removed else ""
    return (
        f"local keys = redis.call('ZRANGE', KEYS[1], 0, -1)\nfor _, key in ipairs(keys) do\n  {hmget}\n"
        f"  if {condition} then\n{undo}    redis.call('HSET', key, {', '.join(sets)})\n    {hdel}\n  end\n"
        "end\nreturn #keys\n"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
