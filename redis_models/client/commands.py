"""Command batches: how an operation that talks to Redis is written once, for blocking and asyncio callers. Pure.

An operation is a generator that yields a list of commands and is sent the list of their replies; it returns its result.
A driver (``client``) moves it along. A reply that is an error arrives as an exception object in its place, because
what one refused command means for the others only the operation knows.

A batch of which something may have been executed is not sent again after a broken connection, unless it is repeatable:
all its commands only read, or call scripts that say so of themselves. Not even what writes the same twice is repeatable
as such: another client may have written in between. A store can ask for it all the same; a batch whose second execution
would say or do something else than its first forbids that, as ``AtMostOnce``. One whose replies can wait says so, as
``Pipelined``, and the operation goes on while the server works.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, TypeVar, cast

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
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

__all__ = [
    "Argument",
    "AtMostOnce",
    "Command",
    "Pipelined",
    "Repeatable",
    "Reply",
    "RoundTrips",
    "Script",
    "Sleep",
    "call",
    "call_again",
    "changes_nothing",
    "check",
    "hash_of",
    "is_elsewhere",
    "is_harmless",
    "is_repeatable",
    "load_script",
    "refused",
    "send",
]

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
Reply = object
Result = TypeVar("Result")
_ALL_NAMES: Final = 4096  # stored field names repeat in every record; decoding them once is half of reading a hash
RoundTrips = Generator[Sequence[Command], list[Reply], Result]


# Commands that change nothing but what is loaded beside the data.
_READS: Final = frozenset({
    "BITCOUNT", "CLIENT", "COMMAND", "DBSIZE", "DUMP", "ECHO", "EXISTS", "EXPIRETIME", "GET", "GETBIT", "GETRANGE",
    "HELLO", "HEXISTS", "HEXPIRETIME", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HPEXPIRETIME", "HPTTL",
    "HRANDFIELD", "HSCAN", "HSTRLEN", "HTTL", "HVALS", "INFO", "KEYS", "LINDEX", "LLEN", "LPOS", "LRANGE", "MEMORY",
    "MGET", "OBJECT", "PEXPIRETIME", "PING", "PTTL", "RANDOMKEY", "SCAN", "SCARD", "SCRIPT", "SDIFF", "SINTER",
    "SISMEMBER", "SMEMBERS", "SMISMEMBER", "SRANDMEMBER", "SSCAN", "STRLEN", "SUNION", "TIME", "TTL", "TYPE", "ZCARD",
    "ZCOUNT", "ZDIFF", "ZINTER", "ZLEXCOUNT", "ZMSCORE", "ZRANDMEMBER", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE",
    "ZRANK", "ZREVRANGE", "ZREVRANGEBYLEX", "ZREVRANK", "ZSCAN", "ZSCORE", "ZUNION",
})  # fmt: skip
_REPEATABLE: Final = set[str]()  # digests of scripts


class AtMostOnce(tuple[Command, ...]):
    """A batch whose commands must not be executed twice, not even in a store that sends writes again.

    Sent again only where none of it can have been executed: nothing was sent, or the server turned it away whole.
    Otherwise a broken connection is an error at once, which says that what was sent may have been executed.
    """

    __slots__ = ()


class Repeatable(tuple[Command, ...]):
    """A batch of writes that may be executed twice all the same: whatever others wrote in between, it is as true."""

    __slots__ = ()


class Pipelined(tuple[Command, ...]):
    """A batch whose replies the operation does not wait for: it goes on while the server executes them.

    It gets an empty list, which has the replies when the *next* batch has been yielded, of whatever kind; one without
    commands will do. All such batches of an operation are executed in their order, also where they are sent again after
    a broken connection. A driver that cannot do so may exchange them as any other: then the list has the replies at
    once.
    """

    __slots__ = ()


class Sleep(tuple[Command, ...]):
    """No batch, but a rest before the next one, of ``seconds``; it has no replies."""

    seconds: float

    def __new__(cls, seconds: float) -> "Sleep":
        """Make one without commands."""
        pause = super().__new__(cls)
        pause.seconds = seconds
        return pause


@dataclass(frozen=True)
class Script:
    """A Lua script: its text and the digest that EVALSHA names it by.

    Attributes:
        source: The text.
        is_repeatable: Whether a second execution of the same call does no harm, whatever others wrote in between: it
            looks for itself whether there is something left to do.
        sha: The digest.
    """

    source: str
    is_repeatable: bool = False
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        sha = sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)
        if self.is_repeatable:
            _REPEATABLE.add(sha)

    def command(self, keys: Sequence[str | bytes], arguments: Sequence[Argument]) -> Command:
        """Give the command that runs the script on ``keys`` with ``arguments``."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


def load_script(package: str, *names: str, is_repeatable: bool = False) -> Script:
    """Read ``lua/{name}.lua`` that ships with ``package``, or with the runtime, whose parts all may use.

    Several make one script, whose last part does the work.
    """
    source = "".join(_script_file(package, name).read_text("utf-8") for name in names)
    return Script(source, is_repeatable)


def _script_file(package: str, name: str) -> Traversable:
    own = files(package) / "lua" / f"{name}.lua"
    return own if own.is_file() else files("redis_models") / "lua" / f"{name}.lua"


