"""Verify: read every record of an app through its model, and compare its index with the records.

Does not change records. An interrupted verification resumes at its checkpoint, if the server was not restarted and the
migrations are the same. A verification of all models stores a receipt.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast

from redis_models.client.commands import Argument, RoundTrips, call, check, hash_of, load_script
from redis_models.encoding.raw_text import text_of
from redis_models.errors import (
    NOT_A_HASH,
    IncompleteError,
    MigrationError,
    ServerDiskError,
    ServerOutOfMemoryError,
    ServerReadOnlyError,
    ServerRefusedError,
)
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.mapper import Mapper
from redis_models.model import Model
from redis_models.records.read import index_error

from ..chain.chain import Chain
from ..chain.lineage import lineages_of
from ..executor.progress import Progress
from ..files.model_constraints import digest_of_constraints
from ..keyspace.batch_size import ReadSize
from ..keyspace.results import is_another_type
from ..keyspace.sampling import sample
from ..keyspace.scan import index_size
from ..keyspace.server_facts import server_run_id
from ..planner.plan import is_automatic, make_plan
from ..schema.snapshot import Snapshot
from ..state.quarantine import Quarantine
from ..state.receipts import ReceiptStore, Scope, UnfinishedVerification, VerificationReceipt
from ..state.store import StateStore
from ..state.tally import Kind, Tally, Verdict
from .record_check import judge, torn_records

__all__ = ["Subject", "Verification", "look_at_some", "scope_of", "subjects_of", "unverified", "verify"]

_INDEX: Final = load_script("redis_models.migrations", "permissions", "once", "check_index", is_repeatable=True)
_PAGE: Final = 1000  # keys that SCAN looks at in one step
_AT_ONCE: Final = 200  # keys a round trip
_CHECKED: Final = 100  # entries of an index that one script looks at
_CHECKPOINT_S: Final = 2.0
_CURE: Final = "; 'verify --repair-index' removes it from the index and leaves the key as it is"
_NO_WRITING: Final = (ServerDiskError, ServerOutOfMemoryError, ServerReadOnlyError, ServerRefusedError)
_RECORDS, _MEMBERS, _FORMER = 0, 1, 2  # scans of a model; one more for each key space that it had before


@dataclass(frozen=True)
class Subject:
    """A model whose records are read.

    Attributes:
        shape: Of the model.
        former: Key spaces that it had before.
        others: Fields that it only has at other versions.
    """

    shape: Mapper[Any]
    former: tuple[KeySpace, ...] = ()
    others: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.shape.model.__name__

    @property
    def spaces(self) -> tuple[KeySpace, ...]:
        """Where its records are and were."""
        return (self.shape.keys, *self.former)

    def owns(self, key: str) -> bool:
        """Whether a key is, or was, one of its records'."""
        return any(space.owns(key) for space in self.spaces)


@dataclass
class Verification:
    """One verification. Used by one task.

    Args:
        receipts: Where its receipt is stored.
        scope: What it covers.
        subjects: All models of the app, or some.
        report: Called after every page.
        is_whole: These are all models, so that it leaves a receipt.
        is_repairing: Repair the index.
        clock: Seconds, for checkpoints.
        began_at: ISO instant, UTC.
        tallies: What was found, by model.
        total: How many records the current model has, by its index.
    """

    receipts: ReceiptStore
    scope: Scope
    subjects: Sequence[Subject]
    report: Callable[[Progress], None]
    is_whole: bool = True
    is_repairing: bool = False
    clock: Callable[[], float] = time.monotonic
    began_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    _saved_at: float = field(default=0.0, init=False)
    total: int = field(default=0, init=False)

    def saved(self, model: str, scan_number: int, cursor: str) -> RoundTrips[None]:
        """Store how far it is, if the last one is some seconds old."""
        tally = self.tallies[model]
        self.report(Progress(model, tally.records, sum(tally.problems.values()), max(self.total, tally.records)))
        if self.is_whole and self.clock() - self._saved_at >= _CHECKPOINT_S:
            documents = {name: tally.document for name, tally in self.tallies.items()}
            self._saved_at = self.clock()
            with suppress(*_NO_WRITING):  # a verification works without the right to write
                unfinished = UnfinishedVerification(self.scope, self.began_at, model, scan_number, cursor, documents)
                yield from self.receipts.save(unfinished)
                if (yield from server_run_id()) != self.scope.run_id:  # another server than it reads
                    yield from self.receipts.forget()


