"""Stores."""

from redis_models.store import Store

__all__ = ["Store"]
