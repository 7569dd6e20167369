"""Shares: records that are rewritten at a time, and how many these are where that takes nobody knows how long. Pure."""

__all__ = ["Stride"]

_SHORT_S, _LONG_S = 0.05, 0.25  # what may be longer, and what must be shorter


class Stride:
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
