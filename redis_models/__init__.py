"""Pydantic models stored as Redis hashes, with migrations that lose nothing."""

from .apps import setup
from .errors import RedisModelsError
from .fields import Field
from .model import AutoModel, Model
from .store import RedisConfig, Store

__all__ = ["AutoModel", "Field", "Model", "RedisConfig", "RedisModelsError", "Store", "setup"]
