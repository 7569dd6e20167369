"""The command ``makemigrations`` where a person sits at a terminal, types, leaves, or presses Ctrl-C."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_models.cli import context as cli_context


class Interrupted:
    """A terminal on which somebody presses Ctrl-C."""

    def readline(self) -> str:
        raise KeyboardInterrupt


def renamed(project: Any) -> str:
    return str(project.renamed).replace("= 1", "= 2")


def with_age(project: Any) -> str:
    return renamed(project).replace("note: str | None = None", "note: str | None = None\n    age: int")


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a person at a terminal who types these lines, then closes it."""

    def type_in(*lines: str, stdin: object = None) -> None:
        monkeypatch.setattr(cli_context, "has_terminal", lambda: True)
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_in


def test_a_person_is_asked_until_the_answer_is_one(project: Any, type_in: Callable[..., None]) -> None:
    project.models(with_age(project))
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
    project: Any, type_in: Callable[..., None], lines: tuple[str, ...]
) -> None:
    project.models(with_age(project))
    before = project.tree()
    type_in(*lines)

    assert project.run() == 3
    assert "nothing was written" in project.err
    assert project.tree() == before


def test_a_closed_input_leaves_the_question_open(project: Any, type_in: Callable[..., None]) -> None:
    project.models(renamed(project))
    closed = io.StringIO()
    closed.close()
    type_in(stdin=closed)

    assert project.run() == 3


def test_ctrl_c_writes_nothing(project: Any, type_in: Callable[..., None]) -> None:
    project.models(renamed(project))
    before = project.tree()
    type_in(stdin=Interrupted())

    assert project.run() == 1
    assert project.err.endswith("Cancelled.\n")
    assert project.tree() == before


def test_no_input_beats_a_terminal(project: Any, type_in: Callable[..., None]) -> None:
    project.models(renamed(project))
    type_in("1")

    assert project.run(options=("--no-input",)) == 3


def test_it_works_on_a_real_terminal(project: Any) -> None:
    project.models(renamed(project))
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
