"""The definitions of a table's indexes, as they lie in Redis beside the index of its records. Pure.

They belong to the database, not to the code: every script that writes a record compares their digest first. So a
process of older code, which has never heard of an index, maintains it all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from typing import Any, Final, Literal, cast, get_args

__all__ = ["FORMAT", "KINDS", "MOST_INDEXES", "MOST_PARTS", "Definitions", "Index", "Kind", "Part", "read_definitions"]

Kind = Literal["int", "float", "decimal", "bool", "str", "jstr", "jint", "date", "datetime", "uuid"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FORMAT: Final = 1  # of the document; a process refuses to write beside one that it does not know
MOST_INDEXES: Final = 16
MOST_PARTS: Final = 4
_MOST_SHAPES: Final = 1000  # by version; a script has a line for each
_LONGEST_VERSION: Final = 16  # digits; one more than a version has, because ``through`` may be the last one
_FLAGS: Final = {"optional": "is_optional", "nocase": "folds_case"}


@dataclass(frozen=True)
class Part:
    """One field of an index.

    Attributes:
        field: The stored field.
        kind: How its bytes are encoded; ``jstr`` and ``jint`` are text and whole numbers stored as JSON.
        is_optional: Whether its bytes can mean None.
        folds_case: Whether letters A to Z equal a to z.
    """

    field: str
    kind: Kind
    is_optional: bool = False
    folds_case: bool = False


@dataclass(frozen=True)
class Index:
    """One index.

    Attributes:
        name: Its name, unique in the table.
        is_unique: Whether no two records may have the same entry; None never collides.
        shapes: What it is made of, by the stored version of a record: each counts up to the next. None where the
            server cannot compute the entry of such a record.
        through: The highest version that the shapes tell of. What a field of a newer record means is not known yet.
    """

    name: str
    is_unique: bool
    shapes: Mapping[int, tuple[Part, ...] | None]
    through: int

    def parts_at(self, version: int) -> tuple[Part, ...] | None:
        """Give what the index is made of in a record of a version; None if the server cannot compute it."""
        known = [since for since in self.shapes if since <= version <= self.through]
        return self.shapes[max(known)] if known else None

    def continues(self, former: "Index") -> bool:
        """Whether this is ``former`` with more versions, so that its entries are right as they are."""
        versions = {*self.shapes, *former.shapes, former.through}
        return (self.is_unique, self.name) == (former.is_unique, former.name) and all(
            former.parts_at(version) in (None, self.parts_at(version)) for version in versions
        )


@dataclass(frozen=True)
class Definitions:
    """The indexes of one table, in the order of their names."""

    indexes: tuple[Index, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes", tuple(sorted(self.indexes, key=lambda index: index.name)))

    def __bool__(self) -> bool:
        return bool(self.indexes)

    def index(self, name: str) -> Index | None:
        """Give an index by its name."""
        return next((index for index in self.indexes if index.name == name), None)

    def with_index(self, index: Index) -> "Definitions":
        """Give these definitions with ``index``, in the place of one of its name."""
        return Definitions((*(known for known in self.indexes if known.name != index.name), index))

    def without(self, name: str) -> "Definitions":
        """Give these definitions without an index."""
        return Definitions(tuple(index for index in self.indexes if index.name != name))

    @cached_property
    def document(self) -> str:
        """The definitions as Redis holds them: JSON, one spelling for equal definitions."""
        indexes = {
            index.name: {
                "unique": index.is_unique,
                "through": index.through,
                "from": {
                    str(since): None if parts is None else [_spelled(part) for part in parts]
                    for since, parts in sorted(index.shapes.items())
                },
            }
            for index in self.indexes
        }
        return json.dumps({"format": FORMAT, "indexes": indexes}, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """What every script that writes compares; "" without indexes."""
        return sha1(self.document.encode(), usedforsecurity=False).hexdigest() if self.indexes else ""


def read_definitions(document: str | bytes) -> Definitions:
    """Read the document of ``Definitions``.

    Raises:
        ValueError: It is not one; the text says what is wrong with it.
    """
    try:
        found: Any = json.loads(document)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    content = cast("dict[str, Any]", found)
    if content.get("format") != FORMAT:
        raise ValueError(f"its format is {content.get('format')!r:.20}, and this version of the library knows {FORMAT}")
    indexes = content.get("indexes")
    if not isinstance(indexes, dict):
        raise ValueError("it has no indexes")
    known = cast("dict[str, Any]", indexes)
    if len(known) > MOST_INDEXES:
        raise ValueError(f"it has {len(known):,} indexes, and a table has at most {MOST_INDEXES}")
    return Definitions(tuple(_index(name, index) for name, index in known.items()))


def _spelled(part: Part) -> list[str]:
    return [part.field, part.kind, *(flag for flag, attribute in _FLAGS.items() if getattr(part, attribute))]


def _index(name: str, content: Any) -> Index:
    try:
        shapes = {_version(since): _shape(parts) for since, parts in content["from"].items()}
        index = Index(name, bool(content["unique"]), shapes, _version(content["through"]))
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise ValueError(f"the index {name!r:.80} is not readable: {exc!s:.200}") from None
    if len(shapes) > _MOST_SHAPES:
        raise ValueError(f"the index {name!r:.80} has {len(shapes):,} shapes, and at most {_MOST_SHAPES:,} are read")
    return index


def _version(content: object) -> int:
    text = str(content) if isinstance(content, (int, str)) else ""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_VERSION:
        raise ValueError(f"{content!r:.40} is not a version")
    return int(text)


def _shape(parts: Any) -> tuple[Part, ...] | None:
    if parts is None:
        return None
    found = parts
    if not isinstance(found, list) or not 0 < len(parts) <= MOST_PARTS:
        raise ValueError(f"{parts!r:.80} is not a list of 1 to {MOST_PARTS} fields")
    return tuple(_part(part) for part in parts)


def _part(content: Any) -> Part:
    field, kind, *flags = content
    if not isinstance(field, str) or kind not in KINDS or not set(flags) <= _FLAGS.keys():
        raise ValueError(f"{content!r:.80} is not a field and its kind")
    return Part(field, kind, **{_FLAGS[flag]: True for flag in flags})
