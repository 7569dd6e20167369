"""What a developer does by hand to the generated migration to version 3: write functions, and name them."""

from difflib import unified_diff
from pathlib import Path
from typing import Final

__all__ = ["diff_lines", "with_functions"]

_IMPORT: Final = "from redis_models import migrations\n"
# Text becomes datetime and Enum as pydantic converts it; what NA means it cannot know.
_GENERATED: Final = '"int | None")'
_WITH_FUNCTIONS: Final = '"int | None", convert=number, back=number_text)'


def with_functions(migration: str, functions: Path) -> str:
    """Give the text of a migration with the functions of a file above it, and named in its operations."""
    _docstring, definitions = functions.read_text("utf-8").split("\n\n", 1)
    migration = migration.replace(_GENERATED, _WITH_FUNCTIONS)
    return migration.replace(_IMPORT, f"{_IMPORT}\n\n{definitions.strip()}\n", 1)


def diff_lines(before: str, after: str) -> list[str]:
    """Give the lines that are new or other than before, as ``diff`` shows them."""
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in list(lines)[2:] if line.startswith("+") and len(line) > 1]
