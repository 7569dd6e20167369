"""Moving: give records other keys, once each of them has the version that these keys belong to.

The old key tells the new one, unless the primary key itself is another: then its field does. A record is moved by one
script, whole, with its life spans, and only where nothing lies yet. So every message may be sent again, a second walk
finds only what is left, and no key is ever made of one that was made already.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from itertools import pairwise
from typing import Final, cast

from redis_models.batches import Argument, Batches, Reply, call, check, hash_of, load_script
from redis_models.errors import ConflictError, LockedError, RecordError
from redis_models.keys import KeySpace
from redis_models.shape import STAMP

from .rewriting import Failure, Fence, Outcome
from .route import Route
from .schema import ModelSchema

__all__ = ["Collisions", "Move", "look_for_collisions", "move_records"]

_MOVE: Final = load_script("redis_models.migrations", "move")
_AT_ONCE: Final = 45  # records a script: two keys each, and three more
_TRIES: Final = 8
_SHOWN: Final = 10


@dataclass(frozen=True)
class Move:
    """What a moving pass has to do.

    Attributes:
        route: The way of the records.
        keys: Where they lie, or some of them.
        after: The model whose keys they are to have.
        follows_field: Whether new keys are made of a field, because the primary key is another, or of another type.
    """

    route: Route
    keys: KeySpace
    after: ModelSchema
    follows_field: bool

    @property
    def target(self) -> int:
        """The version that they must have by then."""
        return self.after.version

    @property
    def label(self) -> str:
        """What the pass is called."""
        return f"{self.route.model} from {self.keys.start}* to {self.after.keys.start}*"

    def text_of(self, raw: bytes) -> str:
        """Give the text of a primary key as its record's key has it."""
        value = self.after.field(self.after.primary_key).codec.decode(raw)
        return str(cast(object, value.value) if isinstance(value, Enum) else value)

    def is_there(self, key: str) -> bool:
        """Whether a key is one that records are to have, so that it is left alone."""
        return self.keys.start != self.after.keys.start and self.after.keys.owns(key)


@dataclass
class Collisions:
    """Keys that more than one record would have. Grows while records are met.

    Attributes:
        found: The first of them, with what is wrong.
        digests: Of keys that were made of fields, to find two alike; eight bytes a record.
        suspects: Digests that were met more than once, each with the keys that have it, found in a second walk; SCAN
            may give one key twice.
    """

    found: list[str] = field(default_factory=list[str])
    digests: "array[int]" = field(default_factory=lambda: array("Q"))
    suspects: dict[int, set[bytes]] = field(default_factory=dict[int, set[bytes]])

    def suspect_twins(self) -> bool:
        """Find digests that were met twice; tell whether there are any, so that a second walk is needed."""
        seen = sorted(self.digests)
        self.digests = array("Q")
        self.suspects = {one: set() for one, other in pairwise(seen) if one == other}
        return bool(self.suspects)

    def tell_twins(self) -> None:
        """Note the keys that are to become one, after the second walk."""
        for keys in self.suspects.values():
            if len(keys) > 1:
                self.note(f"{' and '.join(sorted(map(_text, keys)))} would become one")

    def note(self, what: str) -> None:
        """Note a collision, if it is one of the first."""
        if len(self.found) < _SHOWN:
            self.found.append(what)


def look_for_collisions(move: Move, keys: Sequence[bytes], collisions: Collisions) -> Batches[None]:
    """Note which of some records cannot have their new keys; nothing is written."""
    left = [key for key in keys if not move.is_there(_text(key))]
    targets = yield from _targets_on_paper(move, left, collisions)
    pairs = [(key, target) for key, target in targets.items() if target != key]
    replies = check((yield [("EXISTS", target) for _, target in pairs])) if pairs else []
    for (key, target), reply in zip(pairs, replies, strict=True):
        if reply:
            collisions.note(f"{_text(key)} → {_text(target)}, where something lies already")
    if move.follows_field:
        for key, target in targets.items():
            digest = int.from_bytes(blake2b(target, digest_size=8).digest())
            if digest in collisions.suspects:
                collisions.suspects[digest].add(key)
            else:
                collisions.digests.append(digest)


def _targets_on_paper(move: Move, keys: Sequence[bytes], collisions: Collisions) -> Batches[dict[bytes, bytes]]:
    """Give the keys that records would have, were they at their version."""
    if not move.follows_field:
        return {key: target for key in keys if (target := _by_key(move, key)) is not None}
    replies = yield [("HGETALL", key) for key in keys]
    targets: dict[bytes, bytes] = {}
    for key, reply in zip(keys, replies, strict=True):
        if _is_no_hash(reply):
            continue  # the pass will say so
        found = hash_of(reply)
        if not found:
            continue  # it ended or was deleted since the walk met it
        try:
            record = move.route.rewrite(found, move.target).fields
            targets[key] = _by_field(move, record.get(move.after.primary_key))
        except RecordError:
            continue  # the pass will stop there
        except ValueError as exc:
            collisions.note(f"{_text(key)}: {exc}")
    return targets