def is_repeatable(commands: Sequence[Command]) -> bool:
    """Whether a batch may be executed twice, whatever others write in between."""
    return isinstance(commands, Repeatable) or (
        not isinstance(commands, AtMostOnce) and all(map(is_harmless, commands))
    )


def is_harmless(command: Command) -> bool:
    """Whether one command may be executed twice."""
    if command[0] == "EVALSHA":
        return command[1] in _REPEATABLE
    if command[0] == "EVAL":
        return sha1(str(command[1]).encode(), usedforsecurity=False).hexdigest() in _REPEATABLE
    return command[0] in _READS


def changes_nothing(commands: Sequence[Command]) -> bool:
    """Whether all commands of a batch only read."""
    return all(command[0] in _READS for command in commands)


def send(commands: Sequence[Command]) -> RoundTrips[list[Reply]]:
    """Send ``commands``; raise the first error among the replies, translated."""
    return check((yield commands))


def call(script: Script, commands: Sequence[Command], *, once: bool = False) -> RoundTrips[list[Reply]]:
    """Send calls of one script, loading it first where the server does not have it.

    Args:
        script: What is called.
        commands: Its calls, of ``Script.command``.
        once: Whether they must not be executed twice, in no store. One that did not find its script was not executed.

    Returns:
        One reply a command; errors stay in place as exceptions, none of them about a missing script.

    Cost:
        One round trip; two more after a restart of the server or SCRIPT FLUSH.
    """
    replies = yield AtMostOnce(commands) if once else commands
    yield from call_again(script, commands, replies, once=once)
    return replies


def call_again(
    script: Script, commands: Sequence[Command], replies: list[Reply], *, once: bool = False
) -> RoundTrips[None]:
    """Call a script again where the server did not have it; the new replies take their places among the first.

    Args:
        script: What is called.
        commands: Its calls, of ``Script.command``.
        replies: What they gave.
        once: As for ``call``.
    """
    missing = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if not missing:
        return
    load: Command = ("SCRIPT", "LOAD", script.source)
    rest = [load, *(commands[place] for place in missing)]
    again = yield AtMostOnce(rest) if once else rest
    check(again[:1])
    for place, reply in zip(missing, again[1:], strict=True):
        if isinstance(reply, NoScriptError):  # a SCRIPT FLUSH came between the two; EVAL brings its own
            last: list[Command] = [("EVAL", script.source, *commands[place][2:])]
            [reply] = yield AtMostOnce(last) if once else last
        replies[place] = reply


def hash_of(reply: Reply) -> dict[str, bytes]:
    """Give the reply of HGETALL as a dict, under either version of the protocol.

    Names that are not UTF-8 are read too, and are written back unchanged.
    """
    if type(reply) is not list and isinstance(reply, Mapping):
        return {_NAMES[name]: raw for name, raw in cast("Mapping[bytes, bytes]", reply).items()}
    flat = iter(cast("list[bytes]", reply))
    return {_NAMES[name]: raw for name, raw in zip(flat, flat, strict=True)}


class _Names(dict[bytes, str]):
    """Names of fields by their bytes, as many as there is room for."""

    def __missing__(self, raw: bytes) -> str:
        name = raw.decode("utf-8", "surrogateescape")
        if len(self) < _ALL_NAMES:
            self[raw] = name
        return name


_NAMES: Final = _Names()


def check(replies: list[Reply]) -> list[Reply]:
    """Give ``replies`` back, or raise the first error among them in our own class."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise refused(reply) from reply
    return replies


def is_elsewhere(error: ResponseError) -> bool:
    """Whether a server says that it is not the one to ask: it is a replica now, or has lost its primary or cluster."""
    found = _IN_A_SCRIPT.search(str(error))
    return isinstance(error, _ELSEWHERE) or (found is not None and found[1] in ("READONLY", "MASTERDOWN"))


def refused(error: ResponseError) -> RedisModelsError:
    """Translate what the server refused into our own error, with the cure."""
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
    """Say what ends it: the append-only file is tried again each second, a snapshot only when its time comes."""
    is_snapshot = "RDB" in str(error)
    cure = "make room there, or see its log; then call BGSAVE" if is_snapshot else "make room there, or see its log"
    return ServerDiskError(
        f"{_who(error)} cannot write to its disk, and takes no writes until it can: {cure}. Nothing of the refused"
        f" write was applied ({error})"
    )


def _read_only(error: ResponseError) -> ServerError:
    return ServerReadOnlyError(
        f"{_who(error)} is a read-only replica ({error}); name the primary in REDIS_URL, nothing was written"
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
    return ServerBusyError(f"{_who(error)} can do nothing now: {error}; nothing of it was executed, try again later")


def _who(error: ResponseError) -> str:
    """Name the server that said so, where that is of interest."""
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
_PASSING: Final = ("BUSY ", "NOREPLICAS")  # for which redis-py has no classes
# What Redis 7 and Valkey say of a command that a script called and this user may not call, and what Redis 6 does.
_DENIED_IN_A_SCRIPT: Final = re.compile(r"ACL failure in script|user executing the script can't run")
_DENIED_COMMAND: Final = re.compile(r"permissions? to run the '([\w|-]+)' command")
_DENIED_KEY: Final = re.compile(r"permissions? to access |can't access at least one of the keys")
# Before Redis 7 the error of a command that a script called stands inside one of the script.
_IN_A_SCRIPT: Final = re.compile(r"@user_script: ?\d+: -([A-Z]+) ")
