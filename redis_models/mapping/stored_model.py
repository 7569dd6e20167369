"""The base of ``Model``: the attributes of a model class that stores and records use. Pure."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from .mapper import Mapper
    from .options import Options

__all__ = ["StoredModel"]


class StoredModel(BaseModel):
    """A pydantic model with a shape: what type variables below ``Model`` are bound to.

    The metaclass of ``Model`` and its own body give the values; here stands what they are, for type checkers.
    """

    if TYPE_CHECKING:
        __mapper__: ClassVar[Mapper[Any]]
        __options__: ClassVar[Options]
        __overrides__: ClassVar[frozenset[str]]  # verbs that it has of its own
        _store: ClassVar[Any]  # a Store, which lies above

        @classmethod
        def get_primary_key_field(cls) -> str: ...
