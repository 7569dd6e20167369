"""Rewrite records: one batch of one model, in the server where it can, else here under compare-and-set.

Every function is a generator of command batches. What a batch came to is told record by record; nothing is raised for a
single record, so that one of them never hides the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from redis_models.batches import Argument, Batches, Reply, call, check, hash_of, load_script
from redis_models.errors import LockedError, RecordError
from redis_models.shape import STAMP

from .draft import Draft
from .program import Program
from .route import Route

__all__ = [
    "KEYS_A_SCRIPT",
    "Failure",
    "Fence",
    "Outcome",
    "is_another_type",
    "replace",
    "rewrite_here",
    "rewrite_in_server",
    "rewrite_rest",
]

KEYS_A_SCRIPT: Final = 100
_TRIES: Final = 8  # of a record that somebody else writes between our read and our write
_REWRITE: Final = load_script("redis_models.migrations", "lives", "rewrite")
_REPLACE: Final = load_script("redis_models.migrations", "lives", "replace")


@dataclass(frozen=True)
class Fence:
    """What makes a script refuse a caller whose lease is over, and what the script must know of the server.

    Attributes:
        lease_key: Key of the lease, or "" for a caller that needs none.
        epoch: Epoch of the caller's lease, or "" likewise.
        has_field_lives: Whether hash fields have life spans on this server; None where nobody asked it, and then the
            script finds out.
    """

    lease_key: str
    epoch: int | str
    has_field_lives: bool | None

    @property
    def flag(self) -> str:
        """What the scripts take for ``has_field_lives``."""
        return "?" if self.has_field_lives is None else "1" if self.has_field_lives else ""


@dataclass(frozen=True)
class Failure:
    """A record that could not be rewritten, and is unchanged.

    Attributes:
        key: Where it lies.
        reason: Why, and what to do.
    """

    key: str
    reason: str

    @property
    def shown(self) -> str:
        """The key, as it can be printed."""
        return self.key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass
class Outcome:
    """What came of some records.

    Attributes:
        changed: Rewritten now.
        skipped: At the target already.
        gone: Deleted or expired meanwhile.
        contested: Still written by others after all tries; to be met again in another pass.
        failures: Those that could not be rewritten.
    """

    changed: int = 0
    skipped: int = 0
    gone: int = 0
    contested: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add another outcome to this one."""
        self.changed += other.changed
        self.skipped += other.skipped
        self.gone += other.gone
        self.contested += other.contested
        self.failures += other.failures


def rewrite_in_server(
    fence: Fence, program: Program, target: int, keys: Sequence[bytes], at_once: int, *, most_are_there: bool = False
) -> Batches[Outcome]:
    """Let the server bring records up by itself.

    Args:
        fence: Of the caller's lease.
        program: For the version that most records have; those of others are done by Python.
        target: Version to reach.
        keys: The records.
        at_once: How many records a script takes, at most 100.
        most_are_there: Whether most records are expected to be at the target, so that stamps alone are asked for first.

    Raises:
        LockedError: The lease is somebody else's by now; no record was changed by the script that found out.
    """
    outcome, others = Outcome(), list[bytes]()
    for start in range(0, len(keys), at_once):
        chunk = keys[start : start + at_once]
        arguments = [fence.epoch, target, fence.flag, "1" if most_are_there else "", *program.arguments]
        command = _REWRITE.command([fence.lease_key, *chunk], arguments)
        [letters] = check((yield from call(_REWRITE, [command])))
        for key, letter in zip(chunk, _letters(letters), strict=True):
            if letter == "V":
                others.append(key)
            else:
                _count(outcome, key, letter)
    outcome.add((yield from rewrite_here(fence, program.route, target, others, at_once)))
    return outcome


def rewrite_here(fence: Fence, route: Route, target: int, keys: Sequence[bytes], at_once: int) -> Batches[Outcome]:
    """Bring records to a version by Python, each under compare-and-set.

    A record that somebody writes between our read and our write is read again and computed anew, at most eight times.
    Arguments and errors are those of ``rewrite_in_server``.
    """
    outcome = Outcome()
    left: Sequence[bytes] = keys
    for _ in range(_TRIES):
        if not left:
            return outcome
        drafts = yield from _drafts(route, target, left, outcome)
        left = yield from replace(fence, target, drafts, at_once, outcome)
    outcome.contested += len(left)
    return outcome


def rewrite_rest(fence: Fence, route: Route, target: int, keys: Sequence[bytes], at_once: int) -> Batches[Outcome]:
    """Do what ``rewrite_here`` does, where most records are expected to be at the target: read their stamps first."""
    replies = yield [("HGET", key, STAMP) for key in keys]
    at_target = b"%d" % target
    rest = [key for key, reply in zip(keys, replies, strict=True) if reply != at_target]
    outcome = yield from rewrite_here(fence, route, target, rest, at_once)
    outcome.skipped += len(keys) - len(rest)
    return outcome


