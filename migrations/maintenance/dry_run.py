"""Dry run: rewrite real records in memory as a run would, and write nothing.

Every version step runs in Python here, also those that the server would execute; both give the same bytes.
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
from ..keyspace.results import HASH_EXPECTED, Failure, is_another_type
from ..keyspace.sampling import sample
from ..keyspace.scan import index_size, scan
from ..planner.explain import Line, lines_of
from ..planner.passes import RewritePass
from ..planner.plan import Plan
from ..state.quarantine import Quarantine, QuarantinePolicy
from ..state.tally import Kind
from .record_check import judge

__all__ = ["Example", "Rehearsal", "refused_by", "rehearse"]

_SHOWN: Final = 10  # failures that are listed; all are counted
_EXAMPLES: Final = 3
Refuses = Callable[[RewritePass, str, Mapping[str, bytes]], "str | None"]


@dataclass(frozen=True)
class Example:
    """One record, before and after.

    Attributes:
        key: Of the record.
        lines: Its fields.
    """

    key: str
    lines: tuple[Line, ...]


@dataclass
class Rehearsal:
    """Result of a dry run of one pass. Filled while records are read.

    Attributes:
        rewrite_pass: The pass.
        records: How many were read; the few that SCAN returns twice count twice.
        changed: How many would be rewritten.
        failed: How many cannot be rewritten.
        failures: The first of these, with the reasons.
        examples: The first that would be rewritten.
        refuses: Says why the code could not read a record afterwards; None if it could, or has another version.
        unreadable: How many records the code could not read.
        refused: The first of these, with the reasons.
    """

    rewrite_pass: RewritePass
    refuses: Refuses
    records: int = 0
    changed: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])
    examples: list[Example] = field(default_factory=list[Example])
    unreadable: int = 0
    refused: list[Failure] = field(default_factory=list[Failure])

    def meet(self, key: str, record: Mapping[str, bytes]) -> None:
        """Rewrite a record, in memory, to the version of the pass."""
        path, target = self.rewrite_pass.path, self.rewrite_pass.target
        self.records += 1
        try:
            if path.is_done(path.version_of(record.get(STAMP)), target):
                self._read(key, record)
                return
            after = path.rewrite(record, target).fields
            path.check_widened(record, after, target)
        except RecordError as exc:
            self.fail(key, str(exc))
            return
        self.changed += 1
        self._read(key, after)
        if len(self.examples) < _EXAMPLES:
            self.examples.append(Example(key, lines_of(record, after, path.conceals)))

    def _read(self, key: str, record: Mapping[str, bytes]) -> None:
        reason = self.refuses(self.rewrite_pass, key, record)
        if reason is not None:
            self.unreadable += 1
            if len(self.refused) < _SHOWN:
                self.refused.append(Failure(key, reason))

    def fail(self, key: str, reason: str) -> None:
        """Count a record that cannot be rewritten."""
        self.failed += 1
        if len(self.failures) < _SHOWN:
            self.failures.append(Failure(key, reason))


def refuses_nothing(rewrite_pass: RewritePass, key: str, record: Mapping[str, bytes]) -> str | None:
    """Do not check whether the code can read a record."""
    return None


def refused_by(shapes: Iterable[Mapper[Any]]) -> Refuses:
    """Give a function that says why the models of the code could not read a record."""
    known = {(shape.model.__name__, shape.version): shape for shape in shapes}

    def refuses(rewrite_pass: RewritePass, key: str, record: Mapping[str, bytes]) -> str | None:
        shape = known.get((rewrite_pass.path.model, rewrite_pass.target))
        if shape is None or record.get(STAMP, b"1") != shape.stamp:
            return None
        return next((found.reason for found in judge(shape, key, record, 0) if found.kind is Kind.UNREADABLE), None)

    return refuses


def rehearse(
    plan: Plan,
    quarantine: Quarantine,
    limit: int | None,
    report: Callable[[Progress], None],
    refuses: Refuses = refuses_nothing,
) -> RoundTrips[tuple[list[Rehearsal], str | None]]:
    """Execute a plan in memory.

    Args:
        plan: The plan.
        quarantine: Of the app.
        limit: How many random records of each pass; None for all.
        report: Called after every page.
        refuses: Of ``refused_by``.

    Returns:
        The result of each pass; and why keys could not be renamed, which is only checked if all records are read.

    Raises:
        ConflictError: The key of an index does not hold a sorted set.

    Cost:
        For each pass a SCAN of the database, and a round trip for each 200 records, or for 4 MB; for renamed keys the
        same check as in a run.
    """
    passes = [Rehearsal(rewrite_pass, refuses) for rewrite_pass in plan.passes]
    for rehearsal in passes:
        if limit is None:
            yield from _read_all(rehearsal, report)
        else:
            found = yield from sample(rehearsal.rewrite_pass.keys, limit)
            for key, record in found.records.items():
                rehearsal.meet(key, record)
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
    """Renew no lease: nothing is written."""
    yield from ()


def _read_all(rehearsal: Rehearsal, report: Callable[[Progress], None]) -> RoundTrips[None]:
    total, cursor, read_size = (yield from index_size(rehearsal.rewrite_pass.keys)), "", ReadSize()
    while cursor != "0":
        cursor, page = yield from scan(cursor or "0", rehearsal.rewrite_pass.keys)
        for keys in read_size.of(page):
            records: list[Mapping[str, bytes]] = []
            for key, reply in zip(keys, (yield [("HGETALL", key) for key in keys]), strict=True):
                text = text_of(key)
                if is_another_type(reply):
                    rehearsal.records += 1
                    rehearsal.fail(text, HASH_EXPECTED)
                elif record := hash_of(check([reply])[0]):
                    rehearsal.meet(text, record)
                    records.append(record)
            read_size.met(records)
        report(
            Progress(rehearsal.rewrite_pass.label, rehearsal.records, rehearsal.changed, max(total, rehearsal.records))
        )
