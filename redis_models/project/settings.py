"""The settings of a project: how the settings module is found, which settings it has, and how they are checked.

A settings module is plain Python. It is named by ``--settings``, by the environment variable
``REDIS_MODELS_SETTINGS_MODULE``, or in the nearest ``pyproject.toml`` that has the table::

    [tool.redis_models]
    settings = "shop.settings"

It may set these names; every other name is the project's own:

REDIS_URL
    The server: ``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``, ``unix://``, or ``embedded:DIR``, a server
    started for this project with its data in DIR. A relative DIR counts from the project's root.
    Default ``"embedded:./data"``.
APPS
    A list of the packages that declare models: ``"shop"`` (models in ``shop.models``, migrations in
    ``shop/redis_migrations``), or a module in such a package: ``"shop.entities"``. May be left out if the settings
    module itself declares the models.
NAMESPACE
    Part of the names of the migrations' own keys, for projects that share one server. Default ``"default"``.
BATCH_SIZE
    The maximum number of records that one migration script changes, 1 to 100. Default 100.
LEASE_SECONDS
    After how many seconds the lease of a migration runner that died expires, 1 to 3600. Default 15.
WRITE_BACK
    Whether an older record that is read is also upgraded in Redis, and not only in memory. Set it to True only when no
    older code runs any more, because older code refuses upgraded records. Default False.
RESEND_WRITES
    Whether a write is sent again if its connection broke before the reply, although it may have been executed and other
    clients may have written since: the last writer wins. Never done for ``increment``, ``delete``, ``only="new"`` and
    ``if_unchanged``. Default False: such a write raises an error whose ``is_left_open`` is true.
"""

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeVar, cast
from urllib.parse import urlsplit

from ..errors import SettingsError
from ..redaction import NO_FOLDER, is_server, masked
from ..server_override import VARIABLE, redirect
from .imports import import_named, shown_path

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["ENVIRONMENT_VARIABLE", "Settings", "SettingsSource", "find_settings", "load_settings"]

_T = TypeVar("_T")

ENVIRONMENT_VARIABLE: Final = "REDIS_MODELS_SETTINGS_MODULE"
_EMBEDDED = "embedded:"
_SCHEMES = ("redis", "rediss", "unix", "valkey", "valkeys")  # what Store.from_url takes, beside embedded:
_LARGEST_BATCH = 100  # keys; no script takes more
_USUAL_BATCH = 100  # keys; about a millisecond of the server's time
_LONGEST_LEASE = 3600  # seconds
_SHOWN = 80  # characters of a value that an error quotes
_CLOSE = 0.8  # difflib ratio: REDIS_URI and NAME_SPACE are taken for typos, CACHE_URL is not


@dataclass(frozen=True)
class SettingsSource:
    """The name of the settings module, and where it was found.

    Attributes:
        module: Dotted name.
        source: Where it was named, for messages: "--settings", the environment variable, or a pyproject.toml.
        root: The project's directory, which goes on ``sys.path``.
        is_project: Whether ``root`` contains a manage.py or pyproject.toml; if not, it is where the search began.
    """

    module: str
    source: str
    root: Path
    is_project: bool


@dataclass(frozen=True)
class Settings:
    """The checked settings of a project; see the module's docstring for each name.

    Attributes:
        module: Dotted name of the settings module.
        source: Where that was named, for messages.
        root: The project's directory, absolute.
        redis_url: With an absolute DIR after ``embedded:``. Left out of the repr, since it may hold a password.
        apps: Entries of APPS, in order; empty if the settings module declares the models itself.
        namespace: Part of the names of the bookkeeping keys.
        batch_size: Records per script, 1 to 100.
        lease_seconds: Seconds after which a dead runner's lease expires.
        write_back: Whether reading an older record upgrades it in Redis.
        resend_writes: Whether writes are sent again after a broken connection.
        executor: Makes an executor with the given number of workers; None for processes of this machine.
    """

    module: str
    source: str
    root: Path
    redis_url: str = field(repr=False)
    apps: tuple[str, ...] = ()
    namespace: str = "default"
    batch_size: int = _USUAL_BATCH
    lease_seconds: int = 15
    write_back: bool = False
    resend_writes: bool = False
    executor: "Callable[[int], Executor] | None" = None

    @property
    def shown_url(self) -> str:
        """``redis_url`` without its password, for messages."""
        return masked(self.redis_url)


