"""Facts about stored bytes from their types: all values of a type, None or not, readable for older code. Pure.

The server converts values by a table of them. Going back over a widened type leaves bytes unchanged, so each value is
checked: code of the older version must read it as the same value.
"""

import enum
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

from redis_models.errors import SchemaError

from ..schema.historical_values import HistoricalAlias, HistoricalObject, document_of
from ..schema.snapshot import FieldSchema, Literal
from ..schema.type_compatibility import is_widening
from ..schema.type_resolver import codec_of
from ..schema.type_tree import Atom, Choice, EnumTree, LiteralTree, Tree, parse
from .converters import FillNone

__all__ = ["NONES", "changes_none_only", "is_equal", "is_proven", "is_readable", "may_be_none", "stored_bytes"]

_MOST: Final = 1000  # values of a type; every call of the script sends them
NONES: Final = (b"None", b"null")  # both are read, whichever is written
_TRACES: Final = (b"None", b"null", b"\\")  # the last begins an escape, in JSON and of the text "None"


@lru_cache(maxsize=1024)
def stored_bytes(type: str) -> Sequence[bytes] | None:
    """Return all bytes that this library stores for a type of enums, literals, bool and None; None for other types.

    Other spellings that can be read, such as those of pydantic-aioredis, are not included.
    """
    values = _values(parse(type))
    if values is None or len(values) > _MOST:
        return None
    codec = codec_of(type)
    found = dict.fromkeys(NONES if codec.is_optional else ())
    try:
        found.update(dict.fromkeys(codec.encode(codec.validate_jsonable(value)) for value in values))
    except (ValueError, TypeError):
        return None  # such as two members of a union that are stored alike
    return tuple(found)


def changes_none_only(old: str, new: str, convert: object, back: object) -> bool:
    """Whether a conversion changes only None, and text that looks like it.

    That is true between a type and its optional form, without a function or with ``FillNone``.
    """
    if back is not None or not (convert is None or isinstance(convert, FillNone)):
        return False
    is_optional_of = new == f"{old} | None" or old == f"{new} | None"
    return is_optional_of and codec_of(old).kind == codec_of(new).kind


def may_be_none(raw: bytes) -> bool:
    """Whether bytes may mean None, or look like it, in any spelling; if not, they are certainly another value.

    It is cautious: only a search for a few bytes, so that Lua can do the same.
    """
    return any(trace in raw for trace in _TRACES)


def _values(tree: Tree) -> tuple[Literal, ...] | None:
    match tree:
        case EnumTree():
            return tuple(value for _, value in tree.members)
        case LiteralTree():
            return tree.values
        case Atom("bool"):
            return (False, True)
        case Atom("None"):
            return (None,)
        case Choice():
            parts = [_values(member) for member in tree.members]
            known = [part for part in parts if part is not None]
            return sum(known, ()) if len(known) == len(parts) else None
        case _:
            return None


_SETS = (set, frozenset)


def is_proven(old: str, new: str, raw: bytes) -> bool:
    """Whether bytes of ``new`` need no check: ``new`` is ``old`` or None, and they do not mean None."""
    return new == f"{old} | None" and not may_be_none(raw)


def is_readable(old: FieldSchema, new: FieldSchema, raw: bytes) -> bool:
    """Whether ``old`` reads bytes that were stored as ``new`` as the same value."""
    try:
        before = old.codec.decode(raw)
    except ValueError:
        return False
    try:
        now = new.codec.decode(raw)
    except ValueError:
        return True  # only the older type reads it, so it was written before
    return is_equal(before, now)


def is_equal(before: object, now: object) -> bool:
    """Whether the older type reads the value that the newer type stored.

    Unlike in Python, True does not equal 1, nor an object of one variant another one with the same keys. Keys that only
    the newer object declares do not matter, because older code does not read them.
    """
    before, now = _plain(before), _plain(now)
    if isinstance(before, HistoricalObject) and isinstance(now, HistoricalObject):
        return _is_equal_object(before, now)
    if isinstance(before, dict) and isinstance(now, dict):
        return _is_equal_dict(cast("Mapping[object, object]", before), cast("Mapping[object, object]", now))
    if isinstance(before, (list, tuple, deque)) and isinstance(now, (list, tuple, deque)):
        old_items, new_items = list(cast("Iterable[object]", before)), list(cast("Iterable[object]", now))
        return len(old_items) == len(new_items) and all(map(is_equal, old_items, new_items))
    if isinstance(before, _SETS) and isinstance(now, _SETS):
        return _is_equal_set(cast("Iterable[object]", before), cast("Iterable[object]", now))
    return isinstance(before, bool) == isinstance(now, bool) and (before == now or (before != before and now != now))


def _plain(value: object) -> object:
    if isinstance(value, HistoricalAlias):
        return value.root
    return cast(object, value.value) if isinstance(value, enum.Enum) and not isinstance(value, enum.Flag) else value


def _is_equal_object(before: HistoricalObject, now: HistoricalObject) -> bool:
    if not _is_variant(before.__type_text__, now.__type_text__):
        return False  # another variant of a union with the same keys
    old_document, new_document, kind = document_of(before), document_of(now), type(before)
    declared = (kind.__stored_names__.get(name, name) for name in kind.model_fields)
    return all(is_equal(old_document[name], new_document.get(name)) for name in declared if name in old_document)


def _is_variant(old: str, new: str) -> bool:
    try:
        return old == new or is_widening(old, new)
    except SchemaError:
        return True  # a recursive type, which only the whole type resolves; its keys are compared anyway


def _is_equal_dict(before: Mapping[object, object], now: Mapping[object, object]) -> bool:
    if len(before) != len(now):
        return False
    pairs = zip(before.items(), now.items(), strict=True)  # both come from the same JSON, so the order is the same
    return all(
        is_equal(old_key, new_key) and is_equal(old_value, new_value)
        for (old_key, old_value), (new_key, new_value) in pairs
    )


def _is_equal_set(before: Iterable[object], now: Iterable[object]) -> bool:
    old_items, rest = list(before), list(now)
    for item in old_items:
        place = next((number for number, other in enumerate(rest) if is_equal(item, other)), None)
        if place is None:
            return False
        rest.pop(place)
    return not rest
