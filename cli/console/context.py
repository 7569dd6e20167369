"""The context of every command: the global options, and the project that they select.

Results go to stdout, everything else to stderr, so that a command's output can be piped while its progress is watched.
Settings, models and the server are reached only when a command asks for them: ``--help`` needs none of them.
"""

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

import click

from redis_models.redaction import UNSEEN, printable

if TYPE_CHECKING:
    from rich.console import Console

    from redis_models.client.client import SyncClient
    from redis_models.migrations.chain.chain import Chain
    from redis_models.project.apps import App
    from redis_models.project.settings import Settings
    from redis_models.store import Store

__all__ = ["CliContext"]


class CliContext:
    """One run of the program. Made by ``main``, set by the global options, then only read.

    Attributes:
        settings_option: Value of ``--settings``, or None.
        is_interactive: Whether questions may be asked: there is a terminal, and no ``--no-input``.
        is_json: Whether the result is printed as one JSON object.
        is_colored: Whether to print colours, if the terminal has them.
        verbosity: 0 (``-q``) to 3 (``-vv``); 1 is the default.
        is_traceback: Whether errors show where they were raised.
    """

    def __init__(self) -> None:
        self.settings_option: str | None = None
        self.is_interactive = has_terminal()
        self.is_json = False
        self.is_colored = not os.environ.get("NO_COLOR")
        self.verbosity = 1
        self.is_traceback = False

    def remember(self, option: str, value: object) -> None:
        """Store the value of a global option, by its click name."""
        match option, value:
            case "settings", str(module):
                self.settings_option = module
            case "no_input", True:
                self.is_interactive = False
            case "json", True:
                self.is_json = True
            case "no_color", True:
                self.is_colored = False
            case "quiet", True:
                self.verbosity = 0
            case "verbose", int(more) if more > 0:
                self.verbosity = 1 + more
            case "traceback", True:
                self.is_traceback = True
            case _:
                pass  # not given

    @cached_property
    def settings(self) -> "Settings":
        """The project's settings; raises SettingsError."""
        from redis_models.project.settings import (
            load_settings,  # half of the start-up time of a command that needs none
        )

        return load_settings(self.settings_option)

    @cached_property
    def apps(self) -> "tuple[App, ...]":
        """The project's apps with their models; raises SettingsError and ModelDeclarationError."""
        from redis_models.project.apps import load_apps  # imports pydantic and redis

        return load_apps(self.settings)

    @cached_property
    def chains(self) -> "Mapping[str, Chain]":
        """The migrations of every app, by label, with models that other apps moved to it; raises MigrationFileError."""
        from redis_models.migrations.files.project_chains import load_chains  # as above

        return {chain.app: chain for chain in load_chains(self.apps)}

    @cached_property
    def store(self) -> "Store":
        """The store of REDIS_URL, with every model bound to it; closed at the end of the run."""
        from redis_models.project.apps import bind  # imports pydantic and redis

        return bind(self.settings, self.apps)

    @cached_property
    def client(self) -> "SyncClient":
        """A client of the server of the settings; raises ServerRefusedError if it is a node of a cluster."""
        from redis_models.client.drivers import run  # as above
        from redis_models.migrations.keyspace.server_facts import refuse_cluster

        run(self.store.sync_client, refuse_cluster(self.store.address))
        return self.store.sync_client

    @cached_property
    def console(self) -> "Console":
        """A console on stderr, for progress bars."""
        from rich.console import Console  # costs more than most commands

        return Console(stderr=True, no_color=not self.is_colored, quiet=self.verbosity == 0, highlight=False)

    def out(self, text: str = "") -> None:
        """Print a line of the result for people; nothing under ``--json``."""
        if not self.is_json:
            click.echo(printable(text), color=None if self.is_colored else False)

    def out_lines(self, text: str) -> None:
        """Print a text of several lines, such as a file."""
        for line in text.split("\n"):
            self.out(line)

    def json(self, result: Mapping[str, object]) -> None:
        """Print the result for programs, once per run; nothing without ``--json``."""
        if self.is_json:
            text = json.dumps(result, ensure_ascii=False, default=str)
            click.echo(UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))

    def err(self, text: str = "", *, verbosity: int = 0) -> None:
        """Print a line on stderr, unless the run is quieter than ``verbosity``.

        If it cannot be printed, for example because the disk is full, the command continues without it.
        """
        if self.verbosity >= verbosity:
            with suppress(OSError):
                click.echo(printable(text), err=True, color=None if self.is_colored else False)

    def err_lines(self, text: str) -> None:
        """Print a text of several lines on stderr, such as an error with its details."""
        for line in text.split("\n"):
            self.err(line)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "store" in self.__dict__:
            self.store.close()


def has_terminal() -> bool:
    """Whether a user can answer a question; stdin may be closed or missing."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:
        return False
