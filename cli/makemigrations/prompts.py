"""Questions on a terminal about ambiguous changes. They go to stderr, so that stdout has only the result."""

import sys
from collections.abc import Callable, Sequence

import click

from redis_models.errors import SchemaError, UnansweredError
from redis_models.migrations.autodetector.answers import (
    Answer,
    ComputeAnswer,
    DropAnswer,
    ExtraAnswer,
    FillAnswer,
    MapAnswer,
    RenameAnswer,
    RenameModelAnswer,
    TTLAnswer,
    ZoneAnswer,
    parse_literal,
)
from redis_models.migrations.autodetector.questions import (
    POLICIES,
    ComputeQuestion,
    DropModelQuestion,
    ExtraQuestion,
    FillQuestion,
    HintQuestion,
    MapQuestion,
    NoneQuestion,
    Question,
    RenameModelQuestion,
    RenameQuestion,
    SwapQuestion,
    TTLQuestion,
    ZoneQuestion,
)
from redis_models.migrations.edits.extra_fields import EXTRAS
from redis_models.migrations.files.makemigrations import Task
from redis_models.migrations.planner.safety_check import Finding
from redis_models.redaction import printable

__all__ = ["ask_reason", "settle"]

Choice = tuple[str, Callable[[], Sequence[Answer]]]


class _QuitError(Exception):
    """The user left the question open."""


def settle(task: Task, prefix_of: Callable[[str], str], with_evidence: Callable[[Task], Task]) -> Task:
    """Ask until no question is open; one answer may settle others, or raise new ones.

    Args:
        task: What is compared, with the answers given by flags.
        prefix_of: What a flag needs before the name of a model.
        with_evidence: Adds to the questions what the records say about them.

    Returns:
        The task with all answers.

    Raises:
        UnansweredError: The user quit, or the input ended; it names the flags for what is still open.
    """
    while task.found.questions:
        try:
            answers = _ask(task.found.questions[0])
        except (_QuitError, EOFError) as exc:
            click.echo(err=True)
            raise UnansweredError(
                [question.line(prefix_of(question.model)) for question in task.found.questions]
            ) from exc
        task = with_evidence(task.answered(task.answers.having(*answers)))
    return task


def ask_reason(refused: Sequence[Finding]) -> str:
    """Ask why it is safe to do what safety rules refuse; "" if the user gives no reason."""
    for finding in refused:
        click.echo(printable(f"! {finding.rule.code} {finding.what}: {finding.rule.breaks}"), err=True)
    try:
        return _read("Why is this safe? (written to the file; Enter to let 'migrate' ask): ")
    except EOFError:
        click.echo(err=True)
        return ""


def _ask(question: Question) -> Sequence[Answer]:
    evidence = f"   [{question.evidence}]" if question.evidence else ""
    return _choose(f"{question.sentence}{evidence}", [*_choices(question), _QUIT])


def _choices(question: Question) -> list[Choice]:
    match question:
        case RenameQuestion():
            return _rename_choices(question)
        case SwapQuestion(model, field, _, names):
            swaps: list[Choice] = [
                (f"its values are now in {name}", _giving(RenameAnswer(model, field, name))) for name in names
            ]
            stay: Choice = (f"its values stay in {field} and are converted", _giving(RenameAnswer(model, field, field)))
            return [*swaps, stay]
        case FillQuestion() | NoneQuestion():
            return _fill_choices(question)
        case ExtraQuestion(model, field, _):
            policies = [(f"{name}: {text}", _giving(ExtraAnswer(model, field, name))) for name, text in EXTRAS.items()]
            return [*policies, _computing(model, field)]
        case MapQuestion(model, field, value, values, whole):
            maps = [MapAnswer(model, field, value, new) for new in values]
            choices: list[Choice] = [(f"replace it by {answer.new!r}", _giving(answer)) for answer in maps]
            return [*choices, _computing(model, whole)]
        case ComputeQuestion(model, field):
            return [_computing(model, field)]
        case ZoneQuestion(model, field):
            zone: Choice = ("all of them are in one time zone", lambda: [_read_zone(question)])
            return [zone, _computing(model, field)]
        case TTLQuestion(model):
            return [(f"{name}: {POLICIES[name]}", _giving(TTLAnswer(model, name))) for name in question.policies]
        case RenameModelQuestion():
            return _rename_model_choices(question)
        case DropModelQuestion(model):
            return [(f"stop tracking {model}", _giving(DropAnswer(model)))]
        case HintQuestion(model, moves):
            renames = [RenameAnswer(model, old, new) for old, new in moves]
            return [("move the values now", _giving(*renames))]
        case _:
            raise AssertionError(question)


def _rename_model_choices(question: RenameModelQuestion) -> list[Choice]:
    choices: list[Choice] = []
    for candidate in question.candidates:
        rename = RenameModelAnswer(question.model, candidate.name)
        text = f"rename {question.model} → {candidate.name} (keeps its records, similarity {candidate.similarity:.2f})"
        choices.append((text, _giving(rename)))
    drop = DropAnswer(question.model)
    return [*choices, (f"stop tracking {question.model} (its records stay)", _giving(drop))]


def _computing(model: str, field: str) -> Choice:
    return "compute it (you write a function in the file)", _giving(ComputeAnswer(model, field))


def _rename_choices(question: RenameQuestion) -> list[Choice]:
    choices: list[Choice] = []
    for candidate in question.candidates:
        rename = RenameAnswer(question.model, question.field, candidate.name)
        details = "keeps the values" if candidate.type == question.type else f"converts the values to {candidate.type}"
        similarity = f", similarity {candidate.similarity:.2f}" if len(question.candidates) > 1 else ""
        choices.append((f"rename {question.field} → {candidate.name} ({details}{similarity})", _giving(rename)))
    if not question.is_primary_key:
        drop = DropAnswer(question.model, question.field)
        choices.append((f"drop {question.field}", _giving(drop)))
    return choices


def _fill_choices(question: FillQuestion | NoneQuestion) -> list[Choice]:
    compute = ComputeAnswer(question.model, question.field)
    return [
        ("use one value for all records", lambda: [_read_value(question)]),
        ("compute it for each record (you write a function in the file)", _giving(compute)),
    ]


def _giving(*answers: Answer) -> Callable[[], Sequence[Answer]]:
    return lambda: answers


def _quit() -> Sequence[Answer]:
    raise _QuitError


_QUIT: Choice = ("quit and change the code", _quit)


def _choose(story: str, choices: Sequence[Choice]) -> Sequence[Answer]:
    click.echo(printable(f"? {story}"), err=True)
    for number, (text, _) in enumerate(choices, start=1):
        click.echo(printable(f"  {number}) {text}"), err=True)
    while True:
        line = _read("> ")
        if line.isdecimal() and 1 <= int(line) <= len(choices):
            return choices[int(line) - 1][1]()
        click.echo(f"Please type a number from 1 to {len(choices)}.", err=True)


def _read_value(question: FillQuestion | NoneQuestion) -> FillAnswer:
    place = f"{question.model}.{question.field}"
    while True:
        literal = _read("value (Python literal): ")
        try:
            answer = FillAnswer(question.model, question.field, parse_literal(place, "", literal))
            answer.check(question.type)
        except SchemaError as exc:
            click.echo(printable(str(exc)), err=True)
        else:
            return answer


def _read_zone(question: ZoneQuestion) -> ZoneAnswer:
    while True:
        answer = ZoneAnswer(question.model, question.field, _read("time zone (like Europe/Berlin): "))
        try:
            answer.check()
        except SchemaError as exc:
            click.echo(printable(str(exc)), err=True)
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
