"""Command batches: how an operation that talks to Redis is written once, for blocking and asyncio callers. Pure.

An operation is a generator that yields a list of commands and is sent the list of their replies; it returns its result.
A driver (``client``) moves it along. A reply that is an error arrives as an exception object in its place, because
what one refused command means for the others only the operation knows.

A batch of which something may have been executed is not sent again after a broken connection, unless it is repeatable:
all its commands only read, or call scripts that say so of themselves. Not even what writes the same twice is repeatable
as such: another client may have written in between. A store can ask for it all the same; a batch whose second execution
would answer or do something else than its first forbids that, as ``AtMostOnce``. An operation that can continue before
its replies are there sends the batch by ``pipelined``.
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
    """A batch whose replies the operation does not wait for: it continues while the server executes the commands.

    The driver answers with ``PendingReplies``, which are filled when the *next* batch has been yielded, of whatever
    kind; an empty one will do. All such batches of an operation are executed in their order, also where they are sent
    again after a broken connection. A driver that cannot pipeline exchanges them as any other batch, and answers with
    their replies. ``pipelined`` sends one, and hides that difference.
    """

    __slots__ = ()


class PendingReplies(list[Reply]):
    """The replies of a ``Pipelined`` batch: empty until they are read.

    Attributes:
        is_ready: Whether they are there.
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
        """Wait until the replies are there, and give them."""
        if not self.is_ready:
            yield ()
        return self


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


def pipelined(commands: Iterable[Command]) -> RoundTrips[PendingReplies]:
    """Send ``commands`` without waiting for their replies; see ``Pipelined``."""
    replies = yield Pipelined(commands)
    return replies if isinstance(replies, PendingReplies) else PendingReplies(replies)


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
    positions = [position for position, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if not positions:
        return
    load: Command = ("SCRIPT", "LOAD", script.source)
    rest = [load, *(commands[position] for position in positions)]
    replies_again = yield AtMostOnce(rest) if once else rest
    check(replies_again[:1])
    for position, reply in zip(positions, replies_again[1:], strict=True):
        if isinstance(reply, NoScriptError):  # a SCRIPT FLUSH came between the two; EVAL brings its own
            last: list[Command] = [("EVAL", script.source, *commands[position][2:])]
            [reply] = yield AtMostOnce(last) if once else last
        replies[position] = reply


def hash_of(reply: Reply) -> dict[str, bytes]:
    """Give the reply of HGETALL as a dict, under either version of the protocol.

    Names that are not UTF-8 are read too, and are written back unchanged.
    """
    if type(reply) is not list and isinstance(reply, Mapping):
        return {_NAMES[name]: raw for name, raw in cast("Mapping[bytes, bytes]", reply).items()}
    parts = iter(cast("list[bytes]", reply))
    return {_NAMES[name]: raw for name, raw in zip(parts, parts, strict=True)}


class _Names(dict[bytes, str]):
    """Names of fields by their bytes, as many as there is room for."""

    def __missing__(self, raw: bytes) -> str:
        name = text_of(raw)
        if len(self) < _ALL_NAMES:
            self[raw] = name
        return name


_NAMES: Final = _Names()


def check(replies: list[Reply]) -> list[Reply]:
    """Give ``replies`` back, or raise the first error among them in our own class."""
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise translate(reply) from reply
    return replies