def move_records(fence: Fence, move: Move, keys: Sequence[bytes]) -> Batches[Outcome]:
    """Move some records, those that are at their version; the others are for a pass to bring there first.

    Raises:
        LockedError: The lease is somebody else's by now; nothing was moved by the script that found out.
        ConflictError: What lies at an index is no sorted set.
    """
    outcome = Outcome()
    left: Sequence[bytes] = [key for key in keys if not move.is_there(_text(key))]
    for _ in range(_TRIES):
        if not left:
            return outcome
        left = yield from _move_once(fence, move, left, outcome)
    outcome.contested += len(left)
    return outcome


def _move_once(fence: Fence, move: Move, keys: Sequence[bytes], outcome: Outcome) -> Batches[list[bytes]]:
    """Move records; give those whose primary key was changed in between."""
    held: Mapping[bytes, bytes] = {}
    if move.follows_field:
        held = yield from _held(move, keys, outcome)
    contested: list[bytes] = []
    for chunk in _chunks(list(_pairs(move, keys, held, outcome))):
        name = move.after.primary_key if move.follows_field else ""
        arguments: list[Argument] = [fence.epoch, move.target, name, *(held[key] for key, _ in chunk if name)]
        places = [one for pair in chunk for one in pair]
        command = _MOVE.command([fence.lease_key, move.keys.index, move.after.keys.index, *places], arguments)
        [reply] = check((yield from call(_MOVE, [command])))
        for (key, target), letter in zip(chunk, _letters(move, reply), strict=True):
            if letter == "C":
                contested.append(key)
            else:
                _count(outcome, move, key, target, letter)
    return contested


def _held(move: Move, keys: Sequence[bytes], outcome: Outcome) -> Batches[dict[bytes, bytes]]:
    replies = yield [("HMGET", key, STAMP, move.after.primary_key) for key in keys]
    there = check((yield [("EXISTS", key) for key in keys]))
    held: dict[bytes, bytes] = {}
    for key, reply, is_there in zip(keys, replies, there, strict=True):
        if _is_no_hash(reply):
            _count(outcome, move, key, b"", "T")
            continue
        stamp, raw = cast("list[bytes | None]", reply)
        if not is_there:
            outcome.gone += 1
        elif (stamp or b"1") != b"%d" % move.target:
            _count(outcome, move, key, b"", "V")
        elif raw is None:
            _fail(outcome, key, f"it has no {move.after.primary_key}, of which its key is made; give it one")
        else:
            held[key] = raw
    return held


def _pairs(
    move: Move, keys: Sequence[bytes], held: Mapping[bytes, bytes], outcome: Outcome
) -> Iterator[tuple[bytes, bytes]]:
    for key in keys:
        if not move.follows_field:
            target = _by_key(move, key)
            if target is None:
                _fail(outcome, key, "its key is not spelled as the library spells it; run 'adopt' first")
            else:
                yield key, target
        elif key in held:
            try:
                target = _by_field(move, held[key])
            except ValueError as exc:
                _fail(outcome, key, str(exc))
                continue
            if target == key:
                outcome.skipped += 1
            else:
                yield key, target


def _by_key(move: Move, key: bytes) -> bytes | None:
    """Make a new key of the old one; None for one that would not come back the same."""
    text = key.decode("utf-8", "surrogateescape")
    primary_key = move.keys.primary_key(text)
    if move.keys.record(primary_key) != text:
        return None
    return move.after.keys.record(primary_key).encode("utf-8", "surrogateescape")


def _by_field(move: Move, raw: bytes | None) -> bytes:
    name = move.after.primary_key
    if raw is None:
        raise ValueError(f"it has no {name}, of which its key is made")
    text = move.text_of(raw)
    if not text:
        raise ValueError(f"its {name} is empty, and its key is made of that")
    return move.after.keys.record(text).encode("utf-8", "surrogateescape")


def _chunks(pairs: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    for start in range(0, len(pairs), _AT_ONCE):
        yield pairs[start : start + _AT_ONCE]


def _letters(move: Move, reply: object) -> str:
    letters = cast(bytes, reply).decode()
    if letters == "FENCED":
        raise LockedError.lost()
    if letters == "INDEX":
        raise ConflictError(move.keys.index, "an index is no sorted set; run 'adopt' first")
    return letters


def _count(outcome: Outcome, move: Move, key: bytes, target: bytes, letter: str) -> None:
    if letter == "A":
        outcome.changed += 1
    elif letter == "G":
        outcome.gone += 1
    elif letter == "X":
        _fail(outcome, key, f"its new key {_text(target)} is taken; move one of the two out of the way")
    elif letter == "T":
        _fail(outcome, key, "the key holds no hash; move it out of the model's prefix, or delete it")
    elif not move.route.leaves_newer:
        outcome.contested += 1  # somebody wrote it at another version after the pass that rewrote it


def _is_no_hash(reply: Reply) -> bool:
    """Whether something else than a hash lies at a key; any other refusal is no fact about the record, and is raised."""
    if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
        check([reply])
    return isinstance(reply, Exception)


def _fail(outcome: Outcome, key: bytes, reason: str) -> None:
    outcome.failures.append(Failure(_text(key), reason))


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