def subjects_of(chain: Chain, shapes: Sequence[Mapper[Any]]) -> list[Subject]:
    """Give the subjects of a verification of some models of an app."""
    former, named = dict[str, tuple[KeySpace, ...]](), dict[str, set[str]]()
    for lineage in lineages_of(chain):
        spaces = {model.keys.start: model.keys for model in lineage.schemas.values()}
        spaces.pop(lineage.latest.keys.start, None)
        former[lineage.latest.keys.start] = tuple(spaces.values())
        named[lineage.latest.keys.start] = {field.name for model in lineage.schemas.values() for field in model.fields}
    return [
        Subject(shape, former.get(start, ()), frozenset(named.get(start, ())) - set(shape.names))
        for shape in shapes
        for start in (shape.keys.start,)
    ]


def scope_of(store: StateStore, chain: Chain, models: Iterable[type[Model]]) -> RoundTrips[Scope]:
    """Give what a verification would cover now.

    Args:
        store: Bookkeeping of the app.
        chain: Its files.
        models: All its models.

    Raises:
        DriftError: The database holds what the files do not say.
        IncompleteError: A run of ``migrate`` did not end.
        MigrationError: Migrations are not applied.
    """
    state = yield from store.read()
    if state.journal is not None:
        raise IncompleteError(f"{chain.app}: a run is active or unfinished; run 'migrate' to finish it first")
    newest, run_id = (yield from store.newest_run()), (yield from server_run_id())
    accepts = digest_of_constraints(models)
    if is_automatic(chain, state):
        return Scope(0, cast(Snapshot, state.snapshot).fingerprint, newest, run_id, accepts)
    plan = make_plan(chain, state, chain.head_position)
    if plan.start != plan.target:
        pending, verb = (
            ", ".join(migration.name for migration in plan.applied),
            "is" if len(plan.applied) == 1 else "are",
        )
        raise MigrationError(f"{chain.app}: {pending} {verb} not applied yet; run 'migrate' first")
    return Scope(plan.start, chain.snapshots[plan.start].fingerprint, newest, run_id, accepts)


def unverified(store: StateStore, chain: Chain, models: Iterable[type[Model]]) -> RoundTrips[str | None]:
    """Say why no receipt shows that the records of an app are valid now; None if one does.

    Raises:
        As ``scope_of``.
    """
    receipt = yield from ReceiptStore(store.namespace, store.app).receipt()
    if receipt is None:
        return "its records were never verified"
    return receipt.objection((yield from scope_of(store, chain, models)), datetime.now(UTC))


def verify(job: Verification, start: UnfinishedVerification | None = None) -> RoundTrips[VerificationReceipt]:
    """Read all records, and give a receipt.

    Args:
        job: What to read; its tallies are filled in.
        start: Where to resume.

    Keys:
        Reads records and indexes of the models; writes ``verification`` of the app if all are read, and indexes if
        they are repaired. Store the receipt with ``ReceiptStore.settle`` if ``scope_of`` has not changed.

    Cost:
        For each model a SCAN of the database and one of its index; two round trips for each 200 records, or for 4 MB.
    """
    scan_number, cursor, done = _RECORDS, "0", set[str]()
    if start is not None:
        job.began_at = start.began_at
        job.tallies = {name: Tally.of(document) for name, document in start.tallies.items()}
        scan_number, cursor, done = start.walk, start.cursor, set(job.tallies) - {start.model}
    for subject in job.subjects:
        if subject.name in done:
            continue
        complaint = yield from _complaint(subject.shape)
        if subject.name not in job.tallies:
            scan_number, cursor = _RECORDS, "0"
            tally = job.tallies[subject.name] = Tally()
            if complaint is not None:
                tally.note(complaint)
            is_first = job.is_whole and subject is job.subjects[0]
            strangers = job.subjects if is_first else ()
            yield from _note_quarantined(job.receipts, subject, tally, strangers)
        else:  # they are counted already
            quarantined = yield from Quarantine(job.receipts.namespace, job.receipts.app).waiting()
            job.tallies[subject.name].in_quarantine.update(quarantined)
        job.total = yield from index_size(subject.shape.keys)
        for number in range(scan_number, _FORMER + len(subject.former)):
            if number != _MEMBERS or complaint is None:
                yield from _scan(job, subject, number, cursor)
            cursor = "0"
        scan_number = _RECORDS
    return _receipt(job)


