"""Random schedules of RunFunction: a function that must not run twice does not, if processes die or lose the lease."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from redis_models.migrations.executor import run, segment
from redis_models.migrations.files.loader import load_chain
from redis_models.migrations.planner import segments
from redis_models.migrations.state import store

from .mutants import _FENCE, Mutant, _edited, recoded
from .oracle import Violation
from .replay import Choice, Drawn
from .run_functions import Steps, write_step_migrations
from .strategies import explore

_A_SEED: Final = math.ceil(int(os.environ.get("SCHEDULES", "24")) / 3)
_SEEDS: Final = [int(word) for word in os.environ.get("SEEDS", "1").split()]
_MOST: Final = 60
_ACTIONS: Final = ["rest", *["runner A"] * 2, "runner B", "runner C", *["up to"] * 2, "kill", "lapse", "break", "mend"]

MUTANTS: Final[Mapping[str, Mutant]] = {
    "no note before the call": Mutant(
        recoded(run, "call_step", "run(client, store.save_journal(lease.key, lease.epoch, note))", "pass"),
        "",
        "was called 2 times",
    ),
    "no fence of the note": Mutant(_edited(store, "_CHECKPOINT", _FENCE), "", "without a lease"),
    "no fence of the record": Mutant(_edited(store, "_FINISH", _FENCE), "", "without a lease"),
    "what was begun is begun again": Mutant(
        recoded(segments.RunPlan, "objections", "not step.may_run_twice and not run_again", "False"),
        "",
        "was called 2 times",
    ),
    "what failed is recorded": Mutant(
        # The first handler of a fitting class is the one.
        recoded(segment, "_call", "except (Exc", "except ValueError: pass\n        except (Exc"),
        "",
        "which has not ended",
    ),
}


@pytest.fixture(scope="module")
def step(shared_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Steps]]:
    """Follow a schedule of free steps, from an empty server on."""
    folder = tmp_path_factory.mktemp("redis_migrations")
    write_step_migrations(folder)
    chain = load_chain("steps", folder)
    with shared_server.client(socket_timeout=60) as client:

        def follow(goals: Sequence[int], schedule: Sequence[Choice]) -> Steps:
            world = Steps(client, chain)
            world.follow(schedule)
            return world

        yield follow


def _schedules(_: str) -> st.SearchStrategy[Drawn]:
    times, which = st.sampled_from((1, 1, 2, 3, 6, 12, 30)), st.integers(0, 15)
    choices = st.lists(st.builds(Choice, st.sampled_from(_ACTIONS), times, which), min_size=8, max_size=30)
    return st.tuples(st.just((3,)), choices)


@pytest.mark.parametrize("number", _SEEDS)
def test_a_function_runs_once_when_any_process_dies(step: Callable[..., Steps], number: int) -> None:
    explore(step, _A_SEED, number=number, bias="", draw=_schedules)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_free_step_is_caught(step: Callable[..., Steps], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutant = MUTANTS[name]
    mutant.breaks(monkeypatch)

    with pytest.raises(Violation, match=mutant.shows):
        explore(step, _MOST, number=1, bias=mutant.bias, shrinks=False, draw=_schedules)
