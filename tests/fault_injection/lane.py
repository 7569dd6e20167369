"""Runs the fault matrix, and writes the table of what was injected, acknowledged and lost into the documentation."""

import argparse
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_TESTS: Final = "tests/fault_injection"
_BEGIN: Final = "<!-- written by make test-faults -->\n"
_END: Final = "<!-- end of what make test-faults writes -->\n"
_HEAD: Final = (
    "| fault | records | faults | writes acknowledged | of these lost | seen |\n|---|---:|---:|---:|---:|---|\n"
)


def rows_of(report: Path) -> list[str]:
    """Give a line for each test that pytest reports as JUnit does, in its order."""
    rows: list[str] = []
    for case in ElementTree.parse(report).iter("testcase"):
        shown = [element.get("value", "") for element in case.iter("property") if element.get("name") == "row"]
        skipped = case.find("skipped")
        ended = "FAILED" if skipped is None else f"not tried: {skipped.get('message')}"
        cells = json.loads(shown[0]) if shown else [f"`{case.get('name')}`", "", "", "", "", ended]
        shown = [f"{cell:,}" if isinstance(cell, int) else str(cell).replace("|", "\\|") for cell in cells]
        rows.append("| " + " | ".join(shown) + " |\n")
    return rows


def write_table(page: Path, table: str) -> None:
    """Put the table between its marks in a page."""
    before, begin, rest = page.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin and end, f"{page} lacks the lines {_BEGIN!r} and {_END!r}"
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Give what pytest gives: 0 if all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="program of the servers; the embedded one otherwise")
    parser.add_argument("--table", type=Path, help="page that gets the table, if every test passed")
    parser.add_argument("--pytest", default="", help="options of pytest, in one piece")
    options = parser.parse_args(arguments)
    environment = {**os.environ, "FAULTS": "1"}
    if options.server:
        environment["REDIS_MODELS_SERVER"] = options.server
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *shlex.split(options.pytest), _TESTS]
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("redis", "hiredis"))
        engine = engine_of(report)
        table = f"With {engine}, Python {platform.python_version()}, {packages}:\n\n{_HEAD}{''.join(rows_of(report))}"
    print(table)
    if options.table and code == 0:
        write_table(options.table, table)
    return code


def engine_of(report: Path) -> str:
    """Say what server the tests ran on."""
    found = [
        element.get("value", "")
        for element in ElementTree.parse(report).iter("property")
        if element.get("name") == "engine"
    ]
    return found[0] if found else "no server"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
