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
from both_cores import in_both
from expected import EXPECTED, differences
from flights.models import Flight
from redis_models import Store
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
    rows = list(piece.rows())
    found: list[str] = []
    for row, flight in zip(rows, Flight.sync.get_many([row["id"] for row in rows]), strict=True):
        id = row["id"]
        is_deleted = id in acknowledged["deleted"]
        if flight is None or is_deleted:
            if (flight is None) != is_deleted:
                found.append(f"{id} is {'gone' if flight is None else 'back'}")
            continue
        views = acknowledged["increments"].get(id, 0)
        found += differences(flight, {**wanted_of(row), "views": views, **acknowledged["edits"].get(id, {})})
    return found


@cache
def _acknowledged() -> dict[str, Any]:
    return json.loads(Path(sys.argv[2]).read_text("utf-8"))


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
