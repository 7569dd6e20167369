"""``Model.sync`` and ``instance.sync``: the verbs of a model, blocking, for scripts, shells and workers."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from .errors import DataError
from .verbs import LifeSpan, store_of, verbs_of

if TYPE_CHECKING:
    from .model import Model

__all__ = ["SyncAccess", "SyncRecord", "SyncTable"]

M = TypeVar("M", bound="Model")


class SyncAccess:
    """Gives a class its blocking table verbs, an instance its blocking record verbs."""

    @overload
    def __get__(self, instance: None, owner: type[M]) -> "SyncTable[M]": ...
    @overload
    def __get__(self, instance: M, owner: type[M]) -> "SyncRecord[M]": ...
    def __get__(self, instance: M | None, owner: type[M]) -> "SyncTable[M] | SyncRecord[M]":
        return SyncTable(owner) if instance is None else SyncRecord(instance)


class SyncTable(Generic[M]):
    """The class verbs of a model, blocking; each is described at ``Model``."""

    __slots__ = ("_model",)

    def __init__(self, model: type[M]) -> None:
        self._model = model

    def get(self, id: object) -> M:
        """Read one record; see ``Model.get``."""
        return store_of(self._model).run(verbs_of(self._model).get(id))

    def get_many(self, ids: Iterable[object]) -> list[M | None]:
        """Read several records; see ``Model.get_many``."""
        return store_of(self._model).run(verbs_of(self._model).get_many(ids))

    def exists(self, id: object) -> bool:
        """Tell whether a record exists; see ``Model.exists``."""
        return store_of(self._model).run(verbs_of(self._model).exists(id))

    def count(self) -> int:
        """Count the records; see ``Model.count``."""
        return store_of(self._model).run(verbs_of(self._model).count())

    def iterate(self, batch_size: int = 500) -> Iterator[M]:
        """Go through all records; see ``Model.iterate``."""
        after: str | None = None
        while True:
            found, after = store_of(self._model).run(verbs_of(self._model).page_after(after, batch_size))
            yield from found
            if after is None:
                return

    @overload
    def select(
        self,
        columns: None = None,
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
    ) -> list[M] | None: ...
    @overload
    def select(
        self, columns: Sequence[str], ids: object = None, skip: int | None = None, limit: int | None = None
    ) -> list[dict[str, object]] | None: ...
    def select(
        self,
        columns: Sequence[str] | None = None,
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
    ) -> list[M] | list[dict[str, object]] | None:
        """Read many records; see ``Model.select``."""
        verbs, store = verbs_of(self._model), store_of(self._model)
        if columns is None:
            return store.run(verbs.select(ids, skip, limit, bad_records))
        return store.run(verbs.select_columns(columns, ids, skip, limit))

    def insert(self, data: M | Iterable[M], life_span_seconds: LifeSpan | None = None) -> list[object]:
        """Write whole records; see ``Model.insert``."""
        return store_of(self._model).run(verbs_of(self._model).insert(data, life_span_seconds))

    def patch(self, id: object, /, **changes: object) -> None:
        """Write some fields of a record; see ``Model.patch``."""
        store_of(self._model).run(verbs_of(self._model).patch(id, changes))

    def delete(self, ids: object) -> list[int] | None:
        """Delete records; see ``Model.delete``."""
        return store_of(self._model).run(verbs_of(self._model).delete(ids))

    def delete_all(self) -> int:
        """Delete every record; see ``Model.delete_all``."""
        return store_of(self._model).run(verbs_of(self._model).delete_all())

    def expire(self, id: object, seconds: LifeSpan) -> None:
        """Give a record a life span; see ``Model.expire``."""
        store_of(self._model).run(verbs_of(self._model).expire(id, seconds))

    def persist(self, id: object) -> None:
        """Take a record's life span away; see ``Model.persist``."""
        store_of(self._model).run(verbs_of(self._model).persist(id))


class SyncRecord(Generic[M]):
    """The verbs of one instance, blocking; each is described at ``Model``."""

    __slots__ = ("_instance",)

    def __init__(self, instance: M) -> None:
        self._instance = instance

    def save(self) -> None:
        """Write what changed; see ``Model.save``."""
        model = type(self._instance)
        store_of(model).run(verbs_of(model).save(self._instance))

    def delete(self) -> list[int] | None:
        """Delete the record of this instance."""
        model = type(self._instance)
        return store_of(model).run(verbs_of(model).delete_instance(self._instance))

    @contextmanager
    def update(self) -> Generator[M]:
        """Gather assignments into one write; see ``Model.update``."""
        with self._instance._gathering():
            yield self._instance
            self.save()
