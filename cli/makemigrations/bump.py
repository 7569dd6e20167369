"""``makemigrations --bump``: find and edit the line of a class that declares its version."""

import ast
import inspect
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redis_models.errors import ModelDeclarationError
from redis_models.migrations.autodetector.diff import LowVersion
from redis_models.model import Model
from redis_models.project.imports import shown_path

__all__ = ["VersionLine", "advice", "bump", "find_version"]


@dataclass(frozen=True)
class VersionLine:
    """Where a class declares its version.

    Attributes:
        path: The source file.
        line: From 1.
        start, end: The number's place in the file, in bytes.
        spelling: ``version`` (in class Meta) or ``_version``.
        text: What is written there, around the number.
    """

    path: Path
    line: int
    start: int
    end: int
    spelling: str
    text: str = "%d"


def bump(model: type[Model], low: LowVersion) -> VersionLine:
    """Write the version that a class needs into its source file, atomically.

    Raises:
        ModelDeclarationError: The line cannot be found, or the file cannot be written.
    """
    found = find_version(model) or _place_for_version(model)
    if found is None:
        raise ModelDeclarationError(model.__name__, f"--bump found no line to edit; {_cure(model, low)}")
    source = found.path.read_bytes()
    try:
        number = found.text.encode() % low.needed
        _replace(found.path, source[: found.start] + number + source[found.end :])
    except OSError as exc:
        raise ModelDeclarationError(
            model.__name__, f"--bump cannot write {shown_path(found.path)}: {exc.strerror}; {_cure(model, low)}"
        ) from exc
    return found


def advice(model: type[Model], low: LowVersion) -> str:
    """Say why the version is too low, and which line to write."""
    if low.is_changed:
        verb = "is still" if low.declared == low.stored else "is"
        known = "" if low.declared == low.stored else f", and the migration files have {low.stored}"
        reason = f"its stored shape changed, but its version {verb} {low.declared}{known}"
    else:
        reason = f"its version is {low.declared}, but the migration files have {low.stored}"
    hint = ", or run again with --bump" if find_version(model) or _place_for_version(model) else ""
    return f"{reason}; {_cure(model, low)}{hint}"


def find_version(model: type[Model]) -> VersionLine | None:
    """Find ``version = N`` in a class's Meta, or ``_version = N`` in its body; None if there is no such line."""
    place = _source_of(model)
    if place is None:
        return None
    path, source, body = place
    for spelling, lines in (("_version", body), ("version", _body_of("Meta", body))):
        for number in _numbers(spelling, lines):
            found = _line(path, source, number, spelling)
            if source[found.start : found.end] == b"%d" % model.__options__.version:
                return found
    return None


def _source_of(model: type[Model]) -> tuple[Path, bytes, Sequence[ast.stmt]] | None:
    """Give the file of a class, what is in it, and the body of the class; None if that cannot be read."""
    try:
        path = Path(inspect.getsourcefile(model) or "").resolve()
        source = path.read_bytes()
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    body: Sequence[ast.stmt] = tree.body
    for name in model.__qualname__.split("."):
        body = _body_of(name, body)
    return path, source, body


def _place_for_version(model: type[Model]) -> VersionLine | None:
    """Find the end of a class without a version, or of its Meta; None if a line cannot simply be added there."""
    found = _source_of(model)
    if found is None or not found[2] or any(_assigns("_version", node) for node in found[2]):
        return None
    path, source, body = found
    lines = source.splitlines(keepends=True)
    inner = _body_of("Meta", body)
    if any(_assigns("version", node) for node in inner) or (
        not inner and any(_assigns("Meta", statement) for statement in body)
    ):
        return None
    first, last = (inner or body)[0], (inner or body)[-1]
    indent = lines[first.lineno - 1][: first.col_offset]
    rest = lines[(last.end_lineno or 0) - 1][last.end_col_offset or 0 :]
    if indent.strip() or rest.strip().partition(b"#")[0]:  # "class A(Model): x: int" in one line, or with a semicolon
        return None
    number = (last.end_lineno or 0) + (1 if inner else 3)
    end = sum(map(len, lines[: last.end_lineno]))
    new_line = "\r\n" if rest.endswith(b"\r\n") else "\n"
    before = "" if rest.endswith(b"\n") else new_line
    indent_text = indent.decode()
    if inner:
        return VersionLine(path, number, end, end, "version", f"{before}{indent_text}version = %d{new_line}")
    more = "\t" if "\t" in indent_text else "    "
    text = f"{before}{new_line}{indent_text}class Meta:{new_line}{indent_text}{more}version = %d{new_line}"
    return VersionLine(path, number, end, end, "version", text)


def _assigns(name: str, node: ast.stmt) -> bool:
    """Whether a statement defines a name, or may do so in its body."""
    if isinstance(node, ast.ClassDef):
        return node.name == name and not isinstance(node.body[0], ast.Pass)
    if isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
        return True
    return any(isinstance(child, ast.Name) and child.id == name for child in ast.walk(node))


def _cure(model: type[Model], low: LowVersion) -> str:
    found = find_version(model)
    if found is not None:
        spelling, place = found.spelling, f"{shown_path(found.path)}:{found.line}"
    else:
        is_underscored = "Meta" not in vars(model) and any(
            name in vars(model) for name in ("_redis_prefix", "_auto_save")
        )
        spelling, place = "_version" if is_underscored else "version", _file_of(model)
    where = f"class {model.__name__}" if spelling == "_version" else f"class Meta of {model.__name__}"
    return f"write {spelling} = {low.needed} in {where} ({place})"


def _file_of(model: type[Model]) -> str:
    try:
        return shown_path(inspect.getsourcefile(model) or model.__module__)
    except TypeError:
        return model.__module__


def _body_of(name: str, body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """Give the body of the class of a name; nothing if there are several."""
    found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == name]
    return found[0].body if len(found) == 1 else ()


def _numbers(name: str, body: Sequence[ast.stmt]) -> list[ast.Constant]:
    found: list[ast.Constant] = []
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
        is_named = len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == name
        if is_named and isinstance(value, ast.Constant) and type(value.value) is int:
            found.append(value)
    return found


def _line(path: Path, source: bytes, number: ast.Constant, spelling: str) -> VersionLine:
    before = sum(len(line) for line in source.splitlines(keepends=True)[: number.lineno - 1])
    start, end = before + number.col_offset, before + (number.end_col_offset or number.col_offset)
    return VersionLine(path, number.lineno, start, end, spelling)


def _replace(path: Path, source: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(source)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(path, name)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
