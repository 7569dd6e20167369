"""What can be said of stored bytes beforehand: all that a type stores, and what is certainly no None. Pure.

By it the server converts values by itself: it is told what becomes of each, and what stays.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ..schema.snapshot import Literal
from ..schema.type_resolver import codec_of
from ..schema.type_tree import Atom, Choice, EnumTree, LiteralTree, Tree, parse
from .converters import FillNone

__all__ = ["NONES", "changes_none_only", "may_be_none", "stored_bytes"]

_MOST: Final = 1000  # values of a type; they travel with every call of the script
NONES: Final = (b"None", b"null")  # both are read, whichever is written
_TRACES: Final = (b"None", b"null", b"\\")  # the last begins an escape, in JSON and of the text "None"


@lru_cache(maxsize=1024)
def stored_bytes(type: str) -> Sequence[bytes] | None:
    """Give all that the library stores of a type: of enums, literals, bool and None; nothing where that has no end.

    Other spellings that are read too, such as those of the seed, are not among them.
    """
    values = _values(parse(type))
    if values is None or len(values) > _MOST:
        return None
    codec = codec_of(type)
    found = dict.fromkeys(NONES if codec.is_optional else ())
    try:
        found.update(dict.fromkeys(codec.encode(codec.validate_jsonable(value)) for value in values))
    except (ValueError, TypeError):
        return None  # two members of a union that are stored alike, for one
    return tuple(found)


def changes_none_only(old: str, new: str, convert: object, back: object) -> bool:
    """Whether a conversion leaves the bytes of every value as they are that is not None, nor text that looks like it.

    That is one between a type and itself made optional, by no function but ``FillNone``.
    """
    if back is not None or not (convert is None or isinstance(convert, FillNone)):
        return False
    is_optional_of = new == f"{old} | None" or old == f"{new} | None"
    return is_optional_of and codec_of(old).kind == codec_of(new).kind


def may_be_none(raw: bytes) -> bool:
    """Whether bytes could be read as None, or look like it, in any spelling; if not, they certainly are another value.

    Too cautious by intent: it must be no more than a search for a few bytes, which ``lua/rewrite.lua`` does alike.
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
            parts = [_values(one) for one in tree.members]
            known = [part for part in parts if part is not None]
            return sum(known, ()) if len(known) == len(parts) else None
        case _:
            return None
