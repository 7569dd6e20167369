"""The command line as a whole: global options, exit codes, and one line for every error."""

import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click
import pytest

from redis_models import errors
from redis_models.cli import commands
from redis_models.cli.console.context import CliContext
from redis_models.cli.main import main, program


class Run(Protocol):
    """Runs an action as the command ``probe``, with the given global options; gives the exit code."""

    def __call__(self, action: Callable[[CliContext], object], *options: str) -> int: ...


def only_these(_context: click.Context) -> list[str]:
    return ["probe", "startapp", "startproject"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    module = types.ModuleType(f"{commands.__name__}.probe")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(program, "list_commands", only_these)

    def run(action: Callable[[CliContext], object], *options: str) -> int:
        @click.command("probe")
        @click.pass_obj
        def probe(context: CliContext) -> object:
            return action(context)

        module.__dict__["command"] = probe
        return main([*options, "probe"])

    return run


def run_python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def raiser(error: BaseException) -> Callable[[CliContext], object]:
    def action(_context: CliContext) -> object:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RedisModelsError("x"), 1),
        (errors.NotFoundError("Book", "book:1"), 1),
        (errors.MigrationFileError("0001.py", "x"), 1),
        (errors.SettingsError("s", "x"), 2),
        (errors.ModelDeclarationError("Book", "x"), 2),
        (errors.UnansweredError(["x"]), 3),
        (errors.LockedError("x"), 4),
        (errors.UnsafeError("x"), 5),
        (errors.IncompleteError("x"), 6),
        (errors.ServerUnreachableError("x"), 7),
        (errors.EmbeddedServerError("x"), 7),
        (errors.DriftError("x"), 8),
        (click.ClickException("x"), 1),
        (click.UsageError("x"), 2),
        (KeyError("x"), 1),
    ],
)
def test_every_error_is_one_line_with_its_exit_code(
    error: Exception, code: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raiser(error)) == code

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    if not isinstance(error, errors.UnansweredError):  # its questions take a line each
        assert printed.err.count("\n") == 1


def test_an_unexpected_error_names_itself_and_the_way_to_see_more(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(raiser(ZeroDivisionError("division\nby zero")))

    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: division by zero (run again with --traceback to see where)\n"
    )


def test_traceback_is_shown_only_when_asked_for(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(raiser(errors.LockedError("busy")), "--traceback")

    text = capsys.readouterr().err
    assert text.startswith("Traceback (most recent call last):")
    assert text.endswith("\nerror: busy\n")


def test_a_password_never_reaches_the_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(raiser(OSError("no route to rediss://app:s3cret@db:6379/0")), "--traceback")

    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort(), EOFError()])
def test_leaving_with_ctrl_c_or_ctrl_d_is_cancelled(
    error: BaseException, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raiser(error)) == 1
    assert capsys.readouterr().err.strip() == "Cancelled."


def test_what_a_command_returns_is_the_exit_code(run: Run) -> None:
    assert run(lambda _: None) == 0
    assert run(lambda _: 1) == 1
    assert run(lambda _: click.get_current_context().exit(6)) == 6


def test_under_json_an_error_is_an_object_on_stdout(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(raiser(errors.LockedError("busy")), "--json")

    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "exit": 4,
        "error": "LockedError",
        "message": "busy",
    }


