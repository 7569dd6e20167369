"""Models that answer 404."""

import redis_models.ext.FastAPI

from ...model import Model

__all__ = ["FastAPIModel"]


class FastAPIModel(Model, redis_models.ext.FastAPI.FastAPIModel):
    """The FastAPI model of old."""

    class Meta:
        abstract = True
