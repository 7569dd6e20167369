"""Where a server is."""

from redis_models.config import RedisConfig

__all__ = ["RedisConfig"]
