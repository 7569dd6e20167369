"""Steps: what an operation does to one record, forwards and backwards. Pure.

Forwards, a step changes an edit and returns the values to store as undo fields; backwards it gets them again, so that
the record returns byte for byte. The server executes ``Move``, ``Put``, ``Drop`` and ``Expire``, which read no values,
and ``Convert`` if it has a table of all values. All other steps run in Python.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from redis_models.errors import RecordError
from redis_models.mapping.stored_field import STAMP

from .record_edit import RecordEdit
from .stored_values import may_be_none

__all__ = ["Compute", "Convert", "Drop", "Expire", "Fill", "Move", "Patch", "Put", "Step", "UndoValues", "restore"]

# Values of fields before a step changed them; None for an absent field.
UndoValues = dict[str, bytes | None]
_NOTHING: Final[UndoValues] = {}
_REMEMBERED: Final = 10_000  # conversions per field; a few MB at most


class Step(ABC):
    """One change of one record. Immutable, and deterministic: it may be computed again at any time."""

    @property
    def names(self) -> frozenset[str]:
        """Fields that it may read or change, as far as that is known in advance; the edit records all others."""
        return frozenset()

    @property
    def is_static(self) -> bool:
        """Whether the server can execute the step forwards, without Python."""
        return False

    @property
    def displaces(self) -> str | None:
        """The field whose whole value becomes an undo field, with its TTL; None if there is none."""
        return None

    def former_name(self, name: str) -> str | None:
        """Give the field that held the bytes of ``name`` before the step; None if it may make or change them."""
        return name if self.is_static and name not in self.names else None

    @abstractmethod
    def forward(self, edit: RecordEdit) -> UndoValues:
        """Change the edit; return the values to store as undo fields."""

    @abstractmethod
    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Undo the change; ``undo`` is empty for a record that was created after the migration."""


@dataclass(frozen=True)
class Move(Step):
    """Rename a field. A value under the new name, which the schema does not allow, becomes an undo field."""

    old: str
    new: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.old, self.new))

    def former_name(self, name: str) -> str | None:
        return self.old if name == self.new else None if name == self.old else name

    @property
    def is_static(self) -> bool:
        return True

    @property
    def displaces(self) -> str:
        return self.new

    def forward(self, edit: RecordEdit) -> UndoValues:
        displaced = edit.move(self.old, self.new)
        return {} if displaced is None else {self.new: displaced}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        edit.move(self.new, self.old)
        restore(edit, undo)


