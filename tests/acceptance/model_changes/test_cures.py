"""What a run that stopped tells people to do leads on: a function that is given, there and back."""

from typing import Any

import pytest

_STOPPED_AND_REPAIRED = {
    "a conversion": (
        "name: str = ''",
        "name: int = 0",
        "5",
        "x7",
        '"int")',
        '"int", convert=lambda text: int(text.lstrip("x")))',
        b"7",
    ),
    "a key of a nested object": (
        "name: dict[str, str] = {}",
        "name: dict[str, int] = {}",
        '{"a": "5"}',
        '{"a": "x7"}',
        '"dict[str, int]")',
        '"dict[str, int]", convert=lambda texts: {"a": 7})',
        b'{"a": 7}',
    ),
    "a key of a model in a list": (
        "name: list[TypedDict('A', {'a': str})] = []",
        "name: list[TypedDict('A', {'a': int})] = []",
        '[{"a": "5"}]',
        '[{"a": "x7"}]',
        '"int")',
        '"int", convert=lambda text: 7 if text == "x7" else int(text))',
        b'[{"a": 7}]',
    ),
}


def _fill(shop: Any, name: str, count: int = 30) -> None:
    for number in range(count):
        shop.put(f"n{number}", name=name)


@pytest.mark.parametrize("is_given_up", [False, True], ids=["goes on", "is given up"])
@pytest.mark.parametrize(
    ("old", "new", "good", "bad", "line", "repaired", "becomes"),
    _STOPPED_AND_REPAIRED.values(),
    ids=_STOPPED_AND_REPAIRED,
)
def test_a_stopped_run_takes_the_function_that_it_asked_for(
    shop: Any,
    old: str,
    new: str,
    good: str,
    bad: str,
    line: str,
    repaired: str,
    becomes: bytes,
    is_given_up: bool,
) -> None:
    shop.release(old)
    _fill(shop, good)
    shop.put("bad", name=bad)
    before = shop.records()
    shop.declare(new, version=2)
    assert shop.run("makemigrations") == 0, shop.err
    assert shop.migrate("--ignore-sample", "--batch", "1", "--max-latency-ms", "0") == 6
    assert "convert=" in shop.err
    shop.edit(line, repaired)

    code = shop.migrate("shop", "1") if is_given_up else shop.migrate()
    half = shop.records()
    again = shop.migrate()

    assert (code, again) == (0, 0), shop.err
    assert half == before if is_given_up else half["bad"]["name"] == becomes
    assert shop.records()["bad"]["name"] == becomes
    assert {record["_v"] for record in shop.records().values()} == {b"2"}


_BACK = """import re
from redis_models import migrations

FIRST = 0


def number_of(text):
    found = re.search("[0-9]+", text)
    return int(found[0]) if found else FIRST
"""


def _with_back(shop: Any) -> None:
    shop.edit('"str")', '"str", back=number_of)')
    shop.edit("from redis_models import migrations\n", _BACK)


@pytest.mark.parametrize("is_begun", [False, True], ids=["before it begins", "half-way"])
def test_back_may_be_given_to_a_migration_that_is_applied(shop: Any, is_begun: bool) -> None:
    shop.release("name: int = 0")
    _fill(shop, "5")
    before = shop.records()
    shop.release("name: str = ''", version=2)
    shop.put("new", name="number 12")
    shop.put("none", name="?")
    assert shop.migrate("shop", "1", *(("--ignore-sample", "--batch", "1") if is_begun else ())) == 6
    assert "give back= a function that makes int of it" in shop.err
    assert ("not started" in shop.err) is not is_begun
    _with_back(shop)

    assert shop.migrate("shop", "1") == 0, shop.err

    after = shop.records()
    assert {name: after[name] for name in before} == before
    assert (after["new"]["name"], after["none"]["name"]) == (b"12", b"0")
    assert shop.migrate() == 0, shop.err


def test_a_way_back_that_is_given_up_allows_a_function_that_was_added_later(shop: Any) -> None:
    shop.release("name: int = 0")
    _fill(shop, "5")
    shop.release("name: str = ''", version=2)
    shop.put("new", name="number 12")
    before = shop.records()
    assert shop.migrate("shop", "1", "--ignore-sample", "--batch", "1") == 6
    _with_back(shop)

    assert shop.migrate("shop", "2") == 0, shop.err

    assert shop.records() == before
    assert shop.run("migrate", "--check") == 0, shop.out
    assert shop.run("showmigrations") == 0
    assert "edited" not in shop.out


@pytest.mark.parametrize(
    "edit",
    [
        ('"str")', '"str", convert=str)'),
        ('"str")', '"str | None")'),
        ("from redis_models import migrations\n", "from redis_models import migrations\n\nTHERE = 1\n"),
    ],
    ids=["there", "its type", "unused"],
)
def test_nothing_else_may_be_edited_in_a_migration_that_is_applied(shop: Any, edit: tuple[str, str]) -> None:
    shop.release("name: int = 0")
    shop.put("one", name="5")
    shop.release("name: str = ''", version=2)
    before = shop.records()
    shop.edit(*edit)

    assert shop.migrate("shop", "1") == 8

    assert "was edited after it was applied" in shop.err
    assert shop.records() == before


