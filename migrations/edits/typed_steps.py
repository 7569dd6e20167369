"""Steps that know the types of fields: take an extra field, widen a type, make some fields of others. Pure.

Widening changes no byte forwards, so the server does it by writing the stamp. Backwards each value is looked at: what
the older type does not read as the same value is converted, or refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from redis_models.encoding.limits import UNREADABLE
from redis_models.errors import RecordError

from ..schema.snapshot import FieldSchema
from .conversion import convert_value
from .extra_fields import extra_codec, extra_value, stored_extra
from .record_edit import RecordEdit
from .steps import Compute, Step, UndoValues, restore
from .views import complaint

__all__ = ["Regroup", "TakeExtra", "Widen"]


@dataclass(frozen=True)
class TakeExtra(Step):
    """Make a declared field of the extra one of its name; records without one are filled.

    Args:
        field: The declared field.
        fill: Gives the bytes for a record that has no such extra field.
    """

    field: FieldSchema
    fill: Callable[[RecordEdit], bytes]

    def forward(self, edit: RecordEdit) -> UndoValues:
        name = self.field.name
        before = edit.get(name)
        if before is None:
            edit.set(name, self.fill(edit))
            return {name: None}
        after = self._taken(before)
        if after != before:
            edit.set(name, after)
        return {name: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Take it back; what was written since stays, as an extra field, because nothing else holds it."""
        name = self.field.name
        now = edit.get(name)
        if now is None:
            return
        if name in undo and self._is_untouched(edit, undo[name], now):
            before = undo[name]
            if before is None:
                edit.remove(name)
            elif before != now:
                edit.set(name, before)
            return
        edit.set(name, self._given_back(now))

    def _is_untouched(self, edit: RecordEdit, before: bytes | None, now: bytes) -> bool:
        try:
            return now == (self.fill(edit) if before is None else self._taken(before))
        except RecordError:
            return False

    def _taken(self, raw: bytes) -> bytes:
        field, value = self.field, extra_value(raw)
        try:
            return field.codec.encode(convert_value(value, extra_codec(), field.codec))
        except (*UNREADABLE, ValueError) as exc:
            said = complaint(exc)
            reason = (
                f"is an extra field, and cannot become {field.type} ({said}); give fill= a function in the place of"
                f" extra=, which sees it as old.get({field.name!r}), or mend the record"
            )
            raise self._refusal(raw, reason, said) from exc

    def _given_back(self, raw: bytes) -> bytes:
        try:
            return stored_extra(self.field.codec.decode(raw))
        except (*UNREADABLE, ValueError) as exc:
            said = complaint(exc)
            raise self._refusal(raw, f"cannot become an extra field ({said}); mend the record", said) from exc

    def _refusal(self, raw: bytes, reason: str, said: str) -> RecordError:
        error = RecordError(self.field.name, raw, reason, (said,))
        return error.without_values() if self.field.codec.holds_secret else error


_REMEMBERED: Final = 10_000  # values a field; a few MB at most


@dataclass(frozen=True)
class Widen(Step):
    """Let a field's type accept more. It keeps nothing for the way back, hence takes no place among numbered steps.

    Args:
        name: The field.
        is_proven: Whether bytes certainly read as the older type, so that they need no look.
        narrow: Gives the bytes of the older type; raises RecordError where the value is none of it.
        check: Raises RecordError where the newer type does not read bytes that the older one does: of nested objects
            that hold an undeclared key which is declared by now. A run does not ask; a trial in memory does.
    """

    name: str
    is_proven: Callable[[bytes], bool]
    narrow: Callable[[bytes], bytes]
    check: Callable[[bytes], object]

    @property
    def names(self) -> frozenset[str]:
        return frozenset((self.name,))

    @property
    def is_static(self) -> bool:
        return True

    def forward(self, edit: RecordEdit) -> UndoValues:
        return {}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        now = edit.fields.get(self.name)
        if now is None or self.is_proven(now):
            return
        raw = self._narrowed(now)
        if raw != now:
            edit.set(self.name, raw)

    @cached_property
    def _narrowed(self) -> Callable[[bytes], bytes]:
        return lru_cache(maxsize=_REMEMBERED)(self.narrow)


@dataclass(frozen=True)
class Regroup(Compute):
    """Make some fields of some others.

    Args:
        old, new: Fields on both sides; a field may be on both.
        rebuild: Takes back a record that was changed since or that never was older, told what was kept aside.
    """

    old: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()
    rebuild: Callable[[RecordEdit, Mapping[str, bytes | None]], None] = lambda edit, undo: None

    @property
    def names(self) -> frozenset[str]:
        return self.old | self.new

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        if undo and self._is_untouched(edit, undo):
            restore(edit, undo)
            return
        self.rebuild(edit, undo)
        for name, raw in undo.items():
            now = edit.get(name)
            # A field of the new names that was there before stood outside of the schema; it comes back as it was.
            is_stray = now is None and name not in self.old
            if raw is not None and (is_stray or (now is not None and self.is_same(name, raw, now))):
                edit.set(name, raw)
