"""The names of pydantic-aioredis, for applications and test suites that were written for it; for tests only."""

from .config import RedisConfig
from .model import AutoModel, Model
from .store import Store

__all__ = ["AutoModel", "Model", "RedisConfig", "Store"]
