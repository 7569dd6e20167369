"""Moving: give records other keys, once each of them has the version that these keys belong to.

The old key tells the new one, unless the primary key itself is another: then its field does. A record is moved by one
script, whole, with its life spans, and only where nothing lies yet. So every message may be sent again, a second walk
finds only what is left, and no key is ever made of one that was made already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final, NamedTuple, cast

from redis_models.batches import Argument, Batches, call, check, load_script
from redis_models.errors import ConflictError, LockedError, RecordError
from redis_models.keys import KeySpace
from redis_models.secrecy import MASK
from redis_models.shape import STAMP, is_plain

from .outcomes import Failure, Fence, Outcome, is_another_type
from .route import Route
from .schema import ModelSchema

__all__ = ["Move", "move_records", "refuse_foreign_index"]

_MOVE: Final = load_script("redis_models.migrations", "permissions", "once", "stamp", "move", is_repeatable=True)
_AT_ONCE: Final = 45  # records a script: two keys each, and three more
_TRIES: Final = 8


@dataclass(frozen=True)
class Move:
    """What a moving pass has to do.

    Attributes:
        route: The way of the records.
        keys: Where they lie, or some of them.
        after: The model whose keys they are to have.
        follows_field: Whether new keys are made of a field, because the primary key is another, or of another type.
        vacant_below: Where no run can have brought records under the new keys yet, the version from which on newer code
            writes them there; else 0.
        later: What the primary key is called at later versions, as long as keys stay made of it.
    """

    route: Route
    keys: KeySpace
    after: ModelSchema
    follows_field: bool
    vacant_below: int = 0
    later: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def target(self) -> int:
        """The version that they must have by then."""
        return self.after.version

    @property
    def label(self) -> str:
        """What the pass is called."""
        return f"{self.route.model} from {self.keys.start}* to {self.after.keys.start}*"

    @cached_property
    def fields(self) -> Mapping[int, str]:
        """By the versions of records that are moved, the fields that new keys are made of; "" where old keys do."""
        if not self.follows_field:
            return {self.target: ""}
        own = {self.target: self.after.primary_key}
        return {**self.later, **own} if self.route.leaves_newer else own

    @property
    def takes_all_newer(self) -> bool:
        """Whether a record of any later version is moved too, even of one not known here: its key tells where."""
        return self.route.leaves_newer and not self.follows_field

    def is_left(self, version: int) -> bool:
        """Whether a record of some version stays where it is: its key is made of a field that is no matter here yet."""
        return self.route.is_done(version, self.target) and version not in self.fields

    def is_there(self, key: str) -> bool:
        """Whether a key is one that records are to have, so that it is left alone."""
        return self.keys.start != self.after.keys.start and self.after.keys.owns(key)

    def key_by_key(self, key: bytes) -> bytes | None:
        """Make a new key of the old one; None for one that would not come back the same."""
        text = key.decode("utf-8", "surrogateescape")
        primary_key = self.keys.primary_key(text)
        if self.keys.record(primary_key) != text:
            return None
        return self.after.keys.record(primary_key).encode("utf-8", "surrogateescape")

    def key_by_field(self, raw: bytes | None) -> bytes:
        """Make a new key of what a record holds as its primary key.

        Raises:
            ValueError: No key can be made of it.
        """
        name = self.after.primary_key
        if raw is None:
            raise ValueError(f"it has no {name}, of which its key is made")
        one = self.after.field(name)
        try:
            value = one.codec.decode(raw)
        except ValueError as exc:
            held = MASK if self.route.conceals(name, raw) else repr(raw[:40])
            raise ValueError(f"its {name} holds {held}, which is no {one.type}; mend it first") from exc
        value = cast(object, value.value) if isinstance(value, Enum) else value
        if not is_plain(value):
            shown = MASK if self.route.conceals(name, raw) else f"{value!r:.60}"
            raise ValueError(f"its {name} is {shown}, of which no key can be made; give it text, a number or a UUID")
        text = str(value)
        if not text:
            raise ValueError(f"its {name} is empty, and its key is made of that")
        return self.after.keys.record(text).encode("utf-8", "surrogateescape")

    def twins(self, key: bytes, rivals: Sequence[KeySpace]) -> Iterator[bytes]:
        """Give the keys in other places of which the same new key would be made as of this one."""
        primary_key = self.keys.primary_key(key.decode("utf-8", "surrogateescape"))
        for keys in rivals:
            yield keys.record(primary_key).encode("utf-8", "surrogateescape")


def move_records(fence: Fence, move: Move, keys: Sequence[bytes]) -> Batches[Outcome]:
    """Move some records, those that are at their version; the others are for a pass to bring there first.

    Where newer records are left as they are, they are moved too, with what they hold.

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


