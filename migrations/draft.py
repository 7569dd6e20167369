"""Drafts: one record under rewriting, which notes what was read, what was displaced, and where each value came from. Pure.

The steps of a migration change a draft; the draft then says what to compare (its read set), what to write, what to
delete, which life spans go along, and what the migration must keep aside so that it can be taken back byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Draft"]


@dataclass
class Draft:
    """A record under rewriting. Changed by one thread, for one record.

    Attributes:
        original: Stored fields as they were read.
        fields: Stored fields as they are to be.
        origins: For each field that is to be, the original field whose life span it carries.
        touched: Original fields, present or not, that the result depends on.
    """

    original: Mapping[str, bytes]
    fields: dict[str, bytes] = field(init=False)
    origins: dict[str, str] = field(init=False)
    touched: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.fields = dict(self.original)
        self.origins = {name: name for name in self.original}

    def get(self, name: str) -> bytes | None:
        """Give the bytes of a field, or None where it is absent; the result depends on it from now on."""
        self.touched.add(self.origins.get(name, name))
        return self.fields.get(name)

    def set(self, name: str, raw: bytes) -> bytes | None:
        """Set a field, keeping the life span it has; give what it held."""
        before = self.get(name)
        self.fields[name] = raw
        self.origins.setdefault(name, name)
        return before

    def remove(self, name: str) -> bytes | None:
        """Take a field away; give what it held."""
        before = self.get(name)
        self.fields.pop(name, None)
        self.origins.pop(name, None)
        return before

    def move(self, old: str, new: str) -> bytes | None:
        """Give a field another name, its life span with it; give what the new name held."""
        displaced = self.remove(new)
        origin = self.origins.get(old, old)
        raw = self.remove(old)
        if raw is not None:
            self.fields[new] = raw
            self.origins[new] = origin
        return displaced

    @property
    def sets(self) -> dict[str, bytes]:
        """Fields to write: new ones, and those whose bytes or life span change."""
        return {
            name: raw
            for name, raw in self.fields.items()
            if self.original.get(name) != raw or self.origins[name] != name
        }

    @property
    def removes(self) -> tuple[str, ...]:
        """Fields to delete."""
        return tuple(name for name in self.original if name not in self.fields)

    @property
    def reads(self) -> dict[str, bytes | None]:
        """What must still be there when the result is written; None for a field that must be absent."""
        return {name: self.original.get(name) for name in sorted(self.touched)}
