"""Widen: the step of a field whose type accepts more than before. Pure.

Forwards no byte changes, so the server does it by writing the stamp. Backwards each value is looked at: what the older
type does not read as the same value is converted, or refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from .record_edit import Draft
from .steps import Aside, Step

__all__ = ["Widen"]

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

    def forward(self, draft: Draft) -> Aside:
        return {}

    def backward(self, draft: Draft, aside: Mapping[str, bytes | None]) -> None:
        now = draft.fields.get(self.name)
        if now is None or self.is_proven(now):
            return
        raw = self._narrowed(now)
        if raw != now:
            draft.set(self.name, raw)

    @cached_property
    def _narrowed(self) -> Callable[[bytes], bytes]:
        return lru_cache(maxsize=_REMEMBERED)(self.narrow)
