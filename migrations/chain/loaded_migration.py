"""A migration of a chain, as loaded from its file. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..operations import Operation
from .replaces import Replaced

__all__ = ["LoadedMigration"]


@dataclass(frozen=True)
class LoadedMigration:
    """A migration of a chain, as loaded from its file.

    Attributes:
        number: The digits at the beginning of the name of its file.
        name: Name of the file without ``.py``, such as ``0004_rename_name``.
        path: The file, as errors show it.
        id: Its name in Redis.
        previous: Id of the migration before, or None.
        versions: Versions of models afterwards.
        operations: In the order in which they apply.
        checksum: Digest of what the file does, without comments, formatting and reasons (``allow``).
        replaces: The migrations that it replaces.
        allow: Reasons to allow what safety rules would refuse, by their codes.
        complaints: Findings of ``files/lint``: code of the rule, line and text.
        whole_checksum: The digest with reasons, as in ledgers before 0.2.
        star_imports: Modules from which it imports ``*``.
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
        """Whether the file still does what it did when the ledger stored this checksum."""
        return checksum in (self.checksum, self.whole_checksum)

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that a ledger may have for it or its parts; its own is the last."""
        return (*(id for replaced in self.replaces for id in replaced.ids), self.id)
