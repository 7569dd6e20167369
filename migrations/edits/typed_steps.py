"""TakeExtra: the step that makes a declared field of an extra one that records hold under its name. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from redis_models.encoding.limits import UNREADABLE
from redis_models.errors import RecordError

from ..schema.snapshot import FieldSchema
from .conversion import convert_value
from .extra_fields import extra_codec, extra_value, stored_extra
from .record_edit import Draft
from .steps import Aside, Step
from .views import complaint

__all__ = ["TakeExtra"]


@dataclass(frozen=True)
class TakeExtra(Step):
    """Make a declared field of the extra one of its name; records without one are filled.

    Args:
        field: The declared field.
        fill: Gives the bytes for a record that has no such extra field.
    """

    field: FieldSchema
    fill: Callable[[Draft], bytes]

    def forward(self, draft: Draft) -> Aside:
        name = self.field.name
        before = draft.get(name)
        if before is None:
            draft.set(name, self.fill(draft))
            return {name: None}
        after = self._taken(before)
        if after != before:
            draft.set(name, after)
        return {name: before}

    def backward(self, draft: Draft, aside: Mapping[str, bytes | None]) -> None:
        """Take it back; what was written since stays, as an extra field, because nothing else holds it."""
        name = self.field.name
        now = draft.get(name)
        if now is None:
            return
        if name in aside and self._is_untouched(draft, aside[name], now):
            before = aside[name]
            if before is None:
                draft.remove(name)
            elif before != now:
                draft.set(name, before)
            return
        draft.set(name, self._given_back(now))

    def _is_untouched(self, draft: Draft, before: bytes | None, now: bytes) -> bool:
        try:
            return now == (self.fill(draft) if before is None else self._taken(before))
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
