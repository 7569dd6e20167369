"""Rehearsing: bring real records to where a run would bring them, in memory, and write nothing.

Every stage runs in Python here, also those that the server would do by itself; both give the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from redis_models.client.commands import RoundTrips, check, hash_of
from redis_models.encoding.raw_text import text_of
from redis_models.errors import RecordError, UnsafeError
from redis_models.mapping.mapper import Mapper
from redis_models.mapping.stored_field import STAMP

from ..executor.preflight import refuse_collisions
from ..executor.progress import Progress
from ..keyspace.batch_size import ReadSize
from ..keyspace.results import Failure, is_another_type
from ..keyspace.sampling import sample
from ..keyspace.scan import index_size, scan
from ..planner.explain import Line, lines_of
from ..planner.passes import RewritePass
from ..planner.plan import Plan
from ..state.quarantine import Quarantine, QuarantinePolicy
from ..state.tally import Kind
from .record_check import judge

__all__ = ["Example", "Rehearsal", "refused_by", "rehearse"]

_SHOWN: Final = 10  # failures that are kept to be shown; all are counted
_EXAMPLES: Final = 3
Refuses = Callable[[RewritePass, str, Mapping[str, bytes]], "str | None"]


@dataclass(frozen=True)
class Example:
    """One record, before and after.

    Attributes:
        key: Where it lies.
        lines: Its fields.
    """

    key: str
    lines: tuple[Line, ...]


@dataclass
class Rehearsal:
    """What one pass would come to. Grows while records are met.

    Attributes:
        work: The pass.
        records: How many were looked at; the few that SCAN gives twice count twice.
        changed: How many would be rewritten.
        failed: How many cannot be.
        failures: The first of these, with the reasons.
        examples: The first that would be rewritten.
        refuses: Says why the code would not read a record afterwards; None where it would, or is of another version.
        unreadable: How many records it would not read.
        refused: The first of these, with the reasons.
    """

    work: RewritePass
    refuses: Refuses
    records: int = 0
    changed: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])
    examples: list[Example] = field(default_factory=list[Example])
    unreadable: int = 0
    refused: list[Failure] = field(default_factory=list[Failure])

    def meet(self, key: str, record: Mapping[str, bytes]) -> None:
        """Bring a record to the version of the pass."""
        route, target = self.work.route, self.work.target
        self.records += 1
        try:
            if route.is_done(route.version_of(record.get(STAMP)), target):
                self._read(key, record)
                return
            after = route.rewrite(record, target).fields
            route.check_widened(record, after, target)
        except RecordError as exc:
            self.fail(key, str(exc))
            return
        self.changed += 1
        self._read(key, after)
        if len(self.examples) < _EXAMPLES:
            self.examples.append(Example(key, lines_of(record, after, route.conceals)))

    def _read(self, key: str, record: Mapping[str, bytes]) -> None:
        reason = self.refuses(self.work, key, record)
        if reason is not None:
            self.unreadable += 1
            if len(self.refused) < _SHOWN:
                self.refused.append(Failure(key, reason))

    def fail(self, key: str, reason: str) -> None:
        """Count a record that cannot be rewritten."""
        self.failed += 1
        if len(self.failures) < _SHOWN:
            self.failures.append(Failure(key, reason))


def refuses_nothing(work: RewritePass, key: str, record: Mapping[str, bytes]) -> str | None:
    """Read no record by code."""
    return None


def refused_by(shapes: Iterable[Mapper[Any]]) -> Refuses:
    """Give what says why the models of the code would not read a record."""
    known = {(shape.model.__name__, shape.version): shape for shape in shapes}

    def refuses(work: RewritePass, key: str, record: Mapping[str, bytes]) -> str | None:
        shape = known.get((work.route.model, work.target))
        if shape is None or record.get(STAMP, b"1") != shape.stamp:
            return None
        return next((one.reason for one in judge(shape, key, record, 0) if one.kind is Kind.UNREADABLE), None)

    return refuses


def rehearse(
    plan: Plan,
    quarantine: Quarantine,
    limit: int | None,
    report: Callable[[Progress], None],
    refuses: Refuses = refuses_nothing,
) -> RoundTrips[tuple[list[Rehearsal], str | None]]:
    """Do in memory what a plan would do.

    Args:
        plan: What would be done.
        quarantine: Of the app.
        limit: How many records of each pass, drawn by chance; None for all.
        report: Called after every page.
        refuses: Of ``refused_by``.

    Returns:
        What each pass would come to; and why records could not be moved, which is looked for only where all are met.

    Raises:
        ConflictError: What lies at an index is no sorted set.

    Cost:
        For each pass a SCAN of the database, and a round trip for each 200 records, or for 4 MB; for moves as a run's
        own look.
    """
    passes = [Rehearsal(work, refuses) for work in plan.works]
    for one in passes:
        if limit is None:
            yield from _meet_all(one, report)
        else:
            found = yield from sample(one.work.keys, limit)
            for key, record in found.records.items():
                one.meet(key, record)
    if limit is not None or not plan.moves:
        return passes, None
    intake = QuarantinePolicy(quarantine)
    yield from intake.begin()
    try:
        yield from refuse_collisions(_nothing, plan.moves, intake)
    except UnsafeError as exc:
        return passes, str(exc)
    return passes, None


def _nothing() -> RoundTrips[None]:
    """Keep no lease: nothing is written."""
    yield from ()


def _meet_all(one: Rehearsal, report: Callable[[Progress], None]) -> RoundTrips[None]:
    total, cursor, portions = (yield from index_size(one.work.keys)), "", ReadSize()
    while cursor != "0":
        cursor, page = yield from scan(cursor or "0", one.work.keys)
        for keys in portions.of(page):
            records: list[Mapping[str, bytes]] = []
            for key, reply in zip(keys, (yield [("HGETALL", key) for key in keys]), strict=True):
                text = text_of(key)
                if is_another_type(reply):
                    one.records += 1
                    one.fail(text, "the key holds no hash; move it out of the model's prefix, or delete it")
                elif record := hash_of(check([reply])[0]):
                    one.meet(text, record)
                    records.append(record)
            portions.met(records)
        report(Progress(one.work.label, one.records, one.changed, max(total, one.records)))
