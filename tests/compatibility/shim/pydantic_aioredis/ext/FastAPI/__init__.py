"""Models and routers of FastAPI."""

from .crudrouter import PydanticAioredisCRUDRouter
from .model import FastAPIModel

__all__ = ["FastAPIModel", "PydanticAioredisCRUDRouter"]
