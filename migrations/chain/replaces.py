"""The migrations that a squashed migration replaces. Pure.

A replaced migration may be a squashed one itself. A database has applied either that one or the migrations that it
replaced, so both are listed.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

__all__ = ["Replaced", "read_replaced"]


@dataclass(frozen=True)
class Replaced:
    """A migration that a squashed one replaces.

    Attributes:
        id: Its name in Redis.
        parts: The migrations that it replaced itself, in order; none for an ordinary migration.
    """

    id: str
    parts: tuple["Replaced", ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that a ledger may have for it, in the order of the chain; its own is the last."""
        return (*(id for part in self.parts for id in part.ids), self.id)

    @property
    def ends(self) -> frozenset[str]:
        """Its own id, and the id of its last part: a migration that follows it may name either."""
        return frozenset((self.id,)) | (self.parts[-1].ends if self.parts else frozenset())

    @property
    def written(self) -> object:
        """Its value in a file: the id, or a mapping of the id to its parts."""
        return {self.id: [part.written for part in self.parts]} if self.parts else self.id

    def missing(self, ids: Container[str]) -> tuple[str, ...]:
        """Return the ids that a ledger lacks; none if it was applied, as a whole or part by part."""
        if self.id in ids:
            return ()
        lacking = tuple(id for part in self.parts for id in part.missing(ids))
        return lacking if any(id in ids for id in self.ids) else (self.id,)


def read_replaced(written: object) -> tuple[Replaced, ...] | None:
    """Read a list of ``Replaced.written``; None if it has another form."""
    if not isinstance(written, (list, tuple)):
        return None
    found: list[Replaced] = []
    for item in cast("Sequence[object]", written):
        if isinstance(item, str):
            found.append(Replaced(item))
            continue
        pairs = list(cast("Mapping[object, object]", item).items()) if isinstance(item, Mapping) else []
        parts = read_replaced(pairs[0][1]) if len(pairs) == 1 else None
        if not parts or not isinstance(pairs[0][0], str):
            return None
        found.append(Replaced(pairs[0][0], parts))
    return tuple(found)
