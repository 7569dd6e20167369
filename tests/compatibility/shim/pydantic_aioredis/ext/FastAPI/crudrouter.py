"""The router."""

from redis_models.ext.FastAPI import CRUDRouter as PydanticAioredisCRUDRouter

__all__ = ["PydanticAioredisCRUDRouter"]
