"""Parser of canonical type text: the expressions of ``type_text`` and no others, in linear time. Pure.

Python's own parser does not limit depth and size, joins adjacent strings, and does not tell the character at which a
node begins. This one has limits, because snapshots are stored in Redis, where other clients can write.

    type      = part {"|" part}
    part      = name ["[" items "]" | "(" arguments ")"] | constant | "(" type ")"
    items     = "()" | item {"," item} [","]                 item = type | "..."
    arguments = [argument {"," argument} [","]]              argument = type | name "=" type | "**" "{" pairs "}"
    constant  = text | number | "None" | "True" | "False" | "[" constants "]" | "{" constant ":" constant ... "}"
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import Final, NoReturn

from redis_models.errors import SchemaError

__all__ = [
    "CallNode",
    "ConstantNode",
    "NameNode",
    "Node",
    "SubscriptNode",
    "UnionNode",
    "is_ellipsis",
    "parse_text",
    "parts_of",
    "place_in",
]

DEPTH: Final = 100  # of brackets; schemas that pydantic builds for deeper ones exceed Python's stack
NODES: Final = 20_000  # pydantic takes seconds to build a model with so many fields
_SHOWN: Final = 200  # characters of a long text that an error shows
_TOKEN: Final = re.compile(
    r"""[ \t\r\n\f]*(?:
        (?P<name>[^\W\d]\w*)
      | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
      | (?P<text>'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")
      | (?P<sign>\*\*|\.\.\.|[][(){},:|=-])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_HALF: Final = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPED: Final = {
    **{letter: letter for letter in "\\'\""},
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\n": "",
}  # fmt: skip
_WORDS: Final[dict[str, bool | None]] = {"False": False, "None": None, "True": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the syntax tree of a type.

    Attributes:
        start, end: Its place in characters.
        has_choice: Whether it has a union whose order matters. The position of None does not matter.
        has_reference: Whether it has a ``Ref``.
    """

    start: int
    end: int
    has_choice: bool = False
    has_reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NameNode(Node):
    """A name alone: ``str``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantNode(Node):
    """A constant, or the ``...`` of a tuple."""

    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptNode(Node):
    """A name with brackets: ``list[int]``; ``tuple[()]`` has no items."""

    name: str
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNode(Node):
    """A name with parentheses: ``Object('T1', size=int)``."""

    name: str
    items: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnionNode(Node):
    """Several members with ``|`` between them."""

    members: tuple[Node, ...]


def parse_text(text: str) -> Node:
    """Parse a text.

    Raises:
        SchemaError: The text is not valid, nests too deeply, or is too large; the message names the place.
    """
    if not _is_whole(text):
        raise SchemaError(f"{place_in(text, 0)}: it has an unpaired surrogate")
    return _Parser(text).whole()


def _is_whole(text: str) -> bool:
    """Whether a text has no unpaired surrogates, which cannot be stored."""
    return not _HALF.search(text)


def place_in(text: str, start: int) -> str:
    """Describe a place in a text, for errors."""
    shown = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
    return f"type {shown}, character {start + 1}"


class _Parser:
    """The parser of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kind, self._token, self._start, self._end = "", "", 0, 0
        self._before = 0  # where the token before ended
        self._depth = self._count = 0
        self._advance()

    def whole(self) -> Node:
        node = self._type()
        if self._kind != "end":
            self._fail("expected the end of the type" if self._kind != "text" else "two texts side by side")
        return node

    def _advance(self) -> None:
        self._before = self._end
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            self._start = len(self._text) - len(self._text[self._end :].lstrip(" \t\r\n\f"))
            is_text = self._text[self._start] in "'\""
            self._fail("a text without its end" if is_text else f"{self._text[self._start]!r} does not belong here")
        self._kind = found.lastgroup or ""
        self._start, self._end = found.span(self._kind)
        self._token = found[self._kind]
        self._count += 1
        if self._count > 4 * NODES:
            self._fail(f"the type has more than {NODES} parts")

    def _fail(self, reason: str, start: int | None = None) -> NoReturn:
        raise SchemaError(f"{place_in(self._text, self._start if start is None else start)}: {reason}")

    def _is(self, sign: str) -> bool:
        return self._kind == "sign" and self._token == sign

    def _skip(self, sign: str) -> None:
        if not self._is(sign):
            self._fail(f"expected {sign!r}")
        self._advance()

    def _inside(self, opening: str, closing: str, read_item: Callable[[], None]) -> None:
        """Parse the items between brackets."""
        place = self._start
        self._skip(opening)
        self._depth += 1
        if self._depth > DEPTH:
            self._fail(f"it nests deeper than {DEPTH} brackets", place)
        while not self._is(closing):
            read_item()
            if self._is(closing):
                break
            if self._kind == "end":
                self._fail(f"{opening!r} was never closed", place)
            self._skip(",")
        self._depth -= 1
        self._advance()

    def _type(self) -> Node:
        members = [self._part()]
        while self._is("|"):
            self._advance()
            members.append(self._part())
        if len(members) == 1:
            return members[0]
        return UnionNode(
            start=members[0].start,
            end=self._before,
            has_choice=_is_choice(members) or any(member.has_choice for member in members),
            has_reference=any(member.has_reference for member in members),
            members=tuple(members),
        )

    def _part(self) -> Node:
        start = self._start
        if self._kind != "name" or self._token in _WORDS:
            return self._group() if self._is("(") else self._constant_node()
        name = self._token if self._token.isascii() else unicodedata.normalize("NFKC", self._token)
        self._advance()
        if self._is("["):
            return self._subscript(name, start)
        if self._is("("):
            return self._call(name, start)
        return NameNode(start=start, end=self._before, name=name)

    def _group(self) -> Node:
        found: list[Node] = []
        start = self._start
        self._inside("(", ")", lambda: found.append(self._type()))
        if len(found) != 1:
            self._fail("expected one type in parentheses", start)
        return found[0]

    def _subscript(self, name: str, start: int) -> Node:
        items: list[Node] = []

        def read_item() -> None:
            if self._is("("):
                items.extend(self._tuple_or_group())
            elif self._is("..."):
                items.append(ConstantNode(start=self._start, end=self._end, value=...))
                self._advance()
            else:
                items.append(self._type())

        place = self._start
        self._inside("[", "]", read_item)
        if self._text[place + 1 : self._before - 1].strip() == "":
            self._fail(f"{name} has nothing in its brackets", place)
        return SubscriptNode(
            start=start,
            end=self._before,
            has_choice=any(item.has_choice for item in items),
            has_reference=any(item.has_reference for item in items),
            name=name,
            items=tuple(items),
        )

    def _tuple_or_group(self) -> Iterator[Node]:
        """Parse ``()``, or a type that begins with a parenthesis."""
        after = _TOKEN.match(self._text, self._end)
        if after is not None and after["sign"] == ")":
            self._advance()
            self._advance()
        else:
            yield self._type()

    def _call(self, name: str, start: int) -> Node:
        items: list[Node] = []
        keywords: list[tuple[str, Node]] = []

        def read_item() -> None:
            if self._is("**"):
                self._advance()
                self._inside("{", "}", lambda: keywords.append((self._key(), self._type())))
            elif self._kind == "name" and self._is_keyword():
                key = self._token if self._token.isascii() else unicodedata.normalize("NFKC", self._token)
                self._advance()
                self._skip("=")
                keywords.append((key, self._type()))
            elif keywords:
                self._fail("arguments without a name must come first")
            else:
                items.append(self._type())

        self._inside("(", ")", read_item)
        parts = [*items, *(value for _, value in keywords)]
        return CallNode(
            start=start,
            end=self._before,
            has_choice=any(part.has_choice for part in parts),
            has_reference=name == "Ref" or any(part.has_reference for part in parts),
            name=name,
            items=tuple(items),
            keywords=tuple(keywords),
        )

    def _is_keyword(self) -> bool:
        after = _TOKEN.match(self._text, self._end)
        return after is not None and after["sign"] == "="

    def _key(self) -> str:
        start = self._start
        key = self._constant()
        if not isinstance(key, str):
            self._fail("expected a name in quotes", start)
        self._skip(":")
        return key

    def _constant_node(self) -> Node:
        start = self._start
        value = self._constant()
        return ConstantNode(start=start, end=self._before, value=value)

    def _constant(self) -> object:
        start, kind, token = self._start, self._kind, self._token
        if kind == "sign" and token in ("[", "{"):
            return self._list() if token == "[" else self._dict()
        if kind not in ("text", "number") and token not in (*_WORDS, "-"):
            self._fail("expected a type, not the end" if kind == "end" else f"expected a type, not {token!r}")
        self._advance()
        if kind == "text":
            if self._kind == "text":
                self._fail("two texts side by side")
            return self._unescaped(token, start)
        if token in _WORDS:
            return _WORDS[token]
        if token == "-":
            digits = self._token if self._kind == "number" else self._fail("expected a number")
            self._advance()
            return -self._number(digits, start)
        return self._number(token, start)

    def _list(self) -> object:
        values: list[object] = []
        self._inside("[", "]", lambda: values.append(self._constant()))
        return values

    def _dict(self) -> object:
        pairs: dict[object, object] = {}

        def read_item() -> None:
            key, start = self._constant(), self._start
            if isinstance(key, (list, dict)):
                self._fail("a list or a dict cannot be the key of a dict", start)
            self._skip(":")
            pairs[key] = self._constant()

        self._inside("{", "}", read_item)
        return pairs

    def _number(self, token: str, start: int) -> int | float:
        if token.isdigit():
            if token[0] == "0" and token.strip("0"):
                self._fail("a whole number must not begin with zero", start)
            try:
                return int(token)
            except ValueError:
                self._fail(f"a number of {len(token)} digits is too long", start)
        number = float(token)
        return number if math.isfinite(number) else self._fail("the number is too large", start)

    def _unescaped(self, token: str, start: int) -> str:
        if "\\" not in token:
            return token[1:-1]

        def letter(found: re.Match[str]) -> str:
            *codes, octal, other = found.groups()
            code = next((code for code in codes if code is not None), None)
            if code is not None or octal is not None:
                number = int(octal, 8) if code is None else int(code, 16)
                return chr(number) if number <= 0x10FFFF else self._fail("there is no such character", start)
            return _ESCAPED[other] if other in _ESCAPED else self._fail(f"unknown escape \\{other}", start)

        return self._whole_letters(_ESCAPE.sub(letter, token[1:-1]), start)

    def _whole_letters(self, text: str, start: int) -> str:
        return text if _is_whole(text) else self._fail("an unpaired surrogate", start)


def _is_choice(members: list[Node]) -> bool:
    return sum(not (isinstance(member, ConstantNode) and member.value is None) for member in members) > 1


def is_ellipsis(node: Node) -> bool:
    """Whether it is the ``...`` of a tuple."""
    return isinstance(node, ConstantNode) and isinstance(node.value, EllipsisType)


def parts_of(node: Node) -> tuple[Node, ...]:
    """Return the children of a node."""
    match node:
        case UnionNode(members=members):
            return members
        case SubscriptNode(items=items):
            return items
        case CallNode(items=items, keywords=keywords):
            return (*items, *(value for _, value in keywords))
        case _:
            return ()
