"""The README: its commands and its code run, and its links lead to files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

_TOP = Path(__file__).parents[2]
_README = (_TOP / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", _README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; ``python`` and ``redis-models`` are those that run the tests, and ``pip`` does nothing."""
    programs, folder = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    folder.mkdir()
    for name, line in {"python": '"$@"', "redis-models": '-m redis_models "$@"', "pip": "-c pass"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {line}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.chdir(folder)
    return folder


def run(script: str, folder: Path) -> str:
    """Run shell commands in order; if one fails, the test fails."""
    command = ["sh", "-e", "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_the_two_commands_that_need_nothing_else_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (_TOP / "Makefile").read_text("utf-8"), flags=re.MULTILINE)

    assert blocks("bash")[0].split() == ["make", "demo", "make", "test"]
    assert {"demo", "test"} <= set(targets)


def test_the_first_lines_of_code_run_in_an_empty_folder(shell: Path) -> None:
    [code] = blocks("python")
    (shell / "first.py").write_text(code)

    assert run("python first.py", shell) == blocks("text")[0]


def test_a_project_begins_changes_and_goes_back_by_the_commands_shown(shell: Path) -> None:
    _, begin, change = blocks("bash")
    run(begin, shell)
    models = shell / "shop" / "shop" / "models.py"
    before = models.read_text("utf-8")
    models.write_text(before.replace("name: str\n", "full_name: str\n").replace("version = 1", "version = 2"))

    shown = run(change, shell / "shop")

    assert "Rename field name to full_name on Customer" in shown
    assert "Took back shop.0002_rename_name" in shown


@pytest.mark.parametrize("target", re.findall(r"\]\(([^):]+)\)", _README))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (_TOP / target).is_file()
