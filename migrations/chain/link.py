"""One migration of a chain, as its file says it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..operations import Operation
from .replaces import Replaced

__all__ = ["LoadedMigration"]


@dataclass(frozen=True)
class LoadedMigration:
    """One migration of a chain.

    Attributes:
        number: The digits that its file's name begins with.
        name: The file's name without ``.py``: ``0004_rename_name``.
        path: The file, as errors show it.
        id: What the migration is called in Redis.
        previous: Id of the link before, or None.
        versions: Versions that models have afterwards.
        operations: In the order in which they apply.
        checksum: Digest of what the file does, without its comments, its formatting and its reasons (``allow``).
        replaces: The migrations that it stands for.
        allow: Reasons why what safety rules would refuse is right, by their codes.
        complaints: What its source does that a migration had better not: a code, a line and what it is.
        whole_checksum: With its reasons, as ledgers of before 0.2 have it.
        star_imports: Modules of which it imports whatever they have, so that nobody can tell what for.
    """

    number: int
    name: str
    path: str
    id: str
    previous: str | None
    versions: Mapping[str, int]
    operations: tuple[Operation, ...]
    checksum: str
    replaces: tuple[Replaced, ...] = ()
    allow: Mapping[str, str] = field(default_factory=dict[str, str])
    complaints: tuple[tuple[str, int, str], ...] = ()
    whole_checksum: str = ""
    star_imports: tuple[str, ...] = ()

    def is_unchanged_since(self, checksum: str) -> bool:
        """Whether the file does what it did when a ledger noted this checksum of it."""
        return checksum in (self.checksum, self.whole_checksum)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id by which a ledger may know it, or a part of it; its own is the last."""
        return (*(id for one in self.replaces for id in one.ids), self.id)
