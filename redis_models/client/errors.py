"""Refusals of the server: redis-py's errors translated into our own, with a cure for each. Pure.

Errors of broken connections are translated in ``retry``.
"""

import re
from typing import Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from ..errors import (
    RedisModelsError,
    ServerBusyError,
    ServerDiskError,
    ServerError,
    ServerOutOfMemoryError,
    ServerReadOnlyError,
    ServerRefusedError,
)

__all__ = ["is_elsewhere", "translate"]


def is_elsewhere(error: ResponseError) -> bool:
    """Whether another server must be asked: this one is a replica now, or has lost its primary or cluster."""
    found = _IN_A_SCRIPT.search(str(error))
    return isinstance(error, _ELSEWHERE) or (found is not None and found[1] in ("READONLY", "MASTERDOWN"))


def translate(error: ResponseError) -> RedisModelsError:
    """Give our own error for a refusal of the server, with its cure."""
    found = _IN_A_SCRIPT.search(str(error))
    for kind, (code, build) in _REFUSALS.items():
        if isinstance(error, kind) or (found and found[1] == code):
            return build(error)
    if _DENIED_IN_A_SCRIPT.search(str(error)) or _DENIED_COMMAND.search(str(error)):
        return _no_permission(error)
    if str(error).startswith(_NO_DISK) or (found and found[1] == _NO_DISK):
        return _no_disk(error)
    if str(error).startswith(_PASSING) or (found and found[1].startswith(_PASSING)):
        return _busy(error)
    if "same slot" in str(error):
        return ServerRefusedError(
            f"the server is part of a cluster, where a record and its index must share a slot ({error}); give the model"
            ' a prefix in braces, _redis_prefix = "{shop}". Migrations are not for clusters'
        )
    if isinstance(error, AskError):  # MOVED is a kind of it
        return ServerRefusedError(
            f"the key lies on another node of the cluster (slot and node {error}); nothing was executed. Only clusters"
            " of one node can be used: name that node, or a server without cluster-enabled"
        )
    return ServerRefusedError(f"the server refused a command: {error}")


def _out_of_memory(error: ResponseError) -> ServerError:
    return ServerOutOfMemoryError(
        f"the server's memory is full ({error}); nothing of the refused write was applied. Raise maxmemory or free some"
    )


def _no_disk(error: ResponseError) -> ServerError:
    """The append-only file is tried again each second, a snapshot only when the next one is due."""
    is_snapshot = "RDB" in str(error)
    cure = "make room there, or see its log; then call BGSAVE" if is_snapshot else "make room there, or see its log"
    return ServerDiskError(
        f"{_server_name(error)} cannot write to its disk, and takes no writes until it can: {cure}. Nothing of the"
        f" refused write was applied ({error})"
    )


def _read_only(error: ResponseError) -> ServerError:
    return ServerReadOnlyError(
        f"{_server_name(error)} is a read-only replica ({error}); name the primary in REDIS_URL, nothing was written"
    )


def _no_permission(error: ResponseError) -> ServerError:
    command, key = _DENIED_COMMAND.search(str(error)), _DENIED_KEY.search(str(error))
    if command is not None:
        name = command[1].split("|")[0]
        what, cure = name.upper(), f" with 'ACL SETUSER NAME +{name}'"
    else:
        what = "a command" if key is None else "access to a key"
        cure = "" if key is None else " with 'ACL SETUSER NAME ~PATTERN'"
    return ServerRefusedError(
        f"the server's access list denies {what}, nothing of it was executed; grant it to this user{cure} ({error})"
    )


def _busy(error: ResponseError) -> ServerError:
    return ServerBusyError(
        f"{_server_name(error)} can do nothing now: {error}; nothing of it was executed, try again later"
    )


def _server_name(error: ResponseError) -> str:
    """Give the address of the server that answered, if it is known."""
    return getattr(error, "answered_by", "") or "the server"


_REFUSALS: Final = {
    ClusterDownError: ("CLUSTERDOWN", _busy),
    MasterDownError: ("MASTERDOWN", _busy),
    TryAgainError: ("TRYAGAIN", _busy),
    OutOfMemoryError: ("OOM", _out_of_memory),
    ReadOnlyError: ("READONLY", _read_only),
    NoPermissionError: ("NOPERM", _no_permission),
}
_ELSEWHERE: Final = (ReadOnlyError, MasterDownError, ClusterDownError)
_NO_DISK: Final = "MISCONF"
_PASSING: Final = ("BUSY ", "NOREPLICAS")  # redis-py does not have classes for these
# A command that a script called without permission: the texts of Redis 7 and Valkey, then that of Redis 6.
_DENIED_IN_A_SCRIPT: Final = re.compile(r"ACL failure in script|user executing the script can't run")
_DENIED_COMMAND: Final = re.compile(r"permissions? to run the '([\w|-]+)' command")
_DENIED_KEY: Final = re.compile(r"permissions? to access |can't access at least one of the keys")
# Before Redis 7, the error of a command that a script called is quoted in an error of the script.
_IN_A_SCRIPT: Final = re.compile(r"@user_script: ?\d+: -([A-Z]+) ")
