"""Programs: what the server does to records by itself, compiled from version steps that are static. Pure.

The version steps of the path are run once on symbols (see ``symbolic``), and what they come to is written out as a
script. A record that holds bytes of which no table knows the image is left to Python.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis_models.client.commands import Script

from ..chain.upgrade_path import UpgradePath
from .lua_codegen import lua_of
from .symbolic import NeedsPythonError, Run, run_of

__all__ = ["Program", "compile_program"]

_MOST_AT_ONCE: Final = 7000  # values that a script unpacks into one call; Lua has room for fewer than 8,000


@dataclass(frozen=True)
class Program:
    """What a script does to records of some versions.

    Attributes:
        path: The upgrade path that it is compiled from.
        versions: Versions of the records that it is for.
        script: The script.
    """

    path: UpgradePath
    versions: tuple[int, ...]
    script: Script


def compile_program(path: UpgradePath, target: int) -> Program:
    """Compile the path up to ``target`` from every older version from which all version steps are static.

    Records in which more is read or written than one call takes are left to Python, which makes several.
    """
    runs: dict[int, Run] = {}
    names = set[str]()  # a script reads the same fields of records of all versions
    for version in path.versions:
        if version < target and path.is_static(version, target):
            with suppress(NeedsPythonError):
                run = run_of(path.version_steps_between(version, target))
                if max(len(names | run.names), run.most_arguments) <= _MOST_AT_ONCE:
                    runs[version] = run
                    names |= run.names
    return Program(path, tuple(runs), lua_of(runs))
