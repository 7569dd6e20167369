"""Steps that know the types of fields: declare an extra field, widen a type, combine or split fields. Pure.

Widening does not change bytes forwards, so the server only writes the stamp. Backwards each value is checked: if the
older type does not read it as the same value, it is converted or refused.
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
    """Turn an extra field into the declared field of its name; fill records without one.

    Args:
        field: The declared field.
        fill: Returns the bytes for a record without that extra field.
    """

    field: FieldSchema
    fill: Callable[[RecordEdit], bytes]

    def forward(self, edit: RecordEdit) -> UndoValues:
        name = self.field.name
        before = edit.get(name)
        if before is None:
            edit.set(name, self.fill(edit))
            return {name: None}
        after = self._declared(before)
        if after != before:
            edit.set(name, after)
        return {name: before}

    def backward(self, edit: RecordEdit, undo: Mapping[str, bytes | None]) -> None:
        """Undo it; a value that was written since stays as an extra field."""
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
        edit.set(name, self._as_extra(now))

    def _is_untouched(self, edit: RecordEdit, before: bytes | None, now: bytes) -> bool:
        try:
            return now == (self.fill(edit) if before is None else self._declared(before))
        except RecordError:
            return False

    def _declared(self, raw: bytes) -> bytes:
        field, value = self.field, extra_value(raw)
        try:
            return field.codec.encode(convert_value(value, extra_codec(), field.codec))
        except (*UNREADABLE, ValueError) as exc:
            problem = complaint(exc)
            reason = (
                f"is an extra field and cannot become {field.type} ({problem}); replace extra= by a function fill=,"
                f" which sees it as old.get({field.name!r}), or repair the record"
            )
            raise self._refusal(raw, reason, problem) from exc

    def _as_extra(self, raw: bytes) -> bytes:
        try:
            return stored_extra(self.field.codec.decode(raw))
        except (*UNREADABLE, ValueError) as exc:
            problem = complaint(exc)
            raise self._refusal(raw, f"cannot become an extra field ({problem}); repair the record", problem) from exc

    def _refusal(self, raw: bytes, reason: str, problem: str) -> RecordError:
        error = RecordError(self.field.name, raw, reason, (problem,))
        return error.without_values() if self.field.codec.holds_secret else error


_REMEMBERED: Final = 10_000  # values per field; a few MB at most


@dataclass(frozen=True)
class Widen(Step):
    """Widen the type of a field. It has no undo fields, so it is not among the numbered steps.

    Args:
        name: The field.
        is_proven: Whether the older type certainly reads the bytes, so that they need no check.
        narrow: Returns bytes of the older type; raises RecordError if the value does not fit it.
        check: Raises RecordError if the newer type does not read bytes of the older one: a nested object may hold an
            undeclared key that is declared now. A dry run calls it, a real run does not.
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
    """Replace some fields by others.

    Args:
        old, new: Fields on both sides; a field may be on both.
        rebuild: Reverts a record that was changed or created since, with the values of its undo fields.
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
            # A value under a new name that the schema did not allow before is restored.
            is_stray = now is None and name not in self.old
            if raw is not None and (is_stray or (now is not None and self.is_same(name, raw, now))):
                edit.set(name, raw)
