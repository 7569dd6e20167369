"""The server behind ``embedded:DIR``: how it is found, started, shared and stopped."""

from .server import EmbeddedServer

__all__ = ["EmbeddedServer"]
