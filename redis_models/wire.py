"""The wire: batches packed and sent on one connection, and their replies read from it, as bytes whatever it decodes."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, cast

import hiredis
from redis._parsers import hiredis as parser
from redis.exceptions import AuthenticationError, ResponseError, TimeoutError

from .batches import Argument, Command, Reply
from .connections import is_fake

__all__ = ["receive", "receive_async", "send", "send_async"]

_PIECE: Final = 16 * 1024  # bytes sent at a time; servers read no more at once
# Without it nothing tells that a reply has not come yet.
_NOT_ENOUGH: Final[object] = getattr(parser, "NOT_ENOUGH_DATA", None)
_ONLY_REPLIES: Final = (2, "2") if _NOT_ENOUGH is not None else ()  # RESP3 mixes messages into them
_is_fake: Final[Callable[[Any], bool]] = cache(is_fake)
_PACK: Final[Callable[[Command], bytes]] = cast(Any, hiredis).pack_command  # whose signature says a tuple of one


def send(connection: Any, commands: Sequence[Command]) -> None:
    """Send a batch on a connection."""
    if len(commands) == 1:
        connection.send_packed_command((_packed(commands[0]),), check_health=False)
        return
    for piece in _pieces(commands):
        connection.send_packed_command([piece], check_health=False)


def receive(connection: Any, count: int, until: float | None) -> list[Reply]:
    """Read replies, errors in their places.

    Args:
        connection: Where they come.
        count: How many.
        until: When to give up, by ``time.monotonic``; None for never.
    """
    replies: list[Reply] = []
    reader, wait = _reader_of(connection)
    while len(replies) < count:
        if reader is not None:
            _take_ready(connection, reader, replies, count)
            if len(replies) == count:
                break
        if until is not None and time.monotonic() > until:
            raise TimeoutError("replies came too slowly")
        if reader is not None:
            wait()
            continue
        try:
            replies.append(connection.read_response(disable_decoding=True))
        except ResponseError as exc:
            replies.append(_told(exc, connection))
    return replies


async def send_async(connection: Any, commands: Sequence[Command]) -> None:
    """Do what ``send`` does, in the running loop."""
    if len(commands) == 1:
        await connection.send_packed_command((_packed(commands[0]),), check_health=False)
        return
    for piece in _pieces(commands):
        await connection.send_packed_command([piece], check_health=False)


async def receive_async(connection: Any, count: int) -> list[Reply]:
    """Do what ``receive`` does, in the running loop, until somebody gives it up."""
    replies: list[Reply] = []
    reader, wait = _reader_of(connection)
    while len(replies) < count:
        if reader is not None:
            _take_ready(connection, reader, replies, count)
            if len(replies) == count:
                break
            await wait()
            continue
        try:
            replies.append(await connection.read_response(disable_decoding=True))
        except ResponseError as exc:
            replies.append(_told(exc, connection))
    return replies


def _reader_of(connection: Any) -> tuple[Any, Callable[[], Any]]:
    """Give hiredis's reader of a connection, and what feeds it; None where redis-py must be asked for each reply.

    Asking redis-py takes longer than parsing does.
    """
    if connection.protocol in _ONLY_REPLIES and not _is_fake(cast(Any, type(connection))):
        feeder = getattr(connection, "_parser", None)
        reader, wait = getattr(feeder, "_reader", None), getattr(feeder, "read_from_socket", None)
        if isinstance(reader, hiredis.Reader) and wait is not None:
            return reader, wait
    return None, _nothing


def _nothing() -> None: ...


def _take_ready(connection: Any, reader: Any, replies: list[Reply], count: int) -> None:
    """Take replies that have come."""
    gets = cast("Callable[[bool], Reply]", reader.gets)
    while len(replies) < count:
        reply = gets(False)
        if reply is _NOT_ENOUGH:
            return
        if isinstance(reply, Exception):
            if not isinstance(reply, ResponseError):
                raise reply
            reply = _told(reply, connection)
        replies.append(reply)


def _pieces(commands: Sequence[Command]) -> Iterator[bytes]:
    """Pack commands, and give them in pieces: the server begins with the first while the next is packed."""
    piece, size = list[bytes](), 0
    for command in commands:
        packed = _packed(command)
        piece.append(packed)
        size += len(packed)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _packed(command: Command) -> bytes:
    try:
        return _PACK(command)
    except UnicodeEncodeError:  # names that are no UTF-8 were read from the server, and go back as they came
        return _PACK(tuple(map(_as_read, command)))


def _as_read(argument: Argument) -> Argument:
    return argument.encode("utf-8", "surrogateescape") if isinstance(argument, str) else argument


def _told(error: ResponseError, connection: object) -> ResponseError:
    """Say the cure where fakeredis cannot run scripts; it answers as a server without the command would.

    Raises:
        AuthenticationError: The server wants a password, which Redis 7.0 says otherwise where the command is long.
    """
    if "unauthenticated" in str(error):
        raise AuthenticationError(str(error)) from None  # the cause would be taken for what a greeting hid
    if str(error).startswith("unknown command") and is_fake(type(connection)):
        return ResponseError(f"fakeredis needs its lua extra: pip install 'fakeredis[lua]' ({error})")
    return error
