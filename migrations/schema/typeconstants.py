"""Text of the constants in canonical type text: values of literals, members of enums, keys of objects. Pure."""

import enum
import itertools
import keyword
import math
import unicodedata
from collections.abc import Iterable
from typing import cast

from pydantic_core import to_jsonable_python

__all__ = ["IndescribableError", "enum_text", "keywords", "literal_texts", "quoted"]


class IndescribableError(Exception):
    """A type has no canonical text; the message says why, and ``describe`` adds whose type it is."""


def enum_text(cls: type[enum.Enum]) -> str:
    """List the members with their stored values, as defined, aliases left out."""
    members = [
        (name, quoted(to_jsonable_python(one.value))) for name, one in cls.__members__.items() if one.name == name
    ]
    if not members:
        raise IndescribableError(f"the enum {cls.__name__} has no members")
    return f"{'Flag' if issubclass(cls, enum.Flag) else 'Enum'}({keywords(members)})"


def literal_texts(values: Iterable[object]) -> list[str]:
    """Give the text of a literal as members of a union: its values, then None if it is among them."""
    # Sorted: Literal['a', 'b'] equals Literal['b', 'a'], so that typing's caches give either for the other.
    stored = [to_jsonable_python(one) for one in values]
    texts = sorted({(type(one).__name__, quoted(one)) for one in stored if one is not None})
    found = [f"Literal[{', '.join(text for _, text in texts)}]"] if texts else []
    return [*found, "None"] if None in stored else found


def quoted(value: object) -> str:
    """Give the constant's Python text, the same on every Python."""
    if isinstance(value, str):
        # repr() escapes what this Python's Unicode does not know; what Unicode 3.2 knows, every Python does.
        is_old = all(unicodedata.ucd_3_2_0.category(char) != "Cn" for char in value)
        return repr(value) if is_old else ascii(value)
    if isinstance(value, dict):
        pairs = cast(dict[object, object], value).items()
        return f"{{{', '.join(f'{quoted(key)}: {quoted(one)}' for key, one in pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, cast(list[object], value)))}]"
    if isinstance(value, float) and not math.isfinite(value):
        raise IndescribableError(f"{value!r} has no JSON form")
    return repr(value)


def keywords(pairs: Iterable[tuple[str, str]]) -> str:
    """Join names and texts as the keyword arguments of a call, in the order given, whatever the names are."""
    groups: list[str] = []
    for is_plain, group in itertools.groupby(pairs, key=lambda pair: _is_plain(pair[0])):
        if is_plain:
            groups += [f"{name}={text}" for name, text in group]
        else:
            groups.append(f"**{{{', '.join(f'{quoted(name)}: {text}' for name, text in group)}}}")
    return ", ".join(groups)


def _is_plain(name: str) -> bool:
    # Python would normalise other letters, so that the name would not be the one that is stored.
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
