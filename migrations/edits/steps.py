"""Steps: what an operation does to one record, forwards and backwards. Pure.

A step changes an edit and gives what must be kept aside, so that the step can be taken back byte for byte; backwards it
gets that again. ``Move``, ``Put``, ``Drop`` and ``Expire`` look at no value, so the server can do them by itself; so it
can ``Convert`` where it is told what becomes of all values. Else that runs Python, as ``Patch`` and ``Compute`` do.
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

# Fields as they were before a step changed them; None for one that was absent.
UndoValues = dict[str, bytes | None]
_NOTHING: Final[UndoValues] = {}
_REMEMBERED: Final = 10_000  # conversions a field; a few MB at most


class Step(ABC):
    """One change of one record. Immutable; deterministic, so that it may be computed again at any time."""

    @property
    def names(self) -> frozenset[str]:
        """Fields that it may look at or change, as far as that is known beforehand; others are noted by the edit."""
        return frozenset()

    @property
    def is_static(self) -> bool:
        """Whether the server can take the step forward by itself."""
        return False

    @property
    def displaces(self) -> str | None:
        """The field whose value goes aside as a whole, and its life span with it; None where there is none such."""
        return None

    @abstractmethod
    def forward(self, edit: RecordEdit) -> UndoValues:
        """Change the draft; give what must be kept aside to take that back."""

    @abstractmethod
    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Take the change back, with what was kept aside; it is empty for a record that never was older."""


@dataclass(frozen=True)
class Move(Step):
    """Give a field another name. What the new name held, against the schema, is kept aside."""

    old: str
    new: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.old, self.new))

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
    """Give a field the same bytes in every record. What it held, against the schema, is kept aside."""

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
            restore(edit, undo)  # it keeps the life span that it has
        else:
            edit.remove(self.name)


@dataclass(frozen=True)
class Drop(Step):
    """Take a field away; its bytes are kept aside.

    Args:
        name: The field.
        back: Bytes for records that were made without it and are taken back; None leaves them without it, which is
            noted, because code of before may need it.
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
        # That it was absent is kept too: a record that never had it comes back without it, and one made since does not.
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
    """Give a field other bytes that depend on nothing but its own; an absent field stays absent.

    Conversions are pure and stored values repeat, so most of them are looked up instead of computed.

    Args:
        name: The field.
        function: From the bytes before to the bytes afterwards; raises RecordError where it cannot.
        back: Likewise the other way, for values that were changed since.
        is_same: Whether two values from before mean the same, so that the kept bytes are the better ones.
        inputs: What the server is told to convert by itself: all that the type before stores, if that has an end.
        leaves_others: Whether both ways leave bytes as they are in which there is no trace of a None.
        usual: What ``function`` was while the operation had none: it may be given while a run is stopped.
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
        """What becomes of each input, and whether the way back gives its very bytes; without those that are refused."""
        found: dict[bytes, tuple[bytes, bool]] = {}
        for raw in self.inputs:
            with suppress(RecordError):
                found[raw] = self._there(raw)
        return found

    def known(self, raw: bytes) -> tuple[bytes, bool] | None:
        """Give what the server makes of some bytes, likewise; None where Python must look at them."""
        return (raw, True) if self._leaves(raw) else self.table.get(raw)

    def _leaves(self, raw: bytes) -> bool:
        return self.leaves_others and not may_be_none(raw)

    def forward(self, edit: RecordEdit) -> UndoValues:
        before = edit.fields.get(self.name)
        if before is None:
            return _NOTHING
        after, comes_back = self._there(before)
        if after != before:
            edit.set(self.name, after)
        # Unchanged bytes may need it too, where the way back would make others of them.
        return _NOTHING if comes_back else {self.name: before}

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
        """Whether a value is what was made of another one, now or before the function was mended."""
        with suppress(RecordError):
            if self._there(before)[0] == now:
                return True
        with suppress(RecordError):
            return self.usual is not None and self.usual(before) == now
        return False

    @cached_property
    def _there(self) -> Callable[[bytes], tuple[bytes, bool]]:
        """Convert a value; tell whether the way back gives its very bytes: "517" does, "0517" must be kept."""

        @lru_cache(maxsize=_REMEMBERED)
        def there(before: bytes) -> tuple[bytes, bool]:
            if self._leaves(before):
                return before, True
            after = self.function(before)
            try:
                return after, self._back(after) == before
            except RecordError:
                return after, False

        return there

    @cached_property
    def _back(self) -> Callable[[bytes], bytes]:
        return lru_cache(maxsize=_REMEMBERED)(lambda now: now if self._leaves(now) else self.back(now))


@dataclass(frozen=True)
class Patch(Convert):
    """Change parts of a document: what was changed elsewhere in it since does not cost the parts that come back.

    Args:
        rebuild: Likewise ``back``, but told the bytes from before too.
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
    """Run Python on a record.

    Args:
        name: What it is, for errors.
        function: Changes the draft; pure and deterministic.
        back: Takes back a record whose fields were changed since; None if that cannot be done.
        is_same: Whether two stored values of a field mean the same, so that the kept bytes are the better ones.
        may_do_nothing: Whether the function leaves some records as they are: nothing is kept aside for these, and
            ``back`` must not change them.
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
                "", None, f"{self.name} has no way back for a record that was changed after it; give back="
            )
        self.back(edit)
        for name, raw in undo.items():
            now = edit.get(name)
            if raw is not None and now is not None and self.is_same(name, raw, now):
                edit.set(name, raw)

    def _is_untouched(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> bool:
        """Whether the record still holds what the function makes of the fields kept aside, or would write again."""
        again = RecordEdit(edit.fields)
        restore(again, undo)
        try:
            self.function(again)
        except RecordError:
            return False  # of what it is now nothing can be made: it was changed since
        finally:
            edit.touched.update(edit.origin(name) or name for name in again.reads | undo.keys())
        return all(again.fields.get(name) == edit.fields.get(name) for name in undo.keys() or again.written)


@dataclass(frozen=True)
class Fill(Compute):
    """Make one field of whatever a function looks at.

    Args:
        target: The field.
        make: Gives its bytes, which ``function`` sets, and nothing else.
    """

    target: str = ""
    make: Callable[[RecordEdit], bytes] = lambda edit: b""

    def forward(self, edit: RecordEdit) -> UndoValues:
        raw = self.make(edit)
        before = edit.set(self.target, raw)
        return _NOTHING if before == raw else {self.target: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Take the field away, whoever wrote it since; what it held, against the schema, comes back."""
        restore(edit, undo or {self.target: None})


@dataclass(frozen=True)
class Expire(Step):
    """Change the TTL of the record. The script that writes it reads the TTL before, and stores it as an undo field.

    Args:
        policy: ``all`` sets it, counted from now; ``jitter`` likewise, between half of it and the whole, by a digest of
            the key; ``shorten`` where the record would live longer.
        ms: Milliseconds; 0 for ever.
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
        ends = undo.get("")
        if ends is not None:
            edit.ttl_restores += (ends,)


def restore(edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
    """Put fields back as they were."""
    for name, raw in undo.items():
        if raw is None:
            edit.remove(name)
        else:
            edit.set(name, raw)
