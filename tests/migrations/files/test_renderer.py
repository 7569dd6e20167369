"""The text of a migration file: it reads back, it is formatted, and it has a name and an id."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from redis_models.errors import MigrationError
from redis_models.migrations import (
    AddField,
    AlterField,
    AttachTimezone,
    CreateModel,
    FillNone,
    FlattenField,
    MapValues,
    MergeFields,
    NestFields,
    RemoveField,
    RenameField,
    SplitField,
    Transform,
)
from redis_models.migrations.edits.converters import Converter
from redis_models.migrations.files.loader import migration_from_text
from redis_models.migrations.files.renderer import render, suggest_name
from redis_models.migrations.operations import Operation
from redis_models.migrations.operations.function_stubs import FunctionStub

CREATED = CreateModel("A", {"id": "str", "x": "int"}, "id", "a")
MANY: Sequence[Operation] = (
    CREATED,
    CreateModel(
        "Customer",
        {f"a_rather_long_field_{number}": "str | None" for number in range(4)} | {"id": "str"},
        "id",
        "c",
        "p",
    ),
    RenameField("A", "x", "y"),
    AddField("A", "currency", "str", "E'U\"R\\\n\x00ü"),
    AddField("A", "quoted", "str", 'say "yes"'),
    AddField(
        "A", "nested", "dict[str, list[float]]", {"a_long_key_in_here": [1.5, -2.0, 1e300], "another_long_key": []}
    ),
    AddField("A", "big", "list[list[int]]", [[1000000 + number for number in range(12)], [], [True, None]]),
    AddField("A", "made", "int", FunctionStub("a_made")),
    AlterField("A", "y", "int", "Enum(" + ", ".join(f"MEMBER_{number}='{number}'" for number in range(9)) + ")"),
    RemoveField("A", "y", back="gone"),
    AddField("A", "address.zip", "NotRequired[str]", FunctionStub("a_address_zip")),
    AlterField("A", "y", "Enum(OLD='old')", "Enum(NEW='new')", MapValues({"old": "new"})),
    AlterField("A", "y", "str", "str", MapValues({f"an_old_value_{n}": f"new_{n}" for n in range(4)}, {"new_0": 1})),
    AlterField("A", "y", "int | None", "int", FillNone(0)),
    AlterField("A", "at", "datetime[naive]", "datetime[aware]", AttachTimezone("Europe/Berlin")),
    AlterField("A", "y", "str", "int", FunctionStub("a_y_converted"), FunctionStub("a_y_converted_back")),
    SplitField("A", "name", {"first": "str", "last": "str"}, FunctionStub("a_split"), FunctionStub("a_joined")),
    MergeFields("A", ["first", "last"], "name", "str", FunctionStub("a_merged"), FunctionStub("a_parted")),
    FlattenField("A", "address", {"zip": "address_zip", "city": None}),
    NestFields("A", {"address_zip": "zip"}, "address"),
    Transform("A", FunctionStub("a_function_whose_name_is_long_enough_to_fill_a_line"), FunctionStub("back")),
)
FUNCTIONS = ("fill", "convert", "back", "split", "merge", "function")


def _without_functions(operations: Sequence[Operation]) -> list[Operation]:
    def has_one(part: Operation) -> bool:
        values = [getattr(part, name, None) for name in FUNCTIONS]
        return any(callable(value) and not isinstance(value, Converter) for value in values)

    return [operation for operation in operations if not has_one(operation)]


def test_what_is_rendered_reads_back_as_the_same_operations() -> None:
    text = render("51d09a3c", "1c0be772", {"A": 2, "Customer": 1}, MANY)

    read = migration_from_text("shop", Path("0004_x.py"), text.encode())

    assert _without_functions(read.operations) == _without_functions(MANY)
    assert [type(operation) for operation in read.operations] == [type(value) for value in MANY]
    assert (read.id, read.previous, read.versions) == ("51d09a3c", "1c0be772", {"A": 2, "Customer": 1})
    assert text == render("51d09a3c", "1c0be772", {"Customer": 1, "A": 2}, MANY)


@pytest.mark.parametrize("width", [88, 100, 120])
def test_what_is_rendered_is_formatted_as_ruff_leaves_it(width: int, tmp_path: Path) -> None:
    path = tmp_path / "0004_x.py"
    path.write_text(render("51d09a3c", None, {f"Model{number}": number for number in range(9)}, MANY), "utf-8")

    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--diff", f"--line-length={width}"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_a_function_has_no_text() -> None:
    with pytest.raises(
        MigrationError, match="Add field x to A: a function cannot be written as text; write this migration by hand"
    ):
        render("a", None, {}, [AddField("A", "x", "int", lambda old: 1)])


def test_each_function_still_to_be_written_has_a_stub_that_refuses() -> None:
    text = render("a", None, {}, MANY)

    assert "def a_address_zip(old: migrations.OldObject) -> object:" in text
    assert "def a_y_converted_back(value: object) -> object:" in text
    assert "Convert a value of A.y from int to str. Keep it pure: it may run twice." in text
    assert "def a_split(value: object) -> dict[str, object]:" in text
    assert "def a_merged(values: dict[str, object]) -> object:" in text
    assert "    old: migrations.OldRecord,\n    new: migrations.NewRecord,\n) -> None:" in text
    assert 'raise NotImplementedError("write a_merged() first")' in text


@pytest.mark.parametrize(
    ("operations", "versions", "is_first", "name"),
    [
        ([CREATED], {}, True, "initial"),
        ([CREATED], {}, False, "a"),
        (
            [RenameField("A", "name", "full_name"), AddField("A", "currency", "str", "")],
            {},
            False,
            "rename_name_currency",
        ),
        ([RemoveField("A", "x"), AlterField("A", "y", "int", "str")], {}, False, "remove_x_alter_y"),
        ([], {"Customer": 4}, False, "customer_version_4"),
        ([], {}, False, "empty"),
        ([RemoveField("A", "field" * 4)] * 3, {}, False, "remove_fieldfieldfieldfield_and_more"),
        ([RemoveField("A", "f" * 90)], {}, False, "remove_" + "f" * 45),
    ],
)
def test_a_name_is_suggested_by_what_happens(
    operations: Sequence[Operation], versions: Mapping[str, int], is_first: bool, name: str
) -> None:
    assert suggest_name(operations, versions, is_first=is_first) == name
    assert len(name) <= 52
