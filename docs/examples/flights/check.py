"""Read every flight through the models of version 3, and compare it with the CSV file and what live clients wrote.

Runs inside the project: ``check.py FLIGHTS ACKNOWLEDGED``, the second being a JSON file. Prints the differences.
"""

import json
import sys
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import redis_models
from flights.models import Flight
from redis_models import Store
from redis_models.errors import DataError

from both_cores import in_both
from expected import EXPECTED, differences
from source import Piece, pieces

_SHOWN: Final = 10  # differences


def prepare() -> None:
    """Bind the model to a store that knows no migrations.

    Such a store refuses records of an older version, instead of bringing them up as they are read. So what it reads
    was really rewritten.
    """
    Store.from_url(redis_models.setup().redis_url).register_model(Flight)


def check(piece: Piece) -> list[str]:
    """Compare a piece; give a line for every difference."""
    acknowledged, wanted_of = _acknowledged(), EXPECTED[Flight.Meta.version]
    rows, bad = list(piece.rows()), list[DataError]()
    flights = Flight.sync.select(ids=[row["id"] for row in rows], bad_records=bad) or []
    there, found = {flight.id: flight for flight in flights}, [str(error) for error in bad]
    for row in rows:
        id, flight = row["id"], there.get(row["id"])
        is_deleted = id in acknowledged["deleted"]
        if flight is None or is_deleted:
            if (flight is None) != is_deleted:
                found.append(f"{id} {'cannot be read' if flight is None else 'is back'}")
            continue
        views = acknowledged["increments"].get(id, 0)
        found += differences(flight, {**wanted_of(row), "views": views, **acknowledged["edits"].get(id, {})})
    return found


@cache
def _acknowledged() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(Path(sys.argv[2]).read_text("utf-8"))
    return read


def main() -> None:
    """Check as many flights as the command line says."""
    count = int(sys.argv[1])
    found = list(chain.from_iterable(in_both("checking", check, list(pieces(count)), prepare)))
    prepare()
    there, wanted = Flight.sync.count(), count - len(_acknowledged()["deleted"])
    if there != wanted:
        found.append(f"there are {there:,} flights, but must be {wanted:,}")
    for line in found[:_SHOWN]:
        print(f"  {line}")
    if found:
        sys.exit(f"  {len(found):,} differences")
    print(f"  {there:,} flights: every value as the file says, or as a live client wrote it; none lost, none back")


if __name__ == "__main__":
    main()
