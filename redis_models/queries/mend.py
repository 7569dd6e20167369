"""Mend indexes: remove members that a query met and whose record is gone, or has another entry by now; tell damage.

Nothing fails because of it. What a query leaves behind, the next one meets.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ..client.commands import Argument, Command, RoundTrips, call, check, load_script
from ..encoding.raw_text import bytes_of, text_of
from ..errors import DataError, IndexDamagedError, ServerError
from ..indexes.definitions import Definitions, Part
from ..indexes.entries import beginning, entry
from ..mapping.mapper import Mapper
from ..mapping.stored_field import STAMP, stored_version
from ..records.read import SWEEP_CHUNK, index_after
from .streams import Hit

__all__ = ["damage_of", "mend", "mend_others"]

_MOST: Final = 200  # members that one script looks at again
_MEND: Final = load_script("redis_models", "mend", is_repeatable=True)


def mend(mapper: Mapper[Any], definitions: Definitions, hits: Sequence[Hit]) -> RoundTrips[None]:
    """Remove members of indexes whose records are gone or have other entries, if that is still so.

    Args:
        mapper: The model.
        definitions: The indexes of its table.
        hits: What indexes named, and records did not confirm.

    Cost:
        Two round trips, and one script for every 200 members.
    """
    by_index: dict[str, list[Hit]] = {}
    for hit in hits:
        if hit[2].index_key:
            by_index.setdefault(hit[2].index_key, []).append(hit)
    names = {mapper.keys.field_index(index.name): index.name for index in definitions.indexes}
    commands: list[Command] = []
    try:
        for index_key, found in by_index.items():
            shapes = definitions.index(names.get(index_key, ""))
            if shapes is None:
                continue
            fields = list(dict.fromkeys(part.field for parts in shapes.shapes.values() for part in parts or ()))
            replies = yield [("HMGET", key, STAMP, *fields) for key, _, _ in found]
            stale: list[tuple[Hit, Sequence[bytes | None]]] = []
            for hit, reply in zip(found, replies, strict=True):
                if isinstance(reply, list):  # else the key does not hold a hash
                    raws = cast("list[bytes | None]", reply)
                    stored = dict(zip(fields, raws[1:], strict=True))
                    if not _is_entry(hit, shapes.parts_at(stored_version(hit[0], raws[0])), stored):
                        stale.append((hit, raws))
            for start in range(0, len(stale), _MOST):
                commands.append(_command(index_key, [STAMP, *fields], stale[start : start + _MOST]))
        if commands:
            yield from call(_MEND, commands)
    except (DataError, ServerError):
        return


def mend_others(mapper: Mapper[Any], keys: Sequence[str]) -> RoundTrips[None]:
    """Take records out of the list of others that do not exist, if that is still so."""
    start = len(mapper.start)
    commands = [
        _MEND.command([mapper.keys.others, *chunk], [0, *(bytes_of(key[start:]) for key in chunk)])
        for chunk in (keys[first : first + _MOST] for first in range(0, len(keys), _MOST))
    ]
    try:
        if commands:
            yield from call(_MEND, commands)
    except ServerError:
        return


def damage_of(
    mapper: Mapper[Any], definitions: Definitions, index_key: str, others: Sequence[bytes]
) -> RoundTrips[IndexDamagedError | None]:
    """Give the error of an index that is empty, although there is a record that must be in it."""
    start = len(mapper.start)
    apart = {text_of(member) for member in others}
    page = yield from index_after(mapper, None, SWEEP_CHUNK)
    keys = [key for key in page if key[start:] not in apart]
    there = check((yield [("EXISTS", key) for key in keys])) if keys else []
    alive = [key for key, exists in zip(keys, there, strict=True) if exists]
    if not alive:
        return None
    key, other = alive[0], bytes_of(alive[0][start:])
    before, size, listed, after = check(
        (yield [("EXISTS", key), ("ZCARD", index_key), ("ZSCORE", mapper.keys.others, other), ("EXISTS", key)])
    )
    if before and after and size == 0 and listed is None:
        name = next(index.name for index in definitions.indexes if mapper.keys.field_index(index.name) == index_key)
        return IndexDamagedError(mapper.model.__name__, name, index_key)
    return None


def _is_entry(hit: Hit, parts: tuple[Part, ...] | None, stored: Mapping[str, bytes | None]) -> bool:
    """Whether a member is that of the record as it is stored."""
    texts: list[bytes] = []
    for part in parts or ():
        raw = stored[part.field]
        found = None if raw is None else entry(part, raw)
        if found is None:
            return False
        texts.append(found.text)
    start = beginning(texts)
    return parts is not None and hit[1].startswith(start) and hit[1][len(start) :][:1] != b"\xff"


def _command(index_key: str, names: Sequence[str], stale: Sequence[tuple[Hit, Sequence[bytes | None]]]) -> Command:
    arguments: list[Argument] = [len(names), *names]
    for hit, raws in stale:
        arguments.append(hit[1])
        for raw in raws:
            arguments += ("", "") if raw is None else ("1", raw)
    return _MEND.command([index_key, *(hit[0] for hit, _ in stale)], arguments)
