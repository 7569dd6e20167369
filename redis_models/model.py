"""``Model`` and ``AutoModel``: pydantic models whose instances are Redis hashes."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING, ClassVar, Self, overload

from pydantic import BaseModel, ConfigDict

from .declaration import UNSET, ModelMeta, is_live
from .errors import DataError
from .store import Store
from .sync import SyncAccess, SyncRecord
from .verbs import LifeSpan, store_of, verbs_of

__all__ = ["AutoModel", "Model"]


class Model(BaseModel, metaclass=ModelMeta):
    """A pydantic model whose instances are records: Redis hashes under ``{prefix}:{table}:{primary key}``.

    Declare fields, name the primary key, and bind the class to a ``Store``, or let ``redis_models.setup()`` do it::

        class Book(Model):
            title: str = Field(primary_key=True)
            pages: int = 0

    The verbs are coroutines; ``Book.sync.insert(...)`` and ``book.sync.save()`` are the same, blocking. Nothing is
    written by making, loading or assigning; see ``AutoModel`` for that.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=True)
    __slots__ = ("__auto__", "__record__")

    if TYPE_CHECKING:
        _primary_key_field: ClassVar[str]
        _table_name: ClassVar[str | None]
        _redis_prefix: ClassVar[str | None]
        _redis_separator: ClassVar[str | None]
        _auto_save: ClassVar[bool]
        _auto_sync: ClassVar[bool]
        _version: ClassVar[int]
        _ttl: ClassVar[int | None]
        _app: ClassVar[str | None]
        _abstract: ClassVar[bool]
        _managed: ClassVar[bool]
    else:
        _auto_save = False
        _auto_sync = False
        _ttl = None
        _app = None
        _managed = True
        _abstract = True
    _store: ClassVar[Store | None] = None
    if TYPE_CHECKING:
        sync: ClassVar[SyncAccess] = SyncAccess()

    @classmethod
    def get_primary_key_field(cls) -> str:
        """Name of the primary key's field."""
        return cls._primary_key_field

    @classmethod
    def get_table_index_key(cls) -> str:
        """Redis key of the model's index, a sorted set of record keys."""
        return cls.__shape__.keys.index

    @classmethod
    async def get(cls, id: object) -> Self:
        """Read one record by primary key.

        Raises:
            NotFoundError: There is none.
            DataError: It cannot be read as this model; the subclasses say why.

        Keys: reads the record.
        Cost: one round trip; two for a record of an older version.
        """
        return await store_of(cls).run_async(verbs_of(cls).get(id))

    @classmethod
    async def get_many(cls, ids: Iterable[object]) -> list[Self | None]:
        """Read several records by primary key, in the order of ``ids``, None where there is none.

        Cost: one round trip for every 500.
        """
        return await store_of(cls).run_async(verbs_of(cls).get_many(ids))

    @classmethod
    async def exists(cls, id: object) -> bool:
        """Tell whether there is a record of that primary key."""
        return await store_of(cls).run_async(verbs_of(cls).exists(id))

    @classmethod
    async def count(cls) -> int:
        """Count the records that exist now; expired ones are not counted, and leave the index.

        Cost: two round trips for every 1,000 records.
        """
        return await store_of(cls).run_async(verbs_of(cls).count())

    @classmethod
    async def iterate(cls, batch_size: int = 500) -> AsyncIterator[Self]:
        """Go through all records in the order of their keys, in constant memory.

        Records inserted or deleted meanwhile may or may not be met; every other one is met exactly once.

        Args:
            batch_size: Records read at a time.
        """
        after: str | None = None
        while True:
            found, after = await store_of(cls).run_async(verbs_of(cls).page_after(after, batch_size))
            for one in found:
                yield one
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
        cls, columns: Sequence[str], ids: object = None, skip: int | None = None, limit: int | None = None
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
            skip: How many to leave out first.
            limit: How many to give at most.
            bad_records: A list that takes the errors of records that cannot be read; without it the first is raised.

        Returns:
            Instances or dicts; None, as in the seed, where there is nothing.

        Raises:
            DataError: A record cannot be read; it names the key and the field.

        Keys: reads the index and the records; takes members out of the index whose record is gone.
        Cost: O(log n + page); one round trip for every 500 records.
        """
        verbs, store = verbs_of(cls), store_of(cls)
        if columns is None:
            return await store.run_async(verbs.select(ids, skip, limit, bad_records))
        return await store.run_async(verbs.select_columns(columns, ids, skip, limit))

    @classmethod
    async def insert(cls, data: Self | Iterable[Self], life_span_seconds: LifeSpan | None = None) -> list[object]:
        """Write one or more whole records, new or not.

        Args:
            data: Instances of this model.
            life_span_seconds: Life span, a timedelta too; else the model's ``ttl``, else the store's; else it is left
                as it is.

        Returns:
            As the seed: per record the number of new fields, then 1 if the index did not have it, else 0; with a life
            span, True after each.

        Raises:
            RecordTooNewError: Newer code wrote one of these records; none of its 100 is written.
            EncodeError: A value cannot be stored; nothing is written.

        Keys: writes the records and the index.
        Cost: one script call for every 100 records, atomic for these; 20 calls a round trip.
        """
        return await store_of(cls).run_async(verbs_of(cls).insert(data, life_span_seconds))

    async def save(self) -> None:
        """Write what changed since this instance was loaded or saved; a new instance is written whole.

        Raises:
            NotFoundError: The record was deleted meanwhile; it is not created again.
            RecordTooNewError: Newer code has written it meanwhile.

        Keys: writes the record and, where it is missing there, the index.
        Cost: one round trip; none where nothing changed.
        """
        await store_of(type(self)).run_async(verbs_of(type(self)).save(self))

    @classmethod
    async def patch(cls, id: object, /, **changes: object) -> None:
        """Write some fields of a record without reading it.

        Args:
            id: Primary key.
            changes: New values; each is validated as an assignment is.

        Raises:
            NotFoundError: There is no such record.
            EncodeError: A value is not what its field accepts.
        """
        await store_of(cls).run_async(verbs_of(cls).patch(id, changes))

    @classmethod
    async def delete(cls, ids: object) -> list[int] | None:
        """Delete one record or several by primary key; ``delete_all`` deletes all.

        Returns:
            How many records existed, and how many members the index lost; None for an empty list.
        """
        return await store_of(cls).run_async(verbs_of(cls).delete(ids))

    @classmethod
    async def delete_all(cls) -> int:
        """Delete every record of the index, in bounded steps; give how many existed."""
        return await store_of(cls).run_async(verbs_of(cls).delete_all())

    @classmethod
    async def expire(cls, id: object, seconds: LifeSpan) -> None:
        """Give a record a life span from now; ``NotFoundError`` if there is none."""
        await store_of(cls).run_async(verbs_of(cls).expire(id, seconds))

    @classmethod
    async def persist(cls, id: object) -> None:
        """Take a record's life span away; ``NotFoundError`` if there is no record."""
        await store_of(cls).run_async(verbs_of(cls).persist(id))

    @classmethod
    def serialize_partially(cls, data: Mapping[str, object]) -> dict[str, object]:
        """Give some fields as they are stored, as text; names that are no stored fields pass through.

        Unlike the seed, it leaves ``data`` as it is.

        Raises:
            EncodeError: A value cannot be stored.
        """
        shape = cls.__shape__
        return {
            name: shape.encode_field(shape.field(name), value).decode("utf-8", "surrogatepass")
            if name in shape.names
            else value
            for name, value in data.items()
        }

    @classmethod
    def deserialize_partially(cls, data: Mapping[str, str | bytes]) -> dict[str, object]:
        """Give the values of some stored fields; names that are no stored fields pass through.

        Raises:
            DecodeError: A field does not read back as its type.
        """
        shape = cls.__shape__
        return {
            name: shape.decode_field(
                shape.keys.start,
                shape.field(name),
                raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw,
            )
            if name in shape.names
            else raw
            for name, raw in data.items()
        }

    @asynccontextmanager
    async def update(self) -> AsyncGenerator[Self]:
        """Gather assignments into one write at the end of the block.

        An exception in the block writes nothing. After that, or after a failed write, an instance that syncs is as it
        was before, like its record; another keeps what was assigned, unsaved.
        """
        with self._gathering():
            yield self
            await store_of(type(self)).run_async(verbs_of(type(self)).save(self))

    if TYPE_CHECKING:  # fields for checkers, so that the constructor takes them
        auto_save: bool = False
        auto_sync: bool = False
    else:

        @property
        def auto_save(self):
            """Whether making this instance saved it."""
            own = getattr(self, "__auto__", UNSET)[0]
            return self._auto_save if own is None else own

        @auto_save.setter
        def auto_save(self, value):
            self.set_auto_save(value)

        @property
        def auto_sync(self):
            """Whether assigning to a field of this instance writes it."""
            own = getattr(self, "__auto__", UNSET)[1]
            return self._auto_sync if own is None else own

        @auto_sync.setter
        def auto_sync(self, value):
            self.set_auto_sync(value)

    def set_auto_save(self, auto_save: bool = True) -> None:
        """Set what ``auto_save`` says of this instance."""
        object.__setattr__(self, "__auto__", (auto_save, getattr(self, "__auto__", UNSET)[1]))

    def set_auto_sync(self, auto_sync: bool = True) -> None:
        """Set whether assigning to a field of this instance writes it."""
        object.__setattr__(self, "__auto__", (getattr(self, "__auto__", UNSET)[0], auto_sync))

    if not TYPE_CHECKING:  # checkers must go on refusing names that are no fields

        def __setattr__(self, name, value):
            if not self.auto_sync or self._store is None or name not in type(self).model_fields or not is_live(self):
                super().__setattr__(name, value)
                return
            with self._restored_on_failure():
                super().__setattr__(name, value)
                SyncRecord(self).save()

    @contextmanager
    def _gathering(self) -> Generator[None]:
        """Hold back the writes of assignments; the block ends with one."""
        before = getattr(self, "__auto__", UNSET)
        with self._restored_on_failure() if self.auto_sync else nullcontext():
            object.__setattr__(self, "__auto__", (before[0], False))
            try:
                yield
            finally:
                object.__setattr__(self, "__auto__", before)

    @contextmanager
    def _restored_on_failure(self) -> Generator[None]:
        """Put the fields back if a write did not happen, or is not known to have: the object must not claim it did."""
        fields, names = dict(self.__dict__), set(self.__pydantic_fields_set__)
        try:
            yield
        except BaseException:
            object.__setattr__(self, "__dict__", fields)
            object.__setattr__(self, "__pydantic_fields_set__", names)
            raise


# Not in the body, where pydantic wants it annotated; then a field of that name would come first in every subclass.
type.__setattr__(Model, "sync", SyncAccess())


class AutoModel(Model):
    """A model that is saved when it is made and synced when a field is assigned, before the statement returns.

    These writes block, also inside a running event loop; loading writes nothing, nor do ``model_validate`` and
    ``model_copy``. ``async with one.update():`` gathers several assignments into one write.
    """

    # Not in a Meta, which would make every subclass's own Meta an override in the eyes of type checkers.
    if not TYPE_CHECKING:
        _abstract = True
        _auto_save = True
        _auto_sync = True
