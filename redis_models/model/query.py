"""``Model.where()``: queries, which say what records are wanted, and the verbs that give, change or delete them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, NoReturn, TypeVar, overload

from ..client.commands import RoundTrips
from ..errors import DataError
from ..indexes.conditions import Condition, Order, Reference, all_of, order_of
from ..indexes.matcher import resolved, resolved_order
from ..indexes.plan import EVERYTHING
from ..mapping.stored_model import StoredModel
from ..queries.changes import Changes
from ..queries.decision import Decision, Request
from ..queries.explanation import Explanation, text_of_query
from ..queries.results import Results
from ..records.repository import repository_of, store_of

__all__ = ["Page", "Query", "SyncQuery", "query_of"]

M = TypeVar("M", bound=StoredModel)
R = TypeVar("R")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")


@dataclass(frozen=True)
class Page(Generic[M]):
    """A page of the records that a query finds.

    Attributes:
        records: The records.
        next: The cursor of the page behind it; None where no more records follow.
    """

    records: list[M]
    next: str | None


class _AnyQuery(Generic[M]):
    """What a query asks for; immutable."""

    __slots__ = ("_model", "_request")

    def __init__(self, model: type[M], request: Request) -> None:
        self._model, self._request = model, request

    def __repr__(self) -> str:
        request = self._request
        text = text_of_query(self._model.__mapper__, request.condition, request.orders)
        limit = "" if request.limit is None else f", limit({request.limit})"
        return f"<{type(self).__name__} of {self._model.__name__}: {text or 'all records'}{limit}>"

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} has no truth value before it is run; ask with its verb exists()")

    @property
    def _results(self) -> Results[M]:
        return Results(self._model.__mapper__, store_of(self._model).upgrader, self._request)

    @property
    def _changes(self) -> Changes[M]:
        return Changes(self._model.__mapper__, store_of(self._model).upgrader, self._request)

    @property
    def _decision(self) -> Decision:
        return Decision(self._model.__mapper__, self._request)

    def _page(
        self, size: int, after: str | None, bad_records: list[DataError] | None
    ) -> RoundTrips[tuple[list[M], str | None]]:
        if self._request.limit is not None:
            raise TypeError(f"{self._model.__name__}: page() has its own size; leave out limit()")
        _check_count(self._model, "page", "size", size, 1)
        return self._results.page(size, after, bad_records)

    def _update(self, values: dict[str, object]) -> RoundTrips[int]:
        if not values:
            raise TypeError(f"{self._model.__name__}: update() takes fields with their new values: update(name=...)")
        return self._changes.update(repository_of(self._model)._validated(values))


class Query(_AnyQuery[M]):
    """The records of a model that meet some conditions; ``Model.where()`` gives one.

    A query does nothing until one of its verbs is awaited. It never changes: ``where``, ``order_by`` and ``limit`` give
    another one. Each verb runs it anew.

    A query is answered by an index that the model declares, or refused: it never reads a whole table unless it says
    ``allow_scan=True``. Results come in the order of the index that is used, unless ``order_by`` says another.

    Raises (by all verbs):
        NoIndexError: No index serves the conditions, or the order.
        IndexNotReadyError: The index is declared, but not built yet.
        DataError: A record cannot be read; it names the key and the field.
    """

    __slots__ = ()

    @property
    def sync(self) -> "SyncQuery[M]":
        """The same query, whose verbs block."""
        return SyncQuery(self._model, self._request)

    def where(self, *conditions: Condition | bool) -> "Query[M]":
        """Give a query whose records meet these conditions, too."""
        return Query(self._model, _with_conditions(self._model, self._request, conditions))

    def order_by(self, *fields: object) -> "Query[M]":
        """Give a query whose records come in an order, ties by primary key.

        Args:
            fields: ``asc(Order.created)``, ``desc(Order.created)``, or the field for ascending order. Without any,
                the order of the index.
        """
        return Query(self._model, _with_orders(self._model, self._request, fields))

    def limit(self, count: int) -> "Query[M]":
        """Give a query of at most ``count`` records."""
        _check_count(self._model, "limit", "count", count, 0)
        return Query(self._model, replace(self._request, limit=count))

    async def all(self, *, bad_records: list[DataError] | None = None) -> list[M]:
        """Give the records.

        Args:
            bad_records: A list that takes the errors of records that cannot be read; without it the first is raised.

        Cost: two round trips, and one more for every 500 records.
        """
        return await self._run(self._results.all(bad_records))

    async def first(self) -> M | None:
        """Give the first record, or None."""
        return await self._run(self._results.first())

    async def one(self) -> M:
        """Give the only record.

        Raises:
            NotFoundError: There is none.
            ManyRecordsError: There are more.
        """
        return await self._run(self._results.one())

    async def count(self) -> int:
        """Count the records; each is looked at, so that the figure is exact. ``estimate`` is quicker."""
        return await self._run(self._results.count())

    async def estimate(self) -> int:
        """Count what the indexes name, without looking at any record.

        It is more than ``count`` where conditions are left to be filtered, or records expired.

        Cost: O(log n); three round trips.
        """
        return await self._run(self._results.estimate())

    async def exists(self) -> bool:
        """Tell whether there is a record."""
        return await self._run(self._results.exists())

    async def ids(self) -> list[Any]:
        """Give the primary keys of the records."""
        return await self._run(self._results.ids())

    @overload
    async def values(self, first: T1, /, *, bad_records: list[DataError] | None = None) -> list[tuple[T1]]: ...
    @overload
    async def values(
        self, first: T1, second: T2, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2]]: ...
    @overload
    async def values(
        self, first: T1, second: T2, third: T3, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3]]: ...
    @overload
    async def values(
        self, first: T1, second: T2, third: T3, fourth: T4, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3, T4]]: ...
    @overload
    async def values(
        self, first: T1, second: T2, third: T3, fourth: T4, fifth: T5, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    async def values(self, *fields: object, bad_records: list[DataError] | None = None) -> list[tuple[Any, ...]]: ...
    async def values(self, *fields: object, bad_records: list[DataError] | None = None) -> Any:
        """Give some fields of each record, and read no others: ``values(Order.id, Order.created)``.

        Returns:
            For each record a tuple of values, as an instance has them.
        """
        return await self._run(self._results.values(_names(self._model, fields), bad_records))

    async def page(self, size: int, after: str | None = None, *, bad_records: list[DataError] | None = None) -> Page[M]:
        """Give the records behind a cursor: neither twice nor left out, whatever others insert and delete meanwhile.

        Args:
            size: How many to give; fewer only at the end.
            after: ``next`` of the page before; None for the first page.
            bad_records: As in ``all``.

        Raises:
            CursorError: The cursor is not of this query, or the indexes have changed.
        """
        return Page(*await self._run(self._page(size, after, bad_records)))

    async def iterate(self, *, bad_records: list[DataError] | None = None) -> AsyncIterator[M]:
        """Go through the records in constant memory; ``async for order in query`` does the same.

        Records that change meanwhile may be met or not, or again in their new place; every other one is met once.
        """
        search, left = self._results.begin(), self._request.limit
        while left != 0:
            found = await self._run(self._results.next_records(search, left, bad_records))
            if not found:
                return
            left = None if left is None else left - len(found)
            for instance in found:
                yield instance

    def __aiter__(self) -> AsyncIterator[M]:
        return self.iterate()

    async def update(self, **values: object) -> int:
        """Write constants into the records; give how many did not have them.

        Each record is written only if it still meets the conditions. All together are not one transaction: what was
        written before an error stays.

        Args:
            values: New values by field; each is validated as an assignment is.
        """
        return await self._run(self._update(values))

    async def delete(self) -> int:
        """Delete the records; give how many there were. Each is deleted only if it still meets the conditions.

        Raises:
            TypeError: There is no condition; ``delete_all`` deletes all records.
        """
        return await self._run(self._changes.delete())

    async def explain(self) -> Explanation:
        """Tell how the query is answered; nothing is read but counts. ``print`` shows it."""
        return await self._run(self._decision.explain())

    async def _run(self, batches: RoundTrips[R]) -> R:
        return await store_of(self._model).run_async(batches)


class SyncQuery(_AnyQuery[M]):
    """The verbs of a query, blocking; each is described at ``Query``."""

    __slots__ = ()

    def where(self, *conditions: Condition | bool) -> "SyncQuery[M]":
        """Give a query with more conditions; see ``Query.where``."""
        return SyncQuery(self._model, _with_conditions(self._model, self._request, conditions))

    def order_by(self, *fields: object) -> "SyncQuery[M]":
        """Give a query with an order; see ``Query.order_by``."""
        return SyncQuery(self._model, _with_orders(self._model, self._request, fields))

    def limit(self, count: int) -> "SyncQuery[M]":
        """Give a query of at most ``count`` records."""
        _check_count(self._model, "limit", "count", count, 0)
        return SyncQuery(self._model, replace(self._request, limit=count))

    def all(self, *, bad_records: list[DataError] | None = None) -> list[M]:
        """Give the records; see ``Query.all``."""
        return self._run(self._results.all(bad_records))

    def first(self) -> M | None:
        """Give the first record, or None."""
        return self._run(self._results.first())

    def one(self) -> M:
        """Give the only record; see ``Query.one``."""
        return self._run(self._results.one())

    def count(self) -> int:
        """Count the records; see ``Query.count``."""
        return self._run(self._results.count())

    def estimate(self) -> int:
        """Count what the indexes name; see ``Query.estimate``."""
        return self._run(self._results.estimate())

    def exists(self) -> bool:
        """Tell whether there is a record."""
        return self._run(self._results.exists())

    def ids(self) -> list[Any]:
        """Give the primary keys of the records."""
        return self._run(self._results.ids())

    @overload
    def values(self, first: T1, /, *, bad_records: list[DataError] | None = None) -> list[tuple[T1]]: ...
    @overload
    def values(
        self, first: T1, second: T2, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2]]: ...
    @overload
    def values(
        self, first: T1, second: T2, third: T3, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3]]: ...
    @overload
    def values(
        self, first: T1, second: T2, third: T3, fourth: T4, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3, T4]]: ...
    @overload
    def values(
        self, first: T1, second: T2, third: T3, fourth: T4, fifth: T5, /, *, bad_records: list[DataError] | None = None
    ) -> list[tuple[T1, T2, T3, T4, T5]]: ...
    @overload
    def values(self, *fields: object, bad_records: list[DataError] | None = None) -> list[tuple[Any, ...]]: ...
    def values(self, *fields: object, bad_records: list[DataError] | None = None) -> Any:
        """Give some fields of each record; see ``Query.values``."""
        return self._run(self._results.values(_names(self._model, fields), bad_records))

    def page(self, size: int, after: str | None = None, *, bad_records: list[DataError] | None = None) -> Page[M]:
        """Give the records behind a cursor; see ``Query.page``."""
        return Page(*self._run(self._page(size, after, bad_records)))

    def iterate(self, *, bad_records: list[DataError] | None = None) -> Iterator[M]:
        """Go through the records in constant memory; see ``Query.iterate``."""
        search, left = self._results.begin(), self._request.limit
        while left != 0:
            found = self._run(self._results.next_records(search, left, bad_records))
            if not found:
                return
            left = None if left is None else left - len(found)
            yield from found

    def __iter__(self) -> Iterator[M]:
        return self.iterate()

    def update(self, **values: object) -> int:
        """Write constants into the records; see ``Query.update``."""
        return self._run(self._update(values))

    def delete(self) -> int:
        """Delete the records; see ``Query.delete``."""
        return self._run(self._changes.delete())

    def explain(self) -> Explanation:
        """Tell how the query is answered; see ``Query.explain``."""
        return self._run(self._decision.explain())

    def _run(self, batches: RoundTrips[R]) -> R:
        return store_of(self._model).run(batches)


def query_of(model: type[M], conditions: tuple[Condition | bool, ...], *, allow_scan: bool) -> Query[M]:
    """Give the query of ``Model.where``."""
    condition = resolved(all_of(conditions), model.__mapper__) if conditions else EVERYTHING
    return Query(model, Request(condition, allow_scan=allow_scan))


def _with_conditions(model: type[StoredModel], request: Request, conditions: tuple[Condition | bool, ...]) -> Request:
    if not conditions:
        return request
    condition = resolved(all_of(conditions), model.__mapper__)
    if request.condition != EVERYTHING:
        condition = request.condition & condition
    return replace(request, condition=condition)


def _with_orders(model: type[StoredModel], request: Request, fields: tuple[object, ...]) -> Request:
    orders: list[Order] = [resolved_order(order_of(field), model.__mapper__) for field in fields]
    return replace(request, orders=tuple(orders))


def _names(model: type[StoredModel], fields: tuple[object, ...]) -> tuple[str, ...]:
    """Give the names of fields that ``values`` takes."""
    names: list[str] = []
    for field in fields:
        if not isinstance(field, Reference):
            name = f"{model.__name__}.{model.__mapper__.primary_key}"
            raise TypeError(f"{model.__name__}: values() takes fields of the class, such as {name}, not {field!r:.60}")
        names.append(model.__mapper__.field(field.name).name)
    if not names:
        raise TypeError(f"{model.__name__}: values() takes at least one field of the class")
    return tuple(names)


def _check_count(model: type[StoredModel], verb: str, name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{model.__name__}: {verb}() takes a whole number as {name}, not {value!r:.60}")
    if value < least:
        raise ValueError(f"{model.__name__}: {verb}({value}): {name} must be {least} or more")
