"""The fault matrix: real servers, real processes, live writers, and everything that was acknowledged is counted after.

Run ``make test-faults``; the tests of every push leave this folder out. Each test is a row of the table in
docs/reference/faults.md: what was done to whom, how often, what was acknowledged beside it, and what of that was lost.

==================  ===================================================================================================
``lane``            runs the tests and writes the table
``shop``            the project whose records migrate, its live writers, and what is counted in the end
``proxy``           cuts connections at a random byte, is slow, or follows the primary
``sentinel_group``  a primary, its replica, and three Sentinels
==================  ===================================================================================================
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .proxy import Wire
from .sentinel_group import Group
from .shop import Shop

collect_ignore_glob = [] if os.environ.get("FAULTS") else ["test_*.py"]

Tell = Callable[..., None]


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Write a row of the table: the fault, records, faults, writes acknowledged, of these lost, and what was seen."""
    plugins = request.config.pluginmanager.get_plugins()
    (engine,) = [plugin.ENGINE for plugin in plugins if hasattr(plugin, "ENGINE")]

    def write(fault: str, *, records: int, faults: int, acknowledged: int | str, lost: int | str, seen: str) -> None:
        row = json.dumps([fault, records, faults, acknowledged, lost, seen])
        request.node.user_properties.extend([("engine", engine), ("row", row)])

    return write


@pytest.fixture
def new_shop(new_project: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Make a shop on a server: ``new_shop(server, count, url)``."""
    made: list[Shop] = []

    def make(server: Any, count: int, url: str | None = None) -> Shop:
        made.append(Shop(new_project(server, url), count, tmp_path / "stop"))
        return made[-1]

    yield make
    for instance in made:
        instance.close()


@pytest.fixture
def new_wire() -> Iterator[Callable[..., Wire]]:
    """Make a proxy: ``new_wire(lambda: address)``."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(Wire(*arguments, **options))


@pytest.fixture
def new_group(tmp_path: Path) -> Iterator[Callable[..., Group]]:
    """Make a primary with a replica and three Sentinels: ``new_group("--min-replicas-to-write", "1")``."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(Group(tmp_path / "group", options))