def look_at_some(receipts: ReceiptStore, subject: Subject, limit: int) -> RoundTrips[Tally]:
    """Judge some random records of a model, and count those in quarantine; the index is not checked.

    Cost:
        Two round trips for each 20 records.
    """
    tally = Tally()
    yield from _note_quarantined(receipts, subject, tally)
    found = yield from sample(subject.shape.keys, limit)
    keys = list(found.records)
    ttls = check((yield [("PTTL", key) for key in keys])) if keys else []
    for key, ttl_ms in zip(keys, ttls, strict=True):
        tally.records += 1
        for verdict in judge(subject.shape, key, found.records[key], cast(int, ttl_ms), subject.others):
            tally.note(verdict)
    for verdict in (yield from torn_records(subject.shape, found.records, subject.others)):
        tally.note(verdict)
    return tally


def _receipt(job: Verification) -> VerificationReceipt:
    problems, notes = dict[str, int](), dict[str, int]()
    for tally in job.tallies.values():
        for found, sums in ((tally.problems, problems), (tally.notes, notes)):
            for kind, count in found.items():
                sums[kind] = sums.get(kind, 0) + count
    records = {name: tally.records for name, tally in job.tallies.items()}
    return VerificationReceipt(
        job.scope, job.began_at, datetime.now(UTC).isoformat(timespec="seconds"), records, problems, notes
    )


def _scan(job: Verification, subject: Subject, number: int, cursor: str) -> RoundTrips[None]:
    keys, tally, read_size = subject.shape.keys, job.tallies[subject.name], ReadSize()
    is_first = True
    while is_first or cursor != "0":
        is_first = False
        command: tuple[Argument, ...]
        if number == _MEMBERS:
            command = ("ZSCAN", keys.index, cursor, "COUNT", _PAGE)
        else:
            space = keys if number == _RECORDS else subject.former[number - _FORMER]
            command = ("SCAN", cursor, "MATCH", space.pattern, "COUNT", _PAGE)
        [reply] = check((yield [command]))
        following, found = cast("tuple[bytes, list[bytes]]", reply)
        page = list(dict.fromkeys(found[::2] if number == _MEMBERS else found))
        for batch in read_size.of(page) if number == _RECORDS else _chunks(page, _AT_ONCE):
            if number == _RECORDS:
                read_size.met((yield from _judge(job, subject, tally, batch)))
            elif number == _MEMBERS:
                yield from _check_members(job, subject, tally, batch)
            else:
                yield from _find_left(subject.former[number - _FORMER], tally, batch)
        cursor = following.decode()
        yield from job.saved(subject.name, number + (cursor == "0"), cursor)


def _judge(
    job: Verification, subject: Subject, tally: Tally, page: Sequence[bytes]
) -> RoundTrips[list[Mapping[str, bytes]]]:
    """Judge some records, and give those that exist."""
    shape = subject.shape
    keys = [key for key in page if shape.keys.owns(text_of(key))]
    if not keys:
        return []
    commands = [(("HGETALL", key), ("PTTL", key), ("ZSCORE", shape.keys.index, key)) for key in keys]
    replies = yield [command for three in commands for command in three]
    found, suspects = dict[str, Mapping[str, bytes]](), list[bytes]()
    for key, fields, ttl, score in zip(keys, replies[::3], replies[1::3], replies[2::3], strict=True):
        if is_another_type(fields):
            tally.note(Verdict(Kind.TYPE, text_of(key), NOT_A_HASH))
            continue
        record = hash_of(check([fields])[0])
        if not record:
            continue  # deleted or expired since SCAN found it
        ttl_ms = cast(int, check([ttl])[0])
        tally.records += 1
        tally.ending += ttl_ms != -1
        found[text_of(key)] = record
        if not is_another_type(score) and (score is None or float(cast(bytes, score)) != 0):
            suspects.append(key)
        for verdict in judge(shape, text_of(key), record, ttl_ms, subject.others):
            tally.note(verdict)
    for verdict in (yield from torn_records(shape, found, subject.others)):
        tally.note(verdict)
    yield from _settle(job, subject, tally, suspects)
    return list(found.values())


