"""``startproject NAME [DIR]``: create a project that runs at once, with its own server."""

from operator import attrgetter
from pathlib import Path

import click

from redis_models.project.imports import shown_path

from ..console.context import CliContext
from ..scaffold import check_name, check_path, render, with_gitignore, with_pyproject, write

__all__ = ["command"]


@click.command("startproject")
@click.argument("name")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def command(context: CliContext, name: str, directory: Path | None) -> None:
    """Create a project: manage.py, settings, an example model.

    NAME is the project's package. manage.py is created in DIRECTORY (default: a new folder NAME). An existing
    pyproject.toml or .gitignore is extended; any other existing file is an error.
    """
    top = (directory or Path(name)).absolute()
    check_name(name, "a project")
    check_path(top)
    files = render("project", top, {"name": name}) + render("app", top, {"name": name, "model": "Customer"})
    files = with_gitignore(with_pyproject(sorted(files, key=attrgetter("path"))))
    write(files)
    commands = ["makemigrations", "migrate"] if top != Path.cwd() else ["makemigrations", "migrate", "showmigrations"]
    following = [f"python manage.py {command}" for command in commands]
    if top != Path.cwd():
        following.insert(0, f"cd {shown_path(top)}")
    context.json({"ok": True, "written": [str(file.path) for file in files], "next": following})
    for file in files:
        context.out(f"  {shown_path(file.path)}{' (extended)' if file.is_addition else ''}")
    context.out_lines("\nNext:\n" + "\n".join(f"  {line}" for line in following))
