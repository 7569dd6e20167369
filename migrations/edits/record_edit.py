"""Record edits: one record while steps rewrite it, with what was read and where each value came from. Pure.

The steps of a migration change an edit. The edit then says which fields to compare (its read set), to write and to
delete, and which TTLs go along. One is made for every record of a pass, so it stores only differences.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

__all__ = ["RecordEdit"]


@dataclass(slots=True)
class RecordEdit:
    """A record while it is rewritten. One thread changes it, for one record.

    Attributes:
        original: Stored fields as they were read.
        fields: Stored fields as they will be written.
        moved: For each field that was renamed, stored as an undo field, restored or created again: the original field
            whose TTL it takes over; "" for none.
        touched: Original fields, present or not, that the result depends on. A step that names its fields in advance
            adds all of them; ``get`` adds every other field that is read.
        written: Fields that were set, moved or removed.
        stored_undo: New undo fields; nothing depends on what they held before.
        popped_undo: Undo fields that were used, and are deleted.
        ttl_changes: Changes of the record's TTL, in order: policy, milliseconds, name of the undo field for the TTL
            before. The script that writes the record makes them.
        ttl_restores: Values of the undo fields of TTL changes that are taken back.
        lacking: Fields that should be restored but did not exist when the record was made.
    """

    original: Mapping[str, bytes]
    fields: dict[str, bytes] = field(init=False)
    moved: dict[str, str] = field(init=False, default_factory=dict)
    touched: set[str] = field(init=False, default_factory=set)
    written: set[str] = field(init=False, default_factory=set)
    stored_undo: set[str] = field(init=False, default_factory=set)
    popped_undo: tuple[str, ...] = field(init=False, default=())
    ttl_changes: tuple[tuple[str, int, str], ...] = field(init=False, default=())
    ttl_restores: tuple[bytes, ...] = field(init=False, default=())
    lacking: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.fields = dict(self.original)

    def get(self, name: str) -> bytes | None:
        """Return the bytes of a field, or None if it is absent, and add it to the read set."""
        self.touched.add(self.moved.get(name) or name)
        return self.fields.get(name)

    def set(self, name: str, raw: bytes) -> bytes | None:
        """Set a field, which keeps its TTL; return what it held."""
        before = self.fields.get(name)
        self.fields[name] = raw
        self.written.add(name)
        return before

    def store_undo(self, name: str, raw: bytes, origin: str | None = None) -> None:
        """Set an undo field, with the TTL of the original field ``origin``, if given."""
        self.fields[name] = raw
        self.stored_undo.add(name)
        if origin is not None:
            self.moved[name] = origin

    def pop_undo(self, name: str) -> bytes:
        """Remove an undo field and return its value. It is not compared: only migrations write it, and the stamp is."""
        self.popped_undo += (name,)
        return self.fields.pop(name)

    def remove(self, name: str) -> bytes | None:
        """Remove a field; return what it held."""
        self.moved[name] = ""  # a field of this name that is set later is a new one
        self.written.add(name)
        return self.fields.pop(name, None)

    def move(self, old: str, new: str) -> bytes | None:
        """Rename a field, which keeps its TTL; return what the new name held."""
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
        """Return the original field whose TTL ``name`` takes over, or ""."""
        return self.moved.get(name, name)

    @property
    def reads(self) -> AbstractSet[str]:
        """The read set: original fields that must be unchanged when the result is written."""
        # Fields that were written but not read are compared too: a client's write in between must not be lost.
        return self.touched if self.written <= self.touched else self.touched | self.written

    @property
    def sets(self) -> list[str]:
        """Fields to write: new ones, and those whose bytes or TTL change."""
        original, fields, moved = self.original, self.fields, self.moved
        changed = [
            name for name in self.written if name in fields and (name in moved or original.get(name) != fields[name])
        ]
        changed += [name for name in self.stored_undo if name in fields]
        return changed

    @property
    def removes(self) -> list[str]:
        """Fields to delete."""
        gone = [name for name in self.written if name in self.original and name not in self.fields]
        return [*gone, *self.popped_undo]
