"""``startapp NAME [DIR]``: add a package with models to a project."""

from pathlib import Path

import click

from redis_models.project.imports import shown_path

from ..console.context import CliContext
from ..scaffold import check_name, render, write

__all__ = ["command"]


@click.command("startapp")
@click.argument("name")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def command(context: CliContext, name: str, directory: Path | None) -> None:
    """Add an app: a package NAME with a models module.

    The folder NAME is created in DIRECTORY (default: the current directory).
    """
    top = (directory or Path()).absolute()
    check_name(name, "an app")
    files = render("app", top, {"name": name, "model": "Item"})
    write(files)
    line = f'APPS = [..., "{_dotted(top / name)}"]'
    context.json({"ok": True, "written": [str(file.path) for file in files], "app": _dotted(top / name)})
    for file in files:
        context.out(f"  {shown_path(file.path)}")
    context.out_lines(f"\nAdd it to the settings:\n  {line}")


def _dotted(package: Path) -> str:
    """Give the dotted name of the package for APPS, relative to the project's directory."""
    for above in package.parents:
        if (above / "manage.py").is_file() or (above / "pyproject.toml").is_file():
            parts = package.relative_to(above).parts
            return ".".join(parts[1:] if parts[0] == "src" else parts)
    return package.name
