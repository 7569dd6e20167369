"""Store the flights through the models of version 1, with two processes. Runs inside the project.

Prints how many flights a second these two stored, without what it takes to start them.
"""

import sys
import time

import redis_models
from flights.models import Flight

from both_cores import PROCESSES, in_both
from source import Piece, pieces


def store(piece: Piece) -> float:
    """Store a piece; give how many flights a second that was."""
    began = time.perf_counter()
    flights = [Flight.model_validate(row) for row in piece.rows()]
    Flight.sync.insert(flights)
    return len(flights) / (time.perf_counter() - began)


def main() -> None:
    """Store as many flights as the command line says."""
    count = int(sys.argv[1])
    rates = list(in_both("storing", store, list(pieces(count)), redis_models.setup))
    redis_models.setup()
    if Flight.sync.count() != count:
        sys.exit(f"stored {count:,} flights, but there are {Flight.sync.count():,}")
    print(round(PROCESSES * sum(rates) / len(rates)))


if __name__ == "__main__":
    main()