def refuse_foreign_index(move: Move) -> Batches[None]:
    """Look at both indexes of a move, before anything is written.

    Raises:
        ConflictError: One is no sorted set.
    """
    places = (move.keys, move.after.keys)
    for keys, reply in zip(places, (yield [("ZCARD", keys.index) for keys in places]), strict=True):
        if is_another_type(reply):
            raise _no_index(keys)


def _move_once(fence: Fence, move: Move, keys: Sequence[bytes], outcome: Outcome) -> Batches[list[bytes]]:
    """Move records; give those whose primary key was changed in between."""
    held: Mapping[bytes, _Held] = dict.fromkeys(keys, _BY_KEY)
    if move.follows_field:
        held = yield from _held(move, keys, outcome)
    contested: list[bytes] = []
    pairs = list(_pairs(move, held, outcome))
    for name in dict.fromkeys(move.fields.values()):
        versions = [version for version, other in move.fields.items() if other == name]
        for chunk in _chunks([(key, target) for key, target in pairs if held[key].name == name]):
            least = move.target if move.takes_all_newer else ""
            arguments: list[Argument] = [fence.epoch, least, len(versions), *versions, name]
            arguments += [held[key].raw for key, _ in chunk if name]
            places = [one for pair in chunk for one in pair]
            command = _MOVE.command([fence.lease_key, move.keys.index, move.after.keys.index, *places], arguments)
            [reply] = check((yield from call(_MOVE, [command])))
            for (key, target), letter in zip(chunk, _letters(move, reply), strict=True):
                if letter == "C":
                    contested.append(key)
                else:
                    _count(outcome, key, target, letter)
    return contested


class _Held(NamedTuple):
    """What the new key of a record is made of: a field, and what it held; no field where the old key does."""

    name: str
    raw: bytes


_BY_KEY: Final = _Held("", b"")


def _held(move: Move, keys: Sequence[bytes], outcome: Outcome) -> Batches[dict[bytes, _Held]]:
    names = list(dict.fromkeys(move.fields.values()))
    replies = yield [("HMGET", key, STAMP, *names) for key in keys]
    there = check((yield [("EXISTS", key) for key in keys]))
    held: dict[bytes, _Held] = {}
    for key, reply, is_there in zip(keys, replies, there, strict=True):
        if is_another_type(reply):
            _count(outcome, key, b"", "T")
            continue
        stamp, *values = cast("list[bytes | None]", reply)
        version = _version_of(move, stamp)
        if not is_there:
            outcome.gone += 1
        elif move.is_left(version):
            outcome.skipped += 1
        elif version not in move.fields:
            _count(outcome, key, b"", "V")
        else:
            name = move.fields[version]
            raw = values[names.index(name)]
            if raw is None:
                _fail(outcome, key, f"it has no {name}, of which its key is made; give it one")
            else:
                held[key] = _Held(name, raw)
    return held


def _version_of(move: Move, stamp: bytes | None) -> int:
    """Give the version of a stamp; one that no record can have where the files know none."""
    try:
        return move.route.version_of(stamp)
    except RecordError:
        return -1


def _pairs(move: Move, held: Mapping[bytes, _Held], outcome: Outcome) -> Iterator[tuple[bytes, bytes]]:
    for key, (name, raw) in held.items():
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


def _letters(move: Move, reply: object) -> str:
    letters = cast(bytes, reply).decode()
    if letters == "FENCED":
        raise LockedError.lost()
    if letters.startswith("INDEX"):
        raise _no_index(move.keys if letters == "INDEX 2" else move.after.keys)
    return letters


def _no_index(keys: KeySpace) -> ConflictError:
    return ConflictError(
        keys.index,
        f"the index of the keys {keys.start}* is no sorted set; if pydantic-aioredis wrote it, run 'adopt' with the"
        " code that has these keys, otherwise give what lies there another key",
    )


def _count(outcome: Outcome, key: bytes, target: bytes, letter: str) -> None:
    if letter == "A":
        outcome.changed += 1
    elif letter == "G":
        outcome.gone += 1
    elif letter == "X":
        _fail(outcome, key, f"its new key {_text(target)} is taken; move one of the two out of the way")
    elif letter == "T":
        _fail(outcome, key, "the key holds no hash; move it out of the model's prefix, or delete it")
    else:
        outcome.contested += 1  # somebody wrote it at another version after the pass that rewrote it


def _fail(outcome: Outcome, key: bytes, reason: str) -> None:
    outcome.failures.append(Failure(_text(key), reason))


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
