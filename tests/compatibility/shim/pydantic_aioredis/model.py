"""Models, whose ``delete`` without ids empties the table, as it did there."""

from typing import TYPE_CHECKING

import redis_models

__all__ = ["AutoModel", "Model"]


class Model(redis_models.Model):
    """The model of old."""

    _abstract = True

    if not TYPE_CHECKING:  # which would not have a verb of ours replaced by a method

        @classmethod
        async def delete(cls, ids=None):
            """Delete some records, or, without ids, all of the table."""
            if ids is not None:
                return await super().delete(ids)
            count = await cls.delete_all()
            return [count, count] if count else None


class AutoModel(Model):
    """A model that saves itself."""

    _abstract = True
    _auto_save = True
    _auto_sync = True
