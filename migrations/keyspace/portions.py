"""Portions: how many records are read in one round trip, so that large ones do not fill the client's memory. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Portions"]

_FIRST: Final = 20  # records, while nobody knows how large they are
_MOST: Final = 200
_BYTES: Final = 4_000_000  # of values that a round trip may bring, about


@dataclass
class Portions:
    """Cuts keys into portions; grows and shrinks with what they brought. Used by one walk.

    Attributes:
        size: Records of the next portion.
    """

    size: int = _FIRST

    def of(self, keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Give the keys, portion by portion."""
        while keys:
            some, keys = keys[: self.size], keys[self.size :]
            yield some

    def met(self, records: Sequence[Mapping[str, bytes]]) -> None:
        """Choose the size of the next portion by what the last one brought."""
        size = sum(len(name) + len(raw) for record in records for name, raw in record.items())
        self.size = max(1, min(_MOST, _BYTES * max(1, len(records)) // max(1, size)))
