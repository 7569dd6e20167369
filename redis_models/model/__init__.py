"""What an application sees of a model: ``Model``, ``AutoModel``, ``.sync``, assignments."""

from .model import AutoModel, Model

__all__ = ["AutoModel", "Model"]
