"""What a flight must be at each version, computed from the CSV file alone and not by the migrations."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from redis_models import Model

from source import Row

__all__ = ["EXPECTED", "differences"]

# Version 1 has them too; nothing else was dropped.
_DROPPED: Final = {"year", "month", "day"}
_RENAMED: Final = {"dest": "destination", "tailnum": "tail_number", "time_hour": "scheduled"}


def _at_version_2(row: Row) -> dict[str, object]:
    kept = {_RENAMED.get(name, name): text for name, text in row.items() if name not in _DROPPED}
    return {**kept, "status": "flown", "views": 0}


def _at_version_3(row: Row) -> dict[str, object]:
    flight = _at_version_2(row)
    flight["scheduled"] = datetime.fromisoformat(row["time_hour"])
    for name in ("dep_delay", "arr_delay", "air_time"):
        flight[name] = None if row[name] == "NA" else int(row[name])
    return flight


EXPECTED: Final = {2: _at_version_2, 3: _at_version_3}


def differences(flight: Model, wanted: Mapping[str, object]) -> list[str]:
    """Give a line for every field that is not as it must be; an Enum is compared by its value."""
    found: list[str] = []
    for name, value in wanted.items():
        here: object = getattr(flight, name)
        if here != value and getattr(here, "value", here) != value:
            found.append(f"{wanted['id']}.{name} is {here!r}, but must be {value!r}")
    return found
