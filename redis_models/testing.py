"""Testing: a throw-away server in place of that of the settings, for pytest, unittest and Django.

With pytest, name this module as a plugin, in ``conftest.py`` (``pytest_plugins = ["redis_models.testing"]``) or with
``-p redis_models.testing``. pytest does not load it by itself, so a project that only has this library installed does
not get its fixtures. Elsewhere use ``throwaway_server``. Only the fixtures need pytest. Records that fixtures of
classes, modules and sessions make exist when their tests begin.
"""

import os
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from .client.commands import RoundTrips, check
from .embedded.server import EmbeddedServer
from .errors import RedisModelsError, SettingsError
from .model.model import Model
from .project.apps import load_apps, settings_in_use, setup
from .project.settings import find_settings, load_settings
from .server_override import VARIABLE, end_redirection, redirect, restore
from .store import Store

if TYPE_CHECKING:
    import pytest

__all__ = ["Content", "FixtureRecords", "ThrowawayServer", "content", "restored", "throwaway_server"]


Content = Mapping[bytes, "tuple[bytes, int] | None"]  # of keys: what DUMP and PTTL say; None where there is none


@dataclass
class FixtureRecords:
    """The changes of each active fixture, in their order. Belongs to the tests of one process.

    Attributes:
        is_used: Whether a test has run whose records were not removed yet.
        is_in_test: Whether a test is running.
    """

    is_used: bool = False
    is_in_test: bool = False
    _changes: dict[int, Content] = field(default_factory=dict[int, Content])

    def add(self, fixture: object, before: Content, after: Content) -> None:
        """Store the changes of a fixture."""
        self._changes[id(fixture)] = {
            key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)
        }

    def forget(self, fixture: object) -> None:
        """Forget a fixture that was torn down: later tests start without its records."""
        self._changes.pop(id(fixture), None)

    @property
    def kept(self) -> Content:
        """The content at the start of a test."""
        merged: dict[bytes, tuple[bytes, int] | None] = {}
        for change in self._changes.values():
            merged |= change
        return {key: content for key, content in merged.items() if content is not None}


def content() -> RoundTrips[Content]:
    """Read everything.

    Cost: two round trips; one if the server is empty.
    """
    keys = cast("list[bytes]", check((yield [("KEYS", "*")]))[0])
    if not keys:
        return {}
    replies = cast("list[Any]", check((yield [(name, key) for key in keys for name in ("DUMP", "PTTL")])))
    pairs = zip(keys, replies[::2], replies[1::2], strict=True)
    return {key: (raw, max(ttl_ms, 0)) for key, raw, ttl_ms in pairs if raw is not None}


def restored(kept: Content) -> RoundTrips[None]:
    """Restore ``kept``, and delete everything else.

    Cost: one round trip.
    """
    records = [("RESTORE", key, content[1], content[0]) for key, content in kept.items() if content is not None]
    check((yield [("FLUSHALL",), *records]))


_SETTINGS: Final = "redis_models_settings"
_URLS: Final = "redis_models_urls"
_OVER: Final = "unix:///the-tests-are-over"  # where no server is


class ThrowawayServer:
    """An empty server of this process, gone with its data when it ends. Made by ``throwaway_server``.

    Attributes:
        url: Its URL; for clients of other libraries use ``socket_path``.
        store: A store on it; the models of APPS that are not bound to another store are bound to it.
        fixtures: Records of pytest's fixtures with a wider scope than a test.
    """

    def __init__(self) -> None:
        self._server = EmbeddedServer(None)
        self._socket_path = self._server.ensure()
        self.url = f"embedded:{self._server.directory}"
        self.store = Store.from_url(self.url, name="tests")
        self.fixtures = FixtureRecords()
        self._bound: dict[type[Model], Store] = {}

    @property
    def socket_path(self) -> str:
        """The unix socket of the server."""
        return self._socket_path

    def bind(self, *models: type[Model]) -> None:
        """Bind models to the server; ``clear`` binds them again if a test bound them to another store."""
        for model in models:
            self.store.register_model(model)
            self._bound[model] = self.store

    def clear(self) -> None:
        """Delete everything, also the bookkeeping of migrations, and bind models again.

        Cost: one round trip.
        """
        self._bind_again()
        self.store.run(restored({}))

    def begin_test(self) -> None:
        """Keep only the records of fixtures with a wider scope than a test; bind models again.

        Cost: one round trip.
        """
        self._bind_again()
        self.store.run(restored(self.fixtures.kept))
        self.fixtures.is_used = self.fixtures.is_in_test = True

    def begin_fixture(self) -> Content:
        """Give the content before a fixture of a wider scope, without the records of the previous test."""
        if self.fixtures.is_used and not self.fixtures.is_in_test:
            self._bind_again()
            self.store.run(restored(self.fixtures.kept))
            self.fixtures.is_used = False
        return self.store.run(content())

    def end_fixture(self, fixture: object, before: Content) -> None:
        """Keep the changes of a fixture until it is torn down."""
        self.fixtures.add(fixture, before, self.store.run(content()))

    def _bind_again(self) -> None:
        for model, store in self._bound.items():
            now: Store | None = model.__dict__.get("_store")
            if now is None or now.address != store.address:
                store.register_model(model)

    def keep(self, models: Iterable[type[Model]]) -> None:
        """Note the stores of models; those without a store are bound to this server."""
        for model in models:
            bound: Store | None = model.__dict__.get("_store")
            if bound is None:
                self.bind(model)
            else:
                self._bound[model] = bound

    def close(self) -> None:
        """Stop the server, which removes its directory."""
        self.store.close()
        self._server.release()


