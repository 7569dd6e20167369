"""CONTRIBUTING.md and ARCHITECTURE.md: the paths that they name exist, and the picture shows the imports."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parents[2]
_PAGES = ("CONTRIBUTING.md", "ARCHITECTURE.md")
_FOLDERS = ("redis_models", "migrations", "cli", "tests", "docs")
_PATH = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./-]*|[\w.-]+\.(?:md|toml)")


def _paths(page: str) -> list[str]:
    text = (_TOP / page).read_text("utf-8")
    quoted = [part for code in re.findall(r"`([^`\n]+)`", text) for part in code.split()]
    links = re.findall(r"\]\(([^):]+)\)", text)
    return sorted({path for path in [*quoted, *links] if _PATH.fullmatch(path)})


def _packages() -> Iterator[str]:
    for top in ("redis_models", "migrations", "cli"):
        for folder, folders, names in os.walk(_TOP / top):
            folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]
            path = Path(folder).relative_to(_TOP).as_posix()
            if "__init__.py" in names and "/" in path:
                yield path


@pytest.mark.parametrize(("page", "path"), [(page, path) for page in _PAGES for path in _paths(page)])
def test_a_path_that_is_named_exists(page: str, path: str) -> None:
    assert (_TOP / path).exists(), f"{page} names {path}"


@pytest.mark.parametrize("package", sorted(_packages()))
def test_the_table_names_every_package(package: str) -> None:
    table = (_TOP / "CONTRIBUTING.md").read_text("utf-8").split("## Where is ...?")[1].split("\n## ")[0]

    assert f"`{package}/" in table, f'CONTRIBUTING.md, "Where is ...?", does not name {package}/'


@pytest.mark.parametrize("folder", sorted(path.name for path in (_TOP / "tests").iterdir() if path.is_dir()))
def test_the_page_names_every_folder_of_tests(folder: str) -> None:
    if folder.startswith(("_", ".")):
        pytest.skip("holds no tests")

    assert f"`tests/{folder}/" in (_TOP / "CONTRIBUTING.md").read_text("utf-8")


def test_targets_that_are_named_are_in_the_makefile() -> None:
    named = set(re.findall(r"`make ([\w-]+)`", (_TOP / "CONTRIBUTING.md").read_text("utf-8")))

    assert named <= set(re.findall(r"^([\w-]+):", (_TOP / "Makefile").read_text("utf-8"), flags=re.MULTILINE))


def test_the_picture_shows_the_imports() -> None:
    script = [sys.executable, str(_TOP / "docs" / "architecture.py"), "--check"]

    assert subprocess.run(script, check=False).returncode == 0, "run 'python docs/architecture.py'"
