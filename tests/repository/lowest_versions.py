"""Print the lowest versions that pyproject.toml allows of its dependencies, as constraints for pip."""

import re
import tomllib
from pathlib import Path
from typing import Final

_NEED: Final = re.compile(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)")


def main() -> None:
    """Print a line for each."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for need in project["dependencies"]:
        found = _NEED.match(need)
        assert found, f"{need!r} names no lowest version"
        print(f"{found[1]}=={found[2]}")


if __name__ == "__main__":
    main()
