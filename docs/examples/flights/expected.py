"""What a flight must be at each version, computed from the CSV file alone and not by the migrations."""

from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import Final

from redis_models import Model

from source import Row

__all__ = ["EXPECTED", "differences"]

# Version 1 has them too; nothing else was dropped.
_DROPPED: Final = {"year", "month", "day", "hour", "minute"}
_RENAMED: Final = {"dest": "destination", "tailnum": "tail_number", "time_hour": "scheduled"}


def _at_version_2(row: Row) -> dict[str, object]:
    kept = {_RENAMED.get(name, name): text for name, text in row.items() if name not in _DROPPED}
    return {**kept, "status": "flown", "views": 0}


def _at_version_3(row: Row) -> dict[str, object]:
    types: dict[str, Callable[[str], object]] = {
        "scheduled": datetime.fromisoformat,
        **dict.fromkeys(("dep_time", "sched_dep_time", "arr_time", "sched_arr_time"), _time),
        **dict.fromkeys(("dep_delay", "arr_delay", "air_time", "distance", "flight"), int),
    }
    flight = _at_version_2(row)
    for name, text in flight.items():
        if isinstance(text, str):
            flight[name] = None if text == "NA" else types.get(name, str)(text)
    return flight


def _time(text: str) -> time:
    padded = text.zfill(4)
    return time(int(padded[:2]) % 24, int(padded[2:]))


EXPECTED: Final = {2: _at_version_2, 3: _at_version_3}


def differences(flight: Model, wanted: Mapping[str, object]) -> list[str]:
    """Give a line for every field that is not as it must be; an Enum is compared by its value."""
    found: list[str] = []
    for name, value in wanted.items():
        here: object = getattr(flight, name)
        if here != value and getattr(here, "value", here) != value:
            found.append(f"{wanted['id']}.{name} is {here!r}, but must be {value!r}")
    return found
