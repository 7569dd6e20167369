"""Results of queries: instances, values, keys and counts; each verb once, as a generator of round trips."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Generic, TypeVar, cast

from ..client.commands import RoundTrips
from ..errors import DataError, ManyRecordsError, NotFoundError
from ..indexes.plan import EVERYTHING
from ..mapping.mapper import Mapper
from ..mapping.stored_model import StoredModel
from ..records.read import FetchedRecord, count, make_instance
from ..store import Upgrader
from .cursor import cursor_of, read_cursor
from .decision import Decision, Request
from .explanation import text_of_query
from .lookup import lookup
from .search import Match, Search
from .streams import position_of

__all__ = ["Results"]

M = TypeVar("M", bound=StoredModel)
Made = TypeVar("Made")
Make = Callable[[str, FetchedRecord], Made]  # makes a result of a record, by its key and its stored fields
_PAGE: Final = 500  # records that are read at a time where they are given one by one


class _NoMatchError(NotFoundError):
    """No record meets the conditions, which stand in the place of the key."""

    def _text(self) -> str:
        return f"{self.model}: no record matches {self.key}" if self.key else f"{self.model}: there is no record"


class Results(Generic[M]):
    """The results of one query.

    Args:
        mapper: The model.
        upgrader: Upgrades older records in memory, or None.
        request: What is asked for.
    """

    def __init__(self, mapper: Mapper[M], upgrader: Upgrader | None, request: Request) -> None:
        self._mapper, self._upgrader, self._request = mapper, upgrader, request
        self._make: Make[M] = partial(make_instance, mapper)

    def all(self, bad: list[DataError] | None = None) -> RoundTrips[list[M]]:
        """Give the records.

        Args:
            bad: Takes the error of every record that cannot be read, which is then left out; else the first is raised.
        """
        return (yield from self._instances(self._request, bad))

    def first(self) -> RoundTrips[M | None]:
        """Give the first record, or None."""
        found = yield from self._instances(_at_most(self._request, 1), None)
        return found[0] if found else None

    def one(self) -> RoundTrips[M]:
        """Give the only record.

        Raises:
            NotFoundError: There is none.
            ManyRecordsError: There are more.
        """
        found = yield from self._instances(_at_most(_unsorted(self._request), 2), None)
        if len(found) == 1:
            return found[0]
        model, conditions = self._mapper.model.__name__, text_of_query(self._mapper, self._request.condition)
        if found:
            raise ManyRecordsError(model, conditions)
        raise _NoMatchError(model, conditions)

    def ids(self) -> RoundTrips[list[object]]:
        """Give the primary keys of the records."""
        name = self._mapper.primary_key
        return [value for (value,) in (yield from self.values((name,)))]

    def values(
        self, columns: Sequence[str], bad: list[DataError] | None = None
    ) -> RoundTrips[list[tuple[object, ...]]]:
        """Give some fields of each record, as an instance has them."""
        search = self._search(self._request, columns)

        def values(key: str, record: FetchedRecord) -> tuple[object, ...]:
            found = vars(search.values_of(key, _readable(record), columns))
            return tuple(found[name] for name in columns)

        return (yield from self._run(search, values, bad))

    def count(self) -> RoundTrips[int]:
        """Count the records; each is looked at."""
        total = 0

        def add(matches: Sequence[Match]) -> None:
            nonlocal total
            total += len([_readable(record) for _, record in matches])

        request = _unsorted(self._request)
        if request.condition == EVERYTHING and request.limit is None:
            return (yield from count(self._mapper))
        if request.limit is not None:
            return len((yield from self._gather(request, (), _key, None)))
        search = self._search(request, ())
        yield from search.open(None)
        yield from search.collect(add)
        return total

    def exists(self) -> RoundTrips[bool]:
        """Tell whether there is a record."""
        return bool((yield from self._gather(_at_most(_unsorted(self._request), 1), (), _key, None)))

    def estimate(self) -> RoundTrips[int]:
        """Count what the indexes name, without looking at records: those that are gone may count, and some twice."""
        total = yield from Decision(self._mapper, _unsorted(replace(self._request, limit=None))).size()
        limit = self._request.limit
        return total if limit is None else min(total, limit)

    def page(
        self, size: int, after: str | None, bad: list[DataError] | None = None
    ) -> RoundTrips[tuple[list[M], str | None]]:
        """Give the next records behind a cursor, and the cursor of the last one; None where no more follow.

        Raises:
            CursorError: The cursor is not readable, or of other indexes, or of another query.
        """
        cursor = None if after is None else read_cursor(after)
        search = Search(
            self._mapper,
            self._upgrader,
            replace(self._request, limit=size + 1),
            in_order=True,
            cursor=cursor,
        )
        yield from search.open(size + 1)
        made: list[M] = []
        last: Match | None = None
        while not search.is_done:
            for match in (yield from search.next_matches(size + 1 - len(made))):
                if len(made) == size and last is not None:
                    yield from search.close()
                    return made, cursor_of(search.knowledge.definitions.digest, search.plan, position_of(last[0]))
                if (instance := _made(match, self._make, bad)) is not None:
                    made.append(instance)
                last = match
        return made, None

    def begin(self) -> Search[M]:
        """Begin to give records one by one; ``next_records`` goes on."""
        # Without an index in the wanted order, a scan of the table is sorted in memory, and given at once.
        return Search(self._mapper, self._upgrader, self._request, in_order=not self._request.allow_scan)

    def next_records(self, search: Search[M], wanted: int | None, bad: list[DataError] | None) -> RoundTrips[list[M]]:
        """Give the next records of a search; none at the end.

        Args:
            search: What ``begin`` gave.
            wanted: How many more are wanted at most, or None.
            bad: As in ``all``.
        """
        size = _PAGE if wanted is None else min(wanted, _PAGE)
        if not search.is_open:
            yield from search.open(size)
            if not search.plan.is_sorted:
                return (yield from self._sorted(search, self._make, bad))
        while not search.is_done:
            matches = yield from search.next_matches(size)
            found = [made for match in matches if (made := _made(match, self._make, bad)) is not None]
            if found:
                return found if wanted is None else found[:wanted]
        return []

    def _instances(self, request: Request, bad: list[DataError] | None) -> RoundTrips[list[M]]:
        if bad is None:
            found = yield from lookup(self._mapper, self._upgrader, request)
            if found is not None:
                return found
        return (yield from self._run(self._search(request, None), self._make, bad))

    def _gather(
        self,
        request: Request,
        columns: Sequence[str] | None,
        make: Make[Made],
        bad: list[DataError] | None,
    ) -> RoundTrips[list[Made]]:
        return (yield from self._run(self._search(request, columns), make, bad))

    def _run(self, search: Search[M], make: Make[Made], bad: list[DataError] | None) -> RoundTrips[list[Made]]:
        """Run a search, and give what is made of its matches, sorted as is wanted."""
        limit = search.request.limit
        if limit == 0:
            return []
        yield from search.open(limit)
        if not search.plan.is_sorted:
            return (yield from self._sorted(search, make, bad))
        made: list[Made] = []

        def add(matches: Sequence[Match]) -> None:
            if bad is None:
                made.extend([make(hit[0], record) for hit, record in matches])
            else:
                made.extend(one for match in matches if (one := _made(match, make, bad)) is not None)

        if limit is None or bad is None:  # else it is not known how many of them can be read
            yield from search.collect(add, limit, once=True)
            return made
        given = set[str]()
        while len(made) < limit and not search.is_done:
            for match in (yield from search.next_matches(limit - len(made))):
                if len(made) < limit and match[0][0] not in given:
                    given.add(match[0][0])
                    add((match,))
        yield from search.close()
        return made

    def _sorted(self, search: Search[M], make: Make[Made], bad: list[DataError] | None) -> RoundTrips[list[Made]]:
        """Give results that no index has in the wanted order: all are sorted in memory."""
        keyed: list[tuple[object, Match]] = []

        def add(matches: Sequence[Match]) -> None:
            for match in matches:
                key = _made(match, search.sort_key_of, bad)
                if key is not None:
                    keyed.append((key, match))

        yield from search.collect(add, once=True)
        keyed.sort(key=lambda one: cast("tuple[int, ...]", one[0]))
        made: list[Made] = []
        for _, match in keyed:
            if search.request.limit is not None and len(made) >= search.request.limit:
                break
            if (one := _made(match, make, bad)) is not None:
                made.append(one)
        return made

    def _search(self, request: Request, columns: Sequence[str] | None) -> Search[M]:
        return Search(self._mapper, self._upgrader, request, columns=columns)


def _at_most(request: Request, limit: int) -> Request:
    return replace(request, limit=limit if request.limit is None else min(limit, request.limit))


def _unsorted(request: Request) -> Request:
    """Give a request without an order, unless it decides which records are within the limit."""
    return request if request.limit is not None else replace(request, orders=())


def _key(key: str, record: FetchedRecord) -> str:
    _readable(record)
    return key


def _readable(record: FetchedRecord) -> dict[str, bytes]:
    if isinstance(record, DataError):
        raise record
    return record or {}


def _made(match: Match, make: Make[Made], bad: list[DataError] | None) -> Made | None:
    """Make something of a match; None where it cannot be read, and ``bad`` takes the error."""
    (key, _, _), record = match
    try:
        return make(key, record)
    except DataError as exc:
        if bad is None:
            raise
        bad.append(exc)
        return None
