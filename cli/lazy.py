"""The group of commands, which imports a command when it is called and finds them by the files in ``commands/``."""

import difflib
import importlib
import pkgutil
from typing import cast

import click

from . import commands

__all__ = ["CommandFolder"]


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
