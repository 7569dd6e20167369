"""Options of ``migrate`` that want different things are refused together, before anything is done."""

import itertools
from typing import Any

import pytest

_ASKED = ["--plan", "--dry-run", "--check", "--fake", "--status"]


@pytest.mark.parametrize(("option", "other"), list(itertools.combinations(_ASKED, 2)))
def test_what_writes_nothing_is_not_said_with_what_does(project: Any, option: str, other: str) -> None:
    project.deploy(2)
    said = project.run("migrate", option, other)

    assert said.code == 2
    assert f"{option} and {other} cannot be combined" in said.err or f"{other} and {option} contradict" in said.err
    assert project.bookkeeping() == set()


@pytest.mark.parametrize("other", ["--fake", "zero"])
def test_without_files_there_is_nothing_to_record_and_no_target(project: Any, client: Any, other: str) -> None:
    project.deploy(1)
    for path in (project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    assert project.run("migrate", "--auto").code == 0
    snapshot = client.get("redis_models:{default}:snapshot:shop")

    assert project.run("migrate", other, "--auto").code == 2
    refused = project.run("migrate", "--fake")

    assert (refused.code, client.get("redis_models:{default}:snapshot:shop")) == (1, snapshot)
    assert "shop has no migration files, so there is nothing to record" in refused.err


def test_without_files_nothing_goes_to_quarantine_where_nothing_could_bring_it_out(project: Any) -> None:
    project.deploy(1)

    refused = project.run("migrate", "--auto", "--on-error", "quarantine")

    assert refused.code == 2
    assert "--auto and --on-error quarantine cannot be combined" in refused.err


@pytest.mark.parametrize("command", ["stamp shop zero", "adopt", "relocate --from redis://127.0.0.1:1", "purge"])
def test_an_invalid_timeout_does_not_wait(project: Any, command: str) -> None:
    project.deploy(1)

    refused = project.run(*command.split(), "--wait", "nan")

    assert refused.code == 2
    assert "'nan' is not a valid amount; use a number from 0 to 2147483647" in refused.err
