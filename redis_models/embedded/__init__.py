"""The server behind ``embedded:DIR``: found, started, shared, stopped."""

from .server import EmbeddedServer

__all__ = ["EmbeddedServer"]
