"""Models and routes for FastAPI applications: ``pip install 'redis-models-orm[fastapi]'``."""

from importlib.util import find_spec

if find_spec("fastapi") is None:
    raise ImportError(
        "redis_models.ext.FastAPI needs FastAPI; run pip install 'redis-models-orm[fastapi]'", name="fastapi"
    )

from .http_errors import install_error_handlers
from .model import FastAPIModel
from .router import CRUDRouter, PydanticAioredisCRUDRouter

__all__ = ["CRUDRouter", "FastAPIModel", "PydanticAioredisCRUDRouter", "install_error_handlers"]
