"""A project whose customers migrate: changes fused into one migration, and its commands, run as processes."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis_models

from .server import Server

__all__ = ["BY_PYTHON", "IN_SERVER", "Change", "Done", "Project"]

_ROOT: Final = Path(redis_models.__file__).parents[1]
_FIELDS: Final = {
    "id": "str", "name": "str", "email": "str", "city": "str", "note": "str", "legacy_ref": "str", "phone": "str",
    "age": "str", "visits": "int", "balance": "float",
}  # fmt: skip
_CONSENT: Final = ("--yes", "--allow-destructive")
_FUNCTIONS: Final = """
def to_age(text):
    return None if text == "NA" else int(text)

def from_age(age):
    return "NA" if age is None else str(age)

def initial(old):
    return old.name[:1].upper()

"""
# What getrusage tells begins with what the process had that started this one, so that Linux is asked otherwise.
_MEASURED: Final = """
import re, resource, sys
from pathlib import Path
from redis_models.cli.main import main

code = main(sys.argv[1:], "redis-models")
status = Path("/proc/self/status")
if status.exists():
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
print(f"\\npeak {peak}", file=sys.stderr)
sys.exit(code)
"""


@dataclass(frozen=True)
class Change:
    """One change of the model: the operation, and what it comes to.

    Attributes:
        operation: As it stands in a migration file.
        added: Fields afterwards, with their types.
        removed: Fields that no longer exist.
    """

    operation: str
    added: dict[str, str]
    removed: tuple[str, ...] = ()


IN_SERVER: Final = (
    Change('RenameField("Customer", "name", "full_name")', {"full_name": "str"}, ("name",)),
    Change('AddField("Customer", "currency", "str", fill="EUR")', {"currency": "str"}),
    Change('RemoveField("Customer", "legacy_ref", back="none")', {}, ("legacy_ref",)),
    Change('RenameField("Customer", "email", "mail")', {"mail": "str"}, ("email",)),
    Change('AddField("Customer", "level", "int", fill=1)', {"level": "int"}),
    Change('RemoveField("Customer", "note", back="none")', {}, ("note",)),
    Change('RenameField("Customer", "city", "town")', {"town": "str"}, ("city",)),
    Change('AddField("Customer", "country", "str", fill="DE")', {"country": "str"}),
)
BY_PYTHON: Final = (
    Change(
        'AlterField("Customer", "age", old="str", new="int | None", convert=to_age, back=from_age)',
        {"age": "int | None"},
    ),
    *(
        Change(f'AddField("Customer", "initial_{at}", "str", fill=initial)', {f"initial_{at}": "str"})
        for at in range(7)
    ),
)


@dataclass(frozen=True)
class Done:
    """What a command came to.

    Attributes:
        document: What it printed as JSON.
        peak_bytes: The most memory that its process ever had.
    """

    document: dict[str, Any]
    peak_bytes: int

    @property
    def seconds(self) -> float:
        """How long the rewriting took and its proof, without the start of the process."""
        return float(self.document["apps"]["shop"]["seconds"])

    @property
    def rewriting_s(self) -> float:
        """How long the rewriting took by itself."""
        return float(self.document["apps"]["shop"]["rewriting_seconds"])


class Project:
    """A project on the disk, with two migrations: the first declares customers, the second changes them.

    Args:
        folder: Where; its name is free.
        server: Where the records are.
        changes: What the second migration does.
    """

    def __init__(self, folder: Path, server: Server, changes: Sequence[Change]) -> None:
        self._folder = folder
        self._write("pyproject.toml", '[tool.redis_models]\nsettings = "shop.settings"\n')
        self._write("shop/settings.py", f'REDIS_URL = {server.url!r}\nAPPS = ["shop"]\n')
        self._write("shop/__init__.py", "")
        self._write("measured.py", _MEASURED)
        fields = dict(_FIELDS)
        for change in changes:
            fields = {name: type for name, type in fields.items() if name not in change.removed} | change.added
        declared = "".join(f"    {name}: {type}\n" for name, type in fields.items())
        declared = declared.replace("    id: str\n", "    id: str = Field(primary_key=True)\n")
        self._write(
            "shop/models.py",
            f"from redis_models import Field, Model\n\n\nclass Customer(Model):\n{declared}\n"
            "    class Meta:\n        version = 2\n",
        )
        self._migration("0001_initial", "aaaa0001", None, 1, [
            f'CreateModel("Customer", fields={_FIELDS!r}, primary_key="id", table="customer")'
        ])  # fmt: skip
        self._migration("0002_change", "bbbb0002", "aaaa0001", 2, [change.operation for change in changes])

    def migrate(self, *arguments: str) -> Done:
        """Run ``migrate`` with every consent."""
        return self.end(self.start("--json", "migrate", *arguments, *_CONSENT))

    def migrate_flat_out(self, *arguments: str) -> Done:
        """Likewise, as fast as it can."""
        return self.migrate(*arguments, "--max-latency-ms", "0")

    def run(self, *arguments: str) -> Done:
        """Run a command to its end."""
        return self.end(self.start("--json", *arguments))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "measured.py", *arguments],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: "subprocess.Popen[str]") -> Done:
        """Wait for a command's end; AssertionError if it fails."""
        out, err = process.communicate()
        assert process.returncode == 0, f"{process.args!r}: {out}{err}"
        return Done(json.loads(out), int(err.rpartition("peak ")[2]))

    def _migration(self, name: str, id: str, previous: str | None, version: int, operations: Sequence[str]) -> None:
        lines = "".join(f"        migrations.{operation},\n" for operation in operations)
        self._write(
            f"shop/redis_migrations/{name}.py",
            f"from redis_models import migrations\n{_FUNCTIONS}\n\nclass Migration(migrations.Migration):\n"
            f"    id = {id!r}\n    previous = {previous!r}\n    versions = {{'Customer': {version}}}\n"
            f"    operations = [\n{lines}    ]\n",
        )

    def _write(self, path: str, text: str) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), "utf-8")
