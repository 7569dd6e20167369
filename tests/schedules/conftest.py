"""The server, the code and the chain of all schedules."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from redis_models.migrations.files import load_chain

from .shop import write_migrations
from .stage import Code
from .world import Choice, World

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
    with server.client() as client:

        def follow(goals: Sequence[int], schedule: Sequence[Choice]) -> World:
            world = World(client, code, goals)
            world.follow(schedule)
            return world

        yield follow
    code.close()
