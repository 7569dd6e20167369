"""Rename keys: give records other keys, once each of them has the version that these keys belong to.

The old key tells the new one, unless the primary key itself is another: then its field does. A record is moved by one
script, whole, with each TTL, and only to a key that does not exist. So every message may be sent again, a second scan
finds only what is left, and no key is ever made of one that was made already.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, cast

from redis_models.client.commands import Argument, Reply, RoundTrips, call, check, load_script
from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.errors import ConflictError, RecordError
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.stored_field import STAMP
from redis_models.records.build_indexes import copy_indexes
from redis_models.records.indexed_scripts import (
    IndexedCall,
    TableIndexes,
    changing_indexes_error,
    is_of_other_indexes,
    known_indexes,
    learn_indexes,
    resolve_indexes,
)

from ..keyspace.results import HASH_EXPECTED, Failure, Fence, Outcome, is_another_type, unfenced, unknown_result
from ..planner.passes import RenameKeysPass

__all__ = ["move_records", "refuse_foreign_index"]

_MOVE: Final = load_script(
    "redis_models.migrations", "permissions", "once", "stamp", "fence", "rename_key", is_repeatable=True
)


class RenameResult(StrEnum):
    """What the script did with a record; it gives the letter."""

    RENAMED = "A"
    GONE = "G"  # deleted or expired meanwhile
    WRONG_TYPE = "T"  # not a hash
    KEY_TAKEN = "X"  # another record has the new key
    OTHER_VERSION = "V"
    CONFLICT = "C"  # the field of which the new key is made was changed after it was read


_AT_ONCE: Final = 45  # records a script: two keys each, and three more
_TRIES: Final = 8


def move_records(fence: Fence, move: RenameKeysPass, keys: Sequence[bytes]) -> RoundTrips[Outcome]:
    """Give records their new keys, if they have the target version; a pass brings the others there first.

    Where newer records stay as they are, they get new keys, too.

    Raises:
        LockedError: Another runner holds the lease now; that script renamed nothing.
        ConflictError: The key of an index holds another type than a sorted set.
    """
    outcome = Outcome()
    left: Sequence[bytes] = [key for key in keys if not move.is_there(text_of(key))]
    for _ in range(_TRIES):
        if not left:
            return outcome
        left = yield from _move_once(fence, move, left, outcome)
    outcome.contested += len(left)
    return outcome


def refuse_foreign_index(move: RenameKeysPass) -> RoundTrips[None]:
    """Look at both indexes of a pass, before anything is written.

    Raises:
        ConflictError: One holds another type than a sorted set.
    """
    places = (move.keys, move.after.keys)
    for keys, reply in zip(places, (yield [("ZCARD", keys.index) for keys in places]), strict=True):
        if is_another_type(reply):
            raise _not_an_index(keys)


def _move_once(fence: Fence, move: RenameKeysPass, keys: Sequence[bytes], outcome: Outcome) -> RoundTrips[list[bytes]]:
    """Rename keys; give those of records whose primary key was changed in between."""
    found: Mapping[bytes, _Held] = dict.fromkeys(keys, _BY_KEY)
    if move.follows_field:
        found = yield from _held(move, keys, outcome)
    contested: list[bytes] = []
    pairs = list(_pairs(move, found, outcome))
    for name in dict.fromkeys(move.fields.values()):
        versions = [version for version, other in move.fields.items() if other == name]
        for chunk in _chunks([(key, target) for key, target in pairs if found[key].name == name]):
            least = move.target if move.takes_all_newer else ""
            start = len(bytes_of(move.keys.start))
            arguments: list[Argument] = [fence.epoch, least, len(versions), *versions, name, start]
            arguments += [found[key].raw for key, _ in chunk if name]
            places = [key for pair in chunk for key in pair]
            reply = yield from _call(fence, move, places, arguments)
            for (key, target), letter in zip(chunk, _letters(move, reply), strict=True):
                if letter == RenameResult.CONFLICT:
                    contested.append(key)
                else:
                    _count(outcome, key, target, letter)
    return contested


def _call(
    fence: Fence, move: RenameKeysPass, places: Sequence[bytes], arguments: Sequence[Argument]
) -> RoundTrips[Reply]:
    """Call the script, for the indexes of the table after; the first record brings those of the table before there."""
    indexes = known_indexes(move.after.keys)
    for _ in range(_TRIES):
        before = TableIndexes(move.keys, indexes.definitions).keys
        attempt = IndexedCall(_MOVE, indexes, [fence.lease_key, *before, *places], arguments)
        [reply] = check((yield from call(attempt.script, [attempt.command])))
        if not is_of_other_indexes(reply):
            return (yield from resolve_indexes(attempt, reply))
        yield from copy_indexes(move.keys, move.after.keys)
        indexes = yield from learn_indexes(move.after.keys)
    raise changing_indexes_error(move.after.keys)


class _Held(NamedTuple):
    """What the new key of a record is made of: a field, and what it held; no field where the old key does."""

    name: str
    raw: bytes


_BY_KEY: Final = _Held("", b"")


def _held(move: RenameKeysPass, keys: Sequence[bytes], outcome: Outcome) -> RoundTrips[dict[bytes, _Held]]:
    names = list(dict.fromkeys(move.fields.values()))
    replies = yield [("HMGET", key, STAMP, *names) for key in keys]
    there = check((yield [("EXISTS", key) for key in keys]))
    found: dict[bytes, _Held] = {}
    for key, reply, is_there in zip(keys, replies, there, strict=True):
        if is_another_type(reply):
            _count(outcome, key, b"", RenameResult.WRONG_TYPE)
            continue
        stamp, *values = cast("list[bytes | None]", reply)
        version = _version_of(move, stamp)
        if not is_there:
            outcome.gone += 1
        elif move.is_left(version):
            outcome.skipped += 1
        elif version not in move.fields:
            _count(outcome, key, b"", RenameResult.OTHER_VERSION)
        else:
            name = move.fields[version]
            raw = values[names.index(name)]
            if raw is None:
                _fail(outcome, key, f"it has no {name}, of which its key is made; give it one")
            else:
                found[key] = _Held(name, raw)
    return found


def _version_of(move: RenameKeysPass, stamp: bytes | None) -> int:
    """Give the version of a stamp; one that no record can have where the files know none."""
    try:
        return move.path.version_of(stamp)
    except RecordError:
        return -1


def _pairs(move: RenameKeysPass, found: Mapping[bytes, _Held], outcome: Outcome) -> Iterator[tuple[bytes, bytes]]:
    for key, (name, raw) in found.items():
        if not name:
            target = move.key_by_key(key)
            if target is None:
                _fail(outcome, key, "its key is not spelled as the library spells it; run 'adopt' first")
            else:
                yield key, target
            continue
        try:
            target = move.key_by_field(raw)
        except ValueError as exc:
            _fail(outcome, key, str(exc))
            continue
        if target == key:
            outcome.skipped += 1
        else:
            yield key, target


def _chunks(pairs: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    for start in range(0, len(pairs), _AT_ONCE):
        yield pairs[start : start + _AT_ONCE]


def _letters(rename_pass: RenameKeysPass, reply: object) -> str:
    letters = cast(bytes, unfenced(reply)).decode()
    if letters.startswith("INDEX"):
        raise _not_an_index(rename_pass.keys if letters == "INDEX 2" else rename_pass.after.keys)
    return letters


def _not_an_index(keys: KeySpace) -> ConflictError:
    return ConflictError(
        keys.index,
        f"the index of the keys {keys.start}* is not a sorted set; if pydantic-aioredis wrote it, run 'adopt' with the"
        " code that has these keys, otherwise give what lies there another key",
    )


def _count(outcome: Outcome, key: bytes, target: bytes, letter: str) -> None:
    match letter:
        case RenameResult.RENAMED:
            outcome.changed += 1
        case RenameResult.GONE:
            outcome.gone += 1
        case RenameResult.KEY_TAKEN:
            _fail(outcome, key, f"its new key {text_of(target)} is taken; rename or delete one of the two records")
        case RenameResult.WRONG_TYPE:
            _fail(outcome, key, HASH_EXPECTED)
        case RenameResult.OTHER_VERSION:  # written at another version after the pass that rewrote it
            outcome.contested += 1
        case _:
            raise unknown_result(key, letter)


def _fail(outcome: Outcome, key: bytes, reason: str) -> None:
    outcome.failures.append(Failure(text_of(key), reason))
