"""Real flights go through a chain that touches every kind of change: to its end in one run, back to zero, and again.

``make test-flights`` takes all 336,776 of them; here it is a part of them, or as many as the variable FLIGHTS says.
"""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from redis_models.migrations import (
    AddField,
    AlterField,
    AlterKeys,
    AlterTTL,
    AttachTimezone,
    CreateModel,
    DeleteModel,
    FillNone,
    FlattenField,
    MapValues,
    MergeFields,
    NestFields,
    RemoveField,
    RenameField,
    RenameModel,
    SplitField,
    Transform,
)
from redis_models.migrations.chain.chain import Chain

_COUNT = int(os.environ.get("FLIGHTS", "1500"))
_SOURCE = Path(__file__).parents[2] / "docs" / "examples" / "flights" / "source.py"
_COLUMNS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
_CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
_ENUM = "Enum({})".format(", ".join(f"C{carrier}='{carrier}'" for carrier in _CARRIERS))
_FEWER = "Enum({})".format(", ".join(f"C{carrier}='{carrier}'" for carrier in _CARRIERS if carrier not in ("FL", "US")))


def _number(text: str) -> int | None:
    return None if text == "NA" else int(text)


def _text(number: int | None) -> str:
    return "NA" if number is None else str(number)


def _day(values: dict[str, Any]) -> date:
    return date(int(values["year"]), int(values["month"]), int(values["day"]))


def _parts(day: date) -> dict[str, object]:
    return {"year": str(day.year), "month": str(day.month), "day": str(day.day)}


def _clock(value: str) -> dict[str, object]:
    return {"sched_hour": int(value) // 100, "sched_minute": int(value) % 100}


def _unclock(values: dict[str, Any]) -> str:
    return str(values["sched_hour"] * 100 + values["sched_minute"])


def _code(old: Any) -> str:
    return f"{old.day}/{old.carrier.value}{old.flight}/{old.id}"


def _late(old: Any, new: Any) -> None:
    new.is_late = old.arr_delay > 15


def _never_late(old: Any, new: Any) -> None:
    new.is_late = False


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "")).replace(tzinfo=None)


def _moment_text(moment: datetime) -> str:
    return moment.isoformat() + "Z"


_STEPS = (
    (
        {"Flight": 1, "Airline": 1},
        [
            CreateModel("Flight", {"id": "str", **dict.fromkeys(_COLUMNS, "str")}, "id", "flight"),
            CreateModel("Airline", {"id": "str"}, "id", "airline"),
        ],
    ),
    (
        {"Flight": 2},
        [
            RenameField("Flight", "dep_time", "departed"),
            RenameField("Flight", "arr_time", "arrived"),
            AddField("Flight", "source", "str", fill="BTS"),
            AddField("Flight", "is_late", "bool", fill=False),
            RemoveField("Flight", "hour", back="0"),
            RemoveField("Flight", "minute"),
        ],
    ),
    (
        {"Flight": 3},
        [
            AlterField("Flight", name, "str", "int | None", convert=_number, back=_text)
            for name in ("dep_delay", "arr_delay", "air_time")
        ],
    ),
    (
        {"Flight": 4},
        [
            MergeFields("Flight", ("year", "month", "day"), "on", "date", _day, _parts),
            RenameField("Flight", "on", "day"),
            SplitField("Flight", "sched_dep_time", {"sched_hour": "int", "sched_minute": "int"}, _clock, _unclock),
            AlterField("Flight", "distance", "str", "int"),
            AlterField("Flight", "distance", "int", "float"),
        ],
    ),
    (
        {"Flight": 5},
        [
            NestFields("Flight", {"origin": "origin", "dest": "dest", "tailnum": "plane"}, "leg"),
            AddField("Flight", "leg.country", "str", fill="US"),
            RenameField("Flight", "leg.dest", "leg.target"),
        ],
    ),
    (
        {"Flight": 6},
        [
            AlterField("Flight", "carrier", "str", _ENUM),
            AlterField("Flight", "carrier", _ENUM, _FEWER, convert=MapValues({"US": "AA", "FL": "WN"})),
            AlterField("Flight", "time_hour", "str", "datetime[naive]", convert=_moment, back=_moment_text),
        ],
    ),
    (
        {"Departure": 7},
        [
            RenameModel("Flight", "Departure"),
            AlterKeys("Departure", prefix="air", table="departure"),
            RemoveField("Departure", "leg.country", back="US"),
            DeleteModel("Airline"),
        ],
    ),
    (
        {"Departure": 8},
        [
            AlterField("Departure", "arr_delay", "int | None", "int", convert=FillNone(0)),
            AlterField("Departure", "time_hour", "datetime[naive]", "datetime[aware]", convert=AttachTimezone("UTC")),
            Transform("Departure", _late, _never_late),
        ],
    ),
    (
        {"Departure": 9},
        [
            AddField("Departure", "code", "str", fill=_code),
            AlterKeys("Departure", primary_key="code"),
            FlattenField("Departure", "leg", {"origin": "origin", "target": "destination", "plane": "plane"}),
            AlterField("Departure", "air_time", "int | None", "float | None"),
        ],
    ),
    (
        {"Departure": 10},
        [
            RenameField("Departure", "departed", "swap"),
            RenameField("Departure", "arrived", "departed"),
            RenameField("Departure", "swap", "arrived"),
            AlterTTL("Departure", None, 10_000_000, "all"),
        ],
    ),
)  # fmt: skip


