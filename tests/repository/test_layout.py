"""The layout: packages of one noun each, of at most twelve modules, under the words of the field."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_MOST_MODULES = 12
_MOST_LINES = 400
_MANY = {"cli/commands"}  # where a file is a command
# Over the limit until they are split; do not add to them.
_LONG = {
    "redis_models/errors.py",
}
# Coined words that once named modules. CONTRIBUTING.md has the words in use.
_COINED = frozenset(
    [
        "ahead", "aside", "batches", "begun", "bookkeeping", "complaints", "crew", "crews", "deed", "deeds", "desk",
        "draft", "endings", "enumerable", "exactness", "flights", "folding", "gathering", "given", "handover",
        "hands", "hiding", "hooked", "images", "intake", "journey", "journeys", "kept", "leg", "legs", "levels",
        "life", "lines", "lives", "mending", "moving", "oldtable", "once", "pace", "pairing", "passing", "pause",
        "portion", "portions", "rehearsing", "remembered", "retyping", "rights", "route", "seed", "seedkeys",
        "shape", "shapes", "share", "shares", "shelf", "shelves", "sighting", "soundness", "stage", "stages",
        "stride", "symbols", "torn", "towrite", "trial", "turn", "turns", "typechange", "verb", "verbs", "verdicts",
        "walk", "walks", "witness", "witnesses", "work", "written",
    ]
)  # fmt: skip
# Ordinary words in the name of a test or a script: at most once, a torn record, the data set of flights.
_ORDINARY = frozenset(["bookkeeping", "flights", "given", "kept", "once", "rights", "torn", "verbs"])
# Nouns and adjectives all the same.
_GERUNDS = {"encoding", "formatting", "mapping", "pending", "sampling", "spelling", "testing", "tracking", "typing"}


def _packages() -> Iterator[str]:
    for top in ("redis_models", "migrations", "cli"):
        for folder, folders, names in os.walk(_ROOT / top):
            folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]
            if "__init__.py" in names:
                yield Path(folder).relative_to(_ROOT).as_posix()


_PACKAGES = sorted(_packages())


def _modules(package: str) -> list[Path]:
    return sorted(path for path in (_ROOT / package).glob("*.py") if not path.name.startswith("__"))


@pytest.mark.parametrize("package", sorted(set(_PACKAGES) - _MANY))
def test_a_package_has_at_most_twelve_modules(package: str) -> None:
    assert len(_modules(package)) <= _MOST_MODULES, "find the noun of a part, and make it a package of its own"


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_package_says_what_it_holds(package: str) -> None:
    said = ast.get_docstring(ast.parse((_ROOT / package / "__init__.py").read_text("utf-8")))

    assert said


def test_no_noun_names_two_packages() -> None:
    nouns = [package.rpartition("/")[2] for package in _PACKAGES]

    assert sorted(nouns) == sorted(set(nouns))


@pytest.mark.parametrize("package", _PACKAGES)
def test_names_are_words_of_the_field(package: str) -> None:
    stems = [package.rpartition("/")[2], *(path.stem for path in _modules(package))]

    words = {word for stem in stems for word in stem.split("_")}
    assert words & _COINED == set()
    assert {word for word in words if word.endswith("ing")} <= _GERUNDS


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_module_stays_within_its_lines(package: str) -> None:
    lengths = {
        path.relative_to(_ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in _modules(package)
    }

    assert {name for name, length in lengths.items() if length > _MOST_LINES} - _LONG == set()


def test_what_may_be_long_still_is() -> None:
    lengths = {name: len((_ROOT / name).read_text("utf-8").splitlines()) for name in _LONG}

    assert {name for name, length in lengths.items() if length <= _MOST_LINES} == set()


def test_contracts_name_every_pure_package() -> None:
    text = (_ROOT / "pyproject.toml").read_text("utf-8")
    said = [package for package in _PACKAGES if re.search(r" Pure\.$", _first_line(package))]

    dotted = [re.sub(r"^(?!redis_models)", "redis_models/", package).replace("/", ".") for package in said]
    assert [name for name in dotted if f'    "{name}",\n' not in text] == []


def test_names_of_lua_files_and_of_tests_are_words_of_the_field() -> None:
    files = [*_ROOT.glob("*/lua/*.lua"), *(_ROOT / "tests").rglob("*.py")]
    names = {path.relative_to(_ROOT).as_posix() for path in files}

    assert sorted(name for name in names if set(Path(name).stem.split("_")) & (_COINED - _ORDINARY)) == []


def _first_line(package: str) -> str:
    said = ast.get_docstring(ast.parse((_ROOT / package / "__init__.py").read_text("utf-8")))
    return (said or "").splitlines()[0]
