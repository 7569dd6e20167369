"""Questions on a terminal: ask what the diff cannot know. They go to stderr, so that stdout stays the result."""

import sys
from collections.abc import Callable, Sequence

import click

from redis_models.errors import SchemaError, UnansweredError
from redis_models.migrations.answers import (
    Answer,
    Answers,
    ComputeAnswer,
    DropAnswer,
    FillAnswer,
    RenameAnswer,
    parse_literal,
)
from redis_models.migrations.diff import Diff, diff
from redis_models.migrations.questions import (
    DropModelQuestion,
    FillQuestion,
    HintQuestion,
    Question,
    RenameQuestion,
)
from redis_models.migrations.schema import Snapshot

__all__ = ["settle"]

Choice = tuple[str, Callable[[], Sequence[Answer]]]


class _QuitError(Exception):
    """The user left the question open."""


def settle(old: Snapshot, new: Snapshot, answers: Answers, prefix_of: Callable[[str], str]) -> tuple[Diff, Answers]:
    """Ask until no question is open; one answer may settle others, or raise new ones.

    Args:
        old: Where the files are.
        new: What the code says.
        answers: Those given by flags.
        prefix_of: What a flag needs before the name of a model.

    Returns:
        The diff, and all answers.

    Raises:
        UnansweredError: The user quit, or the input ended; it names the flags for what is still open.
    """
    found = diff(old, new, answers)
    while found.questions:
        try:
            answers = answers.having(*_ask(found.questions[0]))
        except (_QuitError, EOFError) as exc:
            click.echo(err=True)
            raise UnansweredError([one.line(prefix_of(one.model)) for one in found.questions]) from exc
        found = diff(old, new, answers)
    return found, answers


def _ask(question: Question) -> Sequence[Answer]:
    match question:
        case RenameQuestion():
            return _choose(_rename_story(question), _rename_choices(question))
        case FillQuestion(model, field, type):
            story = f"{model}.{field}: {type} is required and has no default; existing records lack it."
            return _choose(story, _fill_choices(question))
        case DropModelQuestion(model):
            drop = DropAnswer(model)
            return _choose(f"{model}: {question.story}.", [(f"track {model} no longer", _giving(drop)), _QUIT])
        case HintQuestion(model, moves):
            renames = [RenameAnswer(model, old, new) for old, new in moves]
            return _choose(f"{model}: {question.story}.", [("move the values now", _giving(*renames)), _QUIT])
        case _:
            raise _QuitError


def _rename_story(question: RenameQuestion) -> str:
    place = f"{question.model}.{question.field}"
    if not question.candidates:
        return f"{place} is gone, and another field takes its name over."
    one, *others = question.candidates
    if others:
        return f"{place} ({question.type}) is gone; new: {', '.join(each.name for each in question.candidates)}."
    types = f"{question.type} → {one.type}, similarity {one.similarity:.2f}"
    return f"{place} is gone and {question.model}.{one.name} is new.   [{types}]"


def _rename_choices(question: RenameQuestion) -> list[Choice]:
    choices: list[Choice] = []
    for one in question.candidates:
        rename = RenameAnswer(question.model, question.field, one.name)
        details = "keeps the values" if one.type == question.type else f"converts the values to {one.type}"
        similarity = f", similarity {one.similarity:.2f}" if len(question.candidates) > 1 else ""
        choices.append((f"rename {question.field} → {one.name} ({details}{similarity})", _giving(rename)))
    if not question.is_primary_key:
        drop = DropAnswer(question.model, question.field)
        choices.append((f"drop {question.field}", _giving(drop)))
    return [*choices, _QUIT]


def _fill_choices(question: FillQuestion) -> list[Choice]:
    compute = ComputeAnswer(question.model, question.field)
    return [
        ("one value for all", lambda: [_read_value(question)]),
        ("compute it for each record (a function for you to write in the file)", _giving(compute)),
        ("quit, and give it a default or make it optional in the code", _quit),
    ]


def _giving(*answers: Answer) -> Callable[[], Sequence[Answer]]:
    return lambda: answers


def _quit() -> Sequence[Answer]:
    raise _QuitError


_QUIT: Choice = ("quit", _quit)


def _choose(story: str, choices: Sequence[Choice]) -> Sequence[Answer]:
    click.echo(f"? {story}", err=True)
    for number, (text, _) in enumerate(choices, start=1):
        click.echo(f"  {number}) {text}", err=True)
    while True:
        said = _read("> ")
        if said.isdecimal() and 1 <= int(said) <= len(choices):
            return choices[int(said) - 1][1]()
        click.echo(f"Please type a number from 1 to {len(choices)}.", err=True)


def _read_value(question: FillQuestion) -> FillAnswer:
    place = f"{question.model}.{question.field}"
    while True:
        said = _read("value (Python literal): ")
        try:
            answer = FillAnswer(question.model, question.field, parse_literal(place, "", said))
            answer.check(question.type)
        except SchemaError as exc:
            click.echo(str(exc), err=True)
        else:
            return answer


def _read(prompt: str) -> str:
    """Read a line; not with click.prompt, which takes the end of the input for Ctrl-C."""
    click.echo(prompt, err=True, nl=False)
    try:
        line = sys.stdin.readline()
    except ValueError as exc:  # stdin was closed
        raise EOFError from exc
    if not line:
        raise EOFError
    return line.strip()
