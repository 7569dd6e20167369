"""Checks of the engine's own keys: their type, their size, and the form of their values.

Another client can write anything there. Each fault raises a ``DriftError`` that names the key and the cure.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from types import NoneType
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from redis.exceptions import NoPermissionError, ResponseError

from redis_models.client.commands import Reply, RoundTrips, check
from redis_models.errors import DriftError

from ..schema.snapshot import read_json

__all__ = ["BookkeepingKey", "cursor_of", "read_as", "refuse_unsound", "refuse_wrong_kind"]

T = TypeVar("T")
_CURSOR: Final = re.compile(r"[0-9]{1,20}")
_LAST_CURSOR: Final = 2**64 - 1
_COUNTS: Final = {"hash": "HLEN", "list": "LLEN", "string": "STRLEN"}
# Bytes of memory that a hash or a list of the engine may take, and that each of its entries adds. Most entries take a
# third of that. The engine never writes an entry of hundreds of megabytes.
_MEMORY: Final = 16 * 1024 * 1024
_MEMORY_OF_AN_ENTRY: Final = 1024


@dataclass(frozen=True)
class BookkeepingKey:
    """A value that the engine stores at a key of its own.

    Attributes:
        what: What it is, for errors: "the ledger of shop".
        key: Its Redis key.
        kind: Type of the key.
        most: How many fields, items or bytes are read; the engine never writes more.
        cure: What to do if it cannot be read.
    """

    what: str
    key: str
    kind: Literal["hash", "list", "string"]
    most: int
    cure: str

    def unreadable(self, reason: object) -> DriftError:
        """Make the error for a value that cannot be read."""
        return DriftError(f"{self.what} at {self.key} cannot be read ({reason}); {self.cure}")

    def foreign(self, reason: object) -> DriftError:
        """Make the error for a key that the engine cannot have written, so that it must be deleted."""
        cure = self.cure if "delete that key" in self.cure else f"delete that key, and {self.cure}"
        return replace(self, cure=cure).unreadable(reason)


def refuse_unsound(keys: Sequence[BookkeepingKey]) -> RoundTrips[None]:
    """Check types and sizes before anything is read.

    Raises:
        DriftError: A key has another type, or is larger than the engine writes.

    Cost:
        One round trip.
    """
    replies = yield [
        command
        for entry in keys
        for command in ((_COUNTS[entry.kind], entry.key), ("MEMORY", "USAGE", entry.key, "SAMPLES", 0))
    ]
    for entry, count, memory in zip(keys, replies[::2], replies[1::2], strict=True):
        refuse_wrong_kind(entry, count)
        if isinstance(count, NoPermissionError):  # a user who may not count may still read
            count = entry.most
        check([count])
        _refuse_too_large(entry, cast(int, count), memory)


def _refuse_too_large(key: BookkeepingKey, count: int, memory: Reply) -> None:
    if count > key.most:
        unit = "bytes" if key.kind == "string" else "entries"
        raise key.foreign(f"it has {count} {unit}; at most {key.most} are read")
    most = _MEMORY + count * _MEMORY_OF_AN_ENTRY
    # If the server does not give the size, or not to this user, the value is read anyway.
    if key.kind != "string" and isinstance(memory, int) and memory > most:
        raise key.foreign(f"it takes {memory} bytes; at most {most} are read for {count} entries")


def refuse_wrong_kind(key: BookkeepingKey, reply: Reply) -> None:
    """Raise ``DriftError`` if the server says that the key is of another type."""
    if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
        raise key.foreign(f"it is not a {key.kind}") from reply


def cursor_of(text: str) -> str:
    """Give a stored cursor of SCAN; raise ``ValueError`` for anything else."""
    if not _CURSOR.fullmatch(text) or int(text) > _LAST_CURSOR:
        raise ValueError(f"{text!r:.60} is not a cursor")
    return text


def read_as(kind: type[T], raw: bytes | str) -> T:
    """Read JSON as a dataclass, and check every type.

    Raises:
        ValueError: It is something else; the message is one line.
    """
    return cast(T, _made(kind, read_json(raw), ""))


def _made(kind: object, value: object, place: str) -> object:
    """Convert a part of a document to the annotation ``kind``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _made_dataclass(kind, value, place)
    if origin in (Mapping, dict) and isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {name: _made(arguments[1], member, f"{place}.{name:.40}") for name, member in members}
    if origin is Sequence and isinstance(value, list):
        return [_made(arguments[0], member, f"{place}[]") for member in cast("list[object]", value)]
    if kind is object or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return value
    raise ValueError(f"{place or 'the whole'} is {_shown(value)}, not {getattr(kind, '__name__', kind)}")


def _made_dataclass(kind: type[object], value: object, place: str) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{place or 'the whole'} is {_shown(value)}, not an object")
    document = cast("dict[str, object]", value)
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, kind))}
    for name, field in fields.items():
        if name not in document and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{name} is missing")
    for name in document:
        if name not in fields:
            raise ValueError(f"{name!r:.60} is an unknown field")
    return kind(**{name: _made(hints[name], part, f"{place}.{name}".lstrip(".")) for name, part in document.items()})


def _shown(value: object) -> str:
    return f"{value!r:.40}" if isinstance(value, (str, int, float, NoneType)) else f"a {type(value).__name__}"
