"""Build the indexes that a model declares, while others read and write its records.

First the definitions: from then on every write maintains the index, by whatever process. Then one whole scan enters
the records that lie there. Then the index is ready for queries. Each step may be repeated, by any process.
"""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from redis.exceptions import ResponseError

from ..client.commands import RoundTrips, call, check, load_script
from ..encoding.raw_text import bytes_of, text_of
from ..errors import ConfigurationError, ConflictError, DuplicateValuesError
from ..indexes.declarations import definitions_of
from ..indexes.definitions import Definitions, Index, Part
from ..mapping.keys import KeySpace
from ..mapping.mapper import Mapper
from ..store import Upgrader
from .indexed_scripts import NO_INDEXES, TableIndexes, damaged_index_error, is_of_other_indexes, learn_indexes

__all__ = ["READY", "build_indexes", "copy_indexes", "is_usable", "read_states"]

READY: Final = "ready"
_BUILDING: Final = "building"
_FILLING: Final = "filling"  # queries may use it: records that it lacks are among those without an entry
_CHUNK: Final = 100  # records a script
_SCANNED: Final = 1000  # keys that SCAN looks at in one step
_TRIES: Final = 100  # of defining while other processes define, too
_MOST_PAIRS: Final = 1000  # duplicates that one build collects
_BUILD: Final = load_script("redis_models", "permissions", "fence", "build_indexes", is_repeatable=True)
_DEFINE: Final = load_script("redis_models", "permissions", "define_indexes")


def build_indexes(
    mapper: Mapper[Any], upgrader: Upgrader | None, drop: Collection[str] = (), rebuild: Collection[str] = ()
) -> RoundTrips[list[str]]:
    """Build the indexes that a model declares and its table does not have, or has otherwise.

    Args:
        mapper: The model.
        upgrader: Knows what the fields of an index were in records of older versions; without one, these records are
            among those without an entry until they are rewritten.
        drop: Names of indexes to remove first. Others that the model does not declare stay: other code may.
        rebuild: Names of indexes of the model to empty and build anew, as after a raw write or a damage.

    Returns:
        The names of the indexes that were built.

    Raises:
        ConfigurationError: ``drop`` names an index that the model declares, or that the table does not have, or
            ``rebuild`` one that the model does not declare.
        DuplicateValuesError: Records have the same value in a unique index. It stays in building, so that no more are
            written; correct the records, and call this again.
        ConflictError: A key that an index needs holds something else.

    Cost:
        A scan of the database, and one script for every 100 records of the model; memory stays constant.
    """
    wanted = Definitions(tuple(_with_history(index, mapper, upgrader) for index in definitions_of(mapper).indexes))
    for name in drop:
        if wanted.index(name) is not None:
            raise ConfigurationError(
                f"{mapper.model.__name__} declares the index {name!r}; take it out of the model first"
            )
    for name in rebuild:
        if wanted.index(name) is None:
            raise ConfigurationError(
                f"{mapper.model.__name__} declares no index {name!r}; it declares {_names(wanted)}"
            )
    token = secrets.token_hex(8)
    yield from _define(mapper, wanted, drop, rebuild, token)
    built = set[str]()
    while True:
        run = yield from _run_id()
        table = yield from learn_indexes(mapper.keys)
        if any(table.definitions.index(index.name) is None for index in wanted.indexes):
            yield from _define(mapper, wanted, (), (), token)  # the server lost them, or another process dropped one
            continue
        states = (yield from read_states(mapper.keys))[0]
        unready = [name for name in _names(table.definitions) if states.get(name) != READY and wanted.index(name)]
        if not (unready or (drop and table.definitions)):
            return sorted(built)
        duplicates = yield from _fill(mapper, table, unready)
        if duplicates is None:
            continue  # other definitions: from the beginning
        drop = ()
        whole = [name for name in unready if name not in duplicates]
        built.update((yield from _make_ready(mapper, table.definitions, states, whole, run)))
        if duplicates:
            name, pairs = next(iter(duplicates.items()))
            index = cast(Index, table.definitions.index(name))
            fields = tuple(part.field for part in index.parts_at(mapper.version) or ())
            raise DuplicateValuesError(mapper.model.__name__, name, fields, list(pairs.values()))


