"""Type checkers see the verbs, the fields and the constructor of a model, and report wrong uses of them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
HERE = Path(__file__).parents[1]
SAMPLE = HERE / "typing" / "models.py"
ROOT = HERE.parent


def _expected() -> dict[int, str]:
    lines = SAMPLE.read_text("utf-8").splitlines()
    marks = {number: re.search(r"# expect: (\S+)$", line) for number, line in enumerate(lines, 1)}
    return {number: found[1] for number, found in marks.items() if found}


def test_mypy_agrees_in_strict_mode_and_finds_the_mistakes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty", str(SAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = re.findall(r"models\.py:(\d+): error: .*\[([\w-]+)\]$", ran.stdout, re.MULTILINE)
    assert {int(line): code for line, code in found} == _expected(), ran.stdout + ran.stderr


def test_pyright_agrees_in_strict_mode_and_finds_the_mistakes(tmp_path: Path) -> None:
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed")

    # A configuration of its own: the project's leaves the sample out, because it is wrong on purpose.
    shutil.copy(SAMPLE, tmp_path)
    settings = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    ran = subprocess.run(
        [pyright, "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = json.loads(ran.stdout)["generalDiagnostics"]
    assert {error["range"]["start"]["line"] + 1 for error in found} == set(_expected()), ran.stdout
