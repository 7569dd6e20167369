"""The base of ``Model``: the attributes of a model class that stores and records use. Pure."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from .mapper import Mapper
    from .options import Options

__all__ = ["StoredModel"]


class StoredModel(BaseModel):
    """A pydantic model with a mapper; packages below ``model`` use it as the bound of their type variables.

    The metaclass and the body of ``Model`` set the attributes; they are declared here for type checkers.
    """

    if TYPE_CHECKING:
        __mapper__: ClassVar[Mapper[Any]]
        __options__: ClassVar[Options]
        __overrides__: ClassVar[frozenset[str]]  # verbs that the application overrides
        _store: ClassVar[Any]  # a Store, which this package must not import

        @classmethod
        def get_primary_key_field(cls) -> str: ...
