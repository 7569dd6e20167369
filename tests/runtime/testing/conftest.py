"""A project whose settings name a real server, and its tests."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


_MODELS = """
from redis_models import AutoModel, Field, Model

class Ticket(Model):
    id: str = Field(primary_key=True)
    seats: int = 1

class Visit(AutoModel):
    id: str = Field(primary_key=True)
    n: int = 0
"""


_APP = """
import atexit

import redis_models

redis_models.setup()

from .models import Ticket

Ticket.sync.insert(Ticket(id="at-import"))
atexit.register(lambda: Ticket.sync.insert(Ticket(id="at-exit")))
"""


class Box:
    """A project whose settings name a real server."""

    def __init__(self, root: Path, server: Any, port: int) -> None:
        self.root, self.server, self.port = root, server, port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.write("box/__init__.py", "")
        self.write("box/models.py", _MODELS)
        self.write("box/app.py", _APP)
        self.write("box/settings.py", f"REDIS_URL = {self.url!r}\nAPPS = ['box']\n")
        self.write(
            "pyproject.toml",
            '[tool.redis_models]\nsettings = "box.settings"\n\n[tool.pytest.ini_options]\nasyncio_mode = "auto"\n'
            'asyncio_default_fixture_loop_scope = "function"\nfilterwarnings = ["error"]\n',
        )
        self.write("conftest.py", 'pytest_plugins = ["redis_models.testing"]\n')

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(textwrap.dedent(text))

    def run(self, *arguments: str, **others: str) -> "subprocess.CompletedProcess[str]":
        """Run Python in the project."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_M", "PYTEST"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{self.root}", **others},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )

    def pytest(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run its tests."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)

    def contents(self) -> dict[str, int]:
        """Count the keys of each database of the server of the settings."""
        with self.server.client() as client:
            return {name: stats["keys"] for name, stats in client.info("keyspace").items()}


@pytest.fixture
def box(tmp_path: Path, new_server: Callable[..., Any]) -> Box:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Box(tmp_path, new_server("--bind", "127.0.0.1", "--port", str(port)), port)
