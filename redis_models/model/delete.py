"""``Model.delete(ids)`` and ``instance.delete()``: one name, two methods.

In pydantic-aioredis it was a class method whose ids could be left out: ``book.delete()`` emptied the table of books.
"""

from typing import TYPE_CHECKING, Generic, TypeVar, overload

from ..mapping.stored_model import StoredModel
from ..records.repository import repository_of, resolve_ids_async, store_of

__all__ = ["DeleteAccess", "DeleteRecord", "DeleteRecords"]

M = TypeVar("M", bound=StoredModel)


class DeleteAccess:
    """On a class, the verb that takes primary keys; on an instance, the verb that deletes its record."""

    @overload
    def __get__(self, instance: None, owner: type[M]) -> "DeleteRecords[M]": ...
    @overload
    def __get__(self, instance: M, owner: type[M]) -> "DeleteRecord[M]": ...
    def __get__(self, instance: M | None, owner: type[M]) -> "DeleteRecords[M] | DeleteRecord[M]":
        return DeleteRecords(owner) if instance is None else DeleteRecord(instance)


class DeleteRecords(Generic[M]):
    """Delete records of a model by primary key."""

    __slots__ = ("_model",)

    def __init__(self, model: type[M]) -> None:
        self._model = model

    if TYPE_CHECKING:  # checkers refuse what the verb refuses

        async def __call__(self, ids: object) -> list[int] | None: ...

    else:

        async def __call__(self, ids=None):
            """Delete one record or several by primary key; ``delete_all`` deletes all.

            Args:
                ids: A primary key, or a list, tuple or set of them. Required: to leave it out is mostly a mistake.

            Returns:
                How many records existed, and how many members were removed from the index; None for an empty list.

            Raises:
                TypeError: ``ids`` is left out, or None.

            Keys: deletes the records, and their members of the index.
            Cost: one script call for every 100 records.
            """
            if ids is None:
                verb = f"{self._model.__name__}.delete"
                raise TypeError(f"{verb} needs primary keys: {verb}(ids); {verb}_all() deletes all")
            ids = await resolve_ids_async(self._model, ids)
            return await store_of(self._model).run_async(repository_of(self._model).delete(ids))


class DeleteRecord(Generic[M]):
    """Delete the record of one instance."""

    __slots__ = ("_instance",)

    def __init__(self, instance: M) -> None:
        self._instance = instance

    async def __call__(self) -> list[int] | None:
        """Delete the record of this instance; the instance does not change.

        Returns:
            How many records existed, and how many members were removed from the index: 0 or 1.

        Keys: deletes the record, and its member of the index.
        """
        model = type(self._instance)
        return await store_of(model).run_async(repository_of(model).delete_instance(self._instance))
