"""Machine: what a run was made on, and whether it had the machine for itself."""

import importlib.metadata
import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

__all__ = ["Machine", "look"]

_SHOWN: Final = ("redis-models-orm", "redis", "hiredis", "pydantic", "redis-om", "walrus", "popoto", "pydantic-redis")
_QUIET: Final = 0.5  # waiting processes, in the last minute, for each core


@dataclass(frozen=True)
class Machine:
    """What a run was made on.

    Attributes:
        date: When it began.
        processor: Its name, and how many cores.
        system: Operating system.
        python: Version.
        server: Name and version.
        packages: Versions by name, of those that are installed.
        load: How many processes wanted to run in the last minute before it.
        is_quiet: Whether that was little.
    """

    date: str
    processor: str
    system: str
    python: str
    server: str
    packages: dict[str, str]
    load: float
    is_quiet: bool

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        beside = "which did nothing else" if self.is_quiet else f"BUSY WITH OTHER WORK (load {self.load:.1f})"
        return (
            f"{self.date}, {self.processor}, {beside}; {self.system}, {self.server}, Python {self.python}, {packages}"
        )


def look(server: str) -> Machine:
    """Look at this machine.

    Args:
        server: Name and version of the server.
    """
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    packages: dict[str, str] = {}
    for name in _SHOWN:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{_processor()}, {cores} cores",
        f"{platform.system()} {platform.machine()}",
        platform.python_version(),
        server,
        packages,
        load,
        load <= _QUIET * cores,
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # of Linux, where platform knows no name
    found = re.search(r"^model name\s*: (.*)$", cpuinfo.read_text("utf-8"), re.MULTILINE) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
