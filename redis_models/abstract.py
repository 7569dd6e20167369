"""The base of models under the name that pydantic-aioredis gave its module; see ``model.base``."""

from .model.base import _AbstractModel

__all__ = ["_AbstractModel"]
