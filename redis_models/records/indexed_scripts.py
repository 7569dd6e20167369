"""The scripts that write records, as the indexes of their table want them.

Every script that writes begins with a fence: it compares the definitions of indexes in Redis with those that it was
made for, and writes nothing where they differ. The process then reads the definitions, and sends the right script. So
the definitions belong to the database, and a process maintains indexes that its own code has never heard of.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from typing import Final, cast

from redis.exceptions import ResponseError

from ..client.commands import Argument, Command, Reply, RoundTrips, Script, call, check
from ..encoding.raw_text import text_of
from ..errors import ConfigurationError, ConflictError, DataError
from ..indexes.definitions import Definitions, Index, Part, read_definitions
from ..indexes.entries import lua_of
from ..mapping.keys import KeySpace
from ..mapping.stored_field import STAMP

__all__ = [
    "NO_INDEXES",
    "IndexedCall",
    "TableIndexes",
    "changing_indexes_error",
    "damaged_index_error",
    "is_of_other_indexes",
    "known_indexes",
    "learn_indexes",
    "read_indexes",
    "resolve_indexes",
]

_KNOWN: Final = "_known_indexes"
_TRIES: Final = 8  # of a call, while other processes change the definitions each time
_FENCE: Final = (files("redis_models") / "lua" / "fence.lua").read_text("utf-8")
_INDEXES: Final = (files("redis_models") / "lua" / "indexes.lua").read_text("utf-8")
_CLAIMS: Final = (files("redis_models") / "lua" / "index_claims.lua").read_text("utf-8")
_CLAIMS_USED: Final = "indexes.holder_of("
# What not every script needs, and a function that those call which do.
_PIECES: Final = tuple(
    ((files("redis_models") / "lua" / f"{name}.lua").read_text("utf-8"), used)
    for name, used in (("index_changes", "indexes.prepare("), ("index_following", "indexes.demand_all("))
)


@dataclass(frozen=True)
class TableIndexes:
    """The indexes of fields of one table, as far as this process knows.

    Attributes:
        space: Where the table's records and indexes are.
        definitions: Its indexes.
    """

    space: KeySpace
    definitions: Definitions

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The first keys of every script that writes records."""
        index, definitions = self.space.index, self.space.definitions
        if not self.definitions:
            return index, definitions
        fields = (self.space.field_index(one.name) for one in self.definitions.indexes)
        return index, definitions, self.space.others, *fields

    def script(self, plain: Script) -> Script:
        """Give the script that does what ``plain`` does for a table without indexes, and maintains these."""
        if not self.definitions:
            return plain
        script = self._scripts.get(plain.sha)
        if script is None:
            script = self._scripts[plain.sha] = _indexed(plain, self.definitions, self.space.start)
        return script

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        """Scripts that were written already, by the digest of the plain one."""
        return {}

    def command(self, plain: Script, records: Sequence[str | bytes], arguments: Sequence[Argument]) -> Command:
        """Give the call of ``script`` for records."""
        return self.script(plain).command((*self.keys, *records), arguments)


NO_INDEXES: Final = Definitions()


@dataclass(frozen=True)
class IndexedCall:
    """A call of a script that writes records, and can be made again for other indexes.

    Attributes:
        plain: The script, for a table without indexes.
        indexes: Those of the table, as this process knows them.
        keys: Keys of the records, after those of the table.
        arguments: What the script takes.
    """

    plain: Script
    indexes: TableIndexes
    keys: Sequence[str | bytes]
    arguments: Sequence[Argument]

    @cached_property
    def script(self) -> Script:
        """The script that is called."""
        return self.indexes.script(self.plain)

    @cached_property
    def command(self) -> Command:
        """The call."""
        return self.indexes.command(self.plain, self.keys, self.arguments)


def resolve_indexes(attempt: IndexedCall, reply: Reply) -> RoundTrips[Reply]:
    """Give a script's reply, even an error; if it does not know the table's indexes, call it again for these.

    Raises:
        ConfigurationError: The definitions of the indexes are not readable.
        ConflictError: They keep changing, or the key of an index holds something else.
    """
    for _ in range(_TRIES):
        if not is_of_other_indexes(reply):
            found = reply
            if isinstance(found, list):
                parts = cast("list[object]", found)
                if parts[:2] == [b"REFUSED", b"FIELD INDEX"]:
                    raise damaged_index_error(text_of(cast(bytes, parts[4])))
            return reply
        attempt = replace(attempt, indexes=(yield from learn_indexes(attempt.indexes.space)))
        [reply] = yield from call(attempt.script, [attempt.command])
    raise changing_indexes_error(attempt.indexes.space)


def known_indexes(space: KeySpace) -> TableIndexes:
    """Give the indexes that a table had when this process last learned of them; at first none.

    Wrong knowledge costs a round trip and no more: the fence refuses what is written by it.
    """
    found: TableIndexes | None = vars(space).get(_KNOWN)  # beside its cached properties
    return _remember(space, NO_INDEXES) if found is None else found


