"""The command ``makemigrations`` where a person sits at a terminal, types, leaves, or presses Ctrl-C."""

import io
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from redis_models.cli.console import context as cli_context


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


_BEFORE = """
from datetime import datetime
from enum import Enum
from typing import Literal
from pydantic import AwareDatetime, BaseModel

class Order(Model):
    id: str = Field(primary_key=True)
    status: Literal["new", "old"]
    note: str | None = None
    seen: datetime

    class Meta:
        version = 1
"""
_AFTER = (
    _BEFORE.replace("class Order", "class Sale")
    .replace('"old"', '"done"')
    .replace("note: str | None = None", "note: str")
    .replace("seen: datetime", "seen: AwareDatetime")
    .replace("version = 1", "version = 2\n        ttl = 60")
)


def test_every_kind_of_question_is_asked_and_its_answers_can_be_replayed(
    project: Any, type_in: Callable[..., None]
) -> None:
    project.models(_BEFORE)
    assert project.run("--drop", "Customer") == 0
    before = project.tree()
    project.models(_AFTER)
    type_in("1", "1", "''", "1", "Nowhere/Land", "Europe/Vienna", "1", "4")

    assert project.run("--dry-run") == 0, project.err
    assert "? Order is gone; new: Sale. Its records lie at order:*." in project.err
    assert "  1) rename Order → Sale (its records go along, similarity" in project.err
    assert "? Sale.note: str may no longer be None and has no default; records may hold None." in project.err
    assert "? Sale.status: the value 'old' is gone." in project.err
    assert "  1) put 'done' in its place" in project.err
    assert "there is no time zone 'Nowhere/Land'" in project.err
    assert "  4) jitter: every record gets between half of the new one and all of it" in project.err
    flags = project.err.partition("Answers can be replayed: ")[2].splitlines()[0]
    text = project.out
    type_in()

    assert project.run("--dry-run", *shlex.split(flags)) == 0, project.err
    assert project.out == text
    assert project.run(*shlex.split(flags)) == 0
    assert project.run("--check") == 0
    assert before.keys() < project.tree().keys()


@pytest.mark.parametrize(("typed", "allow"), [(["moved to the CRM"], True), ([""], False), ([], False)])
def test_a_person_is_asked_why_what_rules_refuse_is_right(
    project: Any, type_in: Callable[..., None], typed: list[str], allow: bool
) -> None:
    project.models(project.initial.replace("    note: str | None = None\n", "").replace("= 1", "= 2"))
    type_in(*typed)

    assert project.run() == 0, project.err
    assert "! RM101 Remove field note from Customer" in project.err
    assert ('allow = {"RM101": "moved to the CRM"}' in project.text(project.files()[-1])) == allow


def test_a_person_says_what_becomes_of_extra_fields_and_of_types_that_changed_places(
    project: Any, type_in: Callable[..., None]
) -> None:
    allow = "    model_config = {'extra': 'allow'}\n    id: str"
    project.models(project.initial.replace("    id: str", allow).replace("= 1", "= 2") + "\n")
    type_in()
    assert project.run("--empty") == 0, project.err
    swapped = project.initial.replace("    id: str", allow).replace("= 1", "= 3")
    swapped = swapped.replace("name: str\n", "name: int\n    city: str = ''\n")
    project.models(swapped)
    type_in("2")

    assert project.run("--dry-run") == 0, project.err

    assert "Customer.city: str is new, and records may hold an extra field of this name." in project.err
    assert "  1) take: its value becomes that of the field; records without one are filled\n" in project.err
    assert "Answers can be replayed: --extra Customer.city=replace\n" in project.err


def test_a_person_says_where_values_are_whose_types_changed_places(project: Any, type_in: Callable[..., None]) -> None:
    old = project.initial.replace("note: str | None = None", "age: int")
    project.models(old.replace("= 1", "= 2"))
    type_in("2", "1", "0")
    assert project.run() == 0, project.err
    project.models(old.replace("name: str", "name: int").replace("age: int", "age: str").replace("= 1", "= 3"))
    type_in("1", "1")

    assert project.run() == 0, project.err

    assert "Customer.age: it was int, as name is now; its values may have changed places, or stay." in project.err
    assert "  1) its values are in name now\n" in project.err
    assert "  2) they stay in age, and are converted\n" in project.err
    assert "Answers can be replayed: --rename Customer.age=name --rename Customer.name=age\n" in project.err
