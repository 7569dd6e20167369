"""The documentation: it names everything that exists and nothing else, and its examples run with the output shown."""

import dataclasses
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import click
import pytest

import redis_models
from redis_models import Model, Page, Query, errors, migrations
from redis_models.abstract import _AbstractModel
from redis_models.cli.console.exit_codes import exit_for
from redis_models.cli.main import program
from redis_models.indexes.conditions import Reference
from redis_models.mapping import options
from redis_models.migrations.planner.safety_rules import RULES
from redis_models.model.pydantic_v1 import Pydantic1Model
from redis_models.model.sync import SyncRecord, SyncTable
from redis_models.project import settings
from redis_models.queries.explanation import Explanation

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "examples" not in path.parts)
EXECUTED = re.compile(r"<!-- executed in (an empty folder|a new project), by tests/repository/test_docs.py -->\n")
BLOCK = re.compile(r'^```(\w*)(?: title="(.*?)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What differs from run to run: ids, instants, places, durations, rates.
VARIABLE = (
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00"), "TIME"),
    (re.compile(r"embedded:\S+/data"), "embedded:DATA"),
    (re.compile(r" in [\d.]+ s(, [\d,]+/s)?"), " in TIME"),
)


def section(page: str, title: str) -> str:
    """Text below a heading, up to the next one of its rank."""
    found = re.search(rf"^(##+) {re.escape(title)}$(.*?)(?=^\1 |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {title!r}"
    return found[2]


def reference(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text("utf-8")


def words_in_code(text: str) -> set[str]:
    return {word for span in CODE_SPAN.findall(text) for word in re.findall(r"[\w-]+", span)}


def commands() -> dict[str, click.Command]:
    context = click.Context(program)
    names = program.list_commands(context)
    return {name: command for name in names if (command := program.get_command(context, name)) is not None}


def options_of(command: click.Command) -> set[str]:
    # As the program has it: click keeps the help option that it is first asked for.
    context = click.Context(command, help_option_names=["-h", "--help"])
    return {name for option in command.get_params(context) if isinstance(option, click.Option) for name in option.opts}


@pytest.mark.parametrize("name", commands())
def test_every_command_and_each_of_its_options_is_in_the_reference(name: str) -> None:
    text = section(reference("commands"), name)

    assert options_of(commands()[name]) - {"--help", "-h"} <= words_in_code(text)


def test_every_global_option_is_in_the_reference() -> None:
    assert options_of(program) <= words_in_code(section(reference("commands"), "Global options"))


def test_every_setting_is_in_the_reference() -> None:
    names = {*settings._NAMES, settings.ENVIRONMENT_VARIABLE, "REDIS_MODELS_SERVER"}

    assert names <= words_in_code(reference("settings"))


def test_every_error_is_in_the_reference_with_its_exit_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d) \|$", reference("errors"), re.MULTILINE))

    classes = [getattr(errors, name) for name in errors.__all__]
    assert rows == {cls.__name__: str(int(exit_for(cls.__new__(cls)))) for cls in classes}


RUN_NAMES = ("AppResult", "MigrateResult", "migrate")


@pytest.mark.parametrize("name", sorted({*migrations.__all__} - {"Migration", *RUN_NAMES}))
def test_every_operation_is_in_the_reference_with_all_it_takes(name: str) -> None:
    cls = getattr(migrations, name)
    text = section(reference("operations"), name)

    if dataclasses.is_dataclass(cls):
        assert {field.name for field in dataclasses.fields(cls) if field.init} <= words_in_code(text)


@pytest.mark.parametrize("name", RUN_NAMES)
def test_what_python_calls_is_in_the_reference_with_all_it_takes_or_has(name: str) -> None:
    named: Any = getattr(migrations, name)
    attributes = cast("dict[str, object]", vars(named))
    has = {*inspect.signature(named).parameters, *(key for key in attributes if not key.startswith("_"))}

    assert has <= words_in_code(section(reference("python"), name))


def test_every_option_of_a_model_is_in_the_reference_in_both_spellings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", section(reference("models"), "Options"), re.MULTILINE)

    assert dict(rows) == dict(options._SPELLINGS)


def test_every_verb_is_in_the_reference() -> None:
    classes = (Model, _AbstractModel, Pydantic1Model, SyncTable, SyncRecord)
    verbs = {name for cls in classes for name in vars(cls) if not name.startswith("_")}

    assert verbs - {"model_config", "sync"} - {name for name in verbs if name.startswith("model_")} <= words_in_code(
        reference("models")
    )


@pytest.mark.parametrize("cls", [Query, Page, Reference, Explanation], ids=lambda cls: cls.__name__)
def test_what_queries_have_is_in_the_reference(cls: type[Any]) -> None:
    names = {*vars(cls), *(getattr(cls, "__dataclass_fields__", ()))}

    assert {name for name in names if not name.startswith("_")} <= words_in_code(reference("queries"))


def test_every_public_name_is_in_the_reference() -> None:
    pages = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))

    assert set(redis_models.__all__) <= set(re.findall(r"\w+", pages))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_nothing_is_named_that_does_not_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    if "adr" in page.parts:
        text = ""  # decisions name what was rejected, too
    flags = {flag for command in (program, *commands().values()) for flag in options_of(command)}

    called = set(re.findall(r"(?:manage\.py|redis-models)(?: --\w[\w-]*)* (?!COMMAND)([a-z]+)", text))
    assert called <= commands().keys()
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--help"} <= flags
    raised = set(re.findall(r"\b[A-Z]\w+Error\b", text)) - {"AttributeError", "LookupError", "TypeError", "ValueError"}
    assert raised <= set(errors.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_has_a_target(page: Path) -> None:
    broken = [link for link in LINK.findall(BLOCK.sub("", page.read_text("utf-8"))) if not leads_somewhere(page, link)]

    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    if link.startswith(("https://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE) if anchor else []
    return not anchor or anchor in [re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings]


def test_every_page_can_be_reached_from_the_first() -> None:
    reached, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = LINK.findall(page.read_text("utf-8"))
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]

    assert [str(page) for page in PAGES if page not in reached and page.parent.name != "changelog.d"] == []


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_takes_less_than_thirty_lines(page: Path) -> None:
    assert len(page.read_text("utf-8").splitlines()) < 30


@dataclass
class Reader:
    """Executes the blocks of a page in a folder. Used by one test."""

    folder: Path
    environment: dict[str, str]
    output: str = ""

    def follow(self, language: str, title: str, text: str) -> None:
        """Execute a block, or compare the output that it shows with the last output."""
        if language == "diff":
            self._edit(self.folder / title, text)
        elif language == "python" and title:
            (self.folder / title).write_text(text, "utf-8")
        elif language == "python":
            self._begin([sys.executable, "-c", text], 0)
        elif language == "bash":
            self.output = "".join(self._commands(text))
        elif language == "text":
            assert re.fullmatch(pattern_of(text), masked(self.output)), f"the page shows\n{text}\nbut\n{self.output}"

    def _commands(self, text: str) -> Iterator[str]:
        for line in text.splitlines():
            if line.startswith("cd "):
                self.folder /= line.removeprefix("cd ")
                continue
            wanted = re.search(r"# exit code (\d)$", line)
            yield self._begin(["bash", "-c", line], int(wanted[1]) if wanted else 0)

    def _begin(self, command: list[str], wanted: int) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == wanted, f"{command[-1]}\nended with {done.returncode}:\n{done.stdout}"
        self.output = done.stdout
        return done.stdout

    def _edit(self, path: Path, text: str) -> None:
        lines = text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        content = path.read_text("utf-8")
        assert before in content, f"{path.name} does not have\n{before}\nbut\n{content}"
        path.write_text(content.replace(before, after, 1), "utf-8")


def masked(text: str) -> str:
    for pattern, name in VARIABLE:
        text = pattern.sub(name, text)
    return text


def pattern_of(text: str) -> str:
    """Return a pattern for the output; a line of three dots stands for any lines."""
    return re.escape(masked(text)).replace(r"\.\.\." + "\\\n", r"(?:.*\n)*?")


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, command in (("python", ""), ("redis-models", "-m redis_models")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    folder = tmp_path / "work"
    folder.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("REDIS_MODELS")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        # asyncio.run ends the loop before redis-py closes what it opened there, which a reader never hears of.
        "PYTHONWARNINGS": "error",
    }
    return Reader(folder, environment)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the pages have bash blocks")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if EXECUTED.match(page.read_text("utf-8"))], ids=lambda page: page.stem
)
def test_what_a_page_says_happens(page: Path, reader: Reader) -> None:
    text = page.read_text("utf-8")
    place = EXECUTED.match(text)
    if place is not None and place[1] == "a new project":
        reader.follow("bash", "", "redis-models startproject shop\ncd shop\n")

    for block in BLOCK.finditer(text):
        reader.follow(*(part or "" for part in block.groups()))


def test_python_blocks_of_other_pages_are_python() -> None:
    for page in PAGES:
        for language, _, text in BLOCK.findall(page.read_text("utf-8")):
            if language == "python":
                compile(text, str(page), "exec")


def test_every_safety_rule_is_in_the_reference_in_its_own_words() -> None:
    page = reference("safety-rules")

    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(RULES)
    for rule in RULES.values():
        text = section(page, rule.code)
        assert all(part in text for part in (rule.breaks, rule.why, rule.recipe))
        assert f"| [{rule.code}](#{rule.code.lower()}) | {rule.level} |" in page
