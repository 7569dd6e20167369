"""Migration files: what is read, what is refused in one line, and what is written."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from redis_models.errors import MigrationFileError
from redis_models.migrations import CreateModel, Transform
from redis_models.migrations.files.loader import load_chain, migration_from_text, write_migration
from redis_models.migrations.files.renderer import render

CREATE = "migrations.CreateModel('A', {'id': 'str', 'x': 'int'}, 'id', 'a')"
Write = Callable[..., Path]


def text_of(id: str, previous: str | None, operations: str = "", versions: str = "{}", before: str = "") -> str:
    return (
        f"from redis_models import migrations\n{before}\n\nclass Migration(migrations.Migration):\n"
        f"    id = {id!r}\n    previous = {previous!r}\n    versions = {versions}\n    operations = [{operations}]\n"
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def first(write: Write) -> Path:
    """A folder with one good migration."""
    return write("0001_initial.py", text_of("aaaa", None, CREATE, "{'A': 1}")).parent


CREATED = CreateModel("A", {"id": "str", "x": "int"}, "id", "a")


def refusal(directory: Path) -> str:
    """Give the one line that reading a folder ends with."""
    with pytest.raises(MigrationFileError) as caught:
        load_chain("shop", directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_folder_is_an_empty_chain(tmp_path: Path) -> None:
    chain = load_chain("shop", tmp_path / "none")

    assert (chain.migrations, chain.head_position, len(chain.snapshots)) == ((), 0, 1)


def test_a_chain_is_read_in_the_order_of_its_numbers(first: Path, write: Write) -> None:
    write("0010_y.py", text_of("cccc", "bbbb", "migrations.RenameField('A', 'y', 'z')", "{'A': 3}"))
    write("0002_x.py", text_of("bbbb", "aaaa", "migrations.RenameField('A', 'x', 'y')", "{'A': 2}"))
    write("__init__.py", "")
    write("_shared.py", "not python")

    chain = load_chain("shop", first)

    assert [migration.id for migration in chain.migrations] == ["aaaa", "bbbb", "cccc"]
    assert [list(snapshot.model("A").by_name) for snapshot in chain.snapshots[1:]] == [
        ["id", "x"],
        ["id", "y"],
        ["id", "z"],
    ]
    assert [snapshot.model("A").version for snapshot in chain.snapshots[1:]] == [1, 2, 3]


BROKEN: Mapping[str, tuple[str, str]] = {
    "a syntax error": ("class Migration(:\n", "line 1: invalid syntax"),
    "a zero byte": ("x = '\0'\n", "null bytes"),
    "an error when it runs": (
        "import os\n\nnope\n",
        "raised NameError: name 'nope' is not defined (line 3)",
    ),
    "an exit when it runs": ("raise SystemExit(3)\n", "raised SystemExit: 3 (line 1)"),
    "a missing module": ("import no_such_module\n", "raised ModuleNotFoundError: No module named 'no_such_module'"),
    "no class": ("x = 1\n", "has no class Migration; write class Migration(migrations.Migration): ..."),
    "the base class only": ("from redis_models.migrations import Migration\n", "has no class Migration"),
    "another class": ("class Migration: pass\n", "its class Migration has another base"),
    "no id": (text_of("", "aaaa"), "has no id; write a text that no other migration has, such as id = '51d09a3c'"),
    "an id that is not text": (text_of("", "aaaa").replace("id = ''", "id = 7"), "has id = 7"),
    "a previous that is not an id": (text_of("b", None).replace("None", "4"), "has previous = 4"),
    "a version that is not a number": (text_of("b", "aaaa", versions="{'A': True}"), "has versions = {'A': True}"),
    "operations that are not a list": (
        text_of("b", "aaaa").replace("[]", "migrations.DeleteModel('A')"),
        "write a list of operations",
    ),
    "an operation that is none": (text_of("b", "aaaa", "'x'"), "operation 1 is 'x'"),
    "an operation that does not fit": (
        text_of("b", "aaaa", "migrations.RemoveField('A', 'q')", "{'A': 2}"),
        "operation 1 (Remove field q from A): A has no field 'q'; it has id, x",
    ),
    "an operation with a wrong argument": (text_of("b", "aaaa", "migrations.RemoveField('A')"), "raised TypeError"),
    "a type that is none": (
        text_of("b", "aaaa", "migrations.AddField('A', 'y', 'strr', fill=len)", "{'A': 2}"),
        "operation 1 (Add field y to A): ",
    ),
    "a fill of another type": (
        text_of("b", "aaaa", "migrations.AddField('A', 'y', 'int', fill='z')", "{'A': 2}"),
        "fill 'z' is not a valid int",
    ),
    "a reserved name": (
        text_of("b", "aaaa", "migrations.AddField('A', '_b1', 'int', fill=1)", "{'A': 2}"),
        "field name '_b1' begins with one of ('_v', '_b'): these are reserved",
    ),
    "shared keys": (
        text_of("b", "aaaa", "migrations.CreateModel('B', {'id': 'str'}, 'id', 'a')", "{'B': 1}"),
        "A has the same keys (a:*); give one of them another table",
    ),
    "a version left out": (
        text_of("b", "aaaa", "migrations.RemoveField('A', 'x')"),
        "its operations touch A, but versions does not name it; add {'A': 2}",
    ),
    "a version that stays": (
        text_of("b", "aaaa", "migrations.RemoveField('A', 'x')", "{'A': 1}"),
        "versions gives A version 1; write 2 or more",
    ),
    "a version of no model": (
        text_of("b", "aaaa", versions="{'B': 2}"),
        "versions names 'B', which is not a model here",
    ),
    "a previous of no file": (text_of("b", "zzzz"), "previous = 'zzzz' is not the id of a file here"),
    "the id of another": (text_of("aaaa", "aaaa"), "has the id 'aaaa' of 0001_initial"),
    "a second beginning": (text_of("b", None), "0001_initial and 0002_x are both the first"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_reported_in_one_line_with_its_path(case: str, first: Path, write: Write) -> None:
    text, message = BROKEN[case]
    path = write("0002_x.py", text)

    found = refusal(first)

    assert found.startswith(f"{path}: ")
    assert message in found


def test_two_branches_are_named_with_the_way_out(first: Path, write: Write) -> None:
    write("0002_city.py", text_of("cccc", "aaaa"))
    path = write("0002_zip.py", text_of("dddd", "aaaa"))

    assert refusal(first) == (
        f"{path}: 0002_city and 0002_zip both follow 0001_initial (previous = 'aaaa'), because two branches created"
        " them; put one after the other with 'redis-models rebase shop --onto cccc' if 0002_city is applied already,"
        " otherwise with 'redis-models rebase shop --onto dddd'"
    )


def test_two_files_of_one_number_are_named(first: Path, write: Write) -> None:
    write("0002_a.py", text_of("bbbb", "aaaa"))
    write("0002_b.py", text_of("cccc", "bbbb"))

    assert "0002_b.py: has the number of 0002_a; rename the later" in refusal(first)


def test_a_number_against_the_line_of_ids_is_named(first: Path, write: Write) -> None:
    write("0002_a.py", text_of("bbbb", "cccc"))
    write("0003_b.py", text_of("cccc", "aaaa"))

    assert "0002_a.py: its number puts it after the migration 'aaaa', but it has previous = 'cccc'" in refusal(first)


def test_a_file_whose_name_has_no_number_is_not_passed_over(first: Path, write: Write) -> None:
    write("2_x.py", text_of("bbbb", "aaaa"))

    assert "2_x.py: is not the name of a migration; rename it like 0004_rename_name.py" in refusal(first)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("bbbb", "names 'bbbb', but no file here has this id; restore the file, or write 'cccc' here"),
        ("aaaa", "names 'aaaa' (0001_initial), but the last migration is 'cccc'; write that here"),
        ("<<<<<<< one\naaaa\n=======\ncccc\n>>>>>>> two\n", "has conflict markers of git"),
    ],
)
def test_a_head_that_is_not_the_last_is_refused(head: str, message: str, first: Path, write: Write) -> None:
    write("0002_x.py", text_of("cccc", "aaaa"))
    write("HEAD", head)

    assert message in refusal(first)


def test_a_missing_head_is_not_an_error(first: Path) -> None:
    assert load_chain("shop", first).head_position == 1


def test_a_file_that_changes_twice_within_a_second_is_read_again(first: Path, write: Write) -> None:
    before = load_chain("shop", first)
    path = write("0001_initial.py", text_of("bbbb", None, CREATE, "{'A': 1}"))
    times = path.stat()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert [before.migrations[0].id, load_chain("shop", first).migrations[0].id] == ["aaaa", "bbbb"]
    assert not (first / "__pycache__").exists()


def test_a_checksum_is_of_what_a_file_does() -> None:
    def checksum(text: str) -> str:
        return migration_from_text("shop", Path("0001_a.py"), text.encode()).checksum

    def text(id: str, function: str) -> str:
        return text_of(id, None, "migrations.Transform('A', f)", before=function)

    function = "\n\ndef f(old, new):\n    new.x = 1\n"
    plain = checksum(text("a", function))
    dressed = text("a", function.replace("    new", "    '''Says what.'''\n\n    new"))
    dressed = '"""About."""\n# why\n' + dressed.replace("'", '"').replace("{}", "{  }")

    assert checksum(dressed) == plain
    assert checksum(text("a", function.replace("1", "2"))) != plain
    assert checksum(text("b", function)) != plain


def test_a_function_in_a_file_can_be_an_operation(first: Path, write: Write) -> None:
    function = "\n\ndef double(old, new):\n    new.x = old.x * 2\n"
    write("0002_double.py", text_of("bbbb", "aaaa", "migrations.Transform('A', double)", "{'A': 2}", function))

    (operation,) = load_chain("shop", first).migrations[1].operations

    assert isinstance(operation, Transform)
    assert operation.describe() == "Transform A with double"


def test_a_written_file_reads_back_and_is_the_head(tmp_path: Path) -> None:
    directory = tmp_path / "shop" / "redis_migrations"
    text = render("aaaa", None, {"A": 1}, [CREATED])

    path = write_migration(directory, "0001_initial", text, "aaaa")

    chain = load_chain("shop", directory)
    assert chain.migrations[0].operations == (CREATED,)
    assert path.read_text("utf-8") == text
    assert sorted(path.name for path in directory.iterdir()) == ["0001_initial.py", "HEAD", "__init__.py"]
    assert (directory / "HEAD").read_text("utf-8") == "aaaa\n"


def test_no_file_is_ever_overwritten(first: Path) -> None:
    before = (first / "0001_initial.py").read_text("utf-8")

    with pytest.raises(MigrationFileError, match=r"0001_initial\.py: exists already; nothing was written"):
        write_migration(first, "0001_initial", "x", "bbbb")

    assert (first / "0001_initial.py").read_text("utf-8") == before
    assert [path.name for path in first.iterdir()] == ["0001_initial.py"]


def test_a_file_whose_head_cannot_be_written_is_taken_back(first: Path) -> None:
    (first / "HEAD").mkdir()
    (first / "HEAD" / "x").touch()

    with pytest.raises(MigrationFileError, match="nothing was written"):
        write_migration(first, "0002_x", "x", "bbbb")

    assert sorted(path.name for path in first.iterdir()) == ["0001_initial.py", "HEAD"]
