"""How many records are rewritten, or read, at a time. Pure.

Python may need any time for a record, and records may be large: both sizes follow what was measured so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["AdaptiveBatchSize", "ReadSize"]

_SHORT_S, _LONG_S = 0.05, 0.25  # what may be longer, and what must be shorter


class AdaptiveBatchSize:
    """The number of records in a batch that Python rewrites.

    Between two batches the lease is renewed, and a pause is noticed. A function may take a microsecond a record, or
    call another service and take a second. So the first batch has one record, and each next one twice as many while
    they are quick.
    """

    def __init__(self) -> None:
        self._size = 1

    def of(self, most: int) -> int:
        """Give the size of the next batch, at most ``most``."""
        return min(self._size, most)

    def note(self, count: int, took_s: float) -> None:
        """Note how long a batch of ``count`` records took, in seconds."""
        if took_s > _LONG_S:
            self._size = max(1, int(count * _SHORT_S / took_s))
        elif took_s < _SHORT_S and count >= self._size:
            self._size = 2 * count


_FIRST: Final = 20  # records, while their size is unknown

_MOST: Final = 200

_BYTES: Final = 4_000_000  # of values that a round trip may bring, about


@dataclass
class ReadSize:
    """Cuts keys into batches to read; grows and shrinks with the size of the records. Used by one scan.

    Attributes:
        size: Records of the next batch.
    """

    size: int = _FIRST

    def of(self, keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Give the keys, batch by batch."""
        while keys:
            batch, keys = keys[: self.size], keys[self.size :]
            yield batch

    def met(self, records: Sequence[Mapping[str, bytes]]) -> None:
        """Choose the size of the next batch by the records of the last one."""
        size = sum(len(name) + len(raw) for record in records for name, raw in record.items())
        self.size = max(1, min(_MOST, _BYTES * max(1, len(records)) // max(1, size)))
