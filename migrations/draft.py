"""Drafts: one record under rewriting, which notes what was read and where each value came from. Pure.

The steps of a migration change a draft; the draft then says what to compare (its read set), what to write, what to
delete, and which life spans go along. It is made for every record of a pass, so it keeps only differences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """A record under rewriting. Changed by one thread, for one record.

    Attributes:
        original: Stored fields as they were read.
        fields: Stored fields as they are to be.
        moved: For each field that was renamed on the way, the original field whose life span it carries.
        touched: Original fields, present or not, that the result depends on.
        written: Fields that were set, moved or removed.
    """

    original: Mapping[str, bytes]
    fields: dict[str, bytes] = field(init=False)
    moved: dict[str, str] = field(init=False, default_factory=dict)
    touched: set[str] = field(init=False, default_factory=set)
    written: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.fields = dict(self.original)

    def get(self, name: str) -> bytes | None:
        """Give the bytes of a field, or None where it is absent; the result depends on it from now on."""
        self.touched.add(self.moved.get(name, name))
        return self.fields.get(name)

    def set(self, name: str, raw: bytes) -> bytes | None:
        """Set a field, keeping the life span it has; give what it held."""
        before = self.get(name)
        self.fields[name] = raw
        self.written.add(name)
        return before

    def remove(self, name: str) -> bytes | None:
        """Take a field away; give what it held."""
        before = self.get(name)
        self.fields.pop(name, None)
        self.moved.pop(name, None)
        self.written.add(name)
        return before

    def move(self, old: str, new: str) -> bytes | None:
        """Give a field another name, its life span with it; give what the new name held."""
        displaced = self.remove(new)
        origin = self.moved.get(old, old)
        raw = self.remove(old)
        if raw is not None:
            self.fields[new] = raw
            if origin != new:
                self.moved[new] = origin
        return displaced

    @property
    def sets(self) -> tuple[str, ...]:
        """Fields to write: new ones, and those whose bytes or life span change."""
        original, fields = self.original, self.fields
        return tuple(
            name
            for name in self.written
            if name in fields and (name in self.moved or original.get(name) != fields[name])
        )

    @property
    def removes(self) -> tuple[str, ...]:
        """Fields to delete."""
        return tuple(name for name in self.written if name in self.original and name not in self.fields)

    def origin(self, name: str) -> str:
        """Give the original field whose life span ``name`` carries."""
        return self.moved.get(name, name)
