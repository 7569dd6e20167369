"""Regroup: the step that makes some fields of some others, by Python. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .record_edit import Draft
from .steps import Compute, restore

__all__ = ["Regroup"]


@dataclass(frozen=True)
class Regroup(Compute):
    """Make some fields of some others.

    Args:
        old, new: Fields on both sides; a field may be on both.
        rebuild: Takes back a record that was changed since or that never was older, told what was kept aside.
    """

    old: frozenset[str] = frozenset()
    new: frozenset[str] = frozenset()
    rebuild: Callable[[Draft, Mapping[str, bytes | None]], None] = lambda draft, aside: None

    @property
    def names(self) -> frozenset[str]:
        return self.old | self.new

    def backward(self, draft: Draft, aside: Mapping[str, bytes | None]) -> None:
        if aside and self._is_untouched(draft, aside):
            restore(draft, aside)
            return
        self.rebuild(draft, aside)
        for name, raw in aside.items():
            now = draft.get(name)
            # A field of the new names that was there before stood outside of the schema; it comes back as it was.
            is_stray = now is None and name not in self.old
            if raw is not None and (is_stray or (now is not None and self.is_same(name, raw, now))):
                draft.set(name, raw)