def is_usable(state: str | None) -> bool:
    """Whether queries may use an index in this state."""
    return state == READY or (state or "").startswith(_FILLING)


def read_states(space: KeySpace) -> RoundTrips[tuple[dict[str, str], bytes]]:
    """Read the states of a table's indexes by their names, and as they are stored."""
    [raw] = check((yield [("HGET", space.definitions, "states")]))
    try:
        found: object = json.loads(cast("bytes | None", raw) or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"the states of indexes at {space.definitions!r} are not readable: {raw!r:.80}; 'HDEL {space.definitions}"
            " states' and build the indexes again"
        )
    return {name: str(state) for name, state in cast("dict[str, object]", found).items()}, cast(bytes, raw or b"")


def copy_indexes(source: KeySpace, target: KeySpace) -> RoundTrips[None]:
    """Define the indexes of one table for another one that has none: its records are about to move there.

    Raises:
        ConfigurationError: The definitions of one of them are not readable.
    """
    table = yield from learn_indexes(source)
    if not table.definitions or (yield from learn_indexes(target)).definitions:
        return
    states, _ = yield from read_states(source)
    yield from _set(target, NO_INDEXES, b"", table.definitions, states, ())


def _with_history(index: Index, mapper: Mapper[Any], upgrader: Upgrader | None) -> Index:
    """Give an index that also tells what it is made of in records of the versions before the model's."""
    parts = index.parts_at(mapper.version) or ()
    nothing: Mapping[int, str | None] = {}
    former = [nothing if upgrader is None else upgrader.former_names(mapper.model, part.field) for part in parts]
    shapes: dict[int, tuple[Part, ...] | None] = {1: None} if mapper.version > 1 else {}
    last: tuple[Part, ...] | None = None
    for version in sorted({version for names in former for version in names} | {mapper.version}):
        names = [
            part.field if version == mapper.version else known.get(version)
            for part, known in zip(parts, former, strict=True)
        ]
        shape = (
            None
            if None in names
            else tuple(replace(part, field=name) for part, name in zip(parts, names, strict=True) if name is not None)
        )
        if shape != last or version == 1:
            shapes[version] = last = shape
    return Index(index.name, index.is_unique, shapes, mapper.version)


def _names(definitions: Definitions) -> list[str]:
    return [index.name for index in definitions.indexes]


def _define(
    mapper: Mapper[Any], wanted: Definitions, drop: Collection[str], rebuild: Collection[str], token: str
) -> RoundTrips[None]:
    """Set the definitions that the table is to have; indexes that it did not have are building from then on."""
    for _ in range(_TRIES):
        table = yield from learn_indexes(mapper.keys)
        known = table.definitions
        states, raw = yield from read_states(mapper.keys)
        for name in drop:
            if known.index(name) is None:
                raise ConfigurationError(f"{mapper.model.__name__} has no index {name!r}; it has {_names(known)}")
        definitions, new, emptied = known, dict(states), list(drop)
        for name in drop:
            definitions = definitions.without(name)
            new.pop(name, None)
        for index in wanted.indexes:
            former, is_anew = known.index(index.name), index.name in rebuild
            if former is not None and former.through > index.through:
                index = former  # newer code knows better
            if former == index and not is_anew:
                continue
            is_anew = is_anew or former is None or not index.continues(former) or not is_usable(new.get(index.name))
            definitions = definitions.with_index(index)
            new[index.name] = f"{_BUILDING if is_anew else _FILLING} {token}"
            if is_anew:
                emptied.append(index.name)
        if (definitions, new) == (known, states) or (
            yield from _set(mapper.keys, known, raw, definitions, new, emptied)
        ):
            return
    raise ConflictError(mapper.keys.definitions, "other processes keep changing the indexes of this table; try again")


