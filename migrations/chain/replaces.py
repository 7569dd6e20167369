"""Replaced: what a squashed migration stands for, told so that any database finds what it applied in it. Pure.

A migration that was squashed may be a squashed one itself. A database has applied either that one or those that it
stood for, so both are kept.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

__all__ = ["Replaced", "read_replaced"]


@dataclass(frozen=True)
class Replaced:
    """One migration of those that a squashed one stands for.

    Attributes:
        id: What it is called in Redis.
        parts: What it stood for itself, in order; nothing for an ordinary migration.
    """

    id: str
    parts: tuple["Replaced", ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that a ledger may have of it, in the order of the chain; its own is the last."""
        return (*(id for one in self.parts for id in one.ids), self.id)

    @property
    def ends(self) -> frozenset[str]:
        """The ids at which it ends: what was made behind any of these follows it."""
        return frozenset((self.id,)) | (self.parts[-1].ends if self.parts else frozenset())

    @property
    def written(self) -> object:
        """What the file says: an id, or a mapping of the id to those that it stood for."""
        return {self.id: [one.written for one in self.parts]} if self.parts else self.id

    def missing(self, ids: Container[str]) -> tuple[str, ...]:
        """Give what a ledger with some ids lacks of it: nothing if it was applied, as itself or part by part."""
        if self.id in ids:
            return ()
        lacking = tuple(id for one in self.parts for id in one.missing(ids))
        return lacking if any(id in ids for id in self.ids) else (self.id,)


def read_replaced(written: object) -> tuple[Replaced, ...] | None:
    """Read a list of what ``Replaced.written`` gives; None if it is none."""
    if not isinstance(written, (list, tuple)):
        return None
    found: list[Replaced] = []
    for one in cast("Sequence[object]", written):
        if isinstance(one, str):
            found.append(Replaced(one))
            continue
        pairs = list(cast("Mapping[object, object]", one).items()) if isinstance(one, Mapping) else []
        parts = read_replaced(pairs[0][1]) if len(pairs) == 1 else None
        if not parts or not isinstance(pairs[0][0], str):
            return None
        found.append(Replaced(pairs[0][0], parts))
    return tuple(found)
