"""Schedules: who goes next is drawn, round trip by round trip, and everything on a real server is compared each time.

The proof that the protocol of rewriting loses nothing in any order of events. Run ``make test-schedules``; a part of it
runs with all tests.

``replay``
    A schedule: goals (positions in the chain to migrate to) and choices; how one is printed and read back.
``strategies``
    How hypothesis draws schedules: by weights ("zombies": runners whose lease ends again and again) or in scenes
    ("races": a runner goes up to a write, another client writes, it goes on). It shrinks one that fails.
``scheduler``, ``world``
    Let an actor exchange one batch, or a part of one, and compare everything after it.
``actors``
    Actors of the application: code of the newest and of the first version, readers; through the verbs.
``runners``
    Processes that migrate, with the engine's own parts.
``server``
    A real server, but its time, its restarts and the order of SCAN are the schedule's.
``oracle``, ``oracle_effects``
    The model of what was acknowledged, what each verb does to a record, and what is compared after every step.
``shop``, ``initial_state``
    The chain of migrations, what each of them means, said a second time, and what lies on the server at the beginning.
``parcels``, ``depot``, ``depot_actors``, ``strategies_of_renames``, ``mutants_of_renames``
    A second world, in which records get other keys. Its oracle: each record is there once, whole, under a key that
    belongs to it.
``workers``, ``workshop``, ``strategies_of_workers``, ``mutants_of_workers``
    The shop with runs that have workers, each of them an actor, and with people who retry the quarantine.
``run_functions``
    A third, small world: functions that a migration calls once, blocking code as an actor.
``mutants``
    The protocol with one thing taken out, the scene in which that shows, and what the violation says.

To add an actor: give it a method that is a generator of batches (see ``redis_models.client.commands``), say in
``oracle_effects`` what it may do, name it in ``World.actors``, and give its name a weight in ``strategies``. To add
an action that happens to other actors (``kill``, ``lapse``): handle it in ``World._befalls``, and give it a weight. To
add a mutant: give ``mutants`` the text of a script and its replacement, or patch the Python, and find the bias that
shows it soon. The mutant must be caught for the right reason.

A violation ends with the steps, and with a line for FOUND in ``test_regressions``. Put the line there, fix the fault,
and keep the line.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from redis_models.migrations.files.loader import load_chain

from .initial_state import Code
from .replay import Choice
from .shop import write_migrations
from .world import World

Follow = Callable[[Sequence[int], Sequence[Choice]], World]


@pytest.fixture(scope="session")
def chain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the chain."""
    folder = tmp_path_factory.mktemp("redis_migrations")
    write_migrations(folder)
    return folder


@pytest.fixture(scope="session")
def follow(shared_server: "object", chain_folder: Path) -> Iterator[Follow]:
    """Follow a schedule, from an empty server on; give the world as it is then."""
    server: Any = shared_server
    code = Code(server.url, load_chain("shop", chain_folder), chain_folder)
    with server.client(socket_timeout=60) as client:  # a busy machine may stand still for seconds

        def follow(goals: Sequence[int], schedule: Sequence[Choice]) -> World:
            world = World(client, code, goals)
            world.follow(schedule)
            return world

        yield follow
    code.close()
