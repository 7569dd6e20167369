"""Pydantic models stored as Redis hashes, with migrations that lose nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .apps import setup
    from .config import RedisConfig
    from .errors import RedisModelsError
    from .fields import Field
    from .lifespan import FOREVER, KEEP
    from .model import AutoModel, Model
    from .store import Store

__all__ = ["FOREVER", "KEEP", "AutoModel", "Field", "Model", "RedisConfig", "RedisModelsError", "Store", "setup"]

# Where each name lives. Imported at first use: commands that need no models start in a quarter of the time.
_HOMES: Final = {
    "AutoModel": "model",
    "FOREVER": "lifespan",
    "Field": "fields",
    "KEEP": "lifespan",
    "Model": "model",
    "RedisConfig": "config",
    "RedisModelsError": "errors",
    "Store": "store",
    "setup": "apps",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
