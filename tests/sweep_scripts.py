"""Takes away each guard and each write of the Lua scripts in turn, and tells which of them no test needs.

``python -m tests.sweep_scripts [SCRIPT]...`` runs the tests that are named here for each script, in this process; it
takes some seconds a change. It prints a line for each change that no test noticed, and exits with 1 if there is any.
"""

import contextlib
import gc
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from redis_models.batches import Script

_ROOT: Final = Path(__file__).parents[1]
_VERBS: Final = (
    "tests/verbs/test_scripts_alone.py tests/verbs/test_rights_taken_away.py tests/verbs/test_one_or_many.py"
    " tests/verbs/test_conditions.py tests/verbs/test_lifespans.py tests/verbs/test_saving.py"
    " tests/verbs/test_increment.py tests/verbs/test_extras.py tests/verbs/test_overlooked.py"
    " tests/guard/test_guard.py tests/guard/test_stamps.py"
)
_REWRITING: Final = (
    "tests/test_scripts_alone.py tests/test_rewriting.py tests/test_life_spans.py tests/test_conversions_in_server.py"
    " tests/migrating/test_written_scripts.py tests/test_rights_of_scripts.py"
)
_OTHERS: Final = (
    "tests/test_scripts_alone.py tests/test_rights_of_scripts.py::test_every_other_script_is_whole_or_nothing"
    " tests/test_rights_of_scripts.py::test_a_right_that_is_not_needed_is_not_asked_for"
)
_TESTS: Final = {
    "redis_models": _VERBS,
    "lives": _REWRITING,
    "replace": _REWRITING,
    "rewrite": _REWRITING,
    "move": _OTHERS,
    "adopt": f"{_OTHERS} tests/adopting",
    "adopt_fill": f"{_OTHERS} tests/adopting",
    "adopt_swap": f"{_OTHERS} tests/adopting",
    "rest": f"{_OTHERS} tests/migrating/test_walks.py tests/migrating/test_stragglers.py",
    "rights": f"{_OTHERS} tests/migrating/test_rights.py",
}
_DEFAULT: Final = _OTHERS
_CONDITION: Final = re.compile(r"\b((?:else)?if) (.*?) then\b")
_WHOLE_LINE: Final = re.compile(r"^\s*(?:redis\.)?(?:call|pcall|demand|demand_once)\(.*\)$")
_OLD_SERVERS: Final = re.compile(r"is_allowed|nknown|can't run|knows_moments")  # for which this one needs no line


def changes(source: str) -> Iterator[tuple[int, str]]:
    """Give scripts that lack something, each with the number of the line."""
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("--") or _OLD_SERVERS.search(line):
            continue
        for changed in _changed(line):
            yield number, "\n".join([*lines[: number - 1], changed, *lines[number:], ""])


def _changed(line: str) -> Iterator[str]:
    found = _CONDITION.search(line)
    if found is not None:
        for other in ("false", "true"):
            yield f"{line[: found.start(2)]}{other}{line[found.end(2) :]}"
        parts = re.split(r" (?:and|or) ", found[2])
        if len(parts) > 1 and found[2].count("(") == found[2].count(")"):
            for part in parts:
                if part.count("(") == part.count(")"):
                    neutral = "true" if f"{part} and" in found[2] or f"and {part}" in found[2] else "false"
                    yield line.replace(part, neutral, 1)
    elif _WHOLE_LINE.match(line):
        yield ""


def sweep(script: str) -> list[str]:
    """Give a line for each change of a script that its tests do not notice."""
    path = _ROOT / script
    tests = _TESTS.get(path.stem, _TESTS.get(script.split("/")[0], _DEFAULT)).split()
    source, missed = path.read_text(), list[str]()
    assert _is_green(tests), f"{script}: its tests fail as it is"
    users = [(one, one.source) for one in gc.get_objects() if isinstance(one, Script) and source in one.source]
    for number, changed in changes(source):
        for one, whole in users:
            _give(one, whole.replace(source, changed))
        said = changed.splitlines()[number - 1].strip() or f"without: {source.splitlines()[number - 1].strip()}"
        if _is_green(tests):
            missed.append(f"{script}:{number}: {said}")
            print(missed[-1], flush=True)
    for one, whole in users:
        _give(one, whole)
    return missed


def _give(script: Script, source: str) -> None:
    object.__setattr__(script, "source", source)
    script.__post_init__()  # its digest


def _is_green(tests: list[str]) -> bool:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pytest.main(["-q", "-x", "-p", "no:cacheprovider", *(f"{_ROOT}/{one}" for one in tests)]) == 0


def main(chosen: list[str]) -> int:
    missed: list[str] = []
    for script in chosen or [str(one.relative_to(_ROOT)) for one in sorted(_ROOT.glob("*/lua/*.lua"))]:
        missed += sweep(script)
        print(f"{script}: done", file=sys.stderr, flush=True)
    print(f"{len(missed)} changes that no test notices")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
