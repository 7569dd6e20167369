"""startproject and startapp: what they write works at once, and nothing that exists is overwritten."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from redis_models.cli.main import main


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_below(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_startproject_writes_a_project_and_says_what_comes_next(
    empty_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["startproject", "shop"]) == 0

    assert files_below(empty_directory / "shop") == [
        ".gitignore",
        "manage.py",
        "pyproject.toml",
        "shop/__init__.py",
        "shop/models.py",
        "shop/settings.py",
    ]
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.endswith("Next:\n  cd shop\n  python manage.py makemigrations\n  python manage.py migrate\n")
    assert os.access(empty_directory / "shop/manage.py", os.X_OK)


def test_a_new_project_stores_and_reads_its_example_model(empty_directory: Path) -> None:
    main(["startproject", "shop"])

    done = run(
        "-c",
        "import redis_models\n"
        "print(redis_models.setup().shown_url)\n"
        "from shop.models import Customer\n"
        "Customer.sync.insert(Customer(id='c-1', name='Ann'))\n"
        "print(repr(Customer.sync.get('c-1')), Customer.__mapper__.key_of('c-1'))\n",
        cwd=empty_directory / "shop",
    )

    assert done.stderr == ""
    assert done.stdout == (
        f"embedded:{empty_directory}/shop/data\nCustomer(id='c-1', name='Ann', note=None) shop:customer:c-1\n"
    )
    assert (empty_directory / "shop/data").is_dir()


def test_manage_py_works_from_any_directory(empty_directory: Path) -> None:
    main(["startproject", "shop"])

    done = run(str(empty_directory / "shop/manage.py"), "migrat", cwd=Path("/"))

    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown command 'migrat'; ")


def test_manage_py_without_the_library_is_one_line(empty_directory: Path) -> None:
    main(["startproject", "shop"])

    done = subprocess.run([sys.executable, "-I", "-S", "shop/manage.py"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: redis_models cannot be imported (No module named ")
    assert done.stderr.count("\n") == 1


def test_startproject_into_a_directory_adds_to_its_pyproject_and_gitignore(empty_directory: Path) -> None:
    (empty_directory / "pyproject.toml").write_text('[project]\nname = "shop"')
    (empty_directory / ".gitignore").write_text("*.pyc")

    assert main(["startproject", "shop", "."]) == 0

    assert tomllib.loads((empty_directory / "pyproject.toml").read_text()) == {
        "project": {"name": "shop"},
        "tool": {"redis_models": {"settings": "shop.settings"}},
    }
    assert (empty_directory / ".gitignore").read_text().splitlines()[0] == "*.pyc"
    assert "/data/" in (empty_directory / ".gitignore").read_text().splitlines()


def test_a_gitignore_that_has_the_line_is_left_alone(empty_directory: Path) -> None:
    (empty_directory / ".gitignore").write_text("data/\n")

    main(["startproject", "shop", "."])

    assert (empty_directory / ".gitignore").read_text() == "data/\n"


@pytest.mark.parametrize("name", ["manage.py", "shop/models.py", "shop/settings.py"])
def test_a_file_in_the_way_stops_everything(
    name: str, empty_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = empty_directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")

    assert main(["startproject", "shop", "."]) == 1

    assert files_below(empty_directory) == [name]
    assert path.read_text() == "mine"
    assert capsys.readouterr().err == f"error: {name} already exists; nothing was written\n"


def test_a_dangling_symlink_counts_as_an_existing_file(empty_directory: Path) -> None:
    (empty_directory / "manage.py").symlink_to("elsewhere")

    assert main(["startproject", "shop", "."]) == 1
    assert files_below(empty_directory) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[tool.redis_models]\nsettings = "x"\n', "already has a table [tool.redis_models]"),
        ("[broken", "cannot be extended"),
        ("tool = {x = 1}\n", "cannot be extended"),
    ],
)
def test_a_pyproject_that_cannot_take_the_table_stops_everything(
    text: str, message: str, empty_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty_directory / "pyproject.toml").write_text(text)

    assert main(["startproject", "shop", "."]) == 1

    assert message in capsys.readouterr().err
    assert files_below(empty_directory) == ["pyproject.toml"]
    assert (empty_directory / "pyproject.toml").read_text() == text


@pytest.mark.parametrize("command", ["startproject", "startapp"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1bad", "it is not an identifier"),
        ("my-shop", "it is not an identifier"),
        ("", "it is not an identifier"),
        ("../shop", "it is not an identifier"),
        ("class", "it is a Python keyword"),
        ("os", "it is the name of an existing Python module"),
        ("redis_models", "it is the name of an existing Python module"),
        ("__main__", "it is the name of an existing Python module"),
        ("data", "it is a folder that every project has"),
    ],
)
def test_a_name_that_cannot_be_a_package_is_refused(
    command: str, name: str, message: str, empty_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, name]) == 2

    assert message in capsys.readouterr().err
    assert files_below(empty_directory) == []


def test_an_unwritable_directory_is_reported(empty_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_directory / "file").write_text("")

    assert main(["startproject", "shop", "file/below"]) == 1

    assert capsys.readouterr().err == (
        "error: file/below/.gitignore cannot be written: Not a directory; nothing was written\n"
    )


def test_startapp_adds_a_package_and_prints_the_line_for_apps(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["startproject", "shop"])
    monkeypatch.chdir(empty_directory / "shop/shop")

    assert main(["startapp", "billing"]) == 0

    assert files_below(empty_directory / "shop/shop/billing") == ["__init__.py", "models.py"]
    assert capsys.readouterr().out.endswith('APPS = [..., "shop.billing"]\n')


def test_a_new_app_works_beside_the_project_s_own(empty_directory: Path) -> None:
    main(["startproject", "shop"])
    main(["startapp", "billing", "shop"])
    (empty_directory / "shop/shop/settings.py").write_text('APPS = ["shop", "billing"]\n')

    done = run(
        "-c",
        "from redis_models.project.apps import load_apps\n"
        "from redis_models.project.settings import load_settings\n"
        "for app in load_apps(load_settings()):\n"
        "    print(app.label, [model.__mapper__.keys.start for model in app.models])\n",
        cwd=empty_directory / "shop",
    )

    assert done.stderr == ""
    assert done.stdout == "shop ['shop:customer:']\nbilling ['billing:item:']\n"


def test_json_lists_the_files_and_nothing_else(empty_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "startproject", "shop"])

    result = json.loads(capsys.readouterr().out)
    assert result["ok"] is True
    assert sorted(result["written"]) == sorted(
        str(empty_directory / "shop" / each) for each in files_below(Path("shop"))
    )
