"""The program: its global options, and the place where errors become a line and an exit code."""

import importlib.metadata
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from functools import partial

import click

from redis_models.errors import RedisModelsError
from redis_models.redaction import redact

from .command_loader import CommandFolder
from .console.context import CliContext
from .console.exit_codes import Exit, exit_for

__all__ = ["main", "program"]

_LINE = 1000  # characters of a line of an error
_ARGUMENT = 60  # characters of an argument in one
_DISTRIBUTION = "redis-models-orm"  # "redis-models" on the package index belongs to another project


def main(argv: Sequence[str] | None = None, prog_name: str | None = None) -> int:
    """Run one command.

    Args:
        argv: Command line without the program's name; None for that of the process.
        prog_name: The name of the program in help and errors; None for that of the process.

    Returns:
        The exit code; see ``Exit``.
    """
    context = CliContext()
    try:
        arguments = None if argv is None else list(argv)
        _refuse_unusable(sys.argv[1:] if arguments is None else arguments)
        result: object = program.main(arguments, prog_name, standalone_mode=False, obj=context)
    except (click.Abort, KeyboardInterrupt):
        context.err("Cancelled.")
        return Exit.FAILED
    except click.ClickException as exc:
        line = _with_short_arguments(_usage_line(exc), sys.argv[1:] if argv is None else argv)
        return _fail(context, exc, line, Exit(exc.exit_code))
    except RedisModelsError as exc:
        return _fail(context, exc, str(exc), exit_for(exc))
    except Exception as exc:  # a bug of ours or of the user's code; it is reported in one line too
        text = " ".join(f"{type(exc).__name__}: {exc}".split())
        return _fail(context, exc, f"{text} (run again with --traceback to see where)", Exit.FAILED)
    finally:
        context.close()
    return result if isinstance(result, int) else Exit.DONE


def _fail(context: CliContext, exc: Exception, text: str, code: Exit) -> Exit:
    """Print an error, without the password of any URL."""
    if context.is_traceback:
        context.err_lines(redact("".join(traceback.format_exception(exc))))
    message = _shortened(redact(text))
    context.err_lines(f"error: {message}")
    context.json({"ok": False, "exit": int(code), "error": type(exc).__name__, "message": message})
    return code


def _refuse_unusable(arguments: Sequence[str]) -> None:
    """Refuse arguments with NUL characters, or with unpaired surrogates, which cannot be encoded."""
    for argument in arguments:
        if "\0" in argument:
            raise click.UsageError(f"{argument[:60]!r} contains a NUL character; remove it")
        try:
            os.fsencode(argument)
        except UnicodeEncodeError as exc:
            raise click.UsageError(f"{argument[:60]!r} contains an unpaired surrogate; remove it") from exc


def _with_short_arguments(text: str, arguments: Sequence[str]) -> str:
    """Shorten arguments that an error quotes, so that the advice after them is visible."""
    for argument in sorted(arguments, key=len, reverse=True):
        for part in (argument, argument.partition("=")[2]):
            if len(part) > _ARGUMENT:
                text = text.replace(part, f"{part[:_ARGUMENT]}...")
    return text


def _shortened(text: str) -> str:
    """Cut the middle out of very long lines; their end says what to type."""
    lines = text.split("\n")
    return "\n".join(
        line if len(line) <= _LINE else f"{line[: _LINE // 2]} [...] {line[-_LINE // 2 :]}" for line in lines
    )


def _usage_line(exc: click.ClickException) -> str:
    text = exc.format_message()
    context = exc.ctx if isinstance(exc, click.UsageError) else None
    if context is None:
        return text
    if isinstance(exc, click.NoSuchOption) and context.command is not program and exc.option_name in _global_names():
        above = context.parent.command_path if context.parent else context.command_path
        return f"{exc.option_name} goes before the command: {above} {exc.option_name} {context.command.name}"
    # Our errors end with a cure, click's with a full stop or a suggestion.
    return text if ";" in text or "?" in text else f"{text.rstrip('.')}; see '{context.command_path} --help'"


def _global_names() -> set[str]:
    return {name for param in program.params for name in param.opts}


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Store an option's value at once: it also applies to errors in the rest of the command line."""
    ctx.ensure_object(CliContext).remember(str(param.name), value)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    try:
        version = importlib.metadata.version(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed: runs from its source)"
    click.echo(f"redis-models {version}, Python {platform.python_version()}")
    ctx.exit()


_option = partial(click.option, expose_value=False, callback=_remember)


@click.group(
    cls=CommandFolder,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'COMMAND --help' describes a command.",
)
@_option("--settings", metavar="MODULE", help="Settings module, such as shop.settings.")
@_option("--no-input", is_flag=True, help="Do not ask; end with exit code 3 if a question is open.")
@_option("--json", is_flag=True, is_eager=True, help="Print the result as one JSON object.")
@_option("--no-color", is_flag=True, help="Print without colours.")
@_option("-q", "--quiet", is_flag=True, help="Print results and errors only.")
@_option("-v", "--verbose", count=True, help="Print more; -vv prints even more.")
@_option("--traceback", is_flag=True, is_eager=True, help="Show where an error was raised.")
@click.option(
    "--version", is_flag=True, help="Print the version.", expose_value=False, is_eager=True, callback=_version
)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Pydantic models stored as Redis hashes, with migrations that lose nothing."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


if __name__ == "__main__":
    sys.exit(main())
