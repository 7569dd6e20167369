"""The wire: send batches on one connection, and read their replies, always as bytes."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import hiredis
from redis._parsers import hiredis as parser
from redis.exceptions import AuthenticationError, ConnectionError, ReadOnlyError, ResponseError, TimeoutError

from .commands import Argument, Command, Reply
from .connection import Line
from .errors import is_elsewhere
from .urls import is_fake

__all__ = ["receive", "receive_async", "send", "send_async"]

_PIECE: Final = 16 * 1024  # bytes sent at a time; servers read no more at once
# hiredis gives this if a reply is not complete yet.
_NOT_ENOUGH: Final[object] = getattr(parser, "NOT_ENOUGH_DATA", None)
_PACK: Final[Callable[[Command], bytes]] = cast(Any, hiredis).pack_command  # its signature says a tuple of one item


def send(line: Line, commands: Sequence[Command]) -> None:
    """Send a batch on a line."""
    pieces = (_pack_command(commands[0]),) if len(commands) == 1 else _pieces(commands)
    for piece in pieces:
        # Not by redis-py, if that would do the same: after an error it closes the socket, which still sends its buffer.
        if line.socket is not None:
            line.socket.sendall(piece)
        else:
            line.connection.send_packed_command((piece,), check_health=False)


def receive(line: Line, count: int, until: float | None) -> list[Reply]:
    """Read replies; errors are exceptions in the list.

    Args:
        line: The connection.
        count: How many.
        until: When to give up, by ``time.monotonic``; None for never.
    """
    replies: list[Reply] = []
    reader = line.reader
    while len(replies) < count:
        if reader is not None:
            _take_ready(line, reader, replies, count)
            if len(replies) == count:
                break
        if until is not None and time.monotonic() > until:
            raise TimeoutError("replies came too slowly")
        if reader is not None:
            line.wait()
            continue
        try:
            replies.append(line.connection.read_response(disable_decoding=True))
        except (ResponseError, ConnectionError) as exc:
            replies.append(_note_error(_error_in(exc, count - len(replies)), line))
    return replies


async def send_async(line: Line, commands: Sequence[Command]) -> None:
    """Do what ``send`` does, in the running loop."""
    pieces = (_pack_command(commands[0]),) if len(commands) == 1 else _pieces(commands)
    for piece in pieces:
        if line.writer is not None:
            line.writer.write(piece)
            await line.writer.drain()
        else:
            await line.connection.send_packed_command((piece,), check_health=False)


async def receive_async(line: Line, count: int) -> list[Reply]:
    """Do what ``receive`` does, in the running loop, without a deadline of its own."""
    replies: list[Reply] = []
    reader = line.reader
    while len(replies) < count:
        if reader is not None:
            _take_ready(line, reader, replies, count)
            if len(replies) == count:
                break
            await line.wait()
            continue
        try:
            replies.append(await line.connection.read_response(disable_decoding=True))
        except (ResponseError, ConnectionError) as exc:
            replies.append(_note_error(_error_in(exc, count - len(replies)), line))
    return replies


def _take_ready(line: Line, reader: Any, replies: list[Reply], count: int) -> None:
    """Take the replies that have arrived."""
    gets = cast("Callable[[bool], Reply]", reader.gets)
    while len(replies) < count:
        reply = gets(False)
        if reply is _NOT_ENOUGH:
            return
        if isinstance(reply, Exception):
            if not isinstance(reply, ResponseError):
                raise reply
            reply = _note_error(reply, line)
        replies.append(reply)


def _error_in(exc: ResponseError | ConnectionError, left: int) -> ResponseError:
    """Give the reply that redis-py raised. It hides the reply of a former primary, now a replica, in another error.

    Raises:
        ConnectionError: It is not a reply, or more replies were to come.
    """
    if isinstance(exc, ResponseError):
        return exc
    if isinstance(exc.__context__, ReadOnlyError) and left == 1:
        return exc.__context__
    raise exc


def _pieces(commands: Sequence[Command]) -> Iterator[bytes]:
    """Pack commands, and give them in pieces: the server executes the first while the next is packed."""
    piece, size = list[bytes](), 0
    for command in commands:
        packed = _pack_command(command)
        piece.append(packed)
        size += len(packed)
        if size >= _PIECE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _pack_command(command: Command) -> bytes:
    try:
        return _PACK(command)
    except UnicodeEncodeError:  # names that are not UTF-8 came from the server, and are sent back unchanged
        return _PACK(tuple(map(_as_bytes, command)))


def _as_bytes(argument: Argument) -> Argument:
    return argument.encode("utf-8", "surrogateescape") if isinstance(argument, str) else argument


def _note_error(error: ResponseError, line: Line) -> ResponseError:
    """Note an error that refers to another server; replace that of fakeredis without scripts by one with a cure.

    Raises:
        AuthenticationError: The server wants a password; after a long command Redis 7.0 says so in another error.
    """
    text = str(error)
    if "unauthenticated" in text:
        raise AuthenticationError(text) from None  # its cause would be taken for an error of the handshake
    if is_elsewhere(error):
        line.is_elsewhere = True
        cast(Any, error).answered_by = line.peer()
    # fakeredis answers as a server without the command would.
    if text.startswith("unknown command") and is_fake(cast(Any, type(line.connection))):
        return ResponseError(f"fakeredis needs its lua extra: pip install 'fakeredis[lua]' ({error})")
    return error
