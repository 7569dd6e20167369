"""Random schedules of runs with workers, and of retries: slow, dying and outliving workers lose nothing."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from redis_models.migrations.executor import strategies
from redis_models.migrations.files.loader import load_chain

from .initial_state import Code
from .mutants_of_workers import MUTANTS
from .oracle import Violation
from .replay import Choice
from .strategies import explore
from .strategies_of_workers import BIASES, worker_schedules
from .workshop import Workshop

_A_BIAS: Final = math.ceil(int(os.environ.get("SCHEDULES", "15")) / len(BIASES))
_SEEDS: Final = [int(word) for word in os.environ.get("SEEDS", "1").split()]
_MOST: Final = 60


@pytest.fixture(scope="module")
def follow_schedule(shared_server: Any, chain_folder: Path) -> Iterator[Callable[..., Workshop]]:
    """Follow a schedule of the workshop, from an empty server on; give the workshop as it is then."""
    code = Code(shared_server.url, load_chain("shop", chain_folder), chain_folder)
    with shared_server.client(socket_timeout=60) as client, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            strategies.LocalStrategy, "page_size", 4
        )  # keys, so that the few records of the shop are several pages

        def follow(goals: Sequence[int], schedule: Sequence[Choice]) -> Workshop:
            workshop = Workshop(client, code, goals)
            workshop.follow(schedule)
            return workshop

        yield follow
    code.close()


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("number", _SEEDS)
def test_workers_lose_nothing_in_any_schedule(follow_schedule: Callable[..., Workshop], number: int, bias: str) -> None:
    explore(follow_schedule, _A_BIAS, number=number, bias=bias, draw=worker_schedules)


@pytest.mark.parametrize("name", MUTANTS)
def test_broken_work_is_caught(
    follow_schedule: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mutant = MUTANTS[name]
    mutant.breaks(monkeypatch)

    with pytest.raises(Violation, match=mutant.shows):
        explore(follow_schedule, _MOST, number=1, bias=mutant.bias, shrinks=False, draw=worker_schedules)
