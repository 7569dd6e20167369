"""A project on the disk, three versions of its code, and its commands: run in this process, or as ones of their own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis_models
from redis_models.cli.main import main
from redis_models.migrations import MigrateResult, migrate
from redis_models.project import apps

if TYPE_CHECKING:
    from ..conftest import Server

_END_S = 60.0  # of a command on a busy machine
_FAST = ("--max-latency-ms", "0", "--yes", "--allow-destructive", "--ignore-sample")


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


# A model at versions 1, 2, 3; the second step is done by the server, the third by Python.
_MODEL = """
from redis_models import Field, Model

class Customer(Model):
    id: str = Field(primary_key=True)
    visits: int = 0
    {fields}

    class Meta:
        version = {version}
"""
_FIELDS = {
    1: "name: str; legacy_ref: str; age: str",
    2: "full_name: str; currency: str = 'EUR'; age: str",
    3: "full_name: str; currency: str = 'EUR'; age: int | None; initial: str",
}
_MIGRATIONS = {
    "0001_initial": """
        class Migration(migrations.Migration):
            id = "aaaa0001"
            previous = None
            versions = {"Customer": 1}
            operations = [
                migrations.CreateModel(
                    "Customer",
                    fields={"id": "str", "name": "str", "legacy_ref": "str", "age": "str", "visits": "int"},
                    primary_key="id",
                    table="customer",
                ),
            ]
    """,
    "0002_rename": """
        class Migration(migrations.Migration):
            id = "bbbb0002"
            previous = "aaaa0001"
            versions = {"Customer": 2}
            operations = [
                migrations.RenameField("Customer", "name", "full_name"),
                migrations.AddField("Customer", "currency", "str", fill="EUR"),
                migrations.RemoveField("Customer", "legacy_ref", back="none"),
            ]
    """,
    "0003_retype": """
        def to_age(text):
            return None if text == "NA" else int(text)

        def from_age(age):
            return "NA" if age is None else str(age)

        def initial(old):
            return old.full_name[:1].upper()

        class Migration(migrations.Migration):
            id = "cccc0003"
            previous = "bbbb0002"
            versions = {"Customer": 3}
            operations = [
                migrations.AlterField("Customer", "age", old="str", new="int | None", convert=to_age, back=from_age),
                migrations.AddField("Customer", "initial", "str", fill=initial),
            ]
    """,
}
# Written by the server itself: tens of thousands of records in an instant.
_FILL = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local key = 'customer:' .. i
  local age = i % 10 == 0 and 'NA' or i % 10 == 1 and '0' .. i or '' .. i
  redis.call('HSET', key, '_v', 1, 'id', i, 'name', 'n' .. i, 'legacy_ref', 'r' .. i, 'age', age, 'visits', 0)
  redis.call('ZADD', 'customer:__index', 0, key)
end
"""