def _rows() -> Iterator[Mapping[str, str]]:
    spec = importlib.util.spec_from_file_location("flights_source", _SOURCE)
    assert spec is not None
    assert spec.loader is not None
    source: Any = importlib.util.module_from_spec(spec)

    sys.modules["flights_source"] = source
    spec.loader.exec_module(source)
    for piece in source.pieces(_COUNT):
        yield from piece.rows()


def _expected(row: Mapping[str, str]) -> dict[str, object]:
    """Say what a flight is in the end, by another way than the migrations go."""
    day = date(int(row["year"]), int(row["month"]), int(row["day"]))
    delay = 0 if row["arr_delay"] == "NA" else int(row["arr_delay"])
    air_time = None if row["air_time"] == "NA" else float(row["air_time"])
    moment = datetime.fromisoformat(row["time_hour"].replace("Z", "+00:00")).astimezone(UTC)
    return {
        "id": row["id"],
        "code": f"{day}/{ {'US': 'AA', 'FL': 'WN'}.get(row['carrier'], row['carrier']) }{row['flight']}/{row['id']}",
        "day": day,
        "departed": row["arr_time"],
        "arrived": row["dep_time"],
        "sched_hour": int(row["sched_dep_time"]) // 100,
        "sched_minute": int(row["sched_dep_time"]) % 100,
        "sched_arr_time": row["sched_arr_time"],
        "dep_delay": None if row["dep_delay"] == "NA" else int(row["dep_delay"]),
        "arr_delay": delay,
        "is_late": delay > 15,
        "carrier": {"US": "AA", "FL": "WN"}.get(row["carrier"], row["carrier"]),
        "flight": row["flight"],
        "plane": row["tailnum"],
        "origin": row["origin"],
        "destination": row["dest"],
        "air_time": air_time,
        "distance": float(row["distance"]),
        "time_hour": moment,
        "source": "BTS",
    }


def _fill(client: Any) -> None:
    pipeline = client.pipeline(transaction=False)
    for number, row in enumerate(_rows()):
        pipeline.hset(f"flight:{row['id']}", mapping=dict(row))
        pipeline.zadd("flight:__index", {f"flight:{row['id']}": 0})
        if number % 1000 == 999:
            pipeline.execute()
    pipeline.execute()


def _digest(client: Any) -> tuple[int, int]:
    """Give the number of all hashes, and a digest of their keys and fields that their order does not change."""
    count, total = 0, 0
    keys: list[bytes] = []

    def take() -> None:
        nonlocal count, total
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hgetall(key)
        for key, record in zip(keys, pipeline.execute(), strict=True):
            count += 1
            # What a TTL was set to depends on the clock; it is kept under a name without a field.
            total ^= hash((key, frozenset(item for item in record.items() if not item[0].endswith(b"."))))
        keys.clear()

    for key in client.scan_iter(count=2000, _type="hash"):
        if not key.startswith(b"redis_models"):
            keys.append(key)
            if len(keys) == 1000:
                take()
    take()
    return count, total


def test_the_flights_go_forward_to_the_end_back_to_zero_and_forward_again(
    database: Any, chain: Callable[..., Chain]
) -> None:
    links, client = chain(*_STEPS), database.client
    _fill(client)
    before = _digest(client)
    assert before[0] == _COUNT

    moved = database.migrate(links)

    after = _digest(client)
    assert (moved, after[0]) == (_COUNT, _COUNT)
    schema = links.snapshots[-1].model("Departure")
    assert schema.keys.start == "air:departure:"
    for row in _rows():
        expected = _expected(row)
        record = client.hgetall(schema.keys.record(str(expected["code"])))
        stored = {name.decode(): raw for name, raw in record.items() if not name.startswith(b"_")}
        found: dict[str, Any] = {name: schema.field(name).codec.decode(raw) for name, raw in stored.items()}
        found["carrier"] = found["carrier"].value
        assert found == expected
    assert 0 < client.pttl(next(client.scan_iter("air:departure:2*"))) <= 10_000_000_000

    database.migrate(links, 0)
    assert _digest(client) == before
    assert client.ttl("flight:000001") == -1

    database.migrate(links)
    assert _digest(client) == after
    assert client.zcard("air:departure:__index") == _COUNT
