"""Search: one run of a query. It is planned, its members are read page by page, and each record is read and checked."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import BaseModel

from ..client.commands import Command, Reply, RoundTrips, check, pipelined
from ..encoding.raw_text import bytes_of, text_of
from ..errors import DataError, IndexNotReadyError, QueryError
from ..indexes.plan import Plan, Scan
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..records.read import READ_CHUNK, FetchedRecord, fetch, index_after, parse_records, read_commands, sweep
from ..store import Upgrader
from .checks import Checker
from .cursor import Cursor
from .decision import Decision, Request, state_of
from .knowledge import Knowledge, is_still, known, learn
from .mend import damage_of, mend
from .others import MOST_OTHERS, add_others
from .streams import Hit, Stream, Streams

__all__ = ["Match", "Search"]

M = TypeVar("M", bound=StoredModel)
_TRIES: Final = 8  # of planning a query whose indexes change meanwhile
_FIRST_PAGE: Final = 20  # members, where records are filtered


# A record that meets the conditions: what named it, and its stored fields at the model's version; or the error why it
# cannot be read to tell. A plain tuple: there is one for each record.
Match = tuple[Hit, dict[str, bytes] | DataError]


class Search(Generic[M]):
    """One run of a query.

    Args:
        mapper: The model.
        upgrader: Upgrades older records in memory.
        request: What is asked for.
        columns: Stored fields that the results are made of; None for whole records.
        in_order: Whether results are given as they are met, so that they must come in their order.
        cursor: The place to begin behind, in the indexes that it names; None to begin at the start.

    Attributes:
        plan: How the query is answered; known when it is opened.
        is_open: Whether it is planned.
        is_done: Whether all members were given.
    """

    plan: Plan
    knowledge: Knowledge

    def __init__(
        self,
        mapper: Mapper[M],
        upgrader: Upgrader | None,
        request: Request,
        *,
        columns: Sequence[str] | None = None,
        in_order: bool = False,
        cursor: Cursor | None = None,
    ) -> None:
        self._mapper, self._upgrader, self.request = mapper, upgrader, request
        self._columns, self._cursor = columns, cursor
        self._decision = Decision(mapper, request, in_order=in_order, cursor=cursor)
        self._streams: Streams | None = None
        self._others: frozenset[str] = frozenset()
        self._last: str | None = None  # key of the table that was read last
        self._table = Stream("", 0, 0, 0, b"", b"\xff", 0, False, keys={})
        self._size = READ_CHUNK
        self._stale: list[Hit] = []
        self.is_open = self.is_done = False

    def open(self, wanted: int | None) -> RoundTrips[None]:
        """Plan the query, and read its first members.

        Args:
            wanted: How many records are wanted first; None for all.

        Raises:
            NoIndexError: No index serves the conditions, or the order.
            IndexNotReadyError: The index that does is not built yet.
            IndexDamagedError: It is empty, but there are records.
            TooManyOthersError: Too many records have values without an entry.
        """
        knowledge = known(self._mapper)
        for _ in range(_TRIES):
            if knowledge is None:
                knowledge = yield from learn(self._mapper)
            self.is_open = yield from self._open(knowledge, wanted)
            if self.is_open:
                return
            knowledge = None
        raise QueryError(f"{self._mapper.model.__name__}: its indexes keep changing; try again")

    def collect(
        self, sink: Callable[[Sequence[Match]], None], limit: int | None = None, *, once: bool = False
    ) -> RoundTrips[None]:
        """Give matches to ``sink``, page by page, in the order of the plan, while the server reads the next page.

        Args:
            sink: Takes them.
            limit: How many to give at most, or None for all.
            once: Whether to leave out a record that was given before, and that another client has moved in the index
                meanwhile; the keys of all are kept for it.
        """
        former: Sequence[Match] = ()
        given = set[str]()
        left = limit
        while hits := (yield from self._next_hits(self._size)):
            keys = [key for key, _, _ in hits]
            commands = read_commands(self._mapper, self._names, keys)
            asked = len(commands)
            is_last = self._streams is None or (left is not None and left <= len(hits))
            more = [] if is_last or self._streams is None else self._streams.commands()
            replies: list[Reply]
            if not (more or former):
                replies = yield commands
            else:
                commands += [self.knowledge.question, *more] if more else []
                pending = yield from pipelined(commands)
                sink(former)
                yield from pending.wait()
                replies = list(pending)
            if more and self._streams is not None:
                yield from self._confirm(replies[asked])
                self._streams.feed(replies[asked + 1 :])
            records = yield from parse_records(self._mapper, self._upgrader, self._names, keys, replies[:asked])
            former = self._checked(hits, records)
            if once:
                former = [match for match in former if match[0][0] not in given] if given else former
                given.update(keys if len(former) == len(keys) else [hit[0] for hit, _ in former])
            if left is not None:
                former = former[:left]
                left -= len(former)
            if left == 0 or (self._streams is not None and self._streams.is_done):
                break
            self._size = min(2 * self._size, READ_CHUNK)
        sink(former)
        self.is_done = True
        if self._stale:
            yield from self._mend()

    def next_matches(self, wanted: int) -> RoundTrips[list[Match]]:
        """Give the next matches, about as many as wanted, and never none but at the end."""
        while True:
            hits = yield from self._next_hits(max(self._size, min(wanted, READ_CHUNK)))
            if not hits:
                self.is_done = True
                yield from self._mend()
                return []
            records = yield from fetch(self._mapper, self._upgrader, [key for key, _, _ in hits], self._names)
            matches = self._checked(hits, records)
            if matches:
                return matches
            self._size = min(2 * self._size, READ_CHUNK)
            if len(self._stale) >= READ_CHUNK:
                yield from self._mend()

    def values_of(self, key: str, record: Mapping[str, bytes], columns: Sequence[str]) -> BaseModel:
        """Give some values of a record as an instance has them; ``DataError`` where one cannot be read."""
        return self._checker.values_of(key, record, columns)

    def sort_key_of(self, key: str, record: FetchedRecord) -> tuple[Any, ...]:
        """Give what sorts records in the order of the plan; ``DataError`` where a value cannot be read."""
        if isinstance(record, DataError):
            raise record
        return self._checker.sort_key_of(key, record or {})

    @property
    def needs_whole(self) -> bool:
        """Whether records are judged as whole instances."""
        return self._checker.needs_whole

    @property
    def judged(self) -> tuple[str, ...]:
        """The stored fields that conditions ask about."""
        return self._checker.judged

    def meets(self, key: str, record: Mapping[str, bytes]) -> bool:
        """Whether a record meets the conditions; ``DataError`` where a value cannot be read."""
        return self._checker.meets(None, key, record)

    def close(self) -> RoundTrips[None]:
        """Mend what was met; called where no more matches are wanted."""
        yield from self._mend()

    def _open(self, knowledge: Knowledge, wanted: int | None) -> RoundTrips[bool]:
        """Begin with what is known; give whether that is still so."""
        plan = yield from self._decision.plan(knowledge)
        if plan is None:
            return False
        self._begin(plan, knowledge, wanted)
        if self._streams is None:
            return True
        return (yield from self._read_first(self._streams))

    def _begin(self, plan: Plan, knowledge: Knowledge, wanted: int | None) -> None:
        self.plan, self.knowledge = plan, knowledge
        self._checker = Checker(self._mapper, plan)
        self._names = self._read_names()
        self._streams, self._last = None, None
        if wanted is not None and plan.is_sorted:
            is_exact = all(isinstance(scan, Scan) and not scan.left for scan in plan.scans or (None,))
            self._size = max(1, min(wanted if is_exact else max(wanted, _FIRST_PAGE), READ_CHUNK))
        if plan.scans is not None:
            after = None if self._cursor is None else self._cursor.position
            self._streams = Streams(self._mapper, plan, self._size, after)
        elif self._cursor is not None:
            self._last = text_of(self._cursor.position.key)

    def _read_first(self, streams: Streams) -> RoundTrips[bool]:
        """Read the first members, and the others; give whether the indexes are those that are known."""
        keys, index_keys = self._mapper.keys, streams.index_keys
        if not index_keys:
            return True
        commands = streams.commands()
        head: list[Command] = [
            self.knowledge.question,
            ("ZRANGE", keys.others, 0, MOST_OTHERS),
            *(("ZCARD", key) for key in index_keys),
        ]
        replies = yield [*head, *commands]
        if not is_still(self.knowledge, replies[0]):
            return False
        found, *sizes = check(replies[1 : len(head)])
        streams.feed(replies[len(head) :])
        others = cast("list[bytes]", found)
        for size, index_key in zip(sizes, index_keys, strict=True):
            if not size:
                error = yield from damage_of(self._mapper, self.knowledge.definitions, index_key, others)
                if error is not None and not self.request.allow_scan:
                    raise error
                self._decision.is_damaged = error is not None
                if error is not None:
                    return False
        if others:
            self._others = yield from add_others(
                self._mapper, self._upgrader, self.plan, self._checker, streams, others
            )
        return True

    def _next_hits(self, count: int) -> RoundTrips[list[Hit]]:
        """Give the next hits, up to ``count``; none at the end."""
        if self._streams is None:
            page = yield from index_after(self._mapper, self._last, count)
            self._last = page[-1] if page else self._last
            return [(key, bytes_of(key), self._table) for key in page]
        while True:
            hits = self._streams.take(count)
            if self._others:  # an index may name a record that is read as one without an entry
                hits = [hit for hit in hits if hit[2].keys is not None or hit[0] not in self._others]
            if hits or self._streams.is_done:
                return hits
            commands = self._streams.commands()
            if commands:
                question, *replies = yield [self.knowledge.question, *commands]
                yield from self._confirm(question)
                self._streams.feed(replies)

    def _confirm(self, reply: Reply) -> RoundTrips[None]:
        """Go on only if the indexes that are read are still there, and ready."""
        if is_still(self.knowledge, reply):
            return
        fresh = yield from learn(self._mapper)
        for scan in self.plan.scans or ():
            if isinstance(scan, Scan) and scan.target not in fresh.ready:
                name = scan.target.name
                raise IndexNotReadyError(self._mapper.model.__name__, name, state_of(fresh, name))
        self.knowledge = fresh

    def _checked(self, hits: Sequence[Hit], records: Sequence[FetchedRecord]) -> list[Match]:
        """Give the matches among records; those that an index named wrongly are noted."""
        matches: list[Match] = []
        checker, reads_table = self._checker, self._streams is None
        if not reads_table and checker.is_exact and not self._others:
            return self._confirmed(hits, records)
        for hit, record in zip(hits, records, strict=True):
            if not isinstance(record, dict):
                if record is None:
                    self._stale.append(hit)
                else:
                    matches.append((hit, record))
                continue
            if not reads_table and not checker.is_current(hit, record):
                self._stale.append(hit)
                continue
            try:
                if checker.meets(None if reads_table else hit[2].branch, hit[0], record):
                    matches.append((hit, record))
            except DataError as exc:
                matches.append((hit, exc))
        return matches

    def _confirmed(self, hits: Sequence[Hit], records: Sequence[FetchedRecord]) -> list[Match]:
        """Do what ``_checked`` does where every record that has an entry in the ranges meets the conditions."""
        matches: list[Match] = []
        has_entry = self._checker.has_entry
        for hit, record in zip(hits, records, strict=True):
            if record is None or (type(record) is dict and not has_entry(hit[1], record)):
                self._stale.append(hit)
            else:
                matches.append((hit, record))
        return matches

    def _mend(self) -> RoundTrips[None]:
        stale, self._stale = self._stale, []
        if not stale:
            return
        if self._streams is None:
            yield from sweep(self._mapper, [key for key, _, _ in stale])
        else:
            yield from mend(self._mapper, self.knowledge.definitions, stale)

    def _read_names(self) -> tuple[str, ...] | None:
        if self._columns is None or self._checker.needs_whole or self._mapper.reads_whole:
            return None
        return tuple(dict.fromkeys((*self._columns, *self._checker.names)))