class Project:
    """A project on the disk, and its commands.

    Attributes:
        keyboard: What commands that run in this process read; None where no user is there to answer.
    """

    keyboard: io.TextIOBase | None = None

    def __init__(self, root: Path, server: "Server", url: str | None = None) -> None:
        self.root, self.server = root, server
        self.started: list[subprocess.Popen[str]] = []
        self.write("pyproject.toml", '[tool.redis_models]\nsettings = "shop.settings"\n')
        self.write("shop/__init__.py", "")
        self.settings(REDIS_URL=url or server.url, APPS=["shop"])

    def settings(self, **settings: object) -> None:
        """Write the settings module."""
        self.write("shop/settings.py", "".join(f"{name} = {value!r}\n" for name, value in settings.items()))

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def migration(self, name: str, text: str) -> Path:
        """Write a migration file."""
        return self.write(
            f"shop/redis_migrations/{name}.py", f"from redis_models import migrations\n\n{textwrap.dedent(text)}"
        )

    def deploy(self, version: int, *, files: int | None = None) -> None:
        """Put the code of a version of Customer there, with its migrations, or as many as ``files`` says."""
        self.write("shop/models.py", _MODEL.format(fields=_FIELDS[version], version=version))
        for name, text in list(_MIGRATIONS.items())[: files or version]:
            self.migration(name, text)

    def fill(self, count: int, start: int = 0) -> None:
        """Store customers of version 1: number i is called ni, and is of the age "NA", "0i" or "i"."""
        with self.server.client() as client:
            client.eval(_FILL, 0, start, start + count)

    def records(self) -> dict[str, dict[str, bytes]]:
        """Read every hash but the bookkeeping, whole."""
        with self._client() as client:
            keys = sorted(
                key for key in client.scan_iter(count=5000, _type="hash") if not key.startswith(b"redis_models")
            )
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            found: list[dict[bytes, bytes]] = pipeline.execute()
        return {
            key.decode(): {name.decode(): raw for name, raw in stored.items()}
            for key, stored in zip(keys, found, strict=True)
        }

    def bookkeeping(self) -> set[str]:
        """Names of the keys that the engine keeps."""
        with self._client() as client:
            return {key.decode().rpartition("}:")[2] for key in client.keys("redis_models:*")}

    def _client(self) -> Any:
        return self.server.client()  # whose types leave much unknown

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command, or a file of Python if the first argument ends so."""
        program = [] if arguments[0].endswith(".py") else ["-m", "redis_models"]
        where = str(Path(redis_models.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": where, "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,
        )
        self.started.append(process)
        return process

    def end(self, process: "subprocess.Popen[str]") -> Ran:
        """Wait for a command's end."""
        out, err = process.communicate(timeout=_END_S)
        return Ran(process.returncode, out, err)

    def run(self, *arguments: str) -> Ran:
        """Run a command to its end: in this process, as a new one would, in a tenth of the time."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with _fresh_process(self.root, self.keyboard), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments, "python -m redis_models")
        return Ran(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))

    def migrate_from_python(self, **arguments: Any) -> MigrateResult:
        """Call ``migrations.migrate`` in this process, as a new one would, with nothing set up before."""
        set_up = apps._project
        try:
            apps._project = apps._Project()
            with _fresh_process(self.root, None):
                return migrate(**arguments)
        finally:
            apps._project = set_up

    def run_apart(self, *arguments: str) -> Ran:
        """Run a command, or a file of Python, to its end, in a process of its own."""
        return self.end(self.start(*arguments))

    def migrate(self, *arguments: str) -> Ran:
        """Run ``migrate`` with every consent, as fast as it can: on a busy machine the probe waits long, too."""
        return self.run("migrate", *arguments, *_FAST)

    def migrate_apart(self, *arguments: str) -> Ran:
        """Run it so in a process of its own, for what may end it, and beside threads of the test."""
        return self.run_apart("migrate", *arguments, *_FAST)

    def close(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


@contextlib.contextmanager
def _fresh_process(root: Path, keyboard: io.TextIOBase | None) -> Generator[None]:
    """Be in a project's folder with nothing imported from it, and leave nothing behind."""
    path, writes_none, stdin = list(sys.path), sys.dont_write_bytecode, sys.stdin
    _forget_modules(root)
    try:
        with contextlib.chdir(root), open(os.devnull) as no_input:
            sys.path.insert(0, str(root))
            sys.dont_write_bytecode, sys.stdin = True, keyboard or no_input  # files change within a second
            yield
    finally:
        sys.path[:], sys.dont_write_bytecode, sys.stdin = path, writes_none, stdin
        _forget_modules(root)


def _forget_modules(root: Path) -> None:
    """Forget modules that are called like those of a project, whichever project they are from."""
    names = {path.stem for path in root.iterdir() if path.is_dir() or path.suffix == ".py"}
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


def _hear_interrupts() -> None:
    # Ignored, and for all children, where tests run in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
