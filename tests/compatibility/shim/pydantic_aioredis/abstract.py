"""What a model and a store are without a server."""

from redis_models.abstract import _AbstractModel
from redis_models.store import Store as _AbstractStore

__all__ = ["_AbstractModel", "_AbstractStore"]