def _make_ready(
    mapper: Mapper[Any], definitions: Definitions, began: Mapping[str, str], names: Sequence[str], run: str
) -> RoundTrips[Sequence[str]]:
    """Mark indexes as ready; give those that were not so before, or none if they must be built again.

    They must be if they are not those any more whose build began, or if the server was started again since: it may have
    lost what was entered, and SCAN may have passed over records that were there all the time.
    """
    for _ in range(_TRIES):
        states, raw = yield from read_states(mapper.keys)
        unready = [name for name in names if states.get(name) != READY]
        if not unready or any(states.get(name) != began.get(name) for name in unready):
            return ()
        states |= dict.fromkeys(unready, READY)
        if (yield from _set(mapper.keys, definitions, raw, definitions, states, (), run)):
            return unready
        if (yield from learn_indexes(mapper.keys)).definitions != definitions or run != (yield from _run_id()):
            return ()
    return ()


def _set(
    space: KeySpace,
    known: Definitions,
    raw: bytes,
    definitions: Definitions,
    states: Mapping[str, str],
    emptied: Sequence[str],
    run: str = "",
) -> RoundTrips[bool]:
    """Set definitions and states if those before are still there; give whether they were."""
    text = json.dumps(dict(sorted(states.items())), separators=(",", ":"))
    keys = [space.definitions, *map(space.field_index, emptied)]
    if not (known and definitions):
        keys.append(space.others)
    arguments = (known.digest, raw, definitions.digest, definitions.document, text, run)
    [reply] = check((yield from call(_DEFINE, [_DEFINE.command(keys, arguments)])))
    return reply == b"OK"


# Redis keys of two records that have one value, by the two in their order; the second is "" for a value by itself.
_Pairs = dict[tuple[str, ...], tuple[str, str]]


def _fill(mapper: Mapper[Any], table: TableIndexes, names: Sequence[str]) -> RoundTrips[dict[str, _Pairs] | None]:
    """Enter all records that lie there; give pairs that collide, by index, or None where it must begin again."""
    pairs: dict[str, _Pairs] = {}
    cursor = b"0"
    while True:
        [reply] = check((yield [("SCAN", cursor, "MATCH", mapper.keys.pattern, "COUNT", _SCANNED)]))
        cursor, found = cast("tuple[bytes, list[bytes]]", reply)
        if not (yield from _enter(mapper, table, names, mapper.keys.owned(found), pairs)):
            return None
        if cursor == b"0":
            break
    # Those that are among the others and are gone by now, or that another index has put there which was dropped.
    start = bytes_of(mapper.keys.start)
    while True:
        [reply] = check((yield [("ZSCAN", mapper.keys.others, cursor, "COUNT", _SCANNED)]))
        cursor, scored = cast("tuple[bytes, list[bytes]]", reply)
        if not (yield from _enter(mapper, table, names, [start + name for name in scored[::2]], pairs)):
            return None
        if cursor == b"0":
            return pairs


def _enter(
    mapper: Mapper[Any], table: TableIndexes, names: Sequence[str], keys: Sequence[bytes], pairs: dict[str, _Pairs]
) -> RoundTrips[bool]:
    """Enter some records, and note pairs that collide; False where the table has other indexes now."""
    known = _names(table.definitions)
    places = [place for place, name in enumerate(known, 1) if name in names]
    chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
    commands = [table.command(_BUILD, chunk, places) for chunk in chunks]
    for reply in check((yield from call(table.script(_BUILD), commands))) if commands else ():
        if is_of_other_indexes(reply):
            return False
        collisions = cast("list[Any]", reply)
        if collisions and collisions[0] == b"REFUSED":
            raise damaged_index_error(text_of(collisions[4]))
        for place, key, holder in zip(*[iter(collisions)] * 3, strict=True):
            pair = text_of(key), text_of(holder)
            of_index = pairs.setdefault(known[cast(int, place) - 1], {})
            if len(of_index) < _MOST_PAIRS:
                of_index.setdefault((min(pair), max(pair)), pair)
    return True


def _run_id() -> RoundTrips[str]:
    """Give what names one run of the server; "" where the user may not ask."""
    [reply] = yield [("INFO", "server")]
    if isinstance(reply, ResponseError):
        return ""
    lines = text_of(reply).splitlines() if isinstance(reply, bytes) else []
    return next((line.partition(":")[2] for line in lines if line.startswith("run_id:")), "")
