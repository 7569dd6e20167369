"""A table: records of one kind on one server, as a library keeps them; what every yardstick must do."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, Literal

from ..records import Kind, Row
from ..server import Server

__all__ = ["BATCH", "NotComparableError", "Table"]

BATCH: Final = 500  # commands in one pipeline, of all hand-written ones
_LACKS: Final = {
    "assign": "has no objects that are stored again",
    "page": "keeps no order to page through",
    "iterate": "reads all records at once only",
}


class NotComparableError(Exception):
    """A library cannot do what a case asks for; the text says why, for the table."""


class Table(ABC):
    """Records of one kind, as one library keeps them. What it calls an object is the library's own affair.

    Args:
        server: Where.
        kind: Which.

    Raises:
        ModuleNotFoundError: The library is not installed.
        NotComparableError: It cannot store records of this kind.

    Attributes:
        name: What tables call the library.
        share: Which part of the records, or calls, it gets: what is slow by itself need not be slow all day.
    """

    name: ClassVar[str]
    share: ClassVar[float] = 1.0

    def __init__(self, server: Server, kind: Kind) -> None:
        self.server, self.kind = server, kind

    @abstractmethod
    def make(self, rows: Sequence[Row]) -> list[Any]:
        """Make objects that are ready to be stored; not timed."""

    @abstractmethod
    def plain(self, instance: Any) -> Row:
        """Give the row that an object was made of, or is equal to; not timed."""

    @abstractmethod
    def insert(self, objects: Sequence[Any]) -> None:
        """Store new objects, in the fastest way that the library has."""

    @abstractmethod
    def select(self) -> list[Any]:
        """Read all objects, likewise."""

    @abstractmethod
    def save(self, objects: Sequence[Any]) -> None:
        """Store new objects one by one, each acknowledged before the next."""

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Any]:
        """Read objects one by one."""

    @abstractmethod
    def patch(self, ids: Sequence[str], visits: Sequence[int]) -> None:
        """Set one field of each record, one by one, knowing nothing but its id."""

    def assign(self, objects: Sequence[Any], visits: Sequence[int]) -> None:
        """Set one field of objects that are stored, one by one, each stored before the next."""
        raise NotImplementedError

    def page(self, skip: int, limit: int) -> list[Any]:
        """Read the records at these places of the order that the library keeps."""
        raise NotImplementedError

    def iterate(self) -> Iterator[Any]:
        """Go through all records in constant memory."""
        raise NotImplementedError

    def require(self, verb: Literal["assign", "page", "iterate"]) -> None:
        """Raise NotComparableError if the library has no such thing."""
        if getattr(type(self), verb) is getattr(Table, verb):
            raise NotComparableError(_LACKS[verb])

    def close(self) -> None:  # noqa: B027  # most let go of their connections by themselves
        """Let go of connections."""
