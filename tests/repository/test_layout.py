"""The layout: packages of one noun each, of at most twelve modules, under the words of the field."""

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TESTS = _ROOT / "tests"
_MOST_MODULES = 12
_MOST_LINES = 400
_MANY = {"cli/commands"}  # where a file is a command
_LONG = {
    # One tree of small classes, drawn in its docstring and read as a whole. In a package, classes would lose their name
    # ``redis_models.errors.X`` in tracebacks and pickles, or each would have to set ``__module__``.
    "redis_models/errors.py",
}
_FEWEST_LINES = 60
# Modules that are short, and why each stands alone.
_SHORT = {
    "cli/command_loader.py": "keeps --help quick: it imports a command when it is run",
    "cli/commands/history.py": "a command",
    "cli/commands/startapp.py": "a command",
    "cli/commands/startproject.py": "a command",
    "cli/console/consent.py": "the question for consent; the engine says what needs one",
    "cli/console/exit_codes.py": "the table of exit codes, which the reference documents",
    "cli/console/formatting.py": "what commands print of a record",
    "cli/console/parameters.py": "types of click options",
    "cli/migrate/fake.py": "the option --fake",
    "migrations/chain/loaded_migration.py": "what chain, files and state share; it imports nothing of them",
    "migrations/chain/migration.py": "the class that every migration file derives from",
    "migrations/edits/extra_fields.py": "extra fields, a noun of its own",
    "migrations/executor/progress.py": "what a run reports; commands import it without the run",
    "migrations/keyspace/scan.py": "SCAN, a boundary to the server",
    "migrations/keyspace/server_facts.py": "what a server can do, a boundary to it",
    "migrations/rewriter/program.py": "chooses between generated Lua and Python",
    "migrations/state/checkpoint.py": "a place in a scan, which journals and verifications share",
    "redis_models/abstract.py": "documented name of pydantic-aioredis",
    "redis_models/config.py": "documented name of pydantic-aioredis",
    "redis_models/encoding/fast_paths.py": "what may be stored without pydantic; measured",
    "redis_models/encoding/raw_text.py": "the one place of surrogateescape",
    "redis_models/mapping/stored_model.py": "the base class that ends a circle of imports",
    "redis_models/mapping/ttl.py": "what a TTL may be; public names",
    "redis_models/records/change.py": "the type of a change, which insert and write share",
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
_GERUNDS = frozenset(
    ["encoding", "formatting", "mapping", "pending", "sampling", "spelling", "testing", "tracking", "typing", "waiting"]
)


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


def test_a_short_module_has_a_reason_to_be_alone() -> None:
    paths = [path for package in _PACKAGES for path in _modules(package)]
    short = {
        path.relative_to(_ROOT).as_posix()
        for path in paths
        if len(path.read_text("utf-8").splitlines()) < _FEWEST_LINES
    }

    assert short == set(_SHORT)


def test_a_module_of_tests_stays_within_its_lines() -> None:
    lengths = {path.relative_to(_ROOT): len(path.read_text("utf-8").splitlines()) for path in _TESTS.rglob("*.py")}

    assert [str(path) for path, length in lengths.items() if length > _MOST_LINES] == []


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
