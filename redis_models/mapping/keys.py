"""Names of Redis keys: the only module that handles separators and escapes. Pure.

A record is stored at ``{prefix}{sep}{table}{sep}{pk}``, the index of its model at
``{prefix}{sep}{table}{sep}__index``. The text of a primary key is escaped, so that it never contains the separator and
never equals ``__index``. So a key belongs to one model only: ``order:item:7`` is a record of ``order:item``, never one
of ``order``.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import unquote

from ..encoding.raw_text import text_of

__all__ = ["INDEX", "KeySpace", "bookkeeping_key", "key_complaint"]

INDEX: Final = "__index"
_ESCAPE: Final = "%"
_OF_ESCAPES: Final = frozenset("%0123456789ABCDEF")
_BOOKKEEPING: Final = "redis_models:{"  # prefix of every key of ``bookkeeping_key``


@dataclass(frozen=True)
class KeySpace:
    """The keys of one model: of its records, and of its index.

    Args:
        prefix: First part of every key, or "" for none. Lower-cased, as in pydantic-aioredis.
        separator: Text between the parts; not empty. Lower-cased, as in pydantic-aioredis.
        table: Second part; its case is kept.
        index_key: Key of the index, if the model names it itself; None for the default.
    """

    prefix: str
    separator: str
    table: str
    index_key: str | None = None

    def __reduce__(self) -> tuple[type["KeySpace"], tuple[str, str, str, str | None]]:
        """Pickle what it was made of, and nothing that was computed since."""
        return KeySpace, (self.prefix, self.separator, self.table, self.index_key)

    @cached_property
    def first(self) -> str:
        """The prefix with its separator; "" without a prefix."""
        return f"{self.prefix}{self.separator}".lower() if self.prefix else ""

    @cached_property
    def start(self) -> str:
        """The prefix of every key of the model, with its separator."""
        return f"{self.first}{self.table}{self.separator.lower()}"

    @cached_property
    def index(self) -> str:
        """Key of the model's sorted-set index."""
        return self.start + INDEX if self.index_key is None else self.index_key

    @cached_property
    def pattern(self) -> str:
        """Glob for SCAN MATCH that every record key matches; others may match too, so ask ``owns``."""
        return "".join(f"\\{char}" if char in "\\*?[]^-" else char for char in self.start) + "*"

    @cached_property
    def definitions(self) -> str:
        """Key of the definitions of the model's indexes of fields: a hash; absent where there are none."""
        return self._beside_index("_definitions")

    @cached_property
    def others(self) -> str:
        """Key of the sorted set of records that have a value without an entry, so that each query looks at them."""
        return self._beside_index("_others")

    def field_index(self, name: str) -> str:
        """Key of an index of fields: a sorted set. No record has such a key: a separator follows the start."""
        return self._beside_index(name)

    def _beside_index(self, name: str) -> str:
        return f"{self.index}{self._separator}{name}"

    def backup_key(self, name: str) -> str:
        """Key of a backup of ``adopt``, in the cluster slot of the index. No record of any model has such a key."""
        tag, closed, _ = self.index.partition("{")[2].partition("}")
        return f"{{{tag}}}{self.index}:{name}" if tag and closed else f"{{{self.index}}}:{name}"

    def record(self, pk: str) -> str:
        """Key of the record whose primary key has the text ``pk``, which is not empty."""
        return self.start + self._escape(pk)

    def primary_key(self, key: str) -> str:
        """Text of the primary key in a key that ``owns`` accepts."""
        return unquote(key[len(self.start) :], errors="surrogatepass")

    def owns(self, key: str) -> bool:
        """Whether ``key`` is the key of a record of this model: not its index, nor a key of a longer prefix."""
        if not key.startswith(self.start) or len(key) == len(self.start):
            return False
        if (
            key == self.index
            or key == self.start + INDEX
            or (self._may_meet_bookkeeping and key.startswith(_BOOKKEEPING))
        ):
            return False
        return not _ends_separator(key[len(self.start) :], self._separator)

    def owned(self, keys: Iterable[bytes]) -> list[bytes]:
        """Give the keys that ``owns`` accepts, each once.

        Args:
            keys: Keys that match ``pattern``, as bytes. A scan gives many keys, so they are checked together if
                possible: if they contain more separators than their prefixes do, one of them has another separator.
        """
        owned_keys, start, separator = dict.fromkeys(keys), self.start.encode(), self._separator.encode()
        owned_keys.pop(start, None)
        for name in self._indexes:
            owned_keys.pop(name, None)
        if len(separator) > 1 or self._may_meet_bookkeeping:
            return [key for key in owned_keys if self.owns(text_of(key))]
        if b"".join(owned_keys).count(separator) == len(owned_keys) * start.count(separator):
            return list(owned_keys)
        size = len(start)
        return [key for key in owned_keys if key.find(separator, size) < 0]

    def owned_members(self, members: Iterable[bytes]) -> list[bytes]:
        """Do what ``owned`` does for members of an index, which may be any bytes."""
        start = self.start.encode()
        return self.owned(member for member in members if member.startswith(start))

    def are_next(self, members: list[bytes], after: bytes | None) -> bool:
        """Whether all members of a page of the index are the model's, in lexicographic order, and after ``after``.

        Any client can add any member to an index, with any score, so neither is trusted. Usually a page is checked as a
        whole: all members between the first and the last begin as these do.
        """
        if not members:
            return True
        start, mark, count = self._page_check
        first, last = members[0], members[-1]
        if not (first.startswith(start) and last.startswith(start)) or sorted(members) != members:
            return False
        if (after is not None and first <= after) or first == start:
            return False
        if b"".join(members).count(mark) != len(members) * count or self._may_meet_bookkeeping:
            return len(self.owned(members)) == len(members)
        return not any(_has(members, name) for name in self._indexes)

    @cached_property
    def before(self) -> bytes:
        """The end of the index members before the model's own keys, as ZLEXCOUNT takes it."""
        return b"(" + self.start.encode()

    def shared_with(self, other: "KeySpace") -> str | None:
        """Give the prefix of keys that could be records of either model, or None.

        Two key spaces may have the same prefix. Or one contains the other, if the separator of the outer one does not
        separate them: ``user_`` (separator ``_``) does not contain ``user_profile_1``, but it contains
        ``user_profile:1``.
        """
        for first, second in ((self, other), (other, self)):
            if first.index_key is not None and (first.index == second.index or second.owns(first.index)):
                return first.index
        outer, inner = sorted((self, other), key=lambda space: len(space.start))
        if not inner.start.startswith(outer.start):
            return None
        return None if _ends_separator(inner.start[len(outer.start) :], outer.separator.lower()) else inner.start

    def has_same_keys(self, other: "KeySpace") -> bool:
        """Whether every primary key gives the same key in both."""
        return (self.start, self.separator.lower()) == (other.start, other.separator.lower())

    @cached_property
    def _separator(self) -> str:
        return self.separator.lower()

    @cached_property
    def _page_check(self) -> tuple[bytes, bytes, int]:
        """The start, the separator's last character, and how often the start contains that character. A key in which it
        is not more frequent does not contain a separator after its start."""
        start, mark = self.start.encode(), self._separator[-1].encode()
        return start, mark, start.count(mark)

    @cached_property
    def _indexes(self) -> frozenset[bytes]:
        """The key of the index, and its default: records have neither."""
        return frozenset({self.index.encode(), (self.start + INDEX).encode()})

    @cached_property
    def _may_meet_bookkeeping(self) -> bool:
        """Whether bookkeeping keys could look like records, because prefix and table spell their beginning."""
        return self.start.startswith(_BOOKKEEPING) or (
            _BOOKKEEPING.startswith(self.start)
            and not _ends_separator(_BOOKKEEPING[len(self.start) :], self._separator)
        )

    @cached_property
    def _taken(self) -> tuple[str, ...]:
        """Primary keys that must be escaped, because they would give the key of an index."""
        own = self.index.removeprefix(self.start) if self.index.startswith(self.start) else INDEX
        return (INDEX,) if own == INDEX else (INDEX, own)

    def _escape(self, pk: str) -> str:
        separator = self._separator
        if _ESCAPE not in pk and not _ends_separator(pk, separator):
            return pk if pk not in self._taken else _quote(pk[0]) + pk[1:]
        # To escape one character of the separator is enough; it must not be a character of the escapes themselves.
        char = next(char for char in separator if char not in _OF_ESCAPES)
        return pk.replace(_ESCAPE, _quote(_ESCAPE)).replace(char, _quote(char))


