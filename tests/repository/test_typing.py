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
SAMPLES = sorted((HERE / "typing").glob("*.py"))
ROOT = HERE.parent


def _expected() -> dict[tuple[str, int], str]:
    """Give the mistakes that the samples are marked with: mypy's code for each, by file and line."""
    return {
        (sample.name, number): found[1]
        for sample in SAMPLES
        for number, line in enumerate(sample.read_text("utf-8").splitlines(), 1)
        if (found := re.search(r"# expect: (\S+)$", line))
    }


def test_mypy_agrees_in_strict_mode_and_finds_the_mistakes() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--no-pretty", *map(str, SAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = re.findall(r"(\w+\.py):(\d+): error: .*\[([\w-]+)\]$", ran.stdout, re.MULTILINE)
    assert {(name, int(line)): code for name, line, code in found} == _expected(), ran.stdout + ran.stderr


def test_pyright_agrees_in_strict_mode_and_finds_the_mistakes(tmp_path: Path) -> None:
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent)) or shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed")

    # A configuration of its own: the project's leaves the samples out, because they are wrong on purpose.
    for sample in SAMPLES:
        shutil.copy(sample, tmp_path)
    settings = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    ran = subprocess.run(
        [pyright, "--outputjson", "--pythonpath", sys.executable, "--project", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    errors = json.loads(ran.stdout)["generalDiagnostics"]
    found = {(Path(error["file"]).name, error["range"]["start"]["line"] + 1) for error in errors}
    assert found == set(_expected()), ran.stdout
