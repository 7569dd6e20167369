"""Clusters are not supported: every command that looks at a server says so by its name, before it writes anything."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from redis_models.cli.main import program

# Commands that need no server: files and folders only; and what the file of a rebase falls back to.
_OFFLINE = {"rebase", "squashmigrations", "startapp", "startproject"}
_COMMANDS = [
    "adopt",
    "adopt --dry-run",
    "check --database",
    "diff",
    "explain shop 2 --key customer:1",
    "history",
    "inspectdb",
    "makemigrations --from-redis",
    "migrate --yes --allow-destructive",
    "migrate shop 1",
    "migrate --plan",
    "migrate --check",
    "migrate --dry-run",
    "migrate --fake",
    "migrate --status",
    "migrate --abort",
    "purge shop --yes",
    "quarantine list",
    "quarantine retry",
    "quarantine drop customer:1 --yes",
    "relocate --from unix:///nowhere",
    "showmigrations",
    "stamp shop 1",
    "verify",
    "verify --repair-index",
]


@pytest.fixture
def node(new_server: Callable[..., Any], unused_tcp_port_factory: Callable[[], int]) -> Any:
    """A cluster of one node, which has a record of the first version."""
    port = next(port for port in iter(unused_tcp_port_factory, 0) if port < 55_000)  # its bus is 10,000 above
    server = new_server("--cluster-enabled", "yes", "--port", str(port))
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            pass
        client.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+get", "+hgetall")
        client.hset("customer:1", mapping={"id": "1", "name": "n1", "legacy_ref": "r1", "age": "1", "_v": "1"})
    return server


def test_every_command_that_looks_at_a_server_is_tried() -> None:
    assert {line.partition(" ")[0] for line in _COMMANDS} == set(
        program.list_commands(click.Context(program))
    ) - _OFFLINE


def test_a_cluster_is_refused_by_its_name_before_anything_is_written(
    node: Any, new_project: Callable[..., Any], server: Any
) -> None:
    bobs = node.url.replace("unix://", "unix://bob:pw@")  # who may do next to nothing, and gets the message anyway
    project = new_project(node, bobs)
    project.deploy(3)
    refused = {line: project.run(*line.split()) for line in _COMMANDS}
    project.settings(REDIS_URL=server.url, APPS=["shop"])
    source = project.run("relocate", "--from", bobs)

    for line, ran in {**refused, "relocate from it": source}.items():
        is_listed = line.startswith("check")  # among other problems
        assert ran.code == (1 if is_listed else 7), (line, ran)
        said = ran.out if is_listed else ran.err
        assert (
            f"{node.socket_path} is a node of a cluster, which migrations and what goes with them do not support"
            in said
        )
        assert "Nothing was written; name a server in REDIS_URL that runs without cluster-enabled" in said
    with node.client() as client:
        assert client.keys("*") == [b"customer:1"]
        assert client.hget("customer:1", "_v") == b"1"
    assert project.bookkeeping() == set()
