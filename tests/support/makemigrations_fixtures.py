"""A project on the disk whose ``makemigrations`` runs in this process, as a new one would."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from redis_models.cli.console import context as cli_context
from redis_models.cli.main import main

from ..migrations.maintenance.verifiable import MODEL, put

_INITIAL = """
class Customer(Model):
    id: str = Field(primary_key=True)
    name: str
    note: str | None = None

    class Meta:
        version = 1  # the first
"""


@dataclass
class Project:
    """A project in a folder of its own, whose command runs in this process."""

    root: Path
    capture: pytest.CaptureFixture[str]
    initial: str = _INITIAL
    renamed: str = _INITIAL.replace("name: str", "full_name: str")
    required: str = _INITIAL.replace("note: str | None = None", "note: str | None = None\n    currency: str")
    out: str = ""
    err: str = ""

    def models(self, text: str, app: str = "shop") -> None:
        """Declare the models of an app."""
        (self.root / app).mkdir(exist_ok=True)
        (self.root / app / "__init__.py").touch()
        (self.root / app / "models.py").write_text(f"from redis_models import Field, Model\n\n{text}", "utf-8")

    def settings(self, *apps: str, url: str = "redis://127.0.0.1:1") -> None:
        """Write the settings module; without a URL there is no server."""
        (self.root / "conf.py").write_text(f"REDIS_URL = {url!r}\nAPPS = {list(apps)!r}\n", "utf-8")

    def run(self, *arguments: str, options: tuple[str, ...] = ()) -> int:
        """Run ``makemigrations`` as a new process would, with fresh modules; give the exit code."""
        return self.command("makemigrations", *arguments, options=options)

    def command(self, *arguments: str, options: tuple[str, ...] = ()) -> int:
        """Run any command likewise."""
        forget_modules()
        importlib.invalidate_caches()
        self.capture.readouterr()
        code = main(["--settings", "conf", *options, *arguments])
        self.out, self.err = self.capture.readouterr()
        return code

    def files(self, app: str = "shop") -> list[str]:
        """Names of the migrations of an app."""
        return sorted(path.stem for path in (self.root / app / "redis_migrations").glob("0*.py"))

    def text(self, name: str, app: str = "shop") -> str:
        """Text of a migration."""
        return (self.root / app / "redis_migrations" / f"{name}.py").read_text("utf-8")

    def tree(self) -> dict[str, str]:
        """All that lies in the project."""
        return {str(path): path.read_text("utf-8") for path in self.root.rglob("*") if path.is_file()}


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "crm", "conf")]:
        del sys.modules[name]


@pytest.fixture
def shop_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], impatient: None
) -> Iterator[Project]:
    """A project with one app, whose first migration is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # one second is too coarse for what these tests rewrite
    monkeypatch.setattr(cli_context, "has_terminal", lambda: False)
    made = Project(tmp_path, capsys)
    made.settings("shop")
    made.models(made.initial)
    assert made.run() == 0
    yield made
    forget_modules()


@pytest.fixture
def verified(shop_project: Any, server: Any) -> Iterator[Any]:
    """A hundred records that moved from client: to customer:, where their model is at version 2."""
    for path in (shop_project.root / "shop/redis_migrations").glob("*"):
        path.unlink()
    shop_project.settings("shop", url=server.url)
    for version, table in ((1, "client"), (2, "customer")):
        shop_project.models(MODEL.format(version=version, table=table))
        assert shop_project.run(options=("--no-input",)) == 0, shop_project.err
    assert shop_project.command("migrate", "--allow-destructive") == 0, shop_project.err
    with server.client() as client:
        for number in range(100):
            put(client, f"customer:c{number}")
    yield shop_project
