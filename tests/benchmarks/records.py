"""What is stored: kinds of records, and rows of them, the same in every run. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any, Final

from pydantic import BaseModel

__all__ = ["FIFTY", "NESTED", "TEN", "Address", "Kind", "Row"]

Row = dict[str, Any]  # typed values by field; a nested model is a dict
_BEGAN: Final = datetime(2024, 1, 1, tzinfo=UTC)


class Address(BaseModel):
    """The nested model."""

    street: str
    city: str
    tags: list[str]
    scores: dict[str, int]


def _address(at: int) -> Row:
    return {
        "street": f"{at} Long Street",
        "city": f"City {at % 97}",
        "tags": ["home", f"zone {at % 7}", "verified"],
        "scores": {"credit": at % 800, "visits": at % 31},
    }


@dataclass(frozen=True)
class _Column:
    """A field: its annotation, and its value in row number so and so."""

    annotation: type
    value: Callable[[int], object]


_ID: Final = _Column(str, lambda at: f"{at:08d}")
_PLAIN: Final = {
    "name": _Column(str, lambda at: f"Customer number {at}"),
    "email": _Column(str, lambda at: f"customer{at}@example.com"),
    "city": _Column(str, lambda at: f"City {at % 97}"),
    "note": _Column(str, lambda at: f"a note of usual length, with ünïcode, about {at}"),
    "age": _Column(int, lambda at: 18 + at % 70),
    "visits": _Column(int, lambda at: at % 10_000),
    "balance": _Column(float, lambda at: at * 1.25),
    "is_active": _Column(bool, lambda at: at % 3 != 0),
    "joined": _Column(datetime, lambda at: _BEGAN + timedelta(seconds=at * 61)),
}
_LATER: Final = tuple(islice(cycle(_PLAIN.items()), 40))


@dataclass(frozen=True)
class Kind:
    """Records with the same fields; the primary key is ``id``, and all kinds have ``visits``.

    Attributes:
        name: What tables call it.
        columns: Its fields.
    """

    name: str
    columns: Mapping[str, _Column]

    @property
    def annotations(self) -> dict[str, Any]:
        """Types by field, in their order."""
        return {name: column.annotation for name, column in self.columns.items()}

    def rows(self, count: int, start: int = 0) -> list[Row]:
        """Give rows, in the order of their ids."""
        return [{name: column.value(at) for name, column in self.columns.items()} for at in range(start, start + count)]


TEN: Final = Kind("10 fields", {"id": _ID, **_PLAIN})
FIFTY: Final = Kind(
    "50 fields", {**TEN.columns, **{f"{name}_{place}": column for place, (name, column) in enumerate(_LATER)}}
)
NESTED: Final = Kind("10 fields, one of them nested", {**TEN.columns, "note": _Column(Address, _address)})
