"""Rewrite records with Python in this process, and write them under compare-and-set.

Every function is a generator of command batches. Results are given for each record; a single record
raises nothing, so that it never hides the others.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast

from redis_models.client.commands import (
    Argument,
    Command,
    Reply,
    RoundTrips,
    call_again,
    check,
    hash_of,
    load_script,
    pipelined,
)
from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.errors import RecordError
from redis_models.mapping.stored_field import STAMP
from redis_models.records.indexed_scripts import IndexedCall, known_indexes, resolve_indexes

from ..chain.upgrade_path import UpgradePath
from ..edits.record_edit import RecordEdit
from ..keyspace.results import Failure, Fence, Outcome, RewriteResult, is_another_type, letters_of

__all__ = ["replace", "rewrite_here"]

_TRIES: Final = 8  # of a record that another client writes between our read and our write
_REPLACE: Final = load_script(
    "redis_models.migrations", "permissions", "once", "ttl", "fence", "compare_and_set", is_repeatable=True
)


def rewrite_here(
    fence: Fence, path: UpgradePath, target: int, keys: Sequence[bytes], at_once: int, *, is_unthrottled: bool = False
) -> RoundTrips[Outcome]:
    """Bring records to a version with Python, each under compare-and-set.

    A record that another client writes between our read and our write is read and computed again, at most eight times.

    Args:
        fence: Of the caller's lease.
        path: The upgrade path.
        target: Version to reach.
        keys: The records.
        at_once: How many records a script takes, at most 100.
        is_unthrottled: Whether to keep the server busy all the time: it writes some records and reads others while
            the next are computed.

    Raises:
        LockedError: Another runner holds the lease now; no record was changed by the script that found out.
    """
    outcome, left = Outcome(), keys
    if is_unthrottled and len(keys) > at_once:
        left = yield from _rewrite_pipelined(fence, path, target, keys, at_once, outcome)
    for _ in range(_TRIES):
        if not left:
            return outcome
        replies = yield _asking(path, target, left)
        drafts = yield from _drafts(path, target, left, replies, outcome)
        left = yield from replace(fence, target, drafts, at_once, outcome)
    outcome.contested += len(left)
    return outcome


def _rewrite_pipelined(
    fence: Fence, path: UpgradePath, target: int, keys: Sequence[bytes], at_once: int, outcome: Outcome
) -> RoundTrips[list[bytes]]:
    """Try each record once; give the keys of those that another client wrote meanwhile.

    What is sent while some records are computed writes those before them, and reads those after them.
    """
    chunks = [keys[start : start + at_once] for start in range(0, len(keys), at_once)]
    contested: list[bytes] = []
    computed: list[_Write] = []
    sent: list[_Write] = []
    replies = yield from pipelined(_asking(path, target, chunks[0]))
    for chunk, following in zip(chunks, [*chunks[1:], ()], strict=True):
        # The replies to what was sent before are there from here on.
        commands = [write.call.command for write in computed]
        later = yield from pipelined([*commands, *_asking(path, target, following)])
        contested += yield from _written(sent, replies[: len(sent)], outcome)
        drafts = yield from _drafts(path, target, chunk, replies[len(sent) :], outcome)
        sent, computed, replies = computed, _writes(fence, target, drafts, at_once), later
    yield from replies.wait()
    contested += yield from _written(sent, replies, outcome)
    last = yield [write.call.command for write in computed]
    return contested + (yield from _written(computed, last, outcome))


def replace(
    fence: Fence, target: int, drafts: Mapping[bytes, RecordEdit], at_once: int, outcome: Outcome
) -> RoundTrips[list[bytes]]:
    """Write drafts, each only if the record is unchanged; give the keys of records that another client changed."""
    contested: list[bytes] = []
    for write in _writes(fence, target, drafts, at_once):
        contested += yield from _written([write], (yield [write.call.command]), outcome)
    return contested


class _Write(NamedTuple):
    """A call of the script, and the records that it writes."""

    keys: Sequence[bytes]
    call: IndexedCall


def _writes(fence: Fence, target: int, drafts: Mapping[bytes, RecordEdit], at_once: int) -> list[_Write]:
    groups: dict[_Shape, list[bytes]] = {}
    last, group = None, list[bytes]()
    for key, draft in drafts.items():
        if last is None or not last.is_of(draft):
            shape = _shape_of(draft, fence.has_field_lives is not False)
            last, group = _Latest(draft, shape.sets), groups.setdefault(shape, [])
        group.append(key)
    writes: list[_Write] = []
    indexes = known_indexes(fence.space)
    for shape, keys in groups.items():
        for start in range(0, len(keys), at_once):
            chunk = keys[start : start + at_once]
            arguments: list[Argument] = [fence.epoch, target, fence.flag, *shape.arguments]
            for key in chunk:
                arguments += shape.values(drafts[key])
            # A caller without a lease may lack the right to its key, so the key of a record takes its place.
            keys_of_call = [fence.lease_key or chunk[0], *chunk]
            writes.append(_Write(chunk, IndexedCall(_REPLACE, indexes, keys_of_call, arguments)))
    return writes


def _written(writes: Sequence[_Write], replies: list[Reply], outcome: Outcome) -> RoundTrips[list[bytes]]:
    """Count the results of calls; give the keys of the records that another client wrote."""
    contested: list[bytes] = []
    for script in {write.call.script for write in writes}:
        places = [place for place, write in enumerate(writes) if write.call.script == script]
        found = [replies[place] for place in places]
        yield from call_again(script, [writes[place].call.command for place in places], found)
        for place, reply in zip(places, found, strict=True):
            replies[place] = reply
    for (keys, attempt), first in zip(writes, check(replies), strict=True):
        [reply] = check([(yield from resolve_indexes(attempt, first))])
        contested += outcome.count_all(keys, letters_of(reply), retried=RewriteResult.CONFLICT)
    return contested


class _Shape(NamedTuple):
    """In which fields a record is compared and changed; most records of a batch share it, so it is sent once.

    Attributes:
        reads, present: Fields to compare, and whether each was present.
        sets, removes: Fields to write and to delete.
        carried: Target and source of each TTL of a field to carry.
        ttl_changes: Changes of the record's TTL, as the edit has them.
        ends: How many such changes are taken back.
    """

    reads: tuple[str, ...]
    present: tuple[bool, ...]
    sets: tuple[str, ...]
    removes: tuple[str, ...]
    carried: tuple[tuple[str, str], ...]
    ttl_changes: tuple[tuple[str, int, str], ...]
    ends: int

    @property
    def arguments(self) -> list[Argument]:
        """What all the records share, as ``lua/compare_and_set.lua`` reads it."""
        arguments: list[Argument] = [len(self.reads)]
        for name, was_present in zip(self.reads, self.present, strict=True):
            arguments += [bytes_of(name), int(was_present)]
        arguments += [len(self.sets), *map(bytes_of, self.sets), len(self.removes), *map(bytes_of, self.removes)]
        arguments.append(len(self.carried))
        for target, source in self.carried:
            arguments += [bytes_of(target), bytes_of(source)]
        arguments.append(len(self.ttl_changes))
        for ttl_change in self.ttl_changes:
            arguments += ttl_change
        arguments.append(self.ends)
        return arguments

    def values(self, draft: RecordEdit) -> list[bytes]:
        """Bytes of one record: what was read and present, in order, then what is set, then what its TTL was."""
        original, fields = draft.original, draft.fields
        found = [original[name] for name in self.reads if name in original]
        found += [fields[name] for name in self.sets]
        return [*found, *draft.ttl_restores] if draft.ttl_restores else found


class _Latest:
    """The shape that was made last. Most records have the shape of the record before, which is quicker to compare.

    Args:
        draft: What it was made of.
        sets: Fields that are written.
    """

    def __init__(self, draft: RecordEdit, sets: Sequence[str]) -> None:
        self._draft, self._sets, self._order = draft, list(sets), list(draft.written)
        self._is_plain = not (draft.ttl_changes or draft.ttl_restores or draft.popped_undo)

    def is_of(self, draft: RecordEdit) -> bool:
        """Whether another draft has that very shape; False where that is not plain to see."""
        mine, original, fields, moved = self._draft, draft.original, draft.fields, draft.moved
        return (
            self._is_plain
            and not (draft.ttl_changes or draft.ttl_restores or draft.popped_undo)
            and draft.touched == mine.touched
            and draft.written == mine.written
            and draft.stored_undo == mine.stored_undo
            and moved == mine.moved
            and original.keys() == mine.original.keys()
            and fields.keys() == mine.fields.keys()
            and self._sets
            == [
                name for name in self._order if name in fields and (name in moved or original.get(name) != fields[name])
            ]
            + [name for name in mine.stored_undo if name in fields]
        )


def _shape_of(draft: RecordEdit, has_field_ttls: bool) -> _Shape:
    original, reads, sets = draft.original, tuple(draft.reads), draft.sets
    carried: list[tuple[str, str]] = []
    if has_field_ttls:
        origin = draft.moved.get
        carried = [(name, source) for name in sets if (source := origin(name, name)) in original]
    present = tuple([name in original for name in reads])
    removes, restores = tuple(draft.removes), len(draft.ttl_restores)
    return _Shape(reads, present, tuple(sets), removes, tuple(carried), draft.ttl_changes, restores)


def _asking(path: UpgradePath, target: int, keys: Sequence[bytes]) -> list[Command]:
    """Give what reads the fields of records that the path needs, or all of them."""
    names = path.names_before(target)
    return [("HGETALL", key) if names is None else ("HMGET", key, *names) for key in keys]


def _drafts(
    path: UpgradePath, target: int, keys: Sequence[bytes], replies: Sequence[Reply], outcome: Outcome
) -> RoundTrips[dict[bytes, RecordEdit]]:
    """Rewrite records in memory; those that need nothing, or cannot be, go into ``outcome`` at once."""
    drafts: dict[bytes, RecordEdit] = {}
    for key, record in (yield from _records(path.names_before(target), keys, replies, outcome)):
        try:
            if path.is_done(path.version_of(record.get(STAMP)), target):
                outcome.skipped += 1
            else:
                drafts[key] = path.rewrite(record, target)
        except RecordError as exc:
            outcome.failures.append(Failure(text_of(key), str(exc)))
    return drafts


def _records(
    names: Sequence[str] | None, keys: Sequence[bytes], replies: Sequence[Reply], outcome: Outcome
) -> RoundTrips[list[tuple[bytes, dict[str, bytes]]]]:
    """Give the named fields of records, or all of them; other keys go into ``outcome``."""
    records: list[tuple[bytes, dict[str, bytes]]] = []
    unclear: list[bytes] = []
    for key, reply in zip(keys, replies, strict=True):
        if is_another_type(reply):
            outcome.count(key, RewriteResult.WRONG_TYPE)
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
        again = yield [("HGETALL", key) for key in unclear]
        records += yield from _records(None, unclear, again, outcome)
    return records