def _check_members(job: Verification, subject: Subject, tally: Tally, members: Sequence[bytes]) -> RoundTrips[None]:
    """Look for members of an index that have no record."""
    keys = subject.shape.keys
    strangers = [member for member in members if not keys.owns(text_of(member))]
    for member in strangers:
        _note_or_repaired(
            job,
            tally,
            Verdict(Kind.FOREIGN, text_of(member), f"is in {keys.index}, but is not a key of its model{_CURE}"),
        )
    if strangers and job.is_repairing:
        check((yield [("ZREM", keys.index, *strangers)]))
    own = [member for member in members if keys.owns(text_of(member))]
    if own:
        replies = check((yield [("TYPE", member) for member in own]))
        yield from _settle(
            job, subject, tally, [member for member, kind in zip(own, replies, strict=True) if kind != b"hash"]
        )


def _settle(job: Verification, subject: Subject, tally: Tally, suspects: Sequence[bytes]) -> RoundTrips[None]:
    """Check suspects in one script, because records come and go; repair the index if asked."""
    keys = subject.shape.keys
    # An expired record leaves its key in the index, which is harmless: reads skip it and remove it.
    gone = Kind.ENDED if subject.shape.ttl is not None or tally.ending else Kind.DANGLING
    kinds = {1: Kind.UNINDEXED, 2: gone, 3: Kind.MISPLACED, 4: Kind.FOREIGN}
    reasons = {
        1: f"is not in {keys.index}, so select() does not find it",
        2: f"is in {keys.index}, but the record does not exist",
        3: f"is in {keys.index} with a score other than 0, so pages may miss it",
        4: f"is in {keys.index}, but {NOT_A_HASH}{_CURE}",
    }
    for batch in _chunks(suspects, _CHECKED):
        command = _INDEX.command([keys.index, *batch], ["1" if job.is_repairing else "0"])
        [reply] = check((yield from call(_INDEX, [command])))
        for key, found in zip(batch, cast("list[int]", reply), strict=True):
            if found:
                _note_or_repaired(job, tally, Verdict(kinds[found], text_of(key), reasons[found]))


def _note_or_repaired(job: Verification, tally: Tally, verdict: Verdict) -> None:
    if job.is_repairing:
        tally.repaired += 1
    else:
        tally.note(verdict)


def _find_left(space: KeySpace, tally: Tally, page: Sequence[bytes]) -> RoundTrips[None]:
    keys = [key for key in page if space.owns(text_of(key))]
    if not keys:
        return
    for key, reply in zip(keys, check((yield [("TYPE", key) for key in keys])), strict=True):
        if reply == b"hash":
            reason = f"has the old prefix {space.start} of its model; run 'migrate --stragglers'"
            tally.note(Verdict(Kind.LEFT, text_of(key), reason))


def _note_quarantined(
    receipts: ReceiptStore, subject: Subject, tally: Tally, others: Sequence[Subject] = ()
) -> RoundTrips[None]:
    """Count the quarantined records of a model; with ``others``, also those that belong to none of them."""
    quarantined = yield from Quarantine(receipts.namespace, receipts.app).waiting()
    for key, entry in quarantined.items():
        if subject.owns(key) or (others and not any(other.owns(key) for other in others)):
            tally.note(Verdict(Kind.QUARANTINE, key, entry.reason))


def _complaint(shape: Mapper[Any]) -> RoundTrips[Verdict | None]:
    """Say that the key of an index does not hold a sorted set; None if it does, or does not exist."""
    [reply] = check((yield [("TYPE", shape.keys.index)]))
    if reply in (b"zset", b"none"):
        return None
    return Verdict(Kind.INDEX, shape.keys.index, str(index_error(shape)).removeprefix(f"{shape.keys.index}: "))


def _chunks(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
