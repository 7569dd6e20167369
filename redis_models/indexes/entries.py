"""What an index holds for one stored value: an entry, bytes whose order is the order of the values. Pure.

The server computes the same entries. Stored bytes that are not spelled as the library spells them have none: their
records are listed apart, and each query looks at these as well.

A member of an index is its entries, each with a NUL behind it, and then the primary key. No entry and no key begins
with 0xff, and a NUL within a text is followed by 0xff; so ``beginning`` and ``successor`` give exact ranges.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, cast, get_args, get_origin
from uuid import UUID

import pydantic

from ..encoding.annotations import without_none
from ..encoding.codec import FieldCodec
from .definitions import KINDS, Kind, Part
from .encoders import ENCODERS, NAN, SPANS, moment_span, text_of, text_of_json

__all__ = [
    "LONGEST_TEXT",
    "NONE",
    "Entry",
    "Operator",
    "beginning",
    "beginning_of_text",
    "bounds",
    "entry",
    "entry_of",
    "lua_of",
    "member",
    "part_of",
    "span",
    "successor",
]

LONGEST_TEXT: Final = 256  # bytes of a text that are in its entry, which may end within a letter
NONE: Final = b"!"  # below the entries of all values
Operator = Literal["==", "<", "<=", ">", ">="]
_TEXTS: Final[frozenset[Kind]] = frozenset({"str", "jstr"})
_A_TO_Z: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_KINDS_IN_JSON: Final[tuple[tuple[object, Kind], ...]] = (
    (str, "jstr"),
    (int, "jint"),
    (float, "float"),
    (bool, "bool"),
    (date, "date"),
    (datetime, "datetime"),
    (Decimal, "decimal"),
    (UUID, "uuid"),
    (pydantic.EmailStr, "jstr"),
    (pydantic.PastDate, "date"),
    (pydantic.FutureDate, "date"),
    *((kind, "datetime") for kind in (pydantic.AwareDatetime, pydantic.NaiveDatetime)),
    *((kind, "datetime") for kind in (pydantic.PastDatetime, pydantic.FutureDatetime)),
)
_KINDS_OF_MEMBERS: Final[Mapping[frozenset[type], Kind]] = {frozenset({str}): "jstr", frozenset({int}): "jint"}
_INDEXABLE: Final = (
    "an index can hold str, int, float, bool, Decimal, date, datetime, UUID, and Enum or Literal of text or of whole"
    " numbers; each may be None"
)
_DATES: Final = (date(2001, 2, 3), date(9001, 2, 3))  # the second for FutureDate
_MOMENTS: Final = tuple(
    datetime(year, 2, 3, 4, 5, 6, 70, zone)
    for year in (2001, 9001)
    for zone in (None, UTC, timezone(timedelta(hours=5)))
)
# Values, to see whether a model spells those of the kind in its own way.
_SAMPLES: Final[Mapping[Kind, tuple[object, ...]]] = {
    "date": _DATES,
    "datetime": _MOMENTS,
    "decimal": (Decimal("-1.50"),),
    "uuid": (UUID(int=255), UUID("123e4567-e89b-42d3-a456-426614174000")),
}


class Entry(NamedTuple):
    """The entry of one value.

    Attributes:
        text: Its bytes, without the NUL that closes it in a member.
        is_cut: Whether it has only the first ``LONGEST_TEXT`` bytes of a text.
    """

    text: bytes
    is_cut: bool = False


def entry(part: Part, raw: bytes) -> Entry | None:
    """Give the entry of stored bytes; None where they are not spelled as the library spells a value of that kind."""
    if part.is_optional and (raw == b"None" or (raw == b"null" and part.kind != "str")):
        return _ENTRY_OF_NONE
    if part.kind in _TEXTS:
        text = text_of(raw, part.is_optional) if part.kind == "str" else text_of_json(raw, part.is_optional)
        return None if text is None else _entry_of_text(part, text)
    found = ENCODERS[part.kind](raw)
    return None if found is None else Entry(found)


def entry_of(part: Part, codec: FieldCodec, value: object) -> Entry | None:
    """Give the entry that records with a value have; None if there is none, as for an infinite Decimal.

    A moment whose offset from UTC has seconds is stored in a spelling without an entry; it has that of its equals.

    Raises:
        ValueError: The value is not of the codec's annotation (``TypeError`` likewise).
    """
    found = entry(part, codec.encode(value))
    if found is None and isinstance(value, datetime) and value.utcoffset() is not None:
        try:
            return entry(part, codec.encode(value.astimezone(UTC)))
        except OverflowError:  # before the year 1, or after 9999
            return None
    return found


def member(entries: Iterable[bytes], pk_text: bytes) -> bytes:
    """Give the member of an index for a record: its entries, one a part, and what follows the start of its key."""
    return beginning(entries) + pk_text


def beginning(entries: Iterable[bytes]) -> bytes:
    """Give what the members begin with that have these entries in their first parts, and no others.

    They lie from it, included, to its ``successor``, excluded.
    """
    return b"".join(text + b"\0" for text in entries)


def successor(prefix: bytes) -> bytes:
    """Give the excluded end of the members that begin with ``prefix``: a ``beginning``, or one and the start of a text.

    That start is given by ``beginning_of_text``.
    """
    return prefix + b"\xff"


def beginning_of_text(part: Part, text: str) -> bytes:
    """Give what the entries of all texts begin with that begin with ``text``.

    Of a longer one its first ``LONGEST_TEXT`` bytes count: what is found so must be looked at again.
    """
    return _entry_of_text(part, text.encode("utf-8", "surrogatepass")).text


def span(part: Part, text: bytes) -> tuple[bytes, bytes]:
    """Give the range of the entries that have an order with the entry ``text``.

    None, NaN, and moments without a time zone beside those with one have none with others.

    Returns:
        The first, included, and the end, excluded; equal where there are none.
    """
    if text == NONE or (part.kind == "float" and text == NAN):
        return text, text
    return moment_span(text) if part.kind == "datetime" else SPANS[part.kind]


def bounds(part: Part, operator: Operator, sought: Entry) -> tuple[bytes, bytes]:
    """Give the range of the values of a part that compare so with ``sought``, to be put behind the parts before it.

    Where texts may have been cut, those with an equal entry are in it: what is found must be looked at again. NaN
    equals nothing.

    Returns:
        The first, included, and the end, excluded; equal where there are none.
    """
    first, end = span(part, sought.text)
    here = beginning([sought.text])
    if first == end:
        return (here, successor(here)) if operator == "==" and sought.text == NONE else (first, end)
    if operator == "==":
        return here, successor(here)
    may_be_cut = part.kind in _TEXTS and len(sought.text.replace(b"\0\xff", b"\0")) > LONGEST_TEXT
    if operator in ("<", "<="):
        return first, successor(here) if may_be_cut or operator == "<=" else here
    return here if may_be_cut or operator == ">=" else successor(here), end


def part_of(field: str, codec: FieldCodec, *, folds_case: bool = False) -> Part:
    """Give what a stored field is as a part of an index.

    Args:
        field: The stored field.
        codec: Its codec.
        folds_case: Whether letters A to Z equal a to z; for text only.

    Raises:
        TypeError: Its values have no entries; the text says why, and which have.
    """
    plain, is_optional = _plain(codec.annotation)
    kind = _kind_of(codec, plain)
    if kind is None:
        raise _refusal(field, codec, _INDEXABLE)
    if folds_case and kind not in _TEXTS:
        raise _refusal(field, codec, "nocase is for text")
    part = Part(field, kind, is_optional or codec.is_optional, folds_case)
    enum = _enum(plain)
    if enum is not None and _reads_others(enum):
        raise _refusal(field, codec, f"{enum.__name__}._missing_ reads values that are stored otherwise")
    for value in _members(plain) or _SAMPLES.get(kind, ()):
        _check_spelling(part, codec, value)
    return part


def lua_of(parts: Iterable[Part]) -> str:
    """Write the Lua of the encoders that ``parts`` need: a local table ``encoders``, with a function a kind.

    ``encoders.int(raw, is_optional, folds_case)`` gives the bytes of the entry of stored bytes, or nil; and true behind
    them if a text was cut. It is what ``entry`` gives.
    """
    asked = {part.kind for part in parts}
    kinds: list[Kind] = [kind for kind in KINDS if kind in asked]  # one order, one digest
    pieces = [_lua("entry"), *(_lua(name) for name, served in _LUA.items() if not served.isdisjoint(kinds))]
    table = ", ".join(f"{kind} = {_ENCODERS_IN_LUA.get(kind, f'encode_{kind}')}" for kind in kinds)
    return f"{''.join(pieces)}encoders = {{{table}}}\nend\n"


@cache
def _lua(name: str) -> str:
    return (files("redis_models") / "lua" / f"{name}.lua").read_text("utf-8")


def _entry_of_text(part: Part, text: bytes) -> Entry:
    cut = text[:LONGEST_TEXT]
    if part.folds_case:
        cut = cut.translate(_A_TO_Z)
    return Entry(b"=" + cut.replace(b"\0", b"\0\xff"), len(text) > LONGEST_TEXT)


def _plain(annotation: object) -> tuple[object, bool]:
    """Give what an annotation is a name of, or an optional form; and whether None is one of its values."""
    plain, is_optional = without_none(annotation)
    while not isinstance(plain, type):
        inner: object = getattr(plain, "__supertype__", None) or getattr(plain, "__value__", None)
        if inner is None:
            break
        plain, has_none = without_none(inner)
        is_optional = is_optional or has_none
    return plain, is_optional or (get_origin(plain) is Literal and None in get_args(plain))


def _members(plain: object) -> tuple[object, ...]:
    """Give the members of an Enum or of a Literal; none for other types."""
    if get_origin(plain) is Literal:
        return tuple(member for member in get_args(plain) if member is not None)
    return tuple(_enum(plain) or ())


def _enum(plain: object) -> type[Enum] | None:
    return plain if isinstance(plain, type) and issubclass(plain, Enum) else None


def _value(member: object) -> object:
    return member.value if isinstance(member, Enum) else member


def _kind_of(codec: FieldCodec, plain: object) -> Kind | None:
    if codec.kind != "json":
        return codec.kind
    if members := _members(plain):
        return _KINDS_OF_MEMBERS.get(frozenset(type(_value(member)) for member in members))
    return next((kind for cls, kind in _KINDS_IN_JSON if cls is plain), None)


def _reads_others(enum: type[Enum]) -> bool:
    """Whether an enum makes members of values that are none of theirs."""
    own = cast("Any", enum)._missing_.__func__
    return all(own is not cast("Any", base)._missing_.__func__ for base in (Enum, Flag))


def _check_spelling(part: Part, codec: FieldCodec, value: object) -> None:
    """Refuse a field whose model spells values in its own way, or has one that could be read as another."""
    try:
        codec.validate(value)
        raw = codec.encode(value)
    except (ValueError, TypeError):
        return  # none of its values, as one without a zone of AwareDatetime
    text = value.isoformat() if isinstance(value, date) else _value(value)
    usual = json.dumps(text, default=str).encode()
    found = entry(part, raw)
    if found is None or found != entry(part, usual):
        raise _refusal(part.field, codec, f"{value!r:.80} is stored as {raw!r:.80}, which has no entry")


def _refusal(field: str, codec: FieldCodec, reason: str) -> TypeError:
    annotation = codec.annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return TypeError(f"field {field!r} of type {name:.200} cannot be indexed: {reason}")


_ENTRY_OF_NONE: Final = Entry(NONE)
_ENCODERS_IN_LUA: Final[Mapping[Kind, str]] = {"float": "encode_real", "jint": "encode_int"}
# The pieces of the Lua, in their order, and the kinds that each is for.
_LUA: Final[Mapping[str, frozenset[Kind]]] = {
    "entry_digits": frozenset({"int", "jint", "float", "decimal"}),
    "entry_int": frozenset({"int", "jint", "decimal"}),
    "entry_float": frozenset({"float"}),
    "entry_decimal": frozenset({"decimal"}),
    "entry_bool": frozenset({"bool"}),
    "entry_text": _TEXTS,
    "entry_json": frozenset({"jstr"}),
    "entry_date": frozenset({"date"}),
    "entry_datetime": frozenset({"datetime"}),
    "entry_uuid": frozenset({"uuid"}),
}
