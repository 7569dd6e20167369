"""What a developer does by hand to the generated migration to version 3: write functions, and name them."""

from difflib import unified_diff
from pathlib import Path
from typing import Final

__all__ = ["diff_lines", "with_functions"]

_IMPORT: Final = "from redis_models import migrations\n"
# Text becomes int, datetime and Enum as pydantic converts it; where the file says NA, or 517 for 5:17, it cannot know.
_NAMED: Final = {
    '"int | None")': '"int | None", convert=number, back=number_text)',
    '"time")': '"time", convert=clock, back=clock_text)',
    '"time | None")': '"time | None", convert=clock, back=clock_text)',
    '"str | None")': '"str | None", convert=known, back=known_text)',
}


def with_functions(migration: str, functions: Path) -> str:
    """Give the text of a migration with the functions of a file above it, and named in its operations."""
    _docstring, imports, definitions = functions.read_text("utf-8").split("\n\n", 2)
    for old, new in _NAMED.items():
        migration = migration.replace(old, new)
    return migration.replace(_IMPORT, f"{imports}\n\n{_IMPORT}\n\n{definitions.strip()}\n", 1)


def diff_lines(before: str, after: str) -> list[str]:
    """Give the lines that are new or other than before, as ``diff`` shows them."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if line.startswith("+") and len(line) > 1]