_current: ThrowawayServer | None = None


@contextmanager
def throwaway_server(
    settings: str | None = None, *, models: Iterable[type[Model]] = (), urls: Iterable[str] = ()
) -> Generator[ThrowawayServer]:
    """Use an empty server in place of that of the settings, until the end of the block.

    ``setup()`` is called, and may be called again inside. Every store of that server, made before or inside, with any
    spelling or database of its URL, uses the empty one, and so do processes that are started inside. A nested block
    uses the same server, emptied.

    Args:
        settings: Dotted name of the settings module; None for the one that ``setup`` has or would find.
        models: More models to bind, which APPS does not name.
        urls: URLs of more servers that must not be reached; needed in a project without settings.

    Raises:
        EmbeddedServerError: No server can be started.
        ModelDeclarationError, SettingsError: As ``setup``.
    """
    if _current is not None:
        _current.bind(*models)
        _current.clear()
        yield _current
        return
    previous_url = os.environ.get(VARIABLE)
    server = _begin(settings, urls)
    try:
        server.bind(*models)
        yield server
    finally:
        restore()
        _end(server, previous_url)


def _begin(settings: str | None, urls: Iterable[str]) -> ThrowawayServer:
    """Redirect to a new server, before a model can be read or written."""
    global _current
    previous_url, server = os.environ.get(VARIABLE), ThrowawayServer()
    try:
        urls = list(urls)
        for url in urls:
            redirect(url, server.url)
        # Before the models are imported: their modules may read and write.
        loaded_settings = settings_in_use() if settings is None else None
        if loaded_settings is None and (settings is not None or not urls or _names_settings()):
            loaded_settings = load_settings(settings, named_by="redis_models.testing")
        os.environ[VARIABLE] = server.url
        if loaded_settings is not None:
            redirect(loaded_settings.redis_url, server.url)
            setup(loaded_settings.module)
            server.keep(model for app in load_apps(loaded_settings) for model in app.models)
    except BaseException:
        restore()
        _end(server, previous_url)
        raise
    _current = server
    return server


def _end(server: ThrowawayServer, previous_url: str | None) -> None:
    global _current
    _current = None
    if previous_url is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = previous_url
    server.close()


def _names_settings() -> bool:
    try:
        find_settings()
    except SettingsError:
        return False
    return True


def pytest_addoption(parser: "pytest.Parser") -> None:
    """Declare the plugin's settings in those of pytest."""
    parser.addini(_SETTINGS, "Settings module of redis_models; otherwise the usual one.")
    parser.addini(_URLS, "More servers that no test may reach, a URL a line.", type="linelist")


def pytest_load_initial_conftests(early_config: "pytest.Config") -> None:
    """Begin before any ``conftest.py``; pytest asks plugins that it was given with ``-p`` only."""
    options = early_config.known_args_namespace
    if not (getattr(options, "help", False) or getattr(options, "version", False)):
        _begin_session(early_config)


def pytest_sessionstart(session: "pytest.Session") -> None:
    """Begin before any module of tests is imported, for these may import modules that read and write."""
    _begin_session(session.config)


def _begin_session(config: "pytest.Config") -> None:
    # The controller of pytest-xdist runs no tests, but imports conftest.py as its workers do.
    if _current is not None:
        return
    try:
        _begin(config.getini(_SETTINGS) or None, config.getini(_URLS))
    except RedisModelsError as exc:
        pytest.exit(f"redis_models.testing: {exc}", 2)


def pytest_sessionfinish() -> None:
    """Stop the server; code after the tests, such as ``atexit``, does not reach the server of the settings either."""
    if _current is not None:
        end_redirection(_OVER)
        os.environ[VARIABLE] = _OVER
        _current.close()


if "pytest" in sys.modules:  # a user of the plugin has it already; no one else pays for its import
    import pytest

    @pytest.fixture(scope="session")
    def redis_models_server() -> ThrowawayServer:
        """The empty server that stands in for that of the settings, one for each process of pytest."""
        assert _current is not None, "redis_models.testing is not loaded as a pytest plugin here"
        return _current

    @pytest.fixture(autouse=True)
    def redis_models_empty(redis_models_server: ThrowawayServer) -> Iterator[None]:
        """Start every test with the records of fixtures of its class, module or session, and nothing else.

        Override it by a fixture of this name in a ``conftest.py``.
        """
        redis_models_server.begin_test()
        yield
        redis_models_server.fixtures.is_in_test = False

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(fixturedef: "pytest.FixtureDef[object]") -> Generator[None, object, object]:
        """Keep the records of fixtures with a wider scope than a test; ``setup_class`` is such a fixture too."""
        if _current is None or fixturedef.scope == "function":
            return (yield)
        server, before = _current, _current.begin_fixture()
        result = yield
        server.end_fixture(fixturedef, before)
        return result

    def pytest_fixture_post_finalizer(fixturedef: "pytest.FixtureDef[object]") -> None:
        """Forget its records."""
        if _current is not None:
            _current.fixtures.forget(fixturedef)
