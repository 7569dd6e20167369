"""The models of an application: ``Model``, ``AutoModel``, ``.sync``, assignments."""

from .model import AutoModel, Model

__all__ = ["AutoModel", "Model"]
