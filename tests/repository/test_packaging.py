"""What is installed: every package and data file of the three folders, under one name, which no other package uses."""

import ast
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import cast

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"redis_models": "redis_models", "migrations": "redis_models.migrations", "cli": "redis_models.cli"}
OLDEST_SETUPTOOLS = 77  # the first that reads license = "MIT"; see [build-system]


def setuptools_table() -> dict[str, object]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return cast("dict[str, dict[str, dict[str, object]]]", project)["tool"]["setuptools"]


def files_below(folder: str) -> Iterator[Path]:
    """Return the files of a folder of the repository, without links and caches."""
    for top, folders, names in os.walk(ROOT / folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not (Path(top) / name).is_symlink()]
        yield from (Path(top, name) for name in names)


def modules_of(folder: str) -> list[Path]:
    return sorted(path for path in files_below(folder) if path.suffix == ".py")


def shown_files() -> list[str]:
    """Return the names of all files that an installation must have, as they are in a wheel."""
    found: list[str] = []
    for folder, package in FOLDERS.items():
        for path in files_below(folder):
            found.append(str(PurePosixPath(*package.split("."), *path.relative_to(ROOT / folder).parts)))
    return sorted(found)


def imported_names(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the absolute imports of a module, with their lines."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node.lineno
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def test_every_package_stands_in_the_list() -> None:
    packages = {
        ".".join([package, *path.parent.relative_to(ROOT / folder).parts])
        for folder, package in FOLDERS.items()
        for path in modules_of(folder)
        if path.name == "__init__.py"
    }

    assert sorted(cast("list[str]", setuptools_table()["packages"])) == sorted(packages)


def test_every_data_file_matches_a_pattern() -> None:
    patterns = cast("dict[str, list[str]]", setuptools_table()["package-data"])
    left_out: list[str] = []
    for folder, package in FOLDERS.items():
        # As setuptools does: a dot at the beginning of a name is matched by a dot only.
        matched = {
            path
            for pattern in patterns[package]
            for path in (ROOT / folder).glob(pattern)
            if path.name.startswith(".") == PurePosixPath(pattern).name.startswith(".")
        }
        data = [path for path in files_below(folder) if path.suffix != ".py"]
        left_out += [str(path.relative_to(ROOT)) for path in data if path not in matched]

    assert left_out == []


@pytest.mark.parametrize("name", ["migrations", "cli"])
def test_the_symlinks_lead_to_the_folders(name: str) -> None:
    link = ROOT / "redis_models" / name
    if not link.is_symlink():
        pytest.skip("this checkout has no links")

    assert os.readlink(link) == f"../{name}"
    assert link.resolve() == ROOT / name


@pytest.mark.parametrize("folder", [*FOLDERS, "tests", "docs"])
def test_no_module_imports_the_folders_by_their_bare_names(folder: str) -> None:
    strangers = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules_of(folder)
        for name, line in imported_names(path)
        if name.partition(".")[0] in ("migrations", "cli")
    ]

    assert strangers == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_itself_relatively(folder: str) -> None:
    """With its own full name a module would be imported twice if it is opened by its root path."""
    inner = tuple(f"{package}." for package in FOLDERS.values() if package != "redis_models")

    absolute = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules_of(folder)
        for name, line in imported_names(path)
        if f"{name}.".startswith(f"{FOLDERS[folder]}.")
        and (folder != "redis_models" or not f"{name}.".startswith(inner))
    ]

    assert absolute == []


def test_a_wheel_holds_every_file_and_nothing_else(tmp_path: Path) -> None:
    try:
        if int(version("setuptools").partition(".")[0]) < OLDEST_SETUPTOOLS:
            raise PackageNotFoundError
    except PackageNotFoundError:
        pytest.skip(f"building needs setuptools {OLDEST_SETUPTOOLS} or newer in this environment")
    source = tmp_path / "source"  # setuptools leaves build folders behind, which must not be in the repository
    source.mkdir()
    for name in (*FOLDERS, "pyproject.toml", "MANIFEST.in", "README.md"):
        if (ROOT / name).exists():
            (source / name).symlink_to(ROOT / name)

    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True, text=True)

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = sorted(name for name in wheel.namelist() if ".dist-info/" not in name)
    assert names == shown_files()
