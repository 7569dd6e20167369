"""Type trees: parsed canonical type text, in which keys of nested objects can be changed. Pure.

``parse`` and ``str`` are inverses. A type without parts that can change is an ``Atom``, which has its text.
"""

import functools
import typing
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from .snapshot import Literal
from .type_parser import CallNode, ConstantNode, Node, SubscriptNode, UnionNode, is_ellipsis, parse_text
from .type_resolver import resolve
from .type_spelling import CONTAINERS, keywords, literal_texts, quoted

__all__ = [
    "NONE",
    "Atom",
    "Choice",
    "Container",
    "EnumTree",
    "Key",
    "LiteralTree",
    "Object",
    "Tree",
    "choice_of",
    "parse",
    "parse_key",
    "stored_values",
]

_NOT_REQUIRED: Final = "NotRequired["


class _Node:
    """Base class of trees, which compare by their text, because True equals 1 and lists are not hashable."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Node) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


@dataclass(frozen=True, eq=False)
class Atom(_Node):
    """A type without parts: ``str``, ``datetime[aware]``, ``Custom('...')``, ``Alias(...)``."""

    text: str

    def __str__(self) -> str:
        return self.text


NONE: Final = Atom("None")


@dataclass(frozen=True, eq=False)
class Choice(_Node):
    """A union of at least two members, None last; ``choice_of`` makes one."""

    members: "tuple[Tree, ...]"

    def __str__(self) -> str:
        return " | ".join(map(str, self.members))


@dataclass(frozen=True, eq=False)
class Container(_Node):
    """A list, set, frozenset, deque, dict (keys, values) or tuple.

    Attributes:
        kind: Its name.
        items: Types in brackets; none for the empty tuple.
        is_variadic: Whether it is a tuple of any length.
    """

    kind: str
    items: "tuple[Tree, ...]"
    is_variadic: bool = False

    def __str__(self) -> str:
        inner = [*map(str, self.items), *(["..."] if self.is_variadic else [])]
        return f"{self.kind}[{', '.join(inner) or '()'}]"


@dataclass(frozen=True)
class Key:
    """A key of an object.

    Attributes:
        name: Its stored name.
        tree: Its type.
        is_required: Whether it must be present.
    """

    name: str
    tree: "Tree"
    is_required: bool = True

    @property
    def text(self) -> str:
        """Its type as in the object: in ``NotRequired[...]`` if it may be absent."""
        return str(self.tree) if self.is_required else f"{_NOT_REQUIRED}{self.tree}]"


@dataclass(frozen=True, eq=False)
class Object(_Node):
    """An object with keys in any order; its text sorts them.

    Attributes:
        keys: Its keys.
        label: Its name for references inside of it; None if it is not recursive.
    """

    keys: tuple[Key, ...]
    label: str | None = None

    def __str__(self) -> str:
        pairs = keywords((key.name, key.text) for key in sorted(self.keys, key=lambda key: key.name))
        label = [] if self.label is None else [repr(self.label)]
        return f"Object({', '.join([*label, *([pairs] if pairs else [])])})"

    def key(self, name: str) -> Key | None:
        """Return a key, or None if it does not exist."""
        return next((key for key in self.keys if key.name == name), None)

    def with_key(self, name: str, key: Key | None) -> "Object":
        """Return the object with the key ``name`` replaced by ``key``, or without it."""
        kept = tuple(old for old in self.keys if old.name != name)
        return replace(self, keys=kept if key is None else (*kept, key))


@dataclass(frozen=True, eq=False)
class EnumTree(_Node):
    """An enum: names and stored values in order."""

    members: tuple[tuple[str, Literal], ...]

    def __str__(self) -> str:
        return f"Enum({keywords((name, quoted(value)) for name, value in self.members)})"


@dataclass(frozen=True, eq=False)
class LiteralTree(_Node):
    """A literal: its values in any order; None is a member of the union around it."""

    values: tuple[Literal, ...]

    def __str__(self) -> str:
        return literal_texts(self.values)[0]


Tree = Atom | Choice | Container | Object | EnumTree | LiteralTree


def choice_of(members: Iterable[Tree]) -> Tree:
    """Return the union of ``members``: flat, without duplicates, None last; a single member is returned itself."""
    flat = (inner for member in members for inner in (member.members if isinstance(member, Choice) else (member,)))
    unique = list(dict.fromkeys(flat))
    ordered = tuple([member for member in unique if member != NONE] + [member for member in unique if member == NONE])
    return ordered[0] if len(ordered) == 1 else Choice(ordered)


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Tree:
    """Parse canonical text; ``str`` of the result is the text again.

    Raises:
        SchemaError: The text is not valid; the message names the place.
    """
    resolve(text)  # for its errors, which name the place
    return _read(text)


def _read(text: str) -> Tree:
    return _Reader(text).tree(parse_text(text))


def parse_key(name: str, text: str) -> Key:
    """Return a key from the text of its type, with or without ``NotRequired[...]``."""
    if text.startswith(_NOT_REQUIRED) and text.endswith("]"):
        return Key(name, parse(text[len(_NOT_REQUIRED) : -1]), is_required=False)
    return Key(name, parse(text))


class _Reader:
    """Builds the tree of a valid text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def tree(self, node: Node) -> Tree:
        match node:
            case UnionNode(members=members):
                return choice_of([self.tree(member) for member in members])
            case SubscriptNode(name="Literal", items=items):
                return LiteralTree(tuple(map(_constant, items)))
            case SubscriptNode(name=kind, items=items) if kind == "tuple" or kind in CONTAINERS:
                is_variadic = bool(items) and is_ellipsis(items[-1])
                return Container(kind, tuple(map(self.tree, items[: len(items) - is_variadic])), is_variadic)
            case CallNode(name="Enum", keywords=members):
                return EnumTree(tuple((name, _constant(value)) for name, value in members))
            case CallNode(name="Object", items=labels, keywords=pairs):
                keys = tuple(self._key(name, key) for name, key in pairs)
                return Object(keys, str(_constant(labels[0])) if labels else None)
            case _:
                return Atom(self._text[node.start : node.end])

    def _key(self, name: str, node: Node) -> Key:
        match node:
            case SubscriptNode(name="NotRequired", items=(inner,)):
                return Key(name, self.tree(inner), is_required=False)
            case _:
                return Key(name, self.tree(node))


def _constant(node: Node) -> Literal:
    return typing.cast(Literal, typing.cast(ConstantNode, node).value)


def stored_values(tree: Tree) -> tuple[Literal, ...] | None:
    """Return all stored values of a type of enums, literals and None; None for other types."""
    match tree:
        case EnumTree():
            return tuple(value for _, value in tree.members)
        case LiteralTree():
            return tree.values
        case Choice():
            parts = [stored_values(member) for member in tree.members]
            known = [part for part in parts if part is not None]
            return sum(known, ()) if len(known) == len(parts) else None
        case Atom("None"):
            return (None,)
        case _:
            return None
