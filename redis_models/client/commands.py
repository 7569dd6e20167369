"""Batches of commands: an operation on Redis is written once, for blocking and for asyncio callers. Pure.

An operation is a generator. It yields a batch of commands, is sent the list of their replies, and returns its result. A
driver (see ``drivers``) runs it. A reply that is an error is an exception object in the list, because only the
operation knows what one refused command means for the others.

If the connection breaks and something of a batch may have been executed, it is sent again only if it is repeatable: all
its commands only read, or call scripts that are repeatable. A write of the same value twice is not repeatable, because
another client may have written in between. A store can be told to send writes again (``resend_writes``); ``AtMostOnce``
forbids it for batches whose second execution would do or answer something else. An operation that can continue before
the replies are there sends its batch with ``pipelined``.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, TypeVar, cast

from redis.exceptions import NoScriptError, ResponseError

from ..encoding.raw_text import text_of
from .errors import translate

__all__ = [
    "Argument",
    "AtMostOnce",
    "Command",
    "PendingReplies",
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
    "is_harmless",
    "is_repeatable",
    "load_script",
    "pipelined",
    "send",
]

Argument = str | bytes | int | float
Command = tuple[Argument, ...]
Reply = object
Result = TypeVar("Result")
_ALL_NAMES: Final = 4096  # stored field names repeat in every record; decoding them once is half of reading a hash
RoundTrips = Generator[Sequence[Command], list[Reply], Result]


# Commands that do not change data; some change the state of a connection, or load scripts.
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

    It is sent again only if nothing of it can have been executed: nothing was sent, or the server refused all of it.
    Otherwise a broken connection raises at once an error that says that commands may have been executed.
    """

    __slots__ = ()


class Repeatable(tuple[Command, ...]):
    """A batch of writes that may be executed twice: it is right, even if other clients wrote in between."""

    __slots__ = ()


class Pipelined(tuple[Command, ...]):
    """A batch whose replies the operation does not wait for: it continues while the server executes the commands.

    The driver answers with ``PendingReplies``, which are filled when the operation yields its *next* batch, of any
    kind, an empty one included. The pipelined batches of an operation are executed in order, also if they are sent
    again after a broken connection. A driver that cannot pipeline exchanges them as any other batch, and answers with
    the replies. ``pipelined`` hides this difference.
    """

    __slots__ = ()


class PendingReplies(list[Reply]):
    """The replies of a ``Pipelined`` batch: empty until they are read.

    Attributes:
        is_ready: Whether they were read.
    """

    __slots__ = ("is_ready",)

    def __init__(self, replies: Iterable[Reply] | None = None) -> None:
        super().__init__(replies or ())
        self.is_ready = replies is not None

    def fill(self, replies: Iterable[Reply]) -> None:
        """Store the replies; for drivers."""
        self[:] = replies
        self.is_ready = True

    def wait(self) -> "RoundTrips[PendingReplies]":
        """Wait until the replies were read, and give them."""
        if not self.is_ready:
            yield ()
        return self


class Sleep(tuple[Command, ...]):
    """A pause of ``seconds`` before the next batch, in place of a batch; it has no replies."""

    seconds: float

    def __new__(cls, seconds: float) -> "Sleep":
        """Make a pause, without commands."""
        pause = super().__new__(cls)
        pause.seconds = seconds
        return pause


@dataclass(frozen=True)
class Script:
    """A Lua script: its text, and its digest for EVALSHA.

    Attributes:
        source: The text.
        is_repeatable: Whether the same call may be executed twice, even if other clients wrote in between: the script
            checks itself whether something is left to do.
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
    """Read ``lua/{name}.lua`` of ``package``, or of the runtime, whose parts all packages may use.

    Several files make one script; the last one does the work.
    """
    source = "".join(_script_file(package, name).read_text("utf-8") for name in names)
    return Script(source, is_repeatable)


def _script_file(package: str, name: str) -> Traversable:
    own = files(package) / "lua" / f"{name}.lua"
    return own if own.is_file() else files("redis_models") / "lua" / f"{name}.lua"


def is_repeatable(commands: Sequence[Command]) -> bool:
    """Whether a batch may be executed twice, even if other clients write in between."""
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


def pipelined(commands: Iterable[Command]) -> RoundTrips[PendingReplies]:
    """Send ``commands`` without waiting for their replies; see ``Pipelined``."""
    replies = yield Pipelined(commands)
    return replies if isinstance(replies, PendingReplies) else PendingReplies(replies)


def send(commands: Sequence[Command]) -> RoundTrips[list[Reply]]:
    """Send ``commands``; raise the first error among the replies, translated."""
    return check((yield commands))


def call(script: Script, commands: Sequence[Command], *, once: bool = False) -> RoundTrips[list[Reply]]:
    """Send calls of one script; load it if the server does not have it.

    Args:
        script: The script.
        commands: Its calls, made with ``Script.command``.
        once: Whether they must never be executed twice. A call whose script is missing on the server is not executed.

    Returns:
        One reply per command; errors are exceptions in the list, but never that of a missing script.

    Cost:
        One round trip; two more after a restart of the server or SCRIPT FLUSH.
    """
    replies = yield AtMostOnce(commands) if once else commands
    yield from call_again(script, commands, replies, once=once)
    return replies


def call_again(
    script: Script, commands: Sequence[Command], replies: list[Reply], *, once: bool = False
) -> RoundTrips[None]:
    """Load a script that the server did not have, and repeat the calls that failed; ``replies`` is updated.

    Args:
        script: The script.
        commands: Its calls, made with ``Script.command``.
        replies: The replies to them.
        once: As for ``call``.
    """
    positions = [position for position, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if not positions:
        return
    load: Command = ("SCRIPT", "LOAD", script.source)
    rest = [load, *(commands[position] for position in positions)]
    replies_again = yield AtMostOnce(rest) if once else rest
    check(replies_again[:1])
    for position, reply in zip(positions, replies_again[1:], strict=True):
        if isinstance(reply, NoScriptError):  # SCRIPT FLUSH came in between; EVAL sends the text with the call
            last: list[Command] = [("EVAL", script.source, *commands[position][2:])]
            [reply] = yield AtMostOnce(last) if once else last
        replies[position] = reply


def hash_of(reply: Reply) -> dict[str, bytes]:
    """Give the reply of HGETALL as a dict, for RESP2 and RESP3.

    Names that are not UTF-8 are read too, and are written back unchanged.
    """
    if type(reply) is not list and isinstance(reply, Mapping):
        return {_NAMES[name]: raw for name, raw in cast("Mapping[bytes, bytes]", reply).items()}
    parts = iter(cast("list[bytes]", reply))
    return {_NAMES[name]: raw for name, raw in zip(parts, parts, strict=True)}


class _Names(dict[bytes, str]):
    """A bounded cache of field names by their bytes."""

    def __missing__(self, raw: bytes) -> str:
        name = text_of(raw)
        if len(self) < _ALL_NAMES:
            self[raw] = name
        return name


_NAMES: Final = _Names()


def check(replies: list[Reply]) -> list[Reply]:
    """Give ``replies`` back; raise the first error among them, translated."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise translate(reply) from reply
    return replies