def replace(
    fence: Fence, target: int, drafts: Mapping[bytes, Draft], at_once: int, outcome: Outcome
) -> Batches[list[bytes]]:
    """Write drafts, each only if what it was made of is still there; give the keys of those where it is not."""
    groups: dict[_Shape, list[bytes]] = {}
    for key, draft in drafts.items():
        groups.setdefault(_shape_of(draft, fence.has_field_lives is not False), []).append(key)
    contested: list[bytes] = []
    for shape, keys in groups.items():
        for start in range(0, len(keys), at_once):
            chunk = keys[start : start + at_once]
            arguments: list[Argument] = [fence.epoch, target, fence.flag, *shape.arguments]
            for key in chunk:
                arguments += shape.values(drafts[key])
            # Who needs no lease may have no right to its key: any of the records' will do in its place.
            command = _REPLACE.command([fence.lease_key or chunk[0], *chunk], arguments)
            [letters] = check((yield from call(_REPLACE, [command])))
            for key, letter in zip(chunk, _letters(letters), strict=True):
                if letter == "C":
                    contested.append(key)
                else:
                    _count(outcome, key, letter)
    return contested


class _Shape(NamedTuple):
    """In which fields a record is compared and changed; most records of a batch share it, so it is sent once.

    Attributes:
        reads, present: Fields to compare, and whether each was present.
        sets, removes: Fields to write and to delete.
        carried: Target and source of life spans to carry.
        lives: Changes of the record's life span, as the draft has them.
        ends: How many such changes are taken back.
    """

    reads: tuple[str, ...]
    present: tuple[bool, ...]
    sets: tuple[str, ...]
    removes: tuple[str, ...]
    carried: tuple[tuple[str, str], ...]
    lives: tuple[tuple[str, int, str], ...]
    ends: int

    @property
    def arguments(self) -> list[Argument]:
        """What all the records share, as ``lua/replace.lua`` reads it."""
        arguments: list[Argument] = [len(self.reads)]
        for name, was_present in zip(self.reads, self.present, strict=True):
            arguments += [_raw(name), int(was_present)]
        arguments += [len(self.sets), *map(_raw, self.sets), len(self.removes), *map(_raw, self.removes)]
        arguments.append(len(self.carried))
        for target, source in self.carried:
            arguments += [_raw(target), _raw(source)]
        arguments.append(len(self.lives))
        for life in self.lives:
            arguments += life
        arguments.append(self.ends)
        return arguments

    def values(self, draft: Draft) -> list[bytes]:
        """Bytes of one record: what was read and present, then what is set, then what its life span was."""
        original, fields = draft.original, draft.fields
        found = [original[name] for name in self.reads if name in original]
        found += [fields[name] for name in self.sets]
        return found + draft.ends


def _shape_of(draft: Draft, has_field_lives: bool) -> _Shape:
    original, reads, sets = draft.original, tuple(draft.reads), draft.sets
    carried: list[tuple[str, str]] = []
    if has_field_lives:
        moved = draft.moved
        carried = [(name, moved.get(name, name)) for name in sets if moved.get(name, name) in original]
    present = tuple([name in original for name in reads])
    return _Shape(
        reads, present, tuple(sets), tuple(draft.removes), tuple(carried), tuple(draft.lives), len(draft.ends)
    )


def _drafts(route: Route, target: int, keys: Sequence[bytes], outcome: Outcome) -> Batches[dict[bytes, Draft]]:
    """Read records and rewrite them in memory; those that need nothing, or cannot be, go into ``outcome`` at once."""
    drafts: dict[bytes, Draft] = {}
    for key, record in (yield from _records(route.names_before(target), keys, outcome)):
        try:
            if route.is_done(route.version_of(record.get(STAMP)), target):
                outcome.skipped += 1
            else:
                drafts[key] = route.rewrite(record, target)
        except RecordError as exc:
            outcome.failures.append(Failure(_text(key), str(exc)))
    return drafts


def _records(
    names: Sequence[str] | None, keys: Sequence[bytes], outcome: Outcome
) -> Batches[list[tuple[bytes, dict[str, bytes]]]]:
    """Read the named fields of records, or all of them; those that are no records go into ``outcome``."""
    if names is None:
        replies = yield [("HGETALL", key) for key in keys]
    else:
        replies = yield [("HMGET", key, *names) for key in keys]
    records: list[tuple[bytes, dict[str, bytes]]] = []
    unclear: list[bytes] = []
    for key, reply in zip(keys, replies, strict=True):
        if is_another_type(reply):
            _count(outcome, key, "T")
        elif names is None:
            record = hash_of(reply)
            if record:
                records.append((key, record))
            else:
                outcome.gone += 1
        else:
            pairs = zip(names, cast("list[bytes | None]", reply), strict=True)
            record = {name: raw for name, raw in pairs if raw is not None}
            if record:
                records.append((key, record))
            else:
                unclear.append(key)
    if unclear:  # gone, or a hash that has none of these fields
        records += yield from _records(None, unclear, outcome)
    return records


def is_another_type(reply: Reply) -> bool:
    """Whether a key holds another type than a command is for; any other refusal is no fact about it, and is raised."""
    if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
        check([reply])
    return isinstance(reply, Exception)


def _letters(reply: object) -> str:
    letters = cast(bytes, reply).decode()
    if letters == "FENCED":
        raise LockedError.lost()
    return letters


def _count(outcome: Outcome, key: bytes, letter: str) -> None:
    if letter == "A":
        outcome.changed += 1
    elif letter == "S":
        outcome.skipped += 1
    elif letter == "G":
        outcome.gone += 1
    else:
        outcome.failures.append(Failure(_text(key), _NO_HASH))


_NO_HASH: Final = "the key holds no hash; move it out of the model's prefix, or delete it"


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
