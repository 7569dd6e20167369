"""Store the flights through the models of version 1, with two processes. Runs inside the project."""

import sys

import redis_models
from flights.models import Flight

from both_cores import in_both
from source import Piece, pieces


def store(piece: Piece) -> int:
    """Store a piece; give how many flights it has."""
    flights = [Flight.model_validate(row) for row in piece.rows()]
    Flight.sync.insert(flights)
    return len(flights)


def main() -> None:
    """Store as many flights as the command line says."""
    stored = sum(in_both("storing", store, list(pieces(int(sys.argv[1]))), redis_models.setup))
    redis_models.setup()
    if Flight.sync.count() != stored:
        sys.exit(f"stored {stored:,} flights, but there are {Flight.sync.count():,}")


if __name__ == "__main__":
    main()
