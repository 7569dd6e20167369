"""Soundness of the engine's own keys: whether what lies there is of the right kind, of bounded size, and reads back.

Another user of the database can write anything there. It ends in one ``DriftError`` that names the key and the cure.
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

__all__ = ["Kept", "cursor_of", "read_as", "refuse_unsound", "refuse_wrong_kind"]

T = TypeVar("T")
_CURSOR: Final = re.compile(r"[0-9]{1,20}")
_LAST_CURSOR: Final = 2**64 - 1
_COUNTS: Final = {"hash": "HLEN", "list": "LLEN", "string": "STRLEN"}
# Bytes of memory that a hash or a list of the engine may take, and as many more for each of its entries, of which most
# take a third of that: one entry of hundreds of megabytes is none of ours.
_MEMORY: Final = 16 * 1024 * 1024
_MEMORY_OF_AN_ENTRY: Final = 1024


@dataclass(frozen=True)
class Kept:
    """Something that the engine keeps at a key of its own.

    Attributes:
        what: What it is, for errors: "the ledger of shop".
        key: Where it lies.
        kind: Type of the key.
        most: How many fields, items or bytes of it are read; more are none of ours.
        cure: What to do where it cannot be read.
    """

    what: str
    key: str
    kind: Literal["hash", "list", "string"]
    most: int
    cure: str

    def unreadable(self, reason: object) -> DriftError:
        """Make the error of something that cannot be read."""
        return DriftError(f"{self.what} at {self.key} cannot be read ({reason}); {self.cure}")

    def foreign(self, reason: object) -> DriftError:
        """Make the error of what nothing of ours can lie beside."""
        cure = self.cure if "delete that key" in self.cure else f"delete that key, and {self.cure}"
        return replace(self, cure=cure).unreadable(reason)


def refuse_unsound(kept: Sequence[Kept]) -> RoundTrips[None]:
    """Look at types and sizes, before anything is read.

    Raises:
        DriftError: One is of another type, or larger than what the engine writes.

    Cost:
        One round trip.
    """
    replies = yield [
        command
        for one in kept
        for command in ((_COUNTS[one.kind], one.key), ("MEMORY", "USAGE", one.key, "SAMPLES", 0))
    ]
    for one, count, memory in zip(kept, replies[::2], replies[1::2], strict=True):
        refuse_wrong_kind(one, count)
        if isinstance(count, NoPermissionError):  # who may not count may read all the same
            count = one.most
        check([count])
        _refuse_too_large(one, cast(int, count), memory)


def _refuse_too_large(kept: Kept, count: int, memory: Reply) -> None:
    if count > kept.most:
        unit = "bytes" if kept.kind == "string" else "entries"
        raise kept.foreign(f"it has {count} {unit}, and no more than {kept.most} are read")
    most = _MEMORY + count * _MEMORY_OF_AN_ENTRY
    # Where the server cannot tell, or not this user, it is read all the same.
    if kept.kind != "string" and isinstance(memory, int) and memory > most:
        raise kept.foreign(f"it takes {memory} bytes, and no more than {most} are read of {count} entries")


def refuse_wrong_kind(kept: Kept, reply: Reply) -> None:
    """Raise ``DriftError`` if the server says that the key is of another type."""
    if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
        raise kept.foreign(f"it is not a {kept.kind}") from reply


def cursor_of(text: str) -> str:
    """Give a cursor of SCAN that was kept; ``ValueError`` if it is none."""
    if not _CURSOR.fullmatch(text) or int(text) > _LAST_CURSOR:
        raise ValueError(f"{text!r:.60} is not a cursor")
    return text


def read_as(kind: type[T], raw: bytes | str) -> T:
    """Read JSON back as a dataclass, with every type checked.

    Raises:
        ValueError: It is something else; the text is one line.
    """
    return cast(T, _made(kind, read_json(raw), ""))


def _made(kind: object, value: object, place: str) -> object:
    """Make what is annotated as ``kind`` of a part of a document."""
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _made_dataclass(kind, value, place)
    if origin in (Mapping, dict) and isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {name: _made(arguments[1], one, f"{place}.{name:.40}") for name, one in members}
    if origin is Sequence and isinstance(value, list):
        return [_made(arguments[0], one, f"{place}[]") for one in cast("list[object]", value)]
    if kind is object or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return value
    raise ValueError(f"{place or 'the whole'} is {_shown(value)}, no {getattr(kind, '__name__', kind)}")


def _made_dataclass(kind: type[object], value: object, place: str) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{place or 'the whole'} is {_shown(value)}, no object")
    document = cast("dict[str, object]", value)
    hints = get_type_hints(kind)
    fields = {one.name: one for one in dataclasses.fields(cast(Any, kind))}
    for name, one in fields.items():
        if name not in document and one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{name} is missing")
    for name in document:
        if name not in fields:
            raise ValueError(f"{name!r:.60} is not known here")
    return kind(**{name: _made(hints[name], one, f"{place}.{name}".lstrip(".")) for name, one in document.items()})


def _shown(value: object) -> str:
    return f"{value!r:.40}" if isinstance(value, (str, int, float, NoneType)) else f"a {type(value).__name__}"
