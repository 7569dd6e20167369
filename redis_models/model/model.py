"""``Model`` and ``AutoModel``: pydantic models whose instances are Redis hashes."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, Self, overload

from ..coroutines import is_being_saved
from ..errors import DataError
from ..mapping.core_schema import assign_plain, is_in_validator
from ..mapping.ttl import KEEP, LifeSpan
from ..records.repository import is_bound, repository_of, resolve_ids_async, store_of
from ..records.tracking import tracked_state
from ..records.write import Only
from .assignments import (
    NO_CONTEXT,  # pyright: ignore[reportUnusedImport]  # used where checkers do not look
    batched_assignments,
    restore_state,
    restored_on_failure,
    save_lock,
    state_of,
)
from .delete import DeleteAccess
from .metaclass import is_live
from .pending_save import PendingSave, insert_pending, is_pending, pending, save_by_insert
from .queryable import QueryableModel
from .sync import SyncAccess, record_of

__all__ = ["AutoModel", "Model"]


class Model(QueryableModel):
    """A pydantic model whose instances are records: Redis hashes under ``{prefix}:{table}:{primary key}``.

    Declare fields, name the primary key, and bind the class to a ``Store``, or let ``redis_models.setup()`` do it::

        class Book(Model):
            title: str = Field(primary_key=True)
            pages: int = 0

    The verbs are coroutines; ``Book.sync.insert(...)`` and ``book.sync.save()`` do the same, blocking. Making an
    instance, loading it and assigning to it write nothing; see ``AutoModel`` for that.
    """

    __slots__ = ("__auto__", "__blocks__", "__first__", "__record__", "__save_lock__")

    if TYPE_CHECKING:
        sync: ClassVar[SyncAccess] = SyncAccess()
        delete: ClassVar[DeleteAccess] = DeleteAccess()
    else:
        _abstract = True

    @classmethod
    async def get(cls, id: object) -> Self:
        """Read one record by primary key.

        Raises:
            NotFoundError: It does not exist.
            DataError: It cannot be read as this model; the subclasses say why.

        Keys: reads the record.
        Cost: one round trip; two if the record is of an older version or does not exist.
        """
        return await store_of(cls).run_async(repository_of(cls).get(id))

    @classmethod
    async def get_many(cls, ids: Iterable[object], *, bad_records: list[DataError] | None = None) -> list[Self | None]:
        """Read several records by primary key, in the order of ``ids``; None for those that do not exist.

        Args:
            ids: Primary keys.
            bad_records: A list that takes the errors of records that cannot be read; the result has None in their
                places. Without it the first error is raised.

        Cost: one round trip for every 500; one more if some are of an older version or do not exist.
        """
        return await store_of(cls).run_async(repository_of(cls).get_many(ids, bad_records))

    @classmethod
    async def exists(cls, id: object) -> bool:
        """Tell whether a record with this primary key exists."""
        return await store_of(cls).run_async(repository_of(cls).exists(id))

    @classmethod
    async def count(cls) -> int:
        """Count the records that exist now; expired ones do not count, and are removed from the index.

        Cost: two round trips for every 1,000 records.
        """
        return await store_of(cls).run_async(repository_of(cls).count())

    @classmethod
    async def iterate(cls, batch_size: int = 500, *, bad_records: list[DataError] | None = None) -> AsyncIterator[Self]:
        """Go through all records in the order of their keys, in constant memory.

        Records that are inserted or deleted meanwhile may or may not be given; every other one is given once.

        Args:
            batch_size: Records to read at a time.
            bad_records: A list that takes the errors of records that cannot be read, which are then left out; without
                it the first error is raised.
        """
        after: str | None = None
        while True:
            found, after = await store_of(cls).run_async(repository_of(cls).page_after(after, batch_size, bad_records))
            for instance in found:
                yield instance
            if after is None:
                return

    @overload
    @classmethod
    async def select(
        cls,
        columns: None = None,
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
    ) -> list[Self] | None: ...
    @overload
    @classmethod
    async def select(
        cls,
        columns: Sequence[str],
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
    ) -> list[dict[str, object]] | None: ...
    @classmethod
    async def select(
        cls,
        columns: Sequence[str] | None = None,
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
    ) -> list[Self] | list[dict[str, object]] | None:
        """Read many records, in the order of their keys.

        Args:
            columns: Fields to read; then each record is a dict of these, in this order.
            ids: One primary key or several; None means all records of the index.
            skip: How many to leave out at the beginning.
            limit: The maximum number of records.
            bad_records: A list that takes the errors of records that cannot be read; without it the first error is
                raised.

        Returns:
            Instances or dicts; None, as in pydantic-aioredis, if there are none.

        Raises:
            DataError: A record cannot be read; the error names the key and the field.

        Keys: reads the index and the records; removes members without a record from the index.
        Cost: O(log n + page); one round trip for every 500 records.
        """
        verbs, store = repository_of(cls), store_of(cls)
        if cls.__overrides__:
            ids = await resolve_ids_async(cls, ids)
        if columns is None:
            return await store.run_async(verbs.select(ids, skip, limit, bad_records))
        return await store.run_async(verbs.select_columns(columns, ids, skip, limit, bad_records))

    @classmethod
    async def page(cls, limit: int, after: object = None, *, bad_records: list[DataError] | None = None) -> list[Self]:
        """Read the records that follow a primary key, in the order of their keys.

        Unlike ``select(skip=...)`` it does not repeat or leave out a record when other clients insert and delete
        meanwhile.

        Args:
            limit: The number of records; fewer only at the end.
            after: Primary key of the last record of the previous page; None begins with the first record.
            bad_records: A list that takes the errors of records that cannot be read, which are then left out and do not
                count; without it the first error is raised. Those after the last record are in the next page again.

        Returns:
            Instances; an empty list at the end.

        Keys: reads the index and the records; removes members without a record from the index.
        Cost: O(log n + limit), for any page.
        """
        return await store_of(cls).run_async(repository_of(cls).page(limit, after, bad_records))

    @classmethod
    async def insert(
        cls,
        data: Self | Iterable[Self],
        life_span_seconds: LifeSpan | None = None,
        *,
        only: Only = None,
    ) -> list[int]:
        """Write one or more whole records, new or not; they may replace records that no migration can upgrade.

        Args:
            data: Instances of this model.
            life_span_seconds: The TTL: seconds above 0, a timedelta, ``KEEP`` to keep the current one, or ``FOREVER``
                to remove it; None means the model's ``ttl``, else the store's, else ``KEEP``.
            only: ``"new"`` refuses records that exist, ``"existing"`` those that do not; None writes both.

        Returns:
            For each record the number of new fields, then 1 if the index did not have it, else 0.

        Raises:
            ConflictError: Only new ones were wanted and one exists; none of its 100 is written.
            NotFoundError: Only existing ones were wanted and one does not; none of its 100 is written.
            RecordTooNewError: Newer code wrote one of these records; none of its 100 is written.
            EncodeError: A value cannot be stored; none of its 1,000 is written.
            ValueError: The TTL is wrong; nothing is written.

        After an error with more than 1,000 instances, others may have been written: the server writes one thousand
        while the next is encoded.

        Keys: writes the records and the index.
        Cost: one script call for every 100 records, atomic for these; 10 calls per round trip, which are pipelined.
        """
        if "insert" in cls.__overrides__ and (save := pending.get()) is not None and save.covers(data):
            return await insert_pending(save, life_span_seconds, only)
        return await store_of(cls).run_async(repository_of(cls).insert(data, life_span_seconds, only=only))

    async def save(
        self,
        life_span_seconds: LifeSpan | None = KEEP,
        *,
        only: Only = None,
        if_unchanged: bool = False,
    ) -> None:
        """Write the changes since this instance was loaded or saved; a new instance is written whole.

        Args:
            life_span_seconds: As in ``insert``; by default a save keeps the TTL of a stored record.
            only: As in ``insert``.
            if_unchanged: Write only if no other client changed the record since this instance was loaded or saved; a
                new instance is written only if the record does not exist.

        Raises:
            NotFoundError: The record was deleted meanwhile; it is not created again.
            ConflictError: Another client changed it meanwhile, and ``if_unchanged`` is set; nothing is written.
            RecordTooNewError: Newer code has written it meanwhile.

        Keys: writes the record and, where it is missing there, the index.
        Cost: one round trip; none if nothing changed.
        """
        if "insert" in type(self).__overrides__ and not is_pending(self):
            await save_by_insert(PendingSave(self, life_span_seconds, only, if_unchanged))
            return
        verbs, store = repository_of(type(self)), store_of(type(self))
        async with save_lock(self):  # on two connections, the later of two saves could be executed first
            await store.run_async(verbs.save(self, life_span_seconds, only=only, if_unchanged=if_unchanged))

    @classmethod
    async def increment(cls, id: object, field: str, by: float = 1) -> int | float:
        """Add to a number in a record without reading it, and give the sum.

        Args:
            id: Primary key.
            field: An ``int`` or ``float`` field. Its bounds (ge, gt, le, lt) are checked; a field with another
                validator is refused.
            by: What to add; a whole number for an ``int`` field.

        Raises:
            NotFoundError: There is no such record.
            DataError: The field does not hold a number, or the sum would be out of range; nothing is changed.
            ServerUnreachableError: The connection broke, so it is unknown whether the number was added. It is never
                added twice.

        Keys: writes the record.
        Cost: one round trip.
        """
        return await store_of(cls).run_async(repository_of(cls).increment(id, field, by))

    @classmethod
    async def patch(cls, id: object, /, **changes: object) -> None:
        """Write some fields of a record without reading it.

        Args:
            id: Primary key.
            changes: New values; each is validated as an assignment is.

        Raises:
            NotFoundError: There is no such record.
            EncodeError: A field does not accept its value.
        """
        await store_of(cls).run_async(repository_of(cls).patch(id, changes))

    @classmethod
    async def delete_all(cls) -> int:
        """Delete every record of the index, in bounded steps; give how many existed."""
        return await store_of(cls).run_async(repository_of(cls).delete_all())

    @classmethod
    async def expire(cls, id: object, seconds: LifeSpan) -> None:
        """Set the TTL of a record, from now; ``NotFoundError`` if it does not exist."""
        await store_of(cls).run_async(repository_of(cls).expire(id, seconds))

    @classmethod
    async def persist(cls, id: object) -> None:
        """Remove the TTL of a record; ``NotFoundError`` if it does not exist."""
        await store_of(cls).run_async(repository_of(cls).persist(id))

    @classmethod
    async def ttl(cls, id: object) -> float | None:
        """Give the remaining TTL of a record in seconds, to the millisecond; None if it has no TTL.

        Raises:
            NotFoundError: There is no such record.
        """
        return await store_of(cls).run_async(repository_of(cls).ttl(id))

    @asynccontextmanager
    async def update(self) -> AsyncGenerator[Self]:
        """Write all assignments of the block at once, at its end.

        If the block raises, nothing is written. After that, or after a failed write, the instance is as it was before
        the block.
        """
        with batched_assignments(self) as blocks:
            yield self
            if is_bound(type(self)):
                await self.save()
                blocks.mark_saved(self)

    @classmethod
    async def _ids_to_primary_keys(cls, ids: object = None) -> tuple[list[str], str]:
        """Give record keys and the key of the index, for subclasses written for pydantic-aioredis."""
        return await store_of(cls).run_async(repository_of(cls).keys(ids)), cls.get_table_index_key()

    if not TYPE_CHECKING:  # type checkers must still refuse unknown fields

        def __setattr__(self, name, value):
            model = type(self)
            is_stored = name in model.__pydantic_fields__ or _is_extra(model, name)
            if not is_stored and _is_unknown(model, name):
                raise ValueError(f'"{model.__name__}" object has no field "{name}"')  # the text of pydantic 1
            if is_stored and is_in_validator(self) and not _is_frozen(model, name):
                assign_plain(self, name, value)
                return
            syncs = is_stored and self.auto_sync and is_bound(model) and is_live(self)
            if not syncs or (model.__overrides__ and is_being_saved(self)):
                # A validator of the whole model sees the new value; if it refuses, pydantic leaves the value there.
                with restored_on_failure(self) if model.__pydantic_decorators__.model_validators else NO_CONTEXT:
                    super().__setattr__(name, value)
                return
            state = tracked_state(self)
            with NO_CONTEXT if state is None else state.lock:
                before = state_of(self)
                try:
                    super().__setattr__(name, value)
                    record_of(self)._write_assigned(name)
                except BaseException:
                    restore_state(self, before)
                    raise


def _is_extra(model: type[Model], name: str) -> bool:
    return model.model_config.get("extra") == "allow" and not name.startswith("_")


def _is_frozen(model: type[Model], name: str) -> bool:
    return bool(model.model_config.get("frozen") or (name in model.model_fields and model.model_fields[name].frozen))


def _is_unknown(model: type[Model], name: str) -> bool:
    """Whether an instance has no attribute of that name to assign to; options of the class do not count."""
    if name.startswith("_"):
        return not name.startswith("__") and name not in model.__private_attributes__
    return not hasattr(model, name)


# Not in the class body, where pydantic requires annotations; those would make them the first fields of subclasses.
type.__setattr__(Model, "sync", SyncAccess())
type.__setattr__(Model, "delete", DeleteAccess())


class AutoModel(Model):
    """A model that is saved when it is made, and written when a field is assigned, before the statement returns.

    These writes block, also inside a running event loop. Loading, ``model_validate`` and ``model_copy`` write nothing.
    ``async with book.update():`` writes several assignments at once.
    """

    # Not in a Meta: type checkers would take the Meta of a subclass for a wrong override.
    if not TYPE_CHECKING:
        _abstract = True
        _auto_save = True
        _auto_sync = True
