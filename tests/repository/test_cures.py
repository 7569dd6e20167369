"""Commands that messages suggest: each of them exists, and works in the situation of the message."""

import ast
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from redis_models.cli.main import program

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = sorted(path for folder in ("cli", "migrations", "redis_models") for path in (ROOT / folder).rglob("*.py"))
_PROGRAM = r"(?:redis-models |python manage\.py )?"
# What stands for a hole in a text: an app, or what else may be there.
_HOLES = {"app": "shop", "label": "shop", "target": "1", "url": "redis://localhost", "key": "shop:1"}


def _commands() -> dict[str, click.Command]:
    context = click.Context(program)
    found: dict[str, click.Command] = {}
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        assert command is not None
        found[name] = command
    return found


_COMMANDS = _commands()
_QUOTED = re.compile(rf"'{_PROGRAM}((?:{'|'.join(_COMMANDS)})(?: [^'\n]*)?)'")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Return the messages of a module, without docstrings; placeholders are filled."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    skipped |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(map(_filled, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    text = ast.unparse(part)
    if re.search(r"\b_at\(", text):
        return "shop 0001"
    return next((value for name, value in _HOLES.items() if re.search(rf"\b{name}\b", text)), "1")


def _quoted() -> Iterator[tuple[str, str]]:
    for path in _SOURCES:
        for line, text in _texts(path):
            for found in _QUOTED.finditer(text):
                yield f"{path.relative_to(ROOT)}:{line}", found[1]


@pytest.mark.parametrize(("place", "typed"), sorted(set(_quoted())))
def test_every_command_that_a_text_names_can_be_typed(place: str, typed: str) -> None:
    name, *words = typed.split()
    command = _COMMANDS[name]
    parent = click.Context(program, info_name="redis-models")
    while isinstance(command, click.Group) and words:
        below = command.get_command(parent, words[0])
        assert below is not None, f"{place}: there is no '{name} {words[0]}'"
        command, words = below, words[1:]

    # Words in capitals stand for what people know; arguments that a text leaves out are told by it otherwise.
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    known = {flag for option in command.params if isinstance(option, click.Option) for flag in option.opts}
    assert set(flags) <= known, f"{place}: '{typed}' has an option that there is not"
    with contextlib.suppress(click.MissingParameter):
        command.make_context(name, words, parent=parent)


def test_there_are_many() -> None:
    assert len(set(_quoted())) > 60


_FLAG = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)")


def _all_options(command: click.Command) -> Iterator[str]:
    yield from (flag for option in command.params if isinstance(option, click.Option) for flag in option.opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _all_options(below)


def test_every_flag_that_a_text_names_is_one() -> None:
    known = {option for command in (program, *_COMMANDS.values()) for option in _all_options(command)}
    known |= {"--help", "--version", "--no-verify"}
    named = {
        (f"{path.relative_to(ROOT)}:{line}", flag)
        for path in _SOURCES
        for line, text in _texts(path)
        for flag in _FLAG.findall(text)
    }

    assert {(place, flag) for place, flag in named if flag not in known} == set()