def find_settings(
    option: str | None = None, start: Path | None = None, *, named_by: str = "--settings"
) -> SettingsSource:
    """Find the name of the settings module, without importing it.

    Args:
        option: Dotted name; wins over the environment and pyproject.toml. Or None.
        start: Directory where the search upwards begins; the working directory if None.
        named_by: How errors name the place where ``option`` was given.

    Raises:
        SettingsError: No settings module is named, or a pyproject.toml above cannot be read.
    """
    start = (start or Path.cwd()).absolute()
    named = {named_by: option, ENVIRONMENT_VARIABLE: os.environ.get(ENVIRONMENT_VARIABLE)}
    for source, module in named.items():
        if module:
            return _source_of(module, source, start)
    for path in _upwards(start, "pyproject.toml"):
        if (module := _module_named_in(path)) is not None:
            return SettingsSource(module, shown_path(path), path.parent, is_project=True)
    raise SettingsError(
        None,
        f"no settings module is named; use --settings, set {ENVIRONMENT_VARIABLE}, or write settings ="
        f' "shop.settings" under [tool.redis_models] in a pyproject.toml in {start} or above;'
        " 'redis-models startproject' creates a project with one",
    )


def load_settings(option: str | None = None, start: Path | None = None, *, named_by: str = "--settings") -> Settings:
    """Find, import and check the settings module.

    Puts the project's directory on ``sys.path`` (and its ``src``, if there is one).

    Args:
        option, start, named_by: As for ``find_settings``.

    Raises:
        SettingsError: There is none, importing it failed, or a setting is wrong. ``load_apps`` imports what APPS names.
    """
    found = find_settings(option, start, named_by=named_by)
    looked_in = _extend_path(found)
    subject = f"settings module {found.module!r} (named by {found.source})"
    cure = f"looked in {', '.join(looked_in)} and among the installed packages"
    module = import_named(found.module, subject=subject, cure=cure, settings=found.module)
    settings = _check(module, found)
    test_url = os.environ.get(VARIABLE)
    if test_url:  # this process was started by a test
        redirect(settings.redis_url, test_url)
    return settings


def _source_of(module: str, source: str, start: Path) -> SettingsSource:
    marker = next(_upwards(start, "manage.py", "pyproject.toml"), None)
    return SettingsSource(module, source, marker.parent if marker else start, is_project=marker is not None)


def _upwards(start: Path, *names: str) -> Iterator[Path]:
    for directory in (start, *start.parents):
        for name in names:
            if (directory / name).is_file():
                yield directory / name


