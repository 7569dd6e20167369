"""Draw the picture of ARCHITECTURE.md from the imports of the code: ``python docs/architecture.py``.

A box is a package, an arrow an import. An arrow is left out where a longer path leads to the same package, so that
the picture shows the layers. ``--check`` writes nothing, and exits 1 if the page has another picture.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

__all__ = ["drawn"]

_TOP: Final = Path(__file__).parents[1]
_PAGE: Final = _TOP / "ARCHITECTURE.md"
_BEGIN: Final = "<!-- drawn by docs/architecture.py -->\n"
_END: Final = "<!-- end of the picture -->\n"
_FOLDERS: Final = {"cli": "redis_models.cli", "migrations": "redis_models.migrations", "redis_models": "redis_models"}
_TITLES: Final = {
    "cli": "commands: cli/",
    "migrations": "engine: migrations/",
    "redis_models": "runtime: redis_models/",
}


def drawn() -> str:
    """Return the picture as Mermaid text: packages by folder, arrows from a package to what it imports."""
    arrows = _reduced(_imports())
    lines = ["```mermaid", "flowchart TD"]
    for folder, title in _TITLES.items():
        lines += [f'    subgraph {folder}_["{title}"]']
        lines += [
            f'        {_box(package)}["{package}"]' for package in sorted(arrows) if _folder_of(package) == folder
        ]
        lines += ["    end"]
    lines += [
        f"    {_box(package)} --> {_box(other)}" for package in sorted(arrows) for other in sorted(arrows[package])
    ]
    return "\n".join([*lines, "```", ""])


def main() -> int:
    """Write the picture into the page, or compare the two; return the exit code."""
    before, _, rest = _PAGE.read_text("utf-8").partition(_BEGIN)
    old, _, after = rest.partition(_END)
    new = f"\n{drawn()}\n"
    if "--check" in sys.argv[1:]:
        return int(old != new)
    _PAGE.write_text(f"{before}{_BEGIN}{new}{_END}{after}", "utf-8")
    return 0


def _imports() -> dict[str, set[str]]:
    """Return the packages, and which others the modules of each import."""
    modules = {_module_of(path): path for folder in _FOLDERS for path in _sources(_TOP / folder)}
    arrows: dict[str, set[str]] = {}
    for module, path in modules.items():
        package = _package_of(module)
        found = {_package_of(name) for name in _imported(path, module, modules) if _package_of(name)}
        if package:
            arrows.setdefault(package, set()).update(found - {package})
    return arrows


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.py") if not any(parent.is_symlink() for parent in path.parents))


def _module_of(path: Path) -> str:
    folder, *rest = path.relative_to(_TOP).with_suffix("").parts
    return ".".join([_FOLDERS[folder], *(part for part in rest if part != "__init__")])


def _package_of(module: str) -> str:
    """Return the package of a module, as ``migrations/chain``; "" for a module at the top of a folder."""
    for folder in ("cli", "migrations", "redis_models"):
        name = _FOLDERS[folder]
        if module == name:
            return ""
        if module.startswith(f"{name}."):
            parts = module.removeprefix(f"{name}.").split(".")
            inner = _TOP / folder / parts[0]
            if not inner.is_dir():
                return ""
            return f"{folder}/{parts[0]}"
    return ""


def _imported(path: Path, module: str, modules: Mapping[str, Path]) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) + 1 - node.level]) if node.level else ""
            name = ".".join(filter(None, (base, node.module or "")))
            for alias in node.names:
                yield f"{name}.{alias.name}" if f"{name}.{alias.name}" in modules else name


def _reduced(arrows: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out arrows to what another arrow leads to."""
    below: dict[str, set[str]] = {}

    def reach(package: str) -> set[str]:
        if package not in below:
            below[package] = set().union(*({other} | reach(other) for other in arrows[package]))
        return below[package]

    return {
        package: {other for other in others if not any(other in reach(third) for third in others - {other})}
        for package, others in arrows.items()
    }


def _folder_of(package: str) -> str:
    return package.partition("/")[0]


def _box(package: str) -> str:
    return package.replace("/", "_")


if __name__ == "__main__":
    sys.exit(main())