def key_complaint(separator: str, table: str, prefix: str = "") -> str | None:
    """Say why ``separator`` cannot separate the keys of ``table`` from all others; None if it can."""
    separator = separator.lower()
    if all(char in _OF_ESCAPES for char in separator):
        return f"separator {separator!r} is empty, or made of digits and % only; use ':' or another sign"
    if separator.strip("_") and _ends_separator(INDEX, separator):
        return f"separator {separator!r} is part of {INDEX!r}, the name of the index; use ':' or another sign"
    if not separator.strip("_") and table.endswith("_"):
        return f"table {table!r} ends as its separator {separator!r} begins; rename one of them"
    if table == INDEX or (prefix and INDEX in f"{separator}{prefix}{separator}".lower().split(separator)):
        return f"{INDEX!r} is where another table keeps its indexes; use another table or prefix"
    if KeySpace(prefix, separator, table)._may_meet_bookkeeping:
        return f"table {table!r} has the keys {_BOOKKEEPING}...}}, which the migrations use; give it another prefix"
    return None


def _has(members: list[bytes], key: bytes) -> bool:
    """Whether a sorted list contains a key."""
    place = bisect_left(members, key)
    return place < len(members) and members[place] == key


def _ends_separator(rest: str, separator: str) -> bool:
    """Whether a separator ends in ``rest``; it may begin in the separator before, as ``::`` in ``:`` after ``::``."""
    return separator in separator[1:] + rest


def _quote(char: str) -> str:
    return "".join(f"{_ESCAPE}{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def bookkeeping_key(namespace: str, name: str) -> str:
    """Key of the migration engine's own data. The keys of a namespace share a hash tag, so they are in one slot.

    Args:
        namespace: ``NAMESPACE`` of the settings module.
        name: ``lease``, ``ledger:{app}``, ``journal:{app}``, ``snapshot:{app}``.
    """
    return f"{_BOOKKEEPING}{namespace}}}:{name}"
