"""The group of commands: it finds commands by the files in ``commands/``, and imports a command when it is called."""

import difflib
import gc
import importlib
import pkgutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import click

from . import commands

__all__ = ["CommandFolder"]


class CommandFolder(click.Group):
    """A click group whose commands are the modules of ``cli/commands``, each with a click command named ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the modules, sorted; none is imported."""
        return sorted(name for _, name, _ in pkgutil.iter_modules(commands.__path__) if not name.startswith("_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for the help; to ask each for its own line, click would import all of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, commands.SUMMARIES[name]) for name in self.list_commands(ctx)])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None if there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        with _no_collection():
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


@contextmanager
def _no_collection() -> Generator[None]:
    """Look for no garbage: what is imported stays, and the search takes a seventh of the time of importing it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
