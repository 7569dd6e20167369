"""Adopting: take over a table that pydantic-aioredis wrote, in place, without losing a record or a life span.

That library kept its index in a set, which expired with whatever record was written last, wrote primary keys into keys
as they are (see ``legacy_table``), and stamped nothing. In this order, under the lease that ``migrate`` takes too:

1. Members of the set are copied into a sorted set beside it, step by step. Nobody sees that.
2. One short script puts the sorted set in the place of the set, and the set aside. From here on this library reads and
   writes the table, and the other one's inserts fail: its SADD meets a sorted set.
3. What lies aside is settled record by record, so that a member which was added while the set was copied is not lost.
4. The keyspace is walked for records that no index has, because the set that had them expired.

Killed at any point, the same is run again: the copy begins anew, and of the rest it finds what is still to do.
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
from redis_models.records.read import no_index

from ..chain.lineage import routes_of
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

_FILLS: Final = 3  # copies of the set; what is added after the last one is found when the set lies aside
_ROUNDS: Final = 10
_SHOWN: Final = 100  # problems that are told one by one; the client's memory must not grow with the table
_ADOPT: Final = load_script("redis_models.migrations", "permissions", "once", "adopt", is_repeatable=True)
_FILL: Final = load_script("redis_models.migrations", "permissions", "adopt_fill", is_repeatable=True)
_SWAP: Final = load_script("redis_models.migrations", "permissions", "adopt_swap", is_repeatable=True)
_GONE, _CHANGED, _TAKEN = -1, -2, -3  # answers of the script

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Takeover:
    """What taking over one table came to, or would.

    Attributes:
        model: Name of the model.
        records: How many records it has now.
        stamped: Records that got a stamp.
        renamed: Records that got another key, because this library escapes primary keys.
        found: Records that no index had.
        dropped: Members of the old index whose record is gone.
        is_converted: The index was a set.
        is_freed: The index had a life span.
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
        """Whether nothing was to be done: the table was this library's already, but for its problems."""
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
        What was done. Records that cannot be taken over are among its problems; nothing is raised for them.

    Raises:
        ConflictError: Neither a set nor a sorted set lies where the index should be.
        IncompleteError: Others write all the time; run again.
        LockedError: The lease is somebody else's by now.
        ServerError: The server cannot do it now.

    Keys:
        The records and the index of the model; ``{INDEX}:filling`` and ``{INDEX}:left`` beside the index, gone in the
        end, unless a member of the old index cannot be settled.

    Cost:
        Two round trips for every 1,000 members of the set, and for every 1,000 keys of the database.
    """
    return _Adopter(client, lease, shape, batch_size, report).adopt()


def survey(client: SyncClient, shape: Mapper[Any], report: Report) -> Takeover:
    """Tell what ``adopt`` would do, and write nothing.

    Raises:
        ConflictError: As ``adopt``.
    """
    kind, life_ms = run(client, state_of_index(shape))
    tally = _Tally()
    for old in (shape.keys.index, shape.keys.beside("left")) if kind == "set" else (shape.keys.beside("left"),):
        for members in pages(client, ("SSCAN", old), ()):
            tally.dropped += run(client, send([("EXISTS", one) for one in members])).count(0)
    total, records = size_of_index(client, shape, kind), 0
    for keys in pages(client, ("SCAN",), ("MATCH", shape.keys.pattern)):
        for met in run(client, look(shape, kind, keys)):
            records += met.is_record
            tally.note(met)
        report(Progress(shape.model.__name__, records, 0, max(total, records)))
    return tally.takeover(shape, records, is_converted=kind == "set", is_freed=life_ms > 0)


def way_up_missing(app: "App", model: "type[Model]") -> bool:
    """Whether a model is past version 1, where adopted records begin, and no migration file leads up from there."""
    version = model.__shape__.version
    if version == 1:
        return False
    route = routes_of(load_chain(app.label, app.migrations_path)).get(model.__shape__.keys.start)
    return route is None or not {1, version} <= set(route.versions)


_Deed = Literal["take", "index", "drop"]


@dataclass
class _Tally:
    """What is counted on the way. Used by one run."""

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
        """Forget what only the last round decides."""
        self.changed = self.contested = self.taken = self.problem_count = 0
        self.problems = []

    def note(self, met: KeyFinding) -> None:
        """Count what would be done about a key."""
        if met.problem is not None:
            self.refuse(met.key, met.problem)
        elif met.target is not None:
            self.stamped += not met.is_stamped
            self.renamed += met.target != met.key
            self.found += not met.is_listed

    def count(self, met: KeyFinding, deed: _Deed, code: int) -> None:
        """Count what was done about a key."""
        if code >= 0:
            self.changed += code > 0
            self.stamped += code & 1
            self.renamed += code >> 1 & 1
            self.found += deed == "take" and not met.is_listed
        elif code == _GONE:
            self.dropped += met.is_left
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
        kind, life_ms = run(client, state_of_index(self.shape))
        if kind == "set":
            self._fill()
        is_converted, is_freed = self._swap(), life_ms > 0
        largest = 0
        for round_ in range(_ROUNDS):
            tally.begin_round()
            run_id = run(client, server_run_id())
            self._settle()
            met = self._walk()
            # The old library's EXPIRE of its index succeeds where its SADD fails, if it was still running: the index
            # may have ended under the walk, with all that was in it.
            [freed, size] = run(client, send([("PERSIST", index), ("ZCARD", index)]))
            is_freed |= freed == 1
            # A key that another record held may be free now; what changed meanwhile is looked at again; and after a
            # restart of the server a cursor skips some.
            # SCAN may tell of a record twice, and old writers make new ones, so a few missing mean nothing in the end;
            # but an index does not shrink, and does not lack a tenth.
            held = cast(int, size)
            is_short = held < met and (round_ < _FILLS or held < max(largest, met * 0.9))
            largest = max(largest, held)
            again = tally.contested or (tally.taken and tally.changed) or is_short
            if not again and run_id == run(client, server_run_id()):
                break
        else:
            raise IncompleteError(f"{self.shape.model.__name__}: records are written all the time; run 'adopt' again")
        return tally.takeover(self.shape, cast(int, size), is_converted=is_converted, is_freed=is_freed)

    def _fill(self) -> None:
        """Copy the set into a sorted set: records that exist, and whose keys are as this library spells them."""
        keys, is_first, seen = self.shape.keys, True, 0
        for _ in range(_FILLS):
            before = size_of_index(self.client, self.shape, "set")
            for members in pages(self.client, ("SSCAN", keys.index), ()):
                kinds = run(self.client, send([("TYPE", one) for one in members]))
                alive = [
                    one for one, kind in zip(members, kinds, strict=True) if kind == b"hash" and keys.owns(text_of(one))
                ]
                arguments = [self.lease.epoch, "1" if is_first else "", *alive]
                self._fenced(_FILL, [self.lease.key, keys.beside("filling")], arguments)
                is_first = False
                seen += len(members)
                self._tell(seen, before)
            if size_of_index(self.client, self.shape, "set") <= before:
                return

    def _swap(self) -> bool:
        keys = self.shape.keys
        places = [self.lease.key, keys.index, keys.beside("filling"), keys.beside("left")]
        answer = self._fenced(_SWAP, places, [self.lease.epoch])
        if answer == b"TAKEN":
            left = keys.beside("left")
            raise ConflictError(
                left,
                f"is left of an earlier adoption, and {keys.index} is a set again; join them with"
                f" 'SUNIONSTORE {keys.index} {keys.index} {left}' and 'DEL {left}', then run 'adopt' again",
            )
        return answer == b"SWAPPED"

    def _settle(self) -> None:
        """Take over the members of the old index, and drop those whose record is gone."""
        left, seen = self.shape.keys.beside("left"), 0
        [total] = run(self.client, send([("SCARD", left)]))
        start = self.shape.keys.start.encode()
        for members in pages(self.client, ("SSCAN", left), ()):
            # Whatever else somebody put into the set is not even looked at; it stays there, where it can be seen.
            own = [one for one in members if one.startswith(start)]
            self._take(run(self.client, look(self.shape, "zset", own)))
            seen += len(members)
            self._tell(seen, cast(int, total))

    def _walk(self) -> int:
        """Take over the records that no index had; tell what cannot be taken over; give how many records are in it."""
        seen, total = 0, size_of_index(self.client, self.shape, "zset")
        for keys in pages(self.client, ("SCAN",), ("MATCH", self.shape.keys.pattern)):
            met = run(self.client, look(self.shape, "zset", keys))
            for one in met:
                if one.problem is not None:
                    self.tally.refuse(one.key, one.problem)
            for one in self._take(met):
                self.tally.refuse(one.key, f"is to be {one.target}, which exists already; compare both, and delete one")
            seen += sum(one.is_record for one in met)
            self._tell(seen, total)
        return seen - self.tally.taken

    def _take(self, met: Sequence[KeyFinding]) -> list[KeyFinding]:
        """Do what is to be done; give those whose new key is taken."""
        jobs: list[tuple[KeyFinding, _Deed]] = []
        for one in met:
            deed = _deed_for(one, self.shape.keys)
            if deed is not None:
                jobs.append((one, deed))
        taken: list[KeyFinding] = []
        for start in range(0, len(jobs), self.batch_size):
            chunk = jobs[start : start + self.batch_size]
            # One script a round trip, so that other clients have their turn between two.
            codes = self._fenced(_ADOPT, *self._arguments(chunk))
            for (one, deed), code in zip(chunk, cast("list[int]", codes), strict=True):
                self.tally.count(one, deed, code)
                if code == _TAKEN:
                    taken.append(one)
        return taken

    def _arguments(self, chunk: Sequence[tuple[KeyFinding, _Deed]]) -> tuple[list[str | bytes], list[Argument]]:
        keys: list[str | bytes] = [self.lease.key, self.shape.keys.index, self.shape.keys.beside("left")]
        arguments: list[Argument] = [self.lease.epoch, self.shape.primary_key]
        for one, deed in chunk:
            keys += [bytes_of(one.key), bytes_of(one.target or one.key)]
            arguments += [deed, one.raw or b""]
        return keys, arguments

    def _tell(self, seen: int, total: int) -> None:
        self.report(Progress(self.shape.model.__name__, seen, self.tally.stamped, max(total, seen)))
        self.lease.keep()

    def _fenced(self, script: Script, keys: Sequence[str | bytes], arguments: Sequence[Argument]) -> Reply:
        [reply] = check(run(self.client, call(script, [script.command(keys, arguments)])))
        if unfenced(reply) == b"INDEX":
            raise no_index(self.shape)
        return reply


def _deed_for(met: KeyFinding, keys: KeySpace) -> _Deed | None:
    if met.is_gone:
        return "drop" if met.is_left else None
    if met.target is not None:
        is_done = met.target == met.key and met.is_stamped and met.is_indexed and not met.is_left
        return None if is_done else "take"
    # A bad record stays where it is, and in sight, but only under a key that no other model's record can have.
    return "index" if met.is_left and met.is_hash and keys.owns(met.key) else None
