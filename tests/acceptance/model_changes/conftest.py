"""A project on the disk and on a real server, whose model changes, and whose commands run in this process."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from redis_models.cli.console import context as cli_context
from redis_models.cli.main import main
from redis_models.project.apps import bind, load_apps
from redis_models.project.settings import load_settings

_HEAD = """
import enum
from datetime import datetime
from decimal import Decimal
from typing import *
from pydantic import BaseModel, ConfigDict, SecretStr
from typing_extensions import TypedDict
from redis_models import Field, Model

"""
_MODEL = """
class Item(Model):
    id: str = Field(primary_key=True)
{fields}

    class Meta:
        version = {version}
"""


@dataclass
class Shop:
    """A project with one app, whose one model is ``Item``.

    Attributes:
        root: Its folder.
        server: The shared server.
        version: Of the code that is deployed.
        out, err: What the last command said.
    """

    root: Path
    server: Any
    capture: pytest.CaptureFixture[str]
    version: int = 0
    out: str = ""
    err: str = ""
    _deployed: list[str] = field(default_factory=list[str])

    def declare(self, fields: str, before: str = "", version: int = 1) -> None:
        """Write the models module: fields of the model, and what stands before it."""
        text = _MODEL.format(fields=indent(dedent(fields).strip(), "    "), version=version)
        (self.root / "shop/models.py").write_text(_HEAD + dedent(before) + text, "utf-8")
        self.version = version

    def run(self, *arguments: str) -> int:
        """Run a command as a new process would; give its exit code."""
        forget_modules()
        importlib.invalidate_caches()
        self.capture.readouterr()
        code = main(["--settings", "conf", "--no-input", *arguments])
        self.out, self.err = self.capture.readouterr()
        return code

    def migrate(self, *arguments: str) -> int:
        """Run ``migrate``, with the consents that safety rules ask for."""
        return self.run("migrate", *arguments, "--yes", "--allow-destructive")

    def release(
        self, fields: str, before: str = "", version: int = 1, answers: tuple[str, ...] = (), *, is_run: bool = True
    ) -> None:
        """Declare the model, write its migration, and run it."""
        self.declare(fields, before, version)
        assert self.run("makemigrations", *answers) == 0, self.err
        assert not is_run or self.migrate() == 0, self.err

    def code(self) -> Any:
        """Give the models module as a new process of the application has it."""
        forget_modules()
        importlib.invalidate_caches()
        loaded = load_settings("conf")
        bind(loaded, load_apps(loaded))
        return sys.modules["shop.models"]

    def edit(self, old: str, new: str) -> None:
        """Change the newest migration."""
        path = sorted((self.root / "shop/redis_migrations").glob("0*.py"))[-1]
        text = path.read_text("utf-8")
        assert old in text, text
        path.write_text(text.replace(old, new), "utf-8")

    def newest(self) -> str:
        """Give the text of the newest migration."""
        return sorted((self.root / "shop/redis_migrations").glob("0*.py"))[-1].read_text("utf-8")

    def put(self, key: str, **fields: str | bytes) -> None:
        """Store a record as other code of the deployed version would."""
        with self.server.client() as client:
            client.hset(f"item:{key}", mapping={"_v": str(self.version), "id": key, **fields})
            client.zadd("item:__index", {f"item:{key}": 0})

    def records(self) -> dict[str, dict[str, bytes]]:
        """Give all records."""
        with self.server.client() as client:
            keys = [key for key in client.scan_iter("item:*") if b"__index" not in key]
            return {
                key.decode().removeprefix("item:"): {name.decode(): raw for name, raw in client.hgetall(key).items()}
                for key in keys
            }


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "conf")]:
        del sys.modules[name]


@pytest.fixture
def new_shop(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], Shop]]:
    """Give what begins the project anew, on an empty server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # one second is too coarse for what these tests rewrite
    monkeypatch.setattr(cli_context, "has_terminal", lambda: False)
    (tmp_path / "conf.py").write_text(f"REDIS_URL = {server.url!r}\nAPPS = ['shop']\n", "utf-8")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()

    def begin() -> Shop:
        with server.client() as client:
            client.flushall()
        for path in (tmp_path / "shop").rglob("0*.py"):
            path.unlink()
        return Shop(tmp_path, server, capsys)

    yield begin
    forget_modules()


@pytest.fixture
def shop(new_shop: Callable[[], Shop]) -> Shop:
    """A project without models and records."""
    return new_shop()
