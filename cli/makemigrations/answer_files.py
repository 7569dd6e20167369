"""Answers to questions of ``makemigrations``: options, and files of options that can be saved and replayed."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from redis_models.errors import SchemaError
from redis_models.migrations.autodetector.answers import OPTIONS, Answers, parse_answer
from redis_models.project.imports import shown_path

__all__ = ["read_answers", "save_answers"]

_HEAD = "# Answers to the questions of makemigrations, one a line; replay them with --answers.\n"


def read_answers(
    flags: Mapping[str, Sequence[str]], file: Path | None, models: Mapping[str, Sequence[str]]
) -> dict[str, Answers]:
    """Read the answers from the options and the file of a command.

    Args:
        flags: Values by option.
        file: A file with more options, or None.
        models: Names of the models that an answer may be about, by the label of their app.

    Returns:
        The answers by the label of their app.

    Raises:
        click.UsageError: An answer is malformed, or names an unknown model.
    """
    pairs = [(option, text, "") for option, texts in flags.items() for text in texts]
    pairs += [] if file is None else _read(file)
    answers = {label: Answers() for label in models}
    for option, text, place in pairs:
        try:
            label, answer = parse_answer(option, text, models)
        except SchemaError as exc:
            raise click.UsageError(f"{place}{exc}") from exc
        if answer not in answers[label].given:
            answers[label] = answers[label].having(answer)
    return answers


def save_answers(file: Path, flags: Iterable[str]) -> None:
    """Write answers as flags, one a line, each once.

    Raises:
        click.UsageError: The file cannot be written.
    """
    lines = "".join(f"{flag}\n" for flag in dict.fromkeys(flags))
    try:
        file.write_text(_HEAD + lines, "utf-8")
    except OSError as exc:
        raise click.UsageError(f"--save-answers {shown_path(file)}: cannot be written: {exc.strerror}") from exc


def _read(file: Path) -> list[tuple[str, str, str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as exc:
        raise click.UsageError(f"--answers {shown_path(file)}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"--answers {shown_path(file)}: not a text file") from exc
    found: list[tuple[str, str, str]] = []
    for number, line in enumerate(lines, start=1):
        place = f"{shown_path(file)}:{number}: "
        try:
            words = shlex.split(line, comments=True)
        except ValueError as exc:
            raise click.UsageError(f"{place}{exc}; write one option a line") from exc
        if not words:
            continue
        if len(words) == 1 and "=" in words[0]:
            words = list(words[0].partition("=")[::2])
        if len(words) != 2 or words[0] not in OPTIONS:
            raise click.UsageError(
                f"{place}{line.strip()!r} is not an answer; write one option a line, like {_examples()}"
            )
        found.append((words[0], words[1], place))
    return found


def _examples() -> str:
    return next(iter(OPTIONS.values())).partition(",")[0]
