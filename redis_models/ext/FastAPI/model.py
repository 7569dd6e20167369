"""``FastAPIModel``: a model with ``select_or_404``."""

from collections.abc import Sequence
from typing import Any, Self, overload

from fastapi import HTTPException

from ...errors import DataError
from ...model.model import Model

__all__ = ["FastAPIModel"]


class FastAPIModel(Model):
    """A model with ``select_or_404``, for your own handlers. ``CRUDRouter`` takes any ``Model``."""

    # Not in a Meta: type checkers would take the Meta of a subclass for a wrong override.
    _abstract = True

    @overload
    @classmethod
    async def select_or_404(
        cls,
        columns: None = None,
        ids: object = None,
        custom_exception: Exception | None = None,
        *,
        skip: int | None = None,
        limit: int | None = None,
        bad_records: list[DataError] | None = None,
    ) -> list[Self]: ...
    @overload
    @classmethod
    async def select_or_404(
        cls,
        columns: Sequence[str],
        ids: object = None,
        custom_exception: Exception | None = None,
        *,
        skip: int | None = None,
        limit: int | None = None,
        bad_records: list[DataError] | None = None,
    ) -> list[dict[str, object]]: ...
    @classmethod
    async def select_or_404(
        cls,
        columns: Sequence[str] | None = None,
        ids: object = None,
        custom_exception: Exception | None = None,
        *,
        skip: int | None = None,
        limit: int | None = None,
        bad_records: list[DataError] | None = None,
    ) -> list[Self] | list[dict[str, object]]:
        """Read many records; raise if there are none. The arguments are those of ``select``.

        Args:
            columns: As in ``select``.
            ids: As in ``select``.
            custom_exception: The exception to raise in place of 404.
            skip: As in ``select``.
            limit: As in ``select``.
            bad_records: As in ``select``; a record that exists and cannot be read does not count as missing.

        Raises:
            HTTPException: 404 if there are none, and ``custom_exception`` is not given.
        """
        found: list[Self] | list[dict[str, object]] | None
        bad = list[DataError]()
        # Passed on only if given, so that an overridden ``select`` need not accept it.
        options: dict[str, Any] = {} if bad_records is None else {"bad_records": bad}
        if columns is None:
            found = await cls.select(None, ids, skip, limit, **options)
        else:
            found = await cls.select(columns, ids, skip, limit, **options)
        if bad_records is not None:
            bad_records += bad
        if found is None and not bad:
            raise custom_exception or HTTPException(404, f"{cls.__name__} not found")
        return found or []
