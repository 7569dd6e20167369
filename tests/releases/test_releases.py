"""What earlier releases left in a database is read, listed, verified and ended by this one, as they would have.

``record.py`` made the folders beside this file, each with the last commit of a release.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from ..conftest import Server
from ..support.projects import Project
from .database import load, read, records
from .record import ask, end_runs

_RELEASES = sorted(path.parent for path in Path(__file__).parent.glob("*/halfway.json"))
# What says when and by whom, or what was said in words: those may be said better.
_PASSING = ("applied_at", "at", "began_at", "by", "ended_at", "message", "problems", "reason", "run", "updated_at")


@pytest.fixture(params=_RELEASES, ids=[path.name for path in _RELEASES])
def release(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def stopped(release: Path, server: Server, client: redis.Redis, new_project: Callable[[Server], Project]) -> Project:
    """The project of an earlier release, and its database with two runs that were killed."""
    project = new_project(server)
    for path, text in read(release / "project.json").items():
        project.write(path, text)
    project.settings(REDIS_URL=server.url, APPS=["shop", "billing", "crm"])
    load(client, read(release / "halfway.json"))
    return project


@pytest.mark.needs_command("HPEXPIREAT")
def test_commands_say_of_it_what_the_release_said(stopped: Project, release: Path) -> None:
    before = read(release / "commands.json")

    now = ask(stopped)

    assert _lasting(now) == _lasting(before)


@pytest.mark.needs_command("HPEXPIREAT")
def test_runs_are_ended_as_the_release_ended_them(stopped: Project, release: Path, client: redis.Redis) -> None:
    end_runs(stopped)

    assert records(client) == read(release / "ended.json")


def _lasting(answers: dict[str, Any]) -> dict[str, Any]:
    """Leave out what passes, at every depth."""
    return cast(dict[str, Any], json.loads(json.dumps(answers), object_hook=_without_passing))


def _without_passing(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in _PASSING}
