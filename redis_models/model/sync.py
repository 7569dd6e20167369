"""``Model.sync`` and ``instance.sync``: the verbs of a model, blocking, for scripts, shells and workers."""

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..coroutines import being_saved, is_within, run_to_end, within
from ..errors import DataError
from ..indexes.conditions import Condition
from ..mapping.stored_model import StoredModel
from ..mapping.ttl import KEEP, LifeSpan
from ..records.repository import IDS_METHOD, is_bound, repository_of, returned_keys, store_of
from ..records.tracking import lock_of, tracked_state
from ..records.write import Only, save_at_once
from .assignments import batched_assignments, restored_on_failure

if TYPE_CHECKING:
    from .query import SyncQuery

__all__ = ["SyncAccess", "SyncRecord", "SyncTable", "record_of"]

M = TypeVar("M", bound=StoredModel)


class SyncAccess:
    """On a class, its blocking table verbs; on an instance, its blocking record verbs."""

    @overload
    def __get__(self, instance: None, owner: type[M]) -> "SyncTable[M]": ...
    @overload
    def __get__(self, instance: M, owner: type[M]) -> "SyncRecord[M]": ...
    def __get__(self, instance: M | None, owner: type[M]) -> "SyncTable[M] | SyncRecord[M]":
        if owner.__overrides__:
            return OverriddenTable(owner) if instance is None else OverriddenRecord(instance)
        return SyncTable(owner) if instance is None else SyncRecord(instance)


class SyncTable(Generic[M]):
    """The class verbs of a model, blocking; each is described at ``Model``."""

    __slots__ = ("_model",)

    def __init__(self, model: type[M]) -> None:
        self._model = model

    def get(self, id: object) -> M:
        """Read one record; see ``Model.get``."""
        return store_of(self._model).run(repository_of(self._model).get(id))

    def get_many(self, ids: Iterable[object], *, bad_records: list[DataError] | None = None) -> list[M | None]:
        """Read several records; see ``Model.get_many``."""
        return store_of(self._model).run(repository_of(self._model).get_many(ids, bad_records))

    def exists(self, id: object) -> bool:
        """Tell whether a record exists; see ``Model.exists``."""
        return store_of(self._model).run(repository_of(self._model).exists(id))

    def count(self) -> int:
        """Count the records; see ``Model.count``."""
        return store_of(self._model).run(repository_of(self._model).count())

    def iterate(self, batch_size: int = 500, *, bad_records: list[DataError] | None = None) -> Iterator[M]:
        """Go through all records; see ``Model.iterate``."""
        after: str | None = None
        while True:
            found, after = store_of(self._model).run(
                repository_of(self._model).page_after(after, batch_size, bad_records)
            )
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
        self,
        columns: Sequence[str],
        ids: object = None,
        skip: int | None = None,
        limit: int | None = None,
        *,
        bad_records: list[DataError] | None = None,
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
        ids = resolve_ids(self._model, ids)
        verbs, store = repository_of(self._model), store_of(self._model)
        if columns is None:
            return store.run(verbs.select(ids, skip, limit, bad_records))
        return store.run(verbs.select_columns(columns, ids, skip, limit, bad_records))

    def page(self, limit: int, after: object = None, *, bad_records: list[DataError] | None = None) -> list[M]:
        """Read the records that follow a primary key; see ``Model.page``."""
        return store_of(self._model).run(repository_of(self._model).page(limit, after, bad_records))

    def where(self, *conditions: Condition | bool, allow_scan: bool = False) -> "SyncQuery[M]":
        """Give a query whose verbs block; see ``Model.where``."""
        from .query import query_of  # with the first query, as in ``Model.where``

        return query_of(self._model, conditions, allow_scan=allow_scan).sync

    def insert(
        self, data: M | Iterable[M], life_span_seconds: LifeSpan | None = None, *, only: Only = None
    ) -> list[int]:
        """Write whole records; see ``Model.insert``."""
        return store_of(self._model).run(repository_of(self._model).insert(data, life_span_seconds, only=only))

    def patch(self, id: object, /, **changes: object) -> None:
        """Write some fields of a record; see ``Model.patch``."""
        store_of(self._model).run(repository_of(self._model).patch(id, changes))

    def increment(self, id: object, field: str, by: float = 1) -> int | float:
        """Add to a number in a record; see ``Model.increment``."""
        return store_of(self._model).run(repository_of(self._model).increment(id, field, by))

    def delete(self, ids: object = None) -> list[int] | None:
        """Delete records; see ``Model.delete``."""
        return store_of(self._model).run(repository_of(self._model).delete(resolve_ids(self._model, ids)))

    def delete_all(self) -> int:
        """Delete every record; see ``Model.delete_all``."""
        return store_of(self._model).run(repository_of(self._model).delete_all())

    def build_indexes(self, *, drop: Iterable[str] = (), rebuild: Iterable[str] = ()) -> list[str]:
        """Build the indexes that the model declares; see ``Model.build_indexes``."""
        return store_of(self._model).run(repository_of(self._model).build_indexes(drop, rebuild))

    def expire(self, id: object, seconds: LifeSpan) -> None:
        """Set the TTL of a record; see ``Model.expire``."""
        store_of(self._model).run(repository_of(self._model).expire(id, seconds))

    def persist(self, id: object) -> None:
        """Remove the TTL of a record; see ``Model.persist``."""
        store_of(self._model).run(repository_of(self._model).persist(id))

    def ttl(self, id: object) -> float | None:
        """Give the remaining TTL of a record; see ``Model.ttl``."""
        return store_of(self._model).run(repository_of(self._model).ttl(id))


