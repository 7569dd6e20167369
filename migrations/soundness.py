"""Soundness of the engine's own keys: whether what lies there is of the right kind, of bounded size, and reads back.

Another user of the database can write anything there. It ends in one ``DriftError`` that names the key and the cure.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from types import NoneType
from typing import Any, Final, Literal, NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

from redis.exceptions import NoPermissionError, ResponseError

from redis_models.batches import Batches, Reply, check
from redis_models.errors import DriftError

__all__ = ["Kept", "read_as", "refuse_unsound", "refuse_wrong_kind"]

T = TypeVar("T")
_COUNTS: Final = {"hash": "HLEN", "list": "LLEN", "string": "STRLEN"}


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


def refuse_unsound(kept: Sequence[Kept]) -> Batches[None]:
    """Look at types and sizes, before anything is read.

    Raises:
        DriftError: One is of another type, or larger than what the engine writes.

    Cost:
        One round trip.
    """
    replies = yield [(_COUNTS[one.kind], one.key) for one in kept]
    for one, reply in zip(kept, replies, strict=True):
        if isinstance(reply, NoPermissionError):
            continue  # who may not count may read all the same
        refuse_wrong_kind(one, reply)
        check([reply])
        if cast(int, reply) > one.most:
            unit = "bytes" if one.kind == "string" else "entries"
            raise one.foreign(f"it has {reply} {unit}, and no more than {one.most} are read")


def refuse_wrong_kind(kept: Kept, reply: Reply) -> None:
    """Raise ``DriftError`` if the server says that the key is of another type."""
    if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
        raise kept.foreign(f"it is no {kept.kind}") from reply


def read_as(kind: type[T], raw: bytes | str) -> T:
    """Read JSON back as a dataclass, with every type checked.

    Raises:
        ValueError: It is something else; the text is one line.
    """
    try:
        return cast(T, _made(kind, json.loads(raw, parse_constant=_refuse_constant), ""))
    except RecursionError as exc:
        raise ValueError("it nests too deeply") from exc


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


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
