"""How many records are rewritten, or read, at a time. Pure.

What Python rewrites may take unknown time, and what is read may be large: both sizes follow what was met so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["AdaptiveBatchSize", "ReadSize"]

_SHORT_S, _LONG_S = 0.05, 0.25  # what may be longer, and what must be shorter


class AdaptiveBatchSize:
    """How many records a share has that Python rewrites.

    Between two of them the lease is kept, and a pause is heard. A function may take a microsecond a record, or ask
    somebody else and take a second; so the first share has one record, and the next twice as many while they are quick.
    """

    def __init__(self) -> None:
        self._size = 1

    def of(self, most: int) -> int:
        """Give the size of the next one, which may have ``most``."""
        return min(self._size, most)

    def note(self, count: int, took_s: float) -> None:
        """Take in how long a share of ``count`` records took, in seconds."""
        if took_s > _LONG_S:
            self._size = max(1, int(count * _SHORT_S / took_s))
        elif took_s < _SHORT_S and count >= self._size:
            self._size = 2 * count


_FIRST: Final = 20  # records, while nobody knows how large they are

_MOST: Final = 200

_BYTES: Final = 4_000_000  # of values that a round trip may bring, about


@dataclass
class ReadSize:
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
