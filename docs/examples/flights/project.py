"""The project of the demo: the folder that ``startproject`` made, its commands, its scripts and its server."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_models.embedded import EmbeddedServer

__all__ = ["HERE", "DemoError", "Project", "start_project"]

HERE: Final = Path(__file__).parent


class DemoError(Exception):
    """The demo cannot go on, or shows that something was lost."""


class Project:
    """A project called ``flights`` in a folder of its own, and its running server.

    Args:
        root: The folder that has manage.py.

    Attributes:
        socket: Where the server listens.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "flights" / "models.py"
        self.migrations = root / "flights" / "redis_migrations"
        self._server = EmbeddedServer(root / "data")
        # It stops after its last user. Being one keeps it from stopping, and loading again, between two commands.
        self.socket = self._server.ensure()

    def connect(self) -> redis.Redis:
        """Give a plain client, which sees what really lies there."""
        return redis.Redis(unix_socket_path=self.socket, retry=Retry(NoBackoff(), 0))

    def use_models(self, version: int) -> None:
        """Edit the models as a developer would: put that version of them in."""
        print(f"\n  $ cp models_v{version}.py flights/models.py", flush=True)
        shutil.copy(HERE / f"models_v{version}.py", self.models)

    def manage(self, *arguments: str, expect: int = 0) -> None:
        """Run a command of the project, and show it and what it prints."""
        run_shown(["python", "manage.py", *arguments], self.root, expect)

    def script(self, name: str, *arguments: str) -> str:
        """Run a script of this folder as the application's; give what it prints."""
        arguments = (sys.executable, str(HERE / name), *arguments)
        ran = subprocess.run(
            arguments, cwd=self.root, env=self._environment(), check=False, stdout=subprocess.PIPE, text=True
        )
        if ran.returncode:
            raise DemoError(f"{name} found something wrong\n{ran.stdout}")
        return ran.stdout

    def client(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a script that runs beside this process, with pipes for its input and output."""
        arguments = (sys.executable, str(HERE / name), *arguments)
        pipe = subprocess.PIPE
        return subprocess.Popen(arguments, cwd=self.root, env=self._environment(), stdin=pipe, stdout=pipe, text=True)

    def stop(self) -> None:
        """Stop the server, and wait until it is gone."""
        self.connect().shutdown(nosave=True)
        self._server.release()

    def _environment(self) -> Mapping[str, str]:
        paths = [str(self.root), os.environ.get("PYTHONPATH", "")]
        return {**clean_environment(), "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def start_project(work: Path) -> Project:
    """Make the project anew with ``startproject``.

    Args:
        work: Folder around it; what an earlier demo left there is removed.
    """
    root = work / "flights"
    if root.exists():
        if not (root / "manage.py").exists():
            raise DemoError(f"{root} is there, but no project of the demo; move it away, or use another --work")
        shutil.rmtree(root)
    work.mkdir(parents=True, exist_ok=True)
    run_shown(["redis-models", "startproject", "flights"], work, 0)
    return Project(root)


def run_shown(command: list[str], folder: Path, expect: int) -> None:
    """Run a command as people type it; its first word is replaced by this interpreter."""
    print(f"\n  $ {shlex.join(command)}", flush=True)
    program = [sys.executable] if command[0] == "python" else [sys.executable, "-m", "redis_models"]
    code = subprocess.run([*program, *command[1:]], cwd=folder, env=clean_environment(), check=False).returncode
    if expect:
        print(f"  (exit code {code})", flush=True)
    if code != expect:
        raise DemoError(f"{shlex.join(command)}: exit code {code} instead of {expect}")


def clean_environment() -> Mapping[str, str]:
    """Give the environment without the settings of another project."""
    return {name: value for name, value in os.environ.items() if name != "REDIS_MODELS_SETTINGS_MODULE"}