class SyncRecord(Generic[M]):
    """The verbs of one instance, blocking; each is described at ``Model``."""

    __slots__ = ("_instance",)

    def __init__(self, instance: M) -> None:
        self._instance = instance

    def save(self, life_span_seconds: LifeSpan | None = KEEP, *, only: Only = None, if_unchanged: bool = False) -> None:
        """Write the changes; see ``Model.save``."""
        is_plain = life_span_seconds is KEEP and only is None and not if_unchanged
        model = type(self._instance)
        while True:
            lock = lock_of(self._instance)
            with lock:
                if lock_of(self._instance) is not lock:
                    continue  # another thread has just saved it for the first time
                if not is_plain or not self._write_new():
                    saving = repository_of(model).save(
                        self._instance, life_span_seconds, only=only, if_unchanged=if_unchanged
                    )
                    store_of(model).run(saving)
                return

    def _write_new(self) -> bool:
        """Write a new instance in one exchange; give whether it was written, as it nearly always is."""
        if tracked_state(self._instance) is not None:
            return False
        model = type(self._instance)
        return repository_of(model).insert_at_once(self._instance, store_of(model).sync_client)

    def _write_assigned(self, name: str) -> None:
        """Write a field that was assigned, as an AutoModel does, and other changed fields."""
        model, state = type(self._instance), tracked_state(self._instance)
        store = store_of(model)
        if state is None or not save_at_once(model.__mapper__, store.sync_client, self._instance, state, name):
            store.run(repository_of(model).sync(self._instance, name))

    def delete(self) -> list[int] | None:
        """Delete the record of this instance."""
        model = type(self._instance)
        return store_of(model).run(repository_of(model).delete_instance(self._instance))

    @contextmanager
    def update(self) -> Generator[M]:
        """Write several assignments at once; see ``Model.update``."""
        with batched_assignments(self._instance) as blocks:
            yield self._instance
            if is_bound(type(self._instance)):
                self.save()
                blocks.mark_saved(self._instance)


def record_of(instance: M) -> SyncRecord[M]:
    """Give the blocking verbs of an instance, with those that its class overrides."""
    return OverriddenRecord(instance) if type(instance).__overrides__ else SyncRecord(instance)


class OverriddenTable(SyncTable[M]):
    """The blocking verbs of a model that overrides some of them: the overrides are run to their end."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        model: type[StoredModel] = object.__getattribute__(self, "_model")
        if name not in model.__overrides__ or is_within((model, name)):
            return object.__getattribute__(self, name)
        return partial(_run_iterate if name == "iterate" else _run_table, model, name)


def resolve_ids(model: type[StoredModel], ids: object) -> object:
    """Give the keys that an overridden ``_ids_to_primary_keys`` returns for ``ids``; otherwise ``ids``."""
    if IDS_METHOD not in model.__overrides__ or is_within((model, IDS_METHOD)):
        return ids
    with within((model, IDS_METHOD)):
        return returned_keys(run_to_end(getattr(model, IDS_METHOD), ids))


def _run_table(model: type[StoredModel], name: str, *arguments: object, **options: object) -> object:
    with within((model, name)):
        return run_to_end(getattr(model, name), *arguments, **options)


def _run_iterate(model: type[StoredModel], name: str, *arguments: object, **options: object) -> Iterator[object]:
    """Give the instances of an overridden ``iterate``, which is run to its end first."""

    async def everything() -> list[object]:
        return [instance async for instance in getattr(model, name)(*arguments, **options)]

    yield from run_to_end(everything)


class OverriddenRecord(SyncRecord[M]):
    """The blocking verbs of an instance whose class overrides some verb."""

    __slots__ = ()

    def save(self, life_span_seconds: LifeSpan | None = KEEP, *, only: Only = None, if_unchanged: bool = False) -> None:
        options: dict[str, object] = {} if life_span_seconds is KEEP else {"life_span_seconds": life_span_seconds}
        if only is not None:
            options["only"] = only
        if if_unchanged:
            options["if_unchanged"] = True
        if self._is_ours():
            super().save(life_span_seconds, only=only, if_unchanged=if_unchanged)
        elif is_within(("save", id(self._instance))):
            # Without the lock: the caller of the override holds it, perhaps in another thread.
            verbs, store = repository_of(type(self._instance)), store_of(type(self._instance))
            store.run(verbs.save(self._instance, life_span_seconds, only=only, if_unchanged=if_unchanged))
        else:
            self._run_save(options)

    def _write_assigned(self, name: str) -> None:
        if self._is_ours():
            super()._write_assigned(name)
            return
        if (state := tracked_state(self._instance)) is not None:
            state.mark_assigned(name)
        self._run_save({})

    def _is_ours(self) -> bool:
        return not type(self._instance).__overrides__ & {"save", "insert"}

    def _run_save(self, options: dict[str, object]) -> None:
        instance = self._instance
        with within(("save", id(instance))), being_saved(instance), restored_on_failure(instance):
            run_to_end(cast(Any, instance).save, **options)

    def delete(self) -> list[int] | None:
        model = type(self._instance)
        if "delete" not in model.__overrides__ or is_within((model, "delete")):
            return super().delete()
        own: object = inspect.getattr_static(model, "delete")
        is_of_instances = inspect.isfunction(own)
        with within((model, "delete")):
            pk = getattr(self._instance, model.get_primary_key_field())
            call: Callable[..., Any] = cast(Any, self._instance if is_of_instances else model).delete
            return cast("list[int] | None", run_to_end(call, *(() if is_of_instances else (pk,))))
