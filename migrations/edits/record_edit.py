"""Drafts: one record under rewriting, which notes what was read and where each value came from. Pure.

The steps of a migration change a draft; the draft then says what to compare (its read set), what to write, what to
delete, and which life spans go along. It is made for every record of a pass, so it keeps only differences.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

__all__ = ["RecordEdit"]


@dataclass(slots=True)
class RecordEdit:
    """A record under rewriting. Changed by one thread, for one record.

    Attributes:
        original: Stored fields as they were read.
        fields: Stored fields as they are to be.
        moved: For each field that was renamed on the way, put aside, got back or made anew, the original field whose
            life span it carries; "" for none.
        touched: Original fields, present or not, that the result depends on. Steps that name their fields beforehand
            are counted in as a whole; ``get`` adds what is looked at otherwise.
        written: Fields that were set, moved or removed.
        kept: New fields that keep something aside; nothing depends on what they held.
        unkept: Fields that kept something aside, and are taken away.
        lives: Changes of the record's life span, in order: policy, milliseconds, stored field that is to keep the one
            before. The script that writes the draft makes them.
        ends: Likewise, to take such changes back: what was kept then.
        lacking: Fields that were removed and should come back, but were not there when the record was made.
    """

    original: Mapping[str, bytes]
    fields: dict[str, bytes] = field(init=False)
    moved: dict[str, str] = field(init=False, default_factory=dict)
    touched: set[str] = field(init=False, default_factory=set)
    written: set[str] = field(init=False, default_factory=set)
    kept: set[str] = field(init=False, default_factory=set)
    unkept: tuple[str, ...] = field(init=False, default=())
    lives: tuple[tuple[str, int, str], ...] = field(init=False, default=())
    ends: tuple[bytes, ...] = field(init=False, default=())
    lacking: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.fields = dict(self.original)

    def get(self, name: str) -> bytes | None:
        """Give the bytes of a field, or None where it is absent; the result depends on it from now on."""
        self.touched.add(self.moved.get(name) or name)
        return self.fields.get(name)

    def set(self, name: str, raw: bytes) -> bytes | None:
        """Set a field, keeping the life span it has; give what it held."""
        before = self.fields.get(name)
        self.fields[name] = raw
        self.written.add(name)
        return before

    def keep(self, name: str, raw: bytes, origin: str | None = None) -> None:
        """Set a field that keeps something aside, with the life span of the original field ``origin``, if any."""
        self.fields[name] = raw
        self.kept.add(name)
        if origin is not None:
            self.moved[name] = origin

    def unkeep(self, name: str) -> bytes:
        """Take away a field that kept something aside: only migrations write these, and the stamp is compared."""
        self.unkept += (name,)
        return self.fields.pop(name)

    def remove(self, name: str) -> bytes | None:
        """Take a field away; give what it held."""
        self.moved[name] = ""  # one of this name that is set later is another one
        self.written.add(name)
        return self.fields.pop(name, None)

    def move(self, old: str, new: str) -> bytes | None:
        """Give a field another name, its life span with it; give what the new name held."""
        displaced = self.remove(new)
        if old in self.lacking:
            self.lacking.add(new)
        origin = self.moved.get(old, old)
        raw = self.remove(old)
        if raw is not None:
            self.fields[new] = raw
            self.moved[new] = origin
        return displaced

    def origin(self, name: str) -> str:
        """Give the original field whose life span ``name`` carries, or ""."""
        return self.moved.get(name, name)

    @property
    def reads(self) -> AbstractSet[str]:
        """Original fields that must still be as they were when the result is written."""
        # What was written blindly is compared too: somebody else's write in between must not be lost.
        return self.touched if self.written <= self.touched else self.touched | self.written

    @property
    def sets(self) -> list[str]:
        """Fields to write: new ones, and those whose bytes or life span change."""
        original, fields, moved = self.original, self.fields, self.moved
        changed = [
            name for name in self.written if name in fields and (name in moved or original.get(name) != fields[name])
        ]
        changed += [name for name in self.kept if name in fields]
        return changed

    @property
    def removes(self) -> list[str]:
        """Fields to delete."""
        gone = [name for name in self.written if name in self.original and name not in self.fields]
        return [*gone, *self.unkept]
