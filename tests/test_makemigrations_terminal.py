"""The command ``makemigrations`` where a person sits at a terminal, types, leaves, or presses Ctrl-C."""

import importlib
import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from redis_models.cli import context as cli_context
from redis_models.cli.main import main

INITIAL = """
class Customer(Model):
    id: str = Field(primary_key=True)
    name: str
    note: str | None = None

    class Meta:
        version = 1  # the first
"""
RENAMED = INITIAL.replace("name: str", "full_name: str").replace("= 1", "= 2")
WITH_AGE = RENAMED.replace("note: str | None = None", "note: str | None = None\n    age: int")


class Interrupted:
    """A terminal on which somebody presses Ctrl-C."""

    def readline(self) -> str:
        raise KeyboardInterrupt


@dataclass
class Project:
    """A project in a folder of its own, whose command runs in this process."""

    root: Path
    capture: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def models(self, text: str) -> None:
        """Declare the models of the one app."""
        (self.root / "shop" / "models.py").write_text(f"from redis_models import Field, Model\n\n{text}", "utf-8")

    def run(self, *options: str) -> int:
        """Run the command as a new process would, with fresh modules; give the exit code."""
        forget_modules()
        importlib.invalidate_caches()
        self.capture.readouterr()
        code = main(["--settings", "conf", *options, "makemigrations"])
        self.out, self.err = self.capture.readouterr()
        return code

    def tree(self) -> dict[str, str]:
        """All that lies in the project."""
        return {str(path): path.read_text("utf-8") for path in self.root.rglob("*") if path.is_file()}


def forget_modules() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("shop", "conf")]:
        del sys.modules[name]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Project]:
    """A project with one app, whose first migration is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # one second is too coarse for what these tests rewrite
    monkeypatch.setattr(cli_context, "has_terminal", lambda: False)
    (tmp_path / "conf.py").write_text("REDIS_URL = 'redis://127.0.0.1:1'\nAPPS = ['shop']\n", "utf-8")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    made = Project(tmp_path, capsys)
    made.models(INITIAL)
    assert made.run() == 0
    yield made
    forget_modules()


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a person at a terminal who types these lines, then closes it."""

    def type_in(*lines: str, stdin: object = None) -> None:
        monkeypatch.setattr(cli_context, "has_terminal", lambda: True)
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_in


def test_a_person_is_asked_until_the_answer_is_one(project: Project, type_in: Callable[..., None]) -> None:
    project.models(WITH_AGE)
    type_in("x", "9", "1", "", "1", "EUR", "'EUR'", "30")

    assert project.run() == 0
    assert (
        "shop: 1 question   (files 0001 → code)\n? Customer.name (str) is gone; new: full_name, age.\n" in project.err
    )
    assert "  1) rename name → full_name (keeps the values, similarity 0.62)\n" in project.err
    assert "  2) rename name → age (converts the values to int, similarity 0.57)\n" in project.err
    assert project.err.count("Please type a number from 1 to 4.") == 2
    assert project.err.count("Please type a number from 1 to 3.") == 1
    assert "Customer.age: int is required and has no default; existing records lack it." in project.err
    assert "Customer.age: EUR is no Python literal; text needs quotes: 'EUR'" in project.err
    assert "'EUR' is no int" in project.err
    assert "Answers can be replayed: --rename Customer.name=full_name --default Customer.age=30\n" in project.err
    assert "~ rename field  Customer.name → full_name" in project.out
    assert "?" not in project.out


@pytest.mark.parametrize("lines", [(), ("1",), ("1", "1"), ("3",)])
def test_the_end_of_the_input_and_quitting_leave_the_question_open(
    project: Project, type_in: Callable[..., None], lines: tuple[str, ...]
) -> None:
    project.models(WITH_AGE)
    before = project.tree()
    type_in(*lines)

    assert project.run() == 3
    assert "nothing was written" in project.err
    assert project.tree() == before


def test_a_closed_input_leaves_the_question_open(project: Project, type_in: Callable[..., None]) -> None:
    project.models(RENAMED)
    closed = io.StringIO()
    closed.close()
    type_in(stdin=closed)

    assert project.run() == 3


def test_ctrl_c_writes_nothing(project: Project, type_in: Callable[..., None]) -> None:
    project.models(RENAMED)
    before = project.tree()
    type_in(stdin=Interrupted())

    assert project.run() == 1
    assert project.err.endswith("Cancelled.\n")
    assert project.tree() == before


def test_no_input_beats_a_terminal(project: Project, type_in: Callable[..., None]) -> None:
    project.models(RENAMED)
    type_in("1")

    assert project.run("--no-input") == 3


def test_it_works_on_a_real_terminal(project: Project) -> None:
    project.models(RENAMED)
    ours, theirs = pty.openpty()
    root = str(Path(cli_context.__file__).absolute().parents[2])
    command = [sys.executable, "-m", "redis_models", "--settings", "conf", "makemigrations"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project.root), root, *sys.path])}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=project.root, env=environment
    )
    os.close(theirs)
    os.write(ours, b"1\n")
    out, err = process.communicate(timeout=60)
    os.close(ours)

    assert process.returncode == 0, err.decode()
    assert "1) rename name → full_name (keeps the values)" in err.decode()
    assert "0002_rename_name.py" in out.decode()
