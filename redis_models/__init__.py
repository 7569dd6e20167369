"""Pydantic models stored as Redis hashes, with migrations that lose nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .config import RedisConfig
    from .errors import RedisModelsError
    from .indexes.conditions import Condition, asc, desc, on
    from .mapping.fields import Field
    from .mapping.ttl import FOREVER, KEEP
    from .model.model import AutoModel, Model
    from .model.query import Page, Query, SyncQuery
    from .project.apps import setup
    from .store import Store

__all__ = [
    "FOREVER",
    "KEEP",
    "AutoModel",
    "Condition",
    "Field",
    "Model",
    "Page",
    "Query",
    "RedisConfig",
    "RedisModelsError",
    "Store",
    "SyncQuery",
    "asc",
    "desc",
    "on",
    "setup",
]

# Where each name lives. Imported at first use: commands that need no models start in a quarter of the time.
_HOMES: Final = {
    "AutoModel": "model",
    "Condition": "indexes.conditions",
    "FOREVER": "mapping.ttl",
    "Field": "mapping.fields",
    "KEEP": "mapping.ttl",
    "Model": "model",
    "Page": "model.query",
    "Query": "model.query",
    "RedisConfig": "config",
    "RedisModelsError": "errors",
    "Store": "store",
    "SyncQuery": "model.query",
    "asc": "indexes.conditions",
    "desc": "indexes.conditions",
    "on": "indexes.conditions",
    "setup": "project.apps",
}
# Modules under the names that documents give them, which plain attribute access finds, too.
_MODULES: Final = frozenset({"abstract", "config", "errors", "model", "store"})


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