@dataclass(frozen=True)
class Put(Step):
    """Set a field to the same bytes in every record. A value that the schema does not allow becomes an undo field."""

    name: str
    raw: bytes

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.name,))

    @property
    def is_static(self) -> bool:
        return True

    def forward(self, edit: RecordEdit) -> UndoValues:
        before = edit.set(self.name, self.raw)
        return {} if before is None else {self.name: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        if self.name in undo:
            restore(edit, undo)  # it keeps its TTL
        else:
            edit.remove(self.name)


@dataclass(frozen=True)
class Drop(Step):
    """Remove a field; its bytes become an undo field.

    Args:
        name: The field.
        back: Bytes for records that were created without the field, when they go back; None leaves them without it, and
            the edit records that, because older code may need the field.
    """

    name: str
    back: bytes | None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.name,))

    @property
    def is_static(self) -> bool:
        return True

    @property
    def displaces(self) -> str:
        return self.name

    def forward(self, edit: RecordEdit) -> UndoValues:
        before = edit.remove(self.name)
        # Absence is stored too: a record that never had the field goes back without it; one created since gets back=.
        return {self.name: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        if undo:
            restore(edit, undo)
        elif self.back is not None:
            edit.set(self.name, self.back)
        else:
            edit.lacking.add(self.name)


@dataclass(frozen=True)
class Convert(Step):
    """Convert the bytes of a field, independently of all other fields; an absent field stays absent.

    Conversions are pure and stored values repeat, so results are cached.

    Args:
        name: The field.
        function: From the bytes before to the bytes afterwards; raises RecordError if it cannot convert them.
        back: The reverse, for values that were changed since.
        is_same: Whether two older values are equal, so that the bytes of the undo field can be restored.
        inputs: All bytes that the older type stores, if they can be listed. The server converts these.
        leaves_others: Whether both directions leave all bytes unchanged that cannot mean None.
        usual: What ``function`` is without the one that the operation names, which may be added while a run is stopped.
    """

    name: str
    function: Callable[[bytes], bytes]
    back: Callable[[bytes], bytes]
    is_same: Callable[[bytes, bytes], bool]
    inputs: Sequence[bytes] = field(default=(), kw_only=True)
    leaves_others: bool = field(default=False, kw_only=True)
    usual: Callable[[bytes], bytes] | None = field(default=None, kw_only=True)

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.name,))

    @property
    def is_static(self) -> bool:
        return bool(self.inputs) or self.leaves_others

    @cached_property
    def table(self) -> Mapping[bytes, tuple[bytes, bool]]:
        """The result for each input, and whether ``back`` restores its bytes; without inputs that are refused."""
        found: dict[bytes, tuple[bytes, bool]] = {}
        for raw in self.inputs:
            with suppress(RecordError):
                found[raw] = self._convert(raw)
        return found

    def known(self, raw: bytes) -> tuple[bytes, bool] | None:
        """Return the server's result for some bytes, as in ``table``; None if Python must convert them."""
        return (raw, True) if self._leaves(raw) else self.table.get(raw)

    def _leaves(self, raw: bytes) -> bool:
        return self.leaves_others and not may_be_none(raw)

    def former_name(self, name: str) -> str | None:
        return None if name == self.name else name

    def forward(self, edit: RecordEdit) -> UndoValues:
        before = edit.fields.get(self.name)
        if before is None:
            return _NOTHING
        after, is_reversible = self._convert(before)
        if after != before:
            edit.set(self.name, after)
        # Unchanged bytes may need an undo field too, if ``back`` would change them.
        return _NOTHING if is_reversible else {self.name: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        now, before = edit.fields.get(self.name), undo.get(self.name)
        if now is None:
            return
        if before is not None and self._becomes(before, now):
            edit.set(self.name, before)
            return
        raw = self._back(now)
        if before is not None and self.is_same(before, raw):
            raw = before
        if raw != now:
            edit.set(self.name, raw)

    def _becomes(self, before: bytes, now: bytes) -> bool:
        """Whether ``now`` is the result for ``before``, also with the function that was used before a correction."""
        with suppress(RecordError):
            if self._convert(before)[0] == now:
                return True
        with suppress(RecordError):
            return self.usual is not None and self.usual(before) == now
        return False

    @cached_property
    def _convert(self) -> Callable[[bytes], tuple[bytes, bool]]:
        """Convert a value, and tell whether ``back`` restores its bytes: those of "517", but not of "0517"."""

        @lru_cache(maxsize=_REMEMBERED)
        def convert(before: bytes) -> tuple[bytes, bool]:
            if self._leaves(before):
                return before, True
            after = self.function(before)
            try:
                return after, self._back(after) == before
            except RecordError:
                return after, False

        return convert

    @cached_property
    def _back(self) -> Callable[[bytes], bytes]:
        return lru_cache(maxsize=_REMEMBERED)(lambda now: now if self._leaves(now) else self.back(now))


@dataclass(frozen=True)
class Patch(Convert):
    """Change parts of a document. When it goes back, changes that were made elsewhere in it since survive.

    Args:
        rebuild: Like ``back``, but it also gets the bytes before.
    """

    rebuild: Callable[[bytes, bytes], bytes]

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        now, before = edit.fields.get(self.name), undo.get(self.name)
        if now is None or before is None:
            super().backward(edit, undo)
        elif self._becomes(before, now):
            edit.set(self.name, before)
        else:
            raw = self.rebuild(now, before)
            edit.set(self.name, before if self.is_same(before, raw) else raw)


@dataclass(frozen=True)
class Compute(Step):
    """Run a Python function on a record.

    Args:
        name: Name of the step, for errors.
        function: Changes the edit; pure and deterministic.
        back: Reverts a record whose fields were changed since; None if that is not possible.
        is_same: Whether two stored values of a field are equal, so that the bytes of the undo field can be restored.
        may_do_nothing: Whether the function leaves some records unchanged. They have no undo fields, and ``back`` must
            not change them.
    """

    name: str
    function: Callable[[RecordEdit], None]
    back: Callable[[RecordEdit], None] | None
    is_same: Callable[[str, bytes, bytes], bool]
    may_do_nothing: bool = False

    def forward(self, edit: RecordEdit) -> UndoValues:
        before, written = dict(edit.fields), edit.written
        edit.written = set()
        self.function(edit)
        changed = [name for name in sorted(edit.written) if before.get(name) != edit.fields.get(name)]
        edit.written |= written
        return {name: before.get(name) for name in changed}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        if undo and self._is_untouched(edit, undo):
            restore(edit, undo)
            return
        if not undo and self.may_do_nothing and self._is_untouched(edit, undo):
            return
        if self.back is None:
            raise RecordError(
                "", None, f"{self.name} cannot be undone for a record that was changed since; give back= a function"
            )
        self.back(edit)
        for name, raw in undo.items():
            now = edit.get(name)
            if raw is not None and now is not None and self.is_same(name, raw, now):
                edit.set(name, raw)

    def _is_untouched(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> bool:
        """Whether the record still holds the result of the function for the undo fields."""
        again = RecordEdit(edit.fields)
        restore(again, undo)
        try:
            self.function(again)
        except RecordError:
            return False  # the function refuses the present values, so they were changed since
        finally:
            edit.touched.update(edit.origin(name) or name for name in again.reads | undo.keys())
        return all(again.fields.get(name) == edit.fields.get(name) for name in undo.keys() or again.written)


@dataclass(frozen=True)
class Fill(Compute):
    """Set one field to the result of a function of the record.

    Args:
        target: The field.
        make: Returns its bytes; ``function`` sets them and changes nothing else.
    """

    target: str = ""
    make: Callable[[RecordEdit], bytes] = lambda edit: b""

    def former_name(self, name: str) -> str | None:
        return None if name == self.target else name

    def forward(self, edit: RecordEdit) -> UndoValues:
        raw = self.make(edit)
        before = edit.set(self.target, raw)
        return _NOTHING if before == raw else {self.target: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Remove the field, even if it was written since; a value that the schema did not allow is restored."""
        restore(edit, undo or {self.target: None})


@dataclass(frozen=True)
class Expire(Step):
    """Change the TTL of the record. The script that writes it stores the TTL before as an undo field.

    Args:
        policy: ``all`` sets it for every record; ``jitter`` sets between half of it and all of it, by a digest of the
            key; ``shorten`` sets it for records that would live longer.
        ms: Milliseconds from now; 0 removes the TTL.
    """

    policy: str
    ms: int

    @property
    def names(self) -> frozenset[str]:
        return frozenset((STAMP,))

    @property
    def is_static(self) -> bool:
        return True

    def forward(self, edit: RecordEdit) -> UndoValues:
        return _NOTHING

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        ttl = undo.get("")
        if ttl is not None:
            edit.ttl_restores += (ttl,)


def restore(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
    """Restore fields from undo values."""
    for name, raw in undo.items():
        if raw is None:
            edit.remove(name)
        else:
            edit.set(name, raw)
