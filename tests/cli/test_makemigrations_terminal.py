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
    """A terminal whose user presses Ctrl-C."""

    def readline(self) -> str:
        raise KeyboardInterrupt


def renamed(shop_project: Any) -> str:
    return str(shop_project.renamed).replace("= 1", "= 2")


def with_age(shop_project: Any) -> str:
    return renamed(shop_project).replace("note: str | None = None", "note: str | None = None\n    age: int")


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a person at a terminal who types these lines, then closes it."""

    def type_in(*lines: str, stdin: object = None) -> None:
        monkeypatch.setattr(cli_context, "has_terminal", lambda: True)
        monkeypatch.setattr(sys, "stdin", stdin or io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_in


def test_a_person_is_asked_until_the_answer_is_one(shop_project: Any, type_in: Callable[..., None]) -> None:
    shop_project.models(with_age(shop_project))
    type_in("x", "9", "1", "", "1", "EUR", "'EUR'", "30")

    assert shop_project.run() == 0
    assert (
        "shop: 1 question   (files 0001 → code)\n? Customer.name (str) is gone; new: full_name, age\n"
        in shop_project.err
    )
    assert "  1) rename name → full_name (keeps the values, similarity 0.62)\n" in shop_project.err
    assert "  2) rename name → age (converts the values to int, similarity 0.57)\n" in shop_project.err
    assert shop_project.err.count("Please type a number from 1 to 4.") == 2
    assert shop_project.err.count("Please type a number from 1 to 3.") == 1
    assert "Customer.age: int is required and has no default; existing records do not have it" in shop_project.err
    assert "Customer.age: EUR is not a Python literal; text needs quotes: 'EUR'" in shop_project.err
    assert "'EUR' is not a valid int" in shop_project.err
    replay = "To give the same answers again: --rename Customer.name=full_name --default Customer.age=30\n"
    assert replay in shop_project.err
    assert "~ rename field  Customer.name → full_name" in shop_project.out
    assert "?" not in shop_project.out


@pytest.mark.parametrize("lines", [(), ("1",), ("1", "1"), ("3",)])
def test_the_end_of_the_input_and_quitting_leave_the_question_open(
    shop_project: Any, type_in: Callable[..., None], lines: tuple[str, ...]
) -> None:
    shop_project.models(with_age(shop_project))
    before = shop_project.tree()
    type_in(*lines)

    assert shop_project.run() == 3
    assert "nothing was written" in shop_project.err
    assert shop_project.tree() == before


def test_a_closed_input_leaves_the_question_open(shop_project: Any, type_in: Callable[..., None]) -> None:
    shop_project.models(renamed(shop_project))
    closed = io.StringIO()
    closed.close()
    type_in(stdin=closed)

    assert shop_project.run() == 3


def test_ctrl_c_writes_nothing(shop_project: Any, type_in: Callable[..., None]) -> None:
    shop_project.models(renamed(shop_project))
    before = shop_project.tree()
    type_in(stdin=Interrupted())

    assert shop_project.run() == 1
    assert shop_project.err.endswith("Cancelled.\n")
    assert shop_project.tree() == before


def test_no_input_beats_a_terminal(shop_project: Any, type_in: Callable[..., None]) -> None:
    shop_project.models(renamed(shop_project))
    type_in("1")

    assert shop_project.run(options=("--no-input",)) == 3


def test_it_works_on_a_real_terminal(shop_project: Any) -> None:
    shop_project.models(renamed(shop_project))
    ours, theirs = pty.openpty()
    root = str(Path(cli_context.__file__).absolute().parents[2])
    command = [sys.executable, "-m", "redis_models", "--settings", "conf", "makemigrations"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(shop_project.root), root, *sys.path])}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop_project.root, env=environment
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
    shop_project: Any, type_in: Callable[..., None]
) -> None:
    shop_project.models(_BEFORE)
    assert shop_project.run("--drop", "Customer") == 0
    before = shop_project.tree()
    shop_project.models(_AFTER)
    type_in("1", "1", "''", "1", "Nowhere/Land", "Europe/Vienna", "1", "4")

    assert shop_project.run("--dry-run") == 0, shop_project.err
    assert "? Order is gone; new: Sale. Its records are at order:*" in shop_project.err
    assert "  1) rename Order → Sale (keeps its records, similarity" in shop_project.err
    assert "? Sale.note: str can no longer be None and has no default; records may contain None" in shop_project.err
    assert "? Sale.status: the value 'old' is gone; values now: " in shop_project.err
    assert "  1) replace it by 'done'" in shop_project.err
    assert "unknown time zone 'Nowhere/Land'" in shop_project.err
    assert "  4) jitter: every record gets between half of the new TTL and all of it" in shop_project.err
    flags = shop_project.err.partition("To give the same answers again: ")[2].splitlines()[0]
    text = shop_project.out
    type_in()

    assert shop_project.run("--dry-run", *shlex.split(flags)) == 0, shop_project.err
    assert shop_project.out == text
    assert shop_project.run(*shlex.split(flags)) == 0
    assert shop_project.run("--check") == 0
    assert before.keys() < shop_project.tree().keys()


@pytest.mark.parametrize(("typed", "allow"), [(["moved to the CRM"], True), ([""], False), ([], False)])
def test_a_person_is_asked_why_what_rules_refuse_is_right(
    shop_project: Any, type_in: Callable[..., None], typed: list[str], allow: bool
) -> None:
    shop_project.models(shop_project.initial.replace("    note: str | None = None\n", "").replace("= 1", "= 2"))
    type_in(*typed)

    assert shop_project.run() == 0, shop_project.err
    assert "! RM101 Remove field note from Customer" in shop_project.err
    assert ('allow = {"RM101": "moved to the CRM"}' in shop_project.text(shop_project.files()[-1])) == allow


def test_a_person_says_what_becomes_of_extra_fields_and_of_types_that_changed_places(
    shop_project: Any, type_in: Callable[..., None]
) -> None:
    allow = "    model_config = {'extra': 'allow'}\n    id: str"
    shop_project.models(shop_project.initial.replace("    id: str", allow).replace("= 1", "= 2") + "\n")
    type_in()
    assert shop_project.run("--empty") == 0, shop_project.err
    swapped = shop_project.initial.replace("    id: str", allow).replace("= 1", "= 3")
    swapped = swapped.replace("name: str\n", "name: int\n    city: str = ''\n")
    shop_project.models(swapped)
    type_in("2")

    assert shop_project.run("--dry-run") == 0, shop_project.err

    assert "Customer.city: str is new, and records may already have an extra field of this name" in shop_project.err
    assert "  1) take: its value becomes the value of the field; other records are filled\n" in shop_project.err
    assert "To give the same answers again: --extra Customer.city=replace\n" in shop_project.err


def test_a_person_says_where_values_are_whose_types_changed_places(
    shop_project: Any, type_in: Callable[..., None]
) -> None:
    old = shop_project.initial.replace("note: str | None = None", "age: int")
    shop_project.models(old.replace("= 1", "= 2"))
    type_in("2", "1", "0")
    assert shop_project.run() == 0, shop_project.err
    shop_project.models(old.replace("name: str", "name: int").replace("age: int", "age: str").replace("= 1", "= 3"))
    type_in("1", "1")

    assert shop_project.run() == 0, shop_project.err

    assert "Customer.age: it was int, as name is now; its values may have moved there, or stayed" in shop_project.err
    assert "  1) its values are now in name\n" in shop_project.err
    assert "  2) its values stay in age and are converted\n" in shop_project.err
    assert "To give the same answers again: --rename Customer.age=name --rename Customer.name=age\n" in shop_project.err
