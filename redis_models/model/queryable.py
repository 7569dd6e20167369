"""The verbs of indexes: ``Model.where`` finds records by them, ``Model.build_indexes`` builds them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Self

from ..indexes.conditions import Condition
from ..records.repository import repository_of, store_of
from .base import _AbstractModel

if TYPE_CHECKING:
    from .query import Query

__all__ = ["QueryableModel"]


class QueryableModel(_AbstractModel):
    """What ``Model`` has beside the verbs of single records and of whole tables."""

    __slots__ = ()

    if not TYPE_CHECKING:
        _abstract = True

    @classmethod
    def where(cls, *conditions: Condition | bool, allow_scan: bool = False) -> "Query[Self]":
        """Give a query: the records that meet all of some conditions. Nothing is read until a verb of it is awaited::

            late = Order.where(Order.status == Status.NEW, Order.created < day).order_by(desc(Order.created))
            orders = await late.limit(20).all()

        Args:
            conditions: Comparisons of fields of the class, combined with ``&``, ``|`` and ``~``; see ``on`` for more.
                Without any, all records.
            allow_scan: Whether to read every record of the table where no index serves the query, which is refused
                otherwise.

        Raises:
            TypeError: Something is not a condition, such as a comparison of an instance.
            EncodeError: A value is not one that its field can have.
            QueryError: A field is another model's, or cannot be compared in this way.
        """
        from .query import (
            query_of,
        )  # with the first query: applications without one, and runs of migrations, do without

        return query_of(cls, conditions, allow_scan=allow_scan)

    @classmethod
    async def build_indexes(cls, *, drop: Iterable[str] = (), rebuild: Iterable[str] = ()) -> list[str]:
        """Build the indexes that the model declares and its table does not have yet, while others read and write.

        Every process maintains an index from the moment at which its build begins, also one whose code does not declare
        it. A build that was stopped is continued by the next call.

        Args:
            drop: Names of indexes to remove from the table; other ones that the model does not declare stay.
            rebuild: Names of indexes to build anew, as after raw writes of a field or after damage.

        Returns:
            The names of the indexes that were built.

        Raises:
            DuplicateValuesError: Records have the same value in a unique index; correct them, and call this again.
            ConfigurationError: ``drop`` names an index of the model, or one that the table does not have.

        Keys: writes the definitions beside the index, and the indexes.
        Cost: a scan of the database, and a script for every 100 records; memory stays constant.
        """
        return await store_of(cls).run_async(repository_of(cls).build_indexes(drop, rebuild))
