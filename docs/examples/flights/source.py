"""The flights as the CSV file has them, in pieces that two processes can share."""

import csv
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

__all__ = ["ALL", "Piece", "Row", "pieces", "record_id"]

ALL: Final = 336_776
_FILE: Final = Path(__file__).parent / "data" / "flights.csv.xz"
_PIECE: Final = 4_000  # flights; small enough for an even progress, large enough to hide what a piece costs

Row = dict[str, str]


@dataclass(frozen=True)
class Piece:
    """Some lines of the file that follow each other.

    Attributes:
        first: Number of the first flight, from 1.
        columns: Names of the columns.
        lines: The lines as they are.
    """

    first: int
    columns: tuple[str, ...]
    lines: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """Give each flight with its ``id``, which the file does not have."""
        for number, values in enumerate(csv.reader(self.lines), self.first):
            yield {"id": record_id(number), **dict(zip(self.columns, values, strict=True))}


def record_id(number: int) -> str:
    """Give the primary key of the flight in that line: ``000001`` for the first."""
    return f"{number:06}"


def pieces(count: int) -> Iterator[Piece]:
    """Cut the first ``count`` flights of the file into pieces."""
    with lzma.open(_FILE, "rt", encoding="utf-8", newline="") as file:
        columns = tuple(next(csv.reader([file.readline()])))
        for start in range(0, count, _PIECE):
            yield Piece(start + 1, columns, tuple(islice(file, min(_PIECE, count - start))))