def test_an_import_of_everything_counts_as_an_edit_which_is_said(shop: Any) -> None:
    shop.release("name: int = 0")
    shop.release("name: str = ''", version=2)
    shop.edit('"str")', '"str", back=floor)')
    shop.edit("from redis_models import migrations", "from math import *\n\nfrom redis_models import migrations")

    assert shop.migrate("shop", "1") == 8
    assert "its 'from math import *' counts as part of it" in shop.err
    assert "import by name" in shop.err
    shop.edit("from math import *", "from math import floor")
    assert shop.migrate("shop", "1") == 0, shop.err


def test_a_function_that_both_directions_use_does_not_concern_the_way_back(shop: Any) -> None:
    shop.release("name: int = 0")
    shop.put("one", name="5")
    shop.declare("name: str = ''", version=2)
    assert shop.run("makemigrations") == 0
    shop.edit('"str")', '"str", convert=made, back=other)')
    both = "def made(value):\n    return str(value)\n\n\ndef other(text):\n    return len(made(text))\n"
    shop.edit("from redis_models import migrations\n", f"from redis_models import migrations\n\n\n{both}")
    assert shop.migrate() == 0, shop.err

    shop.edit("return len(made(text))", "return int(made(text))")
    repaired = shop.run("migrate", "--plan")
    shop.edit("return str(value)", "return str(value) + '!'")

    assert repaired == 0, shop.err
    assert shop.run("migrate", "--plan") == 8


def test_a_run_does_not_begin_when_its_own_sample_says_that_records_fail(shop: Any) -> None:
    shop.release("name: str = ''")
    _fill(shop, "5")
    shop.put("bad", name="x7")
    before = shop.records()
    shop.declare("name: int = 0", version=2)
    assert shop.run("makemigrations") == 0

    assert shop.migrate() == 6

    assert shop.err.startswith("error: item:bad: field 'name' holds b'x7': cannot become int")
    assert "shop: not started, nothing was changed: 1 of 31 sampled records of Item cannot be" in shop.err
    assert "--ignore-sample" in shop.err
    assert shop.records() == before
    assert shop.run("migrate", "--plan") == 0
    assert "resuming" not in shop.out
    assert shop.migrate("--on-error", "quarantine") == 1, shop.err
    assert {record["_v"] for key, record in shop.records().items() if key != "bad"} == {b"2"}


def test_what_is_in_quarantine_keeps_no_later_run_from_beginning(shop: Any) -> None:
    shop.release("name: str = ''")
    shop.put("one", name="5")
    shop.put("bad", name="x7")
    shop.declare("name: int = 0", version=2)
    assert shop.run("makemigrations") == 0
    assert shop.migrate("--on-error", "quarantine") == 1
    shop.declare("name: float = 0", version=3)
    assert shop.run("makemigrations") == 0

    assert shop.migrate() == 0, shop.err

    assert "1 record is in quarantine" in shop.err
    assert shop.records()["one"]["_v"] == b"3"


_SPLIT = """
def parts(text):
    first, _, last = text.partition(" ")
    return {"first": first, "last": last}
"""
# Operations, what the model is then, what new code writes, what the run asks for, what is given, and what comes of it.
_BACK_OF = {
    "a split": (
        'migrations.SplitField("Item", "name", into={"first": "str", "last": "str"}, split=parts)',
        "first: str\nlast: str",
        {"first": "Ann", "last": "Lee"},
        "merge= is needed",
        ("split=parts", 'split=parts, merge=lambda some: "+".join(some.values())'),
        {"name": b"Ann+Lee"},
    ),
    "text that may be None": (
        'migrations.AlterField("Item", "name", "str", "str | None")',
        "name: str | None = None",
        {"name": "None"},
        "give back= a function that makes str of it",
        ('"str | None")', '"str | None", back=lambda nothing: "unknown")'),
        {"name": b"unknown"},
    ),
    "a transformation": (
        'migrations.Transform("Item", shout)',
        "name: str",
        {"name": "Bob"},
        "give back=",
        ('"Item", shout', '"Item", shout, back=whisper'),
        {"name": b"bob"},
    ),
}
_FUNCTIONS = (
    _SPLIT
    + """

def shout(old, new):
    new.name = old.name.upper()


def whisper(old, new):
    new.name = old.name.lower()
"""
)


@pytest.mark.parametrize(
    ("operation", "fields", "written", "asked", "edit", "becomes"), _BACK_OF.values(), ids=_BACK_OF
)
def test_every_operation_takes_on_the_way_back_what_it_asked_for(
    shop: Any,
    operation: str,
    fields: str,
    written: dict[str, str],
    asked: str,
    edit: tuple[str, str],
    becomes: dict[str, bytes],
) -> None:
    shop.release("name: str")
    _fill(shop, "Al Bo")
    before = shop.records()
    shop.declare(fields, version=2)
    assert shop.run("makemigrations", "--empty") == 0, shop.err
    shop.edit("operations = []", f"operations = [{operation}]")
    shop.edit("from redis_models import migrations\n", f"from redis_models import migrations\n\n{_FUNCTIONS}")
    if "versions = {}" in shop.newest():  # the shape stays only where nothing but values changes
        shop.edit("versions = {}", 'versions = {"Item": 2}')
    assert shop.migrate() == 0, shop.err
    with shop.server.client() as client:
        client.hset("item:n3", mapping=written)
    assert shop.migrate("shop", "1") == 6, shop.out
    assert asked in shop.err
    shop.edit(*edit)

    assert shop.migrate("shop", "1") == 0, shop.err

    after = shop.records()
    assert after.pop("n3") == {**before.pop("n3"), **becomes}
    assert after == before
