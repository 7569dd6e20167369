"""Adopt: take over a table that pydantic-aioredis wrote, in place, without losing a record or a TTL.

That library kept its index in a set, which expired with the record that was written last, wrote primary keys into keys
unescaped (see ``legacy_table``), and wrote no version stamp. In this order, under the lease that ``migrate`` takes too:

1. Copy the members of the set into a sorted set under another key, in batches. No client sees it.
2. One short script renames the set to ``{INDEX}:left``, and the sorted set to the index. From here on this library
   reads and writes the table, and inserts of pydantic-aioredis fail, because its SADD finds a sorted set.
3. Take over the members of ``{INDEX}:left`` one by one, so that members added during the copy are not lost.
4. Scan for records that no index has, because the set that had them expired.

If it is killed, run it again: the copy starts anew, and the other steps find what is left to do. So it stores no
checkpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from redis_models.client.client import SyncClient
from redis_models.client.commands import Argument, Reply, Script, call, check, load_script, send
from redis_models.client.drivers import run
from redis_models.encoding.raw_text import bytes_of, text_of
from redis_models.errors import ConflictError, IncompleteError
from redis_models.mapping.keys import KeySpace
from redis_models.mapping.mapper import Mapper
from redis_models.records.indexed_scripts import IndexedCall, known_indexes, resolve_indexes
from redis_models.records.read import index_error

from ..chain.lineage import upgrade_paths_of
from ..executor.progress import Progress
from ..files.loader import load_chain
from ..keyspace.results import Failure, unfenced
from ..keyspace.server_facts import server_run_id
from ..state.lease import Lease
from .legacy_table import KeyFinding, look, pages, size_of_index, state_of_index

if TYPE_CHECKING:
    from redis_models.model import Model
    from redis_models.project.apps import App

__all__ = ["Takeover", "adopt", "survey", "way_up_missing"]

_FILLS: Final = 3  # copies of the set; what is added after the last one is found in {INDEX}:left
_ROUNDS: Final = 10
_SHOWN: Final = 100  # problems that are listed; memory must not grow with the table
_ADOPT: Final = load_script("redis_models.migrations", "permissions", "once", "fence", "adopt", is_repeatable=True)
_FILL: Final = load_script("redis_models.migrations", "permissions", "adopt_fill", is_repeatable=True)
_SWAP: Final = load_script("redis_models.migrations", "permissions", "adopt_swap", is_repeatable=True)
_GONE, _CHANGED, _TAKEN = -1, -2, -3  # answers of the script

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Takeover:
    """Result of taking over one table, or of a survey of it.

    Attributes:
        model: Name of the model.
        records: How many records it has now.
        stamped: Records that got a version stamp.
        renamed: Records that got another key, because this library escapes primary keys.
        found: Records that no index had.
        dropped: Members of the old index whose record is gone.
        is_converted: The index was a set.
        is_freed: The index had a TTL.
        problems: The first records that cannot be taken over; they are unchanged.
        problem_count: How many there are.
    """

    model: str
    records: int
    stamped: int
    renamed: int
    found: int
    dropped: int
    is_converted: bool
    is_freed: bool
    problems: tuple[Failure, ...]
    problem_count: int

    @property
    def is_nothing(self) -> bool:
        """Whether nothing had to be changed, except for problems."""
        figures = (self.stamped, self.renamed, self.found, self.dropped)
        return not any(figures) and not self.is_converted and not self.is_freed


def adopt(client: SyncClient, lease: Lease, shape: Mapper[Any], *, batch_size: int, report: Report) -> Takeover:
    """Take over the table of a model.

    Args:
        client: Where it is.
        lease: Held by this process.
        shape: The model.
        batch_size: Records a script takes, 1 to 100.
        report: Called after every step.

    Returns:
        What was done. Records that cannot be taken over are listed as problems; no error is raised for them.

    Raises:
        ConflictError: The key of the index holds neither a set nor a sorted set.
        IncompleteError: Other clients change records all the time; run it again.
        LockedError: Another runner has taken over the lease.
        ServerError: The server is not available.

    Keys:
        The records and the index of the model; ``{INDEX}:filling`` and ``{INDEX}:left`` beside the index; both are
        deleted at the end, unless a member of the old index cannot be taken over.

    Cost:
        Two round trips for every 1,000 members of the set, and for every 1,000 keys of the database.
    """
    return _Adopter(client, lease, shape, batch_size, report).adopt()


def survey(client: SyncClient, shape: Mapper[Any], report: Report) -> Takeover:
    """Find out what ``adopt`` would do, and write nothing.

    Raises:
        ConflictError: As ``adopt``.
    """
    kind, ttl_ms = run(client, state_of_index(shape))
    tally = _Tally()
    for old in (shape.keys.index, shape.keys.backup_key("left")) if kind == "set" else (shape.keys.backup_key("left"),):
        for members in pages(client, ("SSCAN", old), ()):
            tally.dropped += run(client, send([("EXISTS", member) for member in members])).count(0)
    total, records = size_of_index(client, shape, kind), 0
    for keys in pages(client, ("SCAN",), ("MATCH", shape.keys.pattern)):
        for finding in run(client, look(shape, kind, keys)):
            records += finding.is_record
            tally.note(finding)
        report(Progress(shape.model.__name__, records, 0, max(total, records)))
    return tally.takeover(shape, records, is_converted=kind == "set", is_freed=ttl_ms > 0)


def way_up_missing(app: "App", model: "type[Model]") -> bool:
    """Whether a model is past version 1, the version of adopted records, and no migration leads from there to it."""
    version = model.__mapper__.version
    if version == 1:
        return False
    path = upgrade_paths_of(load_chain(app.label, app.migrations_path)).get(model.__mapper__.keys.start)
    return path is None or not {1, version} <= set(path.versions)


_Action = Literal["take", "index", "drop"]


@dataclass
class _Tally:
    """Counters of one run."""

    stamped: int = 0
    renamed: int = 0
    found: int = 0
    dropped: int = 0
    changed: int = 0
    contested: int = 0
    taken: int = 0
    problems: list[Failure] = field(default_factory=list[Failure])
    problem_count: int = 0

    def begin_round(self) -> None:
        """Reset the counters of a round."""
        self.changed = self.contested = self.taken = self.problem_count = 0
        self.problems = []

    def note(self, finding: KeyFinding) -> None:
        """Count what would be done with a key."""
        if finding.problem is not None:
            self.refuse(finding.key, finding.problem)
        elif finding.target is not None:
            self.stamped += not finding.is_stamped
            self.renamed += finding.target != finding.key
            self.found += not finding.is_listed

    def count(self, finding: KeyFinding, action: _Action, code: int) -> None:
        """Count what was done with a key."""
        if code >= 0:
            self.changed += code > 0
            self.stamped += code & 1
            self.renamed += code >> 1 & 1
            self.found += action == "take" and not finding.is_listed
        elif code == _GONE:
            self.dropped += finding.is_left
        elif code == _CHANGED:
            self.contested += 1
        else:
            self.taken += 1

    def refuse(self, key: str, reason: str) -> None:
        """Keep a problem, unless there are many."""
        self.problem_count += 1
        if len(self.problems) < _SHOWN:
            self.problems.append(Failure(key, reason))

    def takeover(self, shape: Mapper[Any], records: int, *, is_converted: bool, is_freed: bool) -> Takeover:
        """Give the result."""
        return Takeover(
            model=shape.model.__name__,
            records=records,
            stamped=self.stamped,
            renamed=self.renamed,
            found=self.found,
            dropped=self.dropped,
            is_converted=is_converted,
            is_freed=is_freed,
            problems=tuple(self.problems),
            problem_count=self.problem_count,
        )


@dataclass
class _Adopter:
    """Takes over one table under a lease. Used by one thread."""

    client: SyncClient
    lease: Lease
    shape: Mapper[Any]
    batch_size: int
    report: Report
    tally: _Tally = field(default_factory=_Tally)

    def adopt(self) -> Takeover:
        index, client, tally = self.shape.keys.index, self.client, self.tally
        kind, ttl_ms = run(client, state_of_index(self.shape))
        if kind == "set":
            self._fill()
        is_converted, is_freed = self._swap(), ttl_ms > 0
        largest = 0
        for round_ in range(_ROUNDS):
            tally.begin_round()
            run_id = run(client, server_run_id())
            self._settle()
            records = self._scan()
            # If pydantic-aioredis still runs, its SADD fails but its EXPIRE of the index succeeds: the index may have
            # expired during the scan, with all its members.
            [freed, size] = run(client, send([("PERSIST", index), ("ZCARD", index)]))
            is_freed |= freed == 1
            # Repeat if a key that was taken may be free now, if records changed in the meantime, or if the server was
            # restarted, because its cursors may skip keys then.
            # SCAN may return a record twice, and old writers insert new ones, so a few missing members do not matter in
            # the end; but an index does not shrink, and does not lack a tenth of the records.
            indexed = cast(int, size)
            is_short = indexed < records and (round_ < _FILLS or indexed < max(largest, records * 0.9))
            largest = max(largest, indexed)
            is_unsettled = tally.contested or (tally.taken and tally.changed) or is_short
            if not is_unsettled and run_id == run(client, server_run_id()):
                break
        else:
            raise IncompleteError(
                f"{self.shape.model.__name__}: other clients change records all the time;"
                " stop pydantic-aioredis, then run 'adopt' again"
            )
        return tally.takeover(self.shape, cast(int, size), is_converted=is_converted, is_freed=is_freed)

    def _fill(self) -> None:
        """Copy the set into a sorted set: records that exist, and whose keys need no escaping."""
        keys, is_first, seen = self.shape.keys, True, 0
        for _ in range(_FILLS):
            before = size_of_index(self.client, self.shape, "set")
            for members in pages(self.client, ("SSCAN", keys.index), ()):
                kinds = run(self.client, send([("TYPE", member) for member in members]))
                alive = [
                    member
                    for member, kind in zip(members, kinds, strict=True)
                    if kind == b"hash" and keys.owns(text_of(member))
                ]
                arguments = [self.lease.epoch, "1" if is_first else "", *alive]
                self._fenced(_FILL, [self.lease.key, keys.backup_key("filling")], arguments)
                is_first = False
                seen += len(members)
                self._report(seen, before)
            if size_of_index(self.client, self.shape, "set") <= before:
                return

    def _swap(self) -> bool:
        keys = self.shape.keys
        places = [self.lease.key, keys.index, keys.backup_key("filling"), keys.backup_key("left")]
        answer = self._fenced(_SWAP, places, [self.lease.epoch])
        if answer == b"TAKEN":
            left = keys.backup_key("left")
            raise ConflictError(
                left,
                f"is left from an earlier adoption, and {keys.index} is a set again; merge them with"
                f" 'SUNIONSTORE {keys.index} {keys.index} {left}' and 'DEL {left}', then run 'adopt' again",
            )
        return answer == b"SWAPPED"

    def _settle(self) -> None:
        """Take over the members of the old index, and remove those without a record."""
        left, seen = self.shape.keys.backup_key("left"), 0
        [total] = run(self.client, send([("SCARD", left)]))
        start = self.shape.keys.start.encode()
        for members in pages(self.client, ("SSCAN", left), ()):
            # Members that are not keys of the model are skipped; they stay in the set.
            own = [member for member in members if member.startswith(start)]
            self._take(run(self.client, look(self.shape, "zset", own)))
            seen += len(members)
            self._report(seen, cast(int, total))

    def _scan(self) -> int:
        """Take over the records that no index had; note problems; give the number of records."""
        seen, total = 0, size_of_index(self.client, self.shape, "zset")
        for keys in pages(self.client, ("SCAN",), ("MATCH", self.shape.keys.pattern)):
            findings = run(self.client, look(self.shape, "zset", keys))
            for finding in findings:
                if finding.problem is not None:
                    self.tally.refuse(finding.key, finding.problem)
            for finding in self._take(findings):
                reason = f"must be renamed to {finding.target}, which already exists; compare them and delete one"
                self.tally.refuse(finding.key, reason)
            seen += sum(finding.is_record for finding in findings)
            self._report(seen, total)
        return seen - self.tally.taken

    def _take(self, findings: Sequence[KeyFinding]) -> list[KeyFinding]:
        """Take over records; give those whose new key is taken."""
        jobs: list[tuple[KeyFinding, _Action]] = []
        for finding in findings:
            action = _action_for(finding, self.shape.keys)
            if action is not None:
                jobs.append((finding, action))
        taken: list[KeyFinding] = []
        for start in range(0, len(jobs), self.batch_size):
            chunk = jobs[start : start + self.batch_size]
            # One script a round trip, so that other clients are served in between.
            codes = self._adopt(chunk)
            for (finding, action), code in zip(chunk, cast("list[int]", codes), strict=True):
                self.tally.count(finding, action, code)
                if code == _TAKEN:
                    taken.append(finding)
        return taken

    def _adopt(self, chunk: Sequence[tuple[KeyFinding, _Action]]) -> Reply:
        keys: list[str | bytes] = [self.lease.key, self.shape.keys.backup_key("left")]
        arguments: list[Argument] = [self.lease.epoch, self.shape.primary_key]
        for finding, action in chunk:
            keys += [bytes_of(finding.key), bytes_of(finding.target or finding.key)]
            arguments += [action, finding.raw or b""]
        attempt = IndexedCall(_ADOPT, known_indexes(self.shape.keys), keys, arguments)
        [first] = run(self.client, call(attempt.script, [attempt.command]))
        return self._checked(check([run(self.client, resolve_indexes(attempt, first))])[0])

    def _report(self, seen: int, total: int) -> None:
        self.report(Progress(self.shape.model.__name__, seen, self.tally.stamped, max(total, seen)))
        self.lease.renew_if_due()

    def _fenced(self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument]) -> Reply:
        return self._checked(check(run(self.client, call(script, [script.command(keys, arguments)])))[0])

    def _checked(self, reply: Reply) -> Reply:
        if unfenced(reply) == b"INDEX":
            raise index_error(self.shape)
        return reply


def _action_for(finding: KeyFinding, keys: KeySpace) -> _Action | None:
    if finding.is_gone:
        return "drop" if finding.is_left else None
    if finding.target is not None:
        is_done = finding.target == finding.key and finding.is_stamped and finding.is_indexed and not finding.is_left
        return None if is_done else "take"
    # A bad record stays in the index, but only under a key that no other model can have.
    return "index" if finding.is_left and finding.is_hash and keys.owns(finding.key) else None
