"""Random schedules of records that move to other keys: none is lost, doubled, torn or misplaced."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest

from redis_models.migrations.files.loader import load_chain

from .depot import Depot
from .depot_actors import Depots
from .mutants_of_renames import MUTANTS
from .oracle import Violation
from .parcels import write_parcel_migrations
from .replay import Choice
from .strategies import explore
from .strategies_of_renames import BIASES, moving_schedules

_A_BIAS: Final = math.ceil(int(os.environ.get("SCHEDULES", "32")) / len(BIASES))
_SEEDS: Final = [int(word) for word in os.environ.get("SEEDS", "1").split()]
_MOST: Final = 100


@pytest.fixture(scope="module")
def move(shared_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Depot]]:
    """Follow a schedule of the depot, from an empty server on; give the depot as it is then."""
    folder = tmp_path_factory.mktemp("redis_migrations")
    write_parcel_migrations(folder)
    code = Depots(shared_server.url, load_chain("depot", folder), folder)
    with shared_server.client(socket_timeout=60) as client:

        def follow(goals: Sequence[int], schedule: Sequence[Choice]) -> Depot:
            depot = Depot(client, code, goals)
            depot.follow(schedule)
            return depot

        yield follow
    code.close()


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("number", _SEEDS)
def test_moves_lose_nothing_in_any_schedule(move: Callable[..., Depot], number: int, bias: str) -> None:
    explore(move, _A_BIAS, number=number, bias=bias, draw=moving_schedules)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_move_is_caught(move: Callable[..., Depot], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutant = MUTANTS[name]
    mutant.breaks(monkeypatch)

    with pytest.raises(Violation, match=mutant.shows):
        explore(move, _MOST, number=1, bias=mutant.bias, shrinks=False, draw=moving_schedules)
