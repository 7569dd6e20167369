"""Import a module that the user named; if that fails, say why in one line.

Python raises ModuleNotFoundError for a module that does not exist, and for an existing one whose own imports fail. They
need different cures, so they are different errors here. Passwords of URLs are hidden in everything that is quoted.
"""

import importlib
import importlib.util
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType

from ..errors import SettingsError
from ..redaction import redact

__all__ = ["has_module", "import_named", "is_module_name", "shown_path"]

_MESSAGE_SHOWN = 300  # characters of an application's exception that an error quotes
_LIBRARIES = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def shown_path(path: str | Path) -> str:
    """Give ``path`` relative to the working directory if it is inside that, else absolute."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def is_module_name(name: str) -> bool:
    """Whether ``name`` could be the dotted name of a module."""
    return all(part.isidentifier() for part in name.split("."))


def has_module(name: str) -> bool:
    """Whether a module of this name exists, without importing it; the packages above it must be imported already."""
    importlib.invalidate_caches()  # a file may be newer than the cached listing of its folder
    if name in sys.modules:
        return True
    parent = name.rpartition(".")[0]
    if parent and not hasattr(sys.modules.get(parent), "__path__"):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module such as __main__ that has no spec
        return False


def import_named(name: str, *, subject: str, cure: str, settings: str | None) -> ModuleType:
    """Import ``name``, package by package, to distinguish a missing module from a broken one.

    Args:
        name: Dotted name of the module.
        subject: What the error is about: "settings module 'shop.settings' (named by --settings)".
        cure: The end of the error for a missing module: where it was looked for, what to do.
        settings: Name of the settings module, for ``SettingsError.module``.

    Raises:
        SettingsError: The module does not exist, or importing it failed.
    """
    if not is_module_name(name):
        raise SettingsError(
            settings, f"{subject} is not a dotted module name; write it like 'shop.settings', without .py"
        )
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        step = ".".join(parts[:depth])
        if not has_module(step):
            raise SettingsError(settings, f"{subject} does not exist{_whereabouts(step)}; {cure}")
        _import_step(step, subject, settings)
    return sys.modules[name]


def _import_step(name: str, subject: str, settings: str | None) -> None:
    try:
        importlib.import_module(name)
    # Importing runs the user's code, which may raise anything, and even call sys.exit().
    except (Exception, SystemExit) as exc:
        raise SettingsError(settings, f"{subject} was found, but importing it failed: {_quote(exc)}") from exc


def _whereabouts(step: str) -> str:
    """Name the package above, which exists, so that a typo in the last part is easy to see."""
    parent, _, child = step.rpartition(".")
    if not parent:
        return ""
    module = sys.modules[parent]
    if not hasattr(module, "__path__"):
        return f" ({parent!r} is a module, not a package)"
    return f" (package {parent!r} in {shown_path(next(iter(module.__path__), '?'))} has no module {child!r})"


def _quote(exc: BaseException) -> str:
    text = " ".join(str(exc).split())
    shown = text if len(text) <= _MESSAGE_SHOWN else text[: _MESSAGE_SHOWN - 3] + "..."
    return redact(f"{type(exc).__name__}: {shown}{_location(exc)}")


def _location(exc: BaseException) -> str:
    if isinstance(exc, SyntaxError) and exc.filename:
        # The text of a SyntaxError has the place already, as "(settings.py, line 3)", but without the folder.
        return f" ({shown_path(exc.filename)}:{exc.lineno})"
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not _is_library(frame.filename)]
    frame = (own or frames)[-1]
    return f" ({shown_path(frame.filename)}:{frame.lineno})"


def _is_library(filename: str) -> bool:
    """Whether a frame is not the application's: of Python, an installed package, or this one."""
    return filename.startswith((*_LIBRARIES, str(Path(__file__).parents[1]) + os.sep))