def _module_named_in(path: Path) -> str | None:
    """Give the module that a pyproject.toml names; None if it has no such table, as inner packages of a monorepo."""
    try:
        table: object = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("redis_models")
    except (OSError, ValueError, AttributeError) as exc:
        raise SettingsError(None, f"{shown_path(path)} cannot be read: {exc}; correct it, or use --settings") from exc
    if table is None:
        return None
    module = table.get("settings") if isinstance(table, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if not isinstance(module, str) or not module:
        raise SettingsError(None, f'{shown_path(path)}: [tool.redis_models] needs settings = "shop.settings"')
    return module


def _extend_path(found: SettingsSource) -> list[str]:
    """Make the project importable from any of its sub-directories, as ``python manage.py`` is."""
    source = found.root / "src"
    has_source = source.is_dir() and not (source / "__init__.py").exists()
    directories = [str(source), str(found.root)] if has_source else [str(found.root)]
    paths = {os.path.realpath(entry or os.curdir) for entry in sys.path}
    added = [directory for directory in directories if os.path.realpath(directory) not in paths]
    if found.is_project:
        sys.path[:0] = added
    else:
        sys.path += added  # it may not be a project, so it must not hide installed modules
    return directories


def _check(module: ModuleType, found: SettingsSource) -> Settings:
    values: Mapping[str, object] = vars(module)
    for name in values:
        _refuse_typo(name, values, found.module)
    root = _root(module, found)
    return Settings(
        module=found.module,
        source=found.source,
        root=root or found.root,
        redis_url=_absolute_url(_read(found, values, "REDIS_URL", _url, "embedded:./data"), root, found.module),
        apps=_read(found, values, "APPS", _apps, ()),
        namespace=_read(found, values, "NAMESPACE", _namespace, "default"),
        batch_size=_read(found, values, "BATCH_SIZE", _between(1, _LARGEST_BATCH, "records"), _USUAL_BATCH),
        lease_seconds=_read(found, values, "LEASE_SECONDS", _between(1, _LONGEST_LEASE, "seconds"), 15),
        write_back=_read(found, values, "WRITE_BACK", _flag, False),
        resend_writes=_read(found, values, "RESEND_WRITES", _flag, False),
        executor=_read(found, values, "EXECUTOR", _executor_factory, None),
    )


_NAMES = (
    "APPS", "BATCH_SIZE", "EXECUTOR", "LEASE_SECONDS", "NAMESPACE", "REDIS_URL", "RESEND_WRITES", "WRITE_BACK",
)  # fmt: skip


def _refuse_typo(name: str, values: Mapping[str, object], module: str) -> None:
    if not name.isupper() or name in _NAMES:
        return
    for setting in difflib.get_close_matches(name, _NAMES, n=1, cutoff=_CLOSE):
        if setting not in values:  # if REDIS_URL is set too, REDIS_URL_2 is the application's own
            raise SettingsError(module, f"{module}: there is no setting {name}; did you mean {setting}?")


class _WrongError(Exception):
    """A setting's value is wrong; the text follows the name of the setting."""


def _read(
    found: SettingsSource, values: Mapping[str, object], name: str, parse: Callable[[object], _T], default: _T
) -> _T:
    if name not in values:
        return default
    try:
        return parse(values[name])
    except _WrongError as exc:
        raise SettingsError(found.module, f"{found.module}: {name} {exc}") from None


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongError(f'must be a text such as "redis://localhost:6379/0", not {type(value).__name__}')
    if value.startswith(_EMBEDDED):
        if is_server(value.removeprefix(_EMBEDDED)):
            raise _WrongError(f"is {masked(value)!r}; {NO_FOLDER}")
        return value
    scheme, mark, _ = value.partition("://")
    if not mark or scheme not in _SCHEMES:
        raise _WrongError(f"is {masked(value)!r}; {_meant_scheme(scheme if mark else '')}")
    _refuse_unreadable(value)
    return value


def _meant_scheme(scheme: str) -> str:
    close = difflib.get_close_matches(scheme.lower(), _SCHEMES, n=1)
    if close:
        return f"did you mean {close[0]}:// ?"
    return f"it must begin with embedded: or one of {', '.join(f'{name}://' for name in _SCHEMES)}"


def _refuse_unreadable(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_readable = parts.port is None or parts.port > 0
    except ValueError:
        is_readable = False
    # Several hosts with ports, as a cluster or a Sentinel has them, are for the client to read.
    if not is_readable and "," not in url:
        raise _WrongError(
            f"is {masked(url)!r}, whose port is not a number from 1 to 65535;"
            " percent-encode the password if it contains / ? # @ or : (urllib.parse.quote(password, safe=''))"
        )


def _shown(value: object) -> str:
    """Quote any value. Its repr may fail: Python does not write integers of more than 4,300 digits."""
    try:
        text = repr(value)
    except Exception:  # the repr of a user's class may raise anything
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _apps(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise _WrongError(f"must be a list; write APPS = [{_shown(value)}]")
    if not isinstance(value, (list, tuple)):
        raise _WrongError(f'must be a list of names such as ["shop"], not {type(value).__name__}')
    entries: list[str] = []
    for entry in cast("Iterable[object]", value):
        if not isinstance(entry, str):
            raise _WrongError(f"contains {_shown(entry)}; every entry must be the dotted name of a package, as text")
        if entry in entries:
            raise _WrongError(f"contains {_shown(entry)} twice; remove one")
        entries.append(entry)
    return tuple(entries)


def _namespace(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise _WrongError(f"is {_shown(value)}; it must be 1 to 64 of the characters A-Z a-z 0-9 _ . -")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _WrongError(f"is {_shown(value)}; it must be True or False")
    return value


def _executor_factory(value: object) -> "Callable[[int], Executor]":
    if not callable(value):
        raise _WrongError(
            f"is {_shown(value)}; it must be a function that takes a number of workers and returns an executor of"
            " concurrent.futures"
        )
    return cast("Callable[[int], Executor]", value)


def _between(low: int, high: int, unit: str) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _WrongError(f"is {_shown(value)}; it must be a whole number of {unit} from {low} to {high}")
        return value

    return parse


def _root(module: ModuleType, found: SettingsSource) -> Path | None:
    """Find the project's directory from the settings file, so that its data are the same wherever a command starts.

    Returns:
        The nearest directory above the outermost package with a manage.py or pyproject.toml, else the directory of that
        package; None if it is installed in site-packages.
    """
    if module.__file__ is None:
        return found.root
    path = Path(module.__file__).resolve()
    depth = found.module.count(".") + (path.stem == "__init__")
    container = path.parents[depth]
    marker = next(_upwards(container, "manage.py", "pyproject.toml"), None)
    if marker is not None:
        return marker.parent
    if container.name not in ("site-packages", "dist-packages"):
        return container
    return found.root if found.is_project else None


def _absolute_url(url: str, root: Path | None, module: str) -> str:
    """Make the directory of an embedded server absolute: it must not depend on the working directory."""
    if not url.startswith(_EMBEDDED):
        return url
    text = url.removeprefix(_EMBEDDED).removeprefix("//")
    if not text:
        return _EMBEDDED
    directory = Path(text).expanduser()
    if root is None and not directory.is_absolute():
        raise SettingsError(
            module, f"{module}: REDIS_URL is {url!r}; this project is installed, so use an absolute path"
        )
    return _EMBEDDED + os.path.normpath(directory if root is None else root / directory)