def learn_indexes(space: KeySpace) -> RoundTrips[TableIndexes]:
    """Read the definitions of a table's indexes, and remember them for its scripts.

    Raises:
        ConfigurationError: They are not readable, or a newer version of the library wrote them.

    Cost:
        One round trip.
    """
    return _remember(space, (yield from read_indexes(space)))


def read_indexes(space: KeySpace) -> RoundTrips[Definitions]:
    """Read the definitions of a table's indexes.

    Raises:
        ConfigurationError: As ``learn_indexes``.
    """
    [reply] = yield [("HMGET", space.definitions, "digest", "document", "states")]
    if isinstance(reply, ResponseError) and "WRONGTYPE" in str(reply):
        raise _unreadable(space, "it is not a hash")
    digest, document, states = cast("list[bytes | None]", check([reply])[0])
    if digest is None and document is None and states is None:
        return NO_INDEXES
    try:
        definitions = read_definitions(document or b"")
    except ValueError as exc:
        raise _unreadable(space, str(exc)) from None
    if (digest or b"").decode("utf-8", "replace") != definitions.digest:
        raise _unreadable(space, "its digest is not that of its document")
    return definitions


def is_of_other_indexes(reply: object) -> bool:
    """Whether a script wrote nothing because the table has other indexes than it was made for."""
    return isinstance(reply, list) and cast("list[object]", reply)[:2] == [b"REFUSED", b"INDEXES"]


def changing_indexes_error(space: KeySpace) -> DataError:
    """Give the error of definitions that are other ones each time."""
    return ConflictError(
        space.definitions,
        "nothing was written: the definitions of this table's indexes keep changing; try again, and if it stays so,"
        " look for processes that build indexes in turn",
    )


def damaged_index_error(key: str) -> DataError:
    """Give the error of a key that should hold an index of fields and holds something else."""
    reason = (
        "is not a sorted set, hence no index of fields; nothing was written. Look with 'TYPE {0}', and rename that key"
    )
    return ConflictError(key, reason.format(key))


def _remember(space: KeySpace, definitions: Definitions) -> TableIndexes:
    known = TableIndexes(space, definitions)
    vars(space)[_KNOWN] = known
    return known


def _unreadable(space: KeySpace, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the definitions of indexes at {space.definitions!r} are not readable, so this table cannot be written:"
        f" {reason}; use the release of redis_models that wrote them, or 'DEL {space.definitions}' and build the"
        " indexes again"
    )


def _indexed(plain: Script, definitions: Definitions, start: str) -> Script:
    head, end, body = plain.source.partition(_FENCE)
    if not end:
        raise ValueError("the script has no fence")
    parts = [part for index in definitions.indexes for shape in index.shapes.values() for part in shape or ()]
    pieces = "".join(piece for piece, used in _PIECES if used in body)
    if any(index.is_unique for index in definitions.indexes) and _CLAIMS_USED in pieces + body:
        pieces = _CLAIMS + pieces
    source = f"{head}{lua_of(parts)}{_tables(definitions, start)}{_INDEXES}{pieces}{body}"
    return Script(source, plain.is_repeatable)


def _tables(definitions: Definitions, start: str) -> str:
    """Write what indexes.lua needs to know."""
    indexes = definitions.indexes
    shapes = [shape for index in indexes for shape in index.shapes.values() if shape]
    sources = list(dict.fromkeys(part.field for shape in shapes for part in shape))
    places = {name: place for place, name in enumerate(sources, 1)}
    boundaries = {since for index in indexes for since in (*index.shapes, index.through + 1)}
    versions = sorted(boundaries, reverse=True)
    rows = [
        f"{{{', '.join([str(since), *(_shape(index, since, places) for index in indexes)])}}}" for since in versions
    ]
    return (
        f"local digest, start = {_quoted(definitions.digest)}, {_quoted(start)}\n"
        f"local asked = {{{', '.join(map(_quoted, (*sources, STAMP)))}}}\n"
        f"local places = {{{', '.join(f'[{_quoted(name)}] = {place}' for name, place in places.items())}}}\n"
        f"local unique = {{{', '.join(_boolean(index.is_unique) for index in indexes)}}}\n"
        f"local shapes = {{{', '.join(rows)}}}\n"
    )


def _shape(index: Index, version: int, places: dict[str, int]) -> str:
    parts = index.parts_at(version)
    return "false" if parts is None else f"{{{', '.join(_part(part, places) for part in parts)}}}"


def _part(part: Part, places: dict[str, int]) -> str:
    flags = f"{_boolean(part.is_optional)}, {_boolean(part.folds_case)}"
    return f"{{{places[part.field]}, encoders.{part.kind}, {flags}}}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _quoted(text: str) -> str:
    """Write text as Lua does; its bytes as numbers, so that none of them means something else."""
    return "'" + "".join(_letters(text.encode("utf-8", "surrogateescape"))) + "'"


def _letters(raw: bytes) -> Iterable[str]:
    for byte in raw:
        is_plain = 32 <= byte < 127 and byte not in b"'\\"
        yield chr(byte) if is_plain else f"\\{byte:03d}"
