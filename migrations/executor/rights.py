"""Rights: the commands that the scripts of a run call, tried before anything is written. They change nothing.

A script is not rolled back where the access list denies one of its commands: what was written before stays, and what is
behind it never happens, because the record has its new stamp by then.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, cast

from redis_models.client.commands import Batches, check, load_script
from redis_models.errors import LockedError, ServerRefusedError
from redis_models.mapping.keys import bookkeeping_key

from ..chain.upgrade_path import Route
from ..edits.steps import Expire
from ..planner.passes import Move
from ..state.lease import Lease

__all__ = ["OF_THE_END", "commands_of", "refuse_missing_rights"]

_SCRIPT: Final = load_script("redis_models.migrations", "rights", is_repeatable=True)
# In the order in which the scripts call them; what is called before the first write of a record and may not be needed
# is left out, because it refuses the record whole.
_OF_A_REWRITE: Final = ("HMGET", "EXISTS", "HSET", "HPEXPIREAT", "HDEL")
_OF_A_LIFE_SPAN: Final = ("TIME", "PERSIST", "PEXPIREAT")
_OF_A_MOVE: Final = ("ZCARD", "TYPE", "HGET", "EXISTS", "ZADD", "RENAME", "ZREM")
OF_THE_END: Final = ("LINDEX", "HLEN", "RPUSH", "SET", "HSET", "HDEL", "DEL")
_MAY_BE_MISSING: Final = frozenset(["HPEXPIREAT"])  # servers without it have no life spans of hash fields
_DENIED: Final = re.compile(r"NOPERM|ACL failure|permission|can't run this command", re.IGNORECASE)
_UNKNOWN: Final = re.compile(r"unknown( redis)? command", re.IGNORECASE)


def commands_of(routes: Iterable[Route], moves: Iterable[Move]) -> tuple[str, ...]:
    """Give the commands that the scripts call which change records.

    Args:
        routes: Of the records that are rewritten.
        moves: What moves them.
    """
    routes = list(routes)
    found = list(_OF_A_REWRITE if routes else ())
    if any(isinstance(step, Expire) for route in routes for stage in route.stages for step in stage.steps):
        found += _OF_A_LIFE_SPAN
    if any(True for _ in moves):
        found += _OF_A_MOVE
    return tuple(dict.fromkeys(found))


def refuse_missing_rights(lease: Lease, namespace: str, commands: Sequence[str]) -> Batches[None]:
    """Try commands, and tell which of them this user may not call.

    Args:
        lease: Held by this process.
        namespace: ``NAMESPACE`` of the settings.
        commands: Of ``commands_of``.

    Raises:
        ServerRefusedError: The access list denies some, or the server has them under other names; it names them all.
        LockedError: The lease is somebody else's by now.

    Keys:
        The lease, and ``redis_models:{namespace}:rights``, which never exists.

    Cost:
        One round trip, whether the server has the script or not.
    """
    keys = [lease.key, bookkeeping_key(namespace, "rights")]
    loaded, reply = yield [("SCRIPT", "LOAD", _SCRIPT.source), _SCRIPT.command(keys, [lease.epoch, *commands])]
    if isinstance(reply, Exception):
        check([loaded, reply])
    if reply == b"FENCED":
        raise LockedError.lost()
    said = [text.decode() for text in cast("list[bytes]", reply)]
    missing = {name: text for name, text in zip(said[::2], said[1::2], strict=True) if _is_missing(name, text)}
    if missing:
        raise ServerRefusedError(_refusal(missing))


def _is_missing(name: str, said: str) -> bool:
    if _UNKNOWN.search(said):
        return name not in _MAY_BE_MISSING
    return _DENIED.search(said) is not None


def _refusal(missing: dict[str, str]) -> str:
    names = ", ".join(missing)
    grants = " ".join(f"+{name.lower()}" for name in missing)
    return (
        f"the server's access list denies {names} to this user, without which a script would stop in the middle of a"
        f" record; nothing was written. Grant it with 'ACL SETUSER NAME {grants}' and run again"
        f" (the server says: {next(iter(missing.values()))})"
    )
