"""The group of commands, which imports a command when it is called and finds them by the files in ``commands/``."""

import difflib
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Final, cast

import click

from . import commands

__all__ = ["CommandFolder"]

# What a command says of itself: the docstring of its function.
_HELP: Final = re.compile(r'^def command\(.*?^    """(.*?)"""$', re.MULTILINE | re.DOTALL)


class CommandFolder(click.Group):
    """A click group whose commands are the modules of ``cli/commands``, each with a click command named ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the modules, sorted; none is imported."""
        return sorted(name for _, name, _ in pkgutil.iter_modules(commands.__path__) if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return cast(click.Command, importlib.import_module(f"{commands.__name__}.{cmd_name}").command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands as click does, but import none: what they say of themselves is read from their files."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, _told(self, ctx, name).get_short_help_str(limit)) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a command line, or say which one was probably meant."""
        known = self.list_commands(ctx)
        if not args[0].startswith("-") and args[0] not in known:
            close = difflib.get_close_matches(args[0], known, n=1)
            cure = f"did you mean {close[0]!r}?" if close else f"'{ctx.command_path} --help' lists the commands"
            ctx.fail(f"unknown command {args[0]!r}; {cure}")
        return super().resolve_command(ctx, args)


def _told(group: CommandFolder, ctx: click.Context, name: str) -> click.Command:
    """Give a command that says what the real one says; the real one where there are no sources."""
    for folder in commands.__path__:
        source = Path(folder, f"{name}.py")
        found = _HELP.search(source.read_text("utf-8")) if source.exists() else None
        if found is not None:
            return click.Command(name, help=found[1])
    return cast(click.Command, group.get_command(ctx, name))
