"""Users with the rights that the documentation names, and no others, run every command and every verb."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from redis_models.migrations.chain.upgrade_path import UpgradePath, VersionStep
from redis_models.migrations.edits.steps import Expire
from redis_models.migrations.executor.preflight import OF_THE_END, commands_of

from ..support.permissions import ACTIONS, Action
from ..support.projects import Project

_PAGE = Path(__file__).parents[2] / "docs/reference/redis-keys.md"


def _permissions() -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Read the table: by who, the patterns of keys, the commands, and those that may be missing."""
    text = _PAGE.read_text()
    table = text[text.index("<!-- rights") : text.index("<!-- end of rights -->")]
    found: dict[str, tuple[list[str], list[str], list[str]]] = {}
    for line in table.splitlines():
        cells = [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and not cells[0].startswith(("who |", "---")) and cells[0] != "who":
            keys, commands, optional = (cell.replace("\\|", "|").split() for cell in cells[1:])
            found[cells[0]] = keys, commands, optional
    [everybody] = re.findall(r"All users except .* work without `(.*?)`", table)
    return {who: (keys, needed, [*optional, *everybody.split()]) for who, (keys, needed, optional) in found.items()}


_CASES = [(who, what) for who, actions in ACTIONS.items() for what in actions]


class Servant:
    """Makes the user of a row of the table, and the project on whose behalf it works."""

    def __init__(self, server: Any, new_project: Callable[..., Project]) -> None:
        self._server, self._new_project = server, new_project
        with server.client() as client:
            self._known = {name.lower() for name in client.command()}

    def prepare(self, action: Action) -> Project:
        project = self._new_project(self._server)
        action.prepare(project)
        return project

    def become(self, project: Project, keys: list[str], commands: list[str]) -> None:
        """Have a project's settings name a user that may do this, and nothing else."""
        keys += [key.replace("customer", "client") for key in keys]  # where a migration moves them to
        known = [command for command in commands if command[1:].partition("|")[0] in self._known]
        with self._server.client() as client:
            client.execute_command("ACL", "SETUSER", "servant", "reset", "on", ">pw", *keys, *known)
            client.execute_command("ACL", "LOG", "RESET")
            client.script_flush()
        url = self._server.url.replace("unix://", "unix://servant:pw@")
        project.settings(REDIS_URL=url, APPS=["shop"])

    def refused(self) -> list[str]:
        """Give what the server refused this user."""
        with self._server.client() as client:
            found: list[dict[str, Any]] = client.acl_log()
        return sorted({str(entry["object"]) for entry in found})


@pytest.fixture
def servant(server: Any, new_project: Callable[..., Project]) -> Iterator[Servant]:
    yield Servant(server, new_project)
    with server.client() as client:
        client.execute_command("ACL", "DELUSER", "servant")


@pytest.mark.parametrize(("who", "what"), _CASES)
def test_the_documented_permissions_are_enough(servant: Servant, who: str, what: str) -> None:
    keys, needed, optional = _permissions()[who]
    action = ACTIONS[who][what]
    project = servant.prepare(action)
    servant.become(project, keys, needed)

    ran = action.act(project)

    refused = [refusal for refusal in servant.refused() if f"+{refusal}" not in optional]
    assert (ran.code, refused) == (action.code, []), f"{ran.out[-2000:]}{ran.err[-2000:]}"


@pytest.mark.parametrize(("who", "what"), _CASES)
def test_with_the_optional_permissions_nothing_is_refused(servant: Servant, who: str, what: str) -> None:
    keys, needed, optional = _permissions()[who]
    action = ACTIONS[who][what]
    project = servant.prepare(action)
    servant.become(project, keys, [*needed, *optional])

    ran = action.act(project)

    assert (ran.code, servant.refused()) == (action.code, []), f"{ran.out[-2000:]}{ran.err[-2000:]}"


def test_what_a_run_tries_before_it_begins_is_documented() -> None:
    upgrade_path = UpgradePath("Customer", (VersionStep(1, 2, (Expire("all", 0),)),), 1)
    any_move: list[Any] = [None]
    tried = {*commands_of([upgrade_path], any_move), *OF_THE_END}

    _, needed, _ = _permissions()["who migrates"]

    assert {f"+{name.lower()}" for name in tried} <= set(needed)


@pytest.mark.parametrize("who", ACTIONS)
def test_each_documented_right_is_used(server: Any, servant: Servant, tmp_path: Path, who: str) -> None:
    _, needed, optional = _permissions()[who]
    called: set[str] = set()
    for action in ACTIONS[who].values():
        with server.client() as client:
            client.flushall()
        shutil.rmtree(tmp_path / "shop", ignore_errors=True)
        project = servant.prepare(action)
        with server.client() as client:
            client.config_resetstat()
            client.script_flush()
        action.act(project)
        with server.client() as client:
            called |= {name.removeprefix("cmdstat_") for name in client.info("commandstats")}

    unused = [command for command in needed if command[1:] not in called]
    assert unused == []
    assert who in _permissions() and optional