def test_under_json_stdout_holds_the_object_only(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def action(context: CliContext) -> None:
        context.out("for people")
        context.err("progress")
        context.json({"ok": True, "name": "Zoë"})

    run(action, "--json")

    printed = capsys.readouterr()
    assert printed.out == '{"ok": true, "name": "Zoë"}\n'
    assert printed.err == "progress\n"


@pytest.mark.parametrize(
    ("options", "verbosity"), [((), 1), (("-q",), 0), (("-v",), 2), (("-vv",), 3), (("--verbose", "--verbose"), 3)]
)
def test_verbosity_counts_from_the_usual(options: tuple[str, ...], verbosity: int, run: Run) -> None:
    seen: list[int] = []

    run(lambda context: seen.append(context.verbosity), *options)

    assert seen == [verbosity]


def test_quiet_leaves_out_what_is_not_needed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def action(context: CliContext) -> None:
        context.err("chatter", verbosity=1)
        context.err("warning")
        context.console.print("progress")

    run(action, "-q")

    assert capsys.readouterr().err == "warning\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdin", "options", "is_interactive"),
    [(Terminal(), (), True), (Terminal(), ("--no-input",), False), (io.StringIO(), (), False), (None, (), False)],
)
def test_questions_need_a_terminal(
    stdin: io.StringIO | None, options: tuple[str, ...], is_interactive: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(sys, "stdin", stdin)

    run(lambda context: seen.append(context.is_interactive), *options)

    assert seen == [is_interactive]


@pytest.mark.parametrize(
    ("variables", "options", "is_colored"),
    [({}, (), True), ({"NO_COLOR": "1"}, (), False), ({"NO_COLOR": ""}, (), True), ({}, ("--no-color",), False)],
)
def test_colours_can_be_switched_off(
    variables: dict[str, str], options: tuple[str, ...], is_colored: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    run(lambda context: seen.append((context.is_colored, not context.console.no_color)), *options)

    assert seen == [(is_colored, is_colored)]


def test_a_wrong_command_suggests_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["startprojet"], prog_name="redis-models") == 2
    assert main(["xyzzy"], prog_name="redis-models") == 2

    assert capsys.readouterr().err == (
        "error: unknown command 'startprojet'; did you mean 'startproject'?\n"
        "error: unknown command 'xyzzy'; 'redis-models --help' lists the commands\n"
    )


def test_a_global_option_after_the_command_is_refused_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["startproject", "shop", "--json"], prog_name="redis-models") == 2

    assert capsys.readouterr().err == ("error: --json goes before the command: redis-models --json startproject\n")


def test_a_usage_error_says_where_help_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["startproject"], prog_name="redis-models") == 2

    assert capsys.readouterr().err == "error: Missing argument 'NAME'; see 'redis-models startproject --help'\n"


def test_help_needs_neither_settings_nor_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_MODELS_SETTINGS_MODULE", "nowhere.at_all")

    assert main([]) == 0
    assert main(["--help"]) == 0
    assert main(["startapp", "-h"]) == 0
    assert "startproject" in capsys.readouterr().out


def test_every_file_in_the_commands_folder_is_a_command() -> None:
    context = click.Context(program)
    assert program.list_commands(context) == list(commands.SUMMARIES)
    for name in commands.SUMMARIES:
        command = program.get_command(context, name)

        assert command is not None
        assert command.name == name
        assert command.help


def test_settings_errors_reach_the_edge_from_a_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(lambda context: context.apps, "--settings", "nowhere_x.settings") == 2
    assert capsys.readouterr().err.startswith(
        "error: settings module 'nowhere_x.settings' (named by --settings) does not exist"
    )


def test_python_m_redis_models_is_the_same_program() -> None:
    done = run_python("-m", "redis_models", "nope")

    assert done.returncode == 2
    assert done.stderr == "error: unknown command 'nope'; 'python -m redis_models --help' lists the commands\n"


def test_help_lists_every_command_in_a_line_and_imports_none() -> None:
    script = "import sys; from redis_models.cli.main import main; main(['--help']); print(*sys.modules)"

    done = run_python("-c", script)

    *shown, imported = done.stdout.splitlines()
    assert [line.split(maxsplit=1) for line in shown[shown.index("Commands:") + 1 : -2]] == [
        [name, summary] for name, summary in commands.SUMMARIES.items()
    ]
    assert {"redis", "pydantic"}.isdisjoint(imported.split())


# Each in a process that has imported the runtime, which takes long, and nothing of commands and migrations.
_EACH_APART = """
import os, runpy, sys
import click
from redis_models import Model, Store

for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        sys.argv[1:] = [name, "--nonsense"]
        runpy.run_module("redis_models", run_name="__main__", alter_sys=True)
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_every_command_can_be_the_first_that_is_imported() -> None:
    done = run_python("-c", _EACH_APART, *commands.SUMMARIES)

    assert done.stdout.splitlines() == [f"{name} 2" for name in commands.SUMMARIES], done.stderr
    assert done.stderr.count("No such option") == len(commands.SUMMARIES)


def test_version_is_printed_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("redis-models ")
