"""New files of a project: rendered from templates, checked together, then written. Overwrites nothing."""

import errno
import importlib.util
import keyword
import os
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click
import jinja2

from redis_models.project.imports import shown_path

__all__ = ["NewFile", "check_name", "render", "with_gitignore", "with_pyproject", "write"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PACKAGE: Final = "NAME"  # stands for the package's name in the paths of templates
_RESERVED: Final = ("data", "src")  # the embedded server's folder; the folder that is searched for packages
_NAME: Final = 100  # characters; a file's name has 255 bytes
_NO_PATH: Final = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)


@dataclass(frozen=True)
class NewFile:
    """One file to write.

    Attributes:
        path: Its path.
        text: Its content, or the text to add if ``is_addition``.
        is_executable: Whether it is executable, like manage.py.
        is_addition: Whether it is added to the end of an existing file.
    """

    path: Path
    text: str
    is_executable: bool = False
    is_addition: bool = False


def check_name(name: str, what: str) -> None:
    """Refuse a name that cannot be the name of a package.

    Args:
        name: The name that the user gave.
        what: "a project" or "an app".

    Raises:
        click.UsageError: It is not an identifier, is a keyword, or is the name of a module or of a folder of projects.

    Source: ``django.core.management.templates.TemplateCommand.validate_name``; keywords are refused here as well.
    """
    if len(name) > _NAME:
        reason = f"is longer than {_NAME} characters; try a shorter name"
    elif not name.isidentifier():
        reason = "is not an identifier; use letters, digits and underscores, and do not start with a digit"
    elif keyword.iskeyword(name):
        reason = "is a Python keyword; try another name"
    elif name in _RESERVED:
        reason = "is a folder that every project has; try another name"
    elif _is_taken(name):
        reason = "is the name of an existing Python module; try another name"
    else:
        return
    raise click.UsageError(f"{name[:_NAME]!r} cannot be the name of {what}: it {reason}")


def check_path(path: Path) -> None:
    """Refuse a path that no file or folder can have."""
    try:
        path.lstat()
    except OSError as exc:
        if exc.errno in _NO_PATH:
            raise click.UsageError(f"{shown_path(path)} is not a valid path: {exc.strerror}") from exc


def _is_taken(name: str) -> bool:
    """Whether a module with this name exists; a folder without ``__init__.py`` does not count."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # __main__
        return True
    return spec is not None and spec.origin is not None


def render(template: str, directory: Path, values: Mapping[str, str]) -> list[NewFile]:
    """Render every file of one template folder.

    Args:
        template: "project" or "app".
        directory: The folder for the files.
        values: The variables of the templates; ``name`` is the package's name.

    Returns:
        The files, sorted by path.
    """
    root = _TEMPLATES / template
    loader = jinja2.FileSystemLoader(root)
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    files: list[NewFile] = []
    for source in sorted(root.rglob("*.j2")):
        relative = source.relative_to(root)
        text = environment.get_template(relative.as_posix()).render(values)
        parts = [values["name"] if part == _PACKAGE else part for part in relative.with_suffix("").parts]
        path = directory.joinpath(*parts)
        files.append(NewFile(path, text, is_executable=path.name == "manage.py"))
    return files


def with_pyproject(files: Sequence[NewFile]) -> list[NewFile]:
    """Extend an existing pyproject.toml with the table.

    Raises:
        click.ClickException: It has the table already, or cannot be extended.
    """
    return [_pyproject(file) if file.path.name == "pyproject.toml" else file for file in files]


def _pyproject(file: NewFile) -> NewFile:
    if not file.path.exists():
        return file
    shown = shown_path(file.path)
    try:
        old = file.path.read_text("utf-8")
        if "redis_models" in tomllib.loads(old).get("tool", {}):
            raise click.ClickException(f"{shown} already has a table [tool.redis_models]; nothing was written")
        text = f"\n{file.text}" if old.endswith("\n") or not old else f"\n\n{file.text}"
        tomllib.loads(old + text)
    except (OSError, ValueError) as exc:
        raise click.ClickException(
            f"{shown} cannot be extended ({exc}); nothing was written. Correct it first"
        ) from exc
    return replace(file, text=text, is_addition=True)


def with_gitignore(files: Sequence[NewFile]) -> list[NewFile]:
    """Extend an existing .gitignore with the lines, or leave it out if it has them."""
    kept: list[NewFile] = []
    for file in files:
        if file.path.name != ".gitignore" or not file.path.is_file():
            kept.append(file)
            continue
        old = file.path.read_text("utf-8")
        wanted = [line for line in file.text.splitlines() if line and not line.startswith("#")]
        if not {line.strip("/") for line in wanted} <= {line.strip().strip("/") for line in old.splitlines()}:
            gap = "" if old.endswith("\n") or not old else "\n"
            kept.append(replace(file, text=gap + file.text, is_addition=True))
    return kept


def write(files: Sequence[NewFile]) -> None:
    """Write all files, or none if one of them exists.

    Raises:
        click.ClickException: A file exists, or cannot be written; then it lists what was written before.
    """
    in_the_way = [shown_path(file.path) for file in files if not file.is_addition and os.path.lexists(file.path)]
    if in_the_way:
        verb = "exists" if len(in_the_way) == 1 else "exist"
        raise click.ClickException(f"{', '.join(in_the_way)} already {verb}; nothing was written")
    written: list[str] = []
    for file in files:
        try:
            _write(file)
        except OSError as exc:
            if exc.errno in _NO_PATH and not written:
                raise click.UsageError(f"{shown_path(file.path)} is not a valid path: {exc.strerror}") from exc
            before = f" after {', '.join(written)} was written" if written else "; nothing was written"
            raise click.ClickException(f"{shown_path(file.path)} cannot be written: {exc.strerror}{before}") from exc
        written.append(shown_path(file.path))


def _write(file: NewFile) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with file.path.open("a" if file.is_addition else "x", encoding="utf-8", newline="\n") as stream:
        stream.write(file.text)
    if file.is_executable:
        file.path.chmod(file.path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
