"""Source edits: change one attribute of a migration file, leaving comments and functions as they are. Pure."""

import ast
from collections.abc import Mapping, Sequence

from redis_models.errors import MigrationFileError

__all__ = ["appended", "with_attribute", "with_reasons"]


def with_attribute(path: str, source: str, name: str, value: str) -> str:
    """Give a file with another value of an attribute of its class ``Migration``.

    Args:
        path: What errors call the file.
        source: Its text.
        name: The attribute.
        value: Python for its value.

    Raises:
        MigrationFileError: The class does not assign it.
    """
    return _replaced(source, _value_of(path, source, name), value)


def with_reasons(path: str, source: str, value: str) -> str:
    """Give a file with other reasons (``allow``), behind its versions where it has none yet.

    Raises:
        MigrationFileError: It has no line of versions.
    """
    try:
        return with_attribute(path, source, "allow", value)
    except MigrationFileError:
        node = _value_of(path, source, "versions")
    end = _offset(source, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return f"{source[:end]}\n    allow = {value}{source[end:]}"


def appended(path: str, source: str, lines: Sequence[str], versions: Mapping[str, int]) -> str:
    """Give a file with more operations at the end of its list, and other versions.

    Raises:
        MigrationFileError: Its ``operations`` or ``versions`` are no literals.
    """
    source = with_attribute(path, source, "versions", repr(dict(sorted(versions.items()))).replace("'", '"'))
    node = _value_of(path, source, "operations")
    if not isinstance(node, ast.List):
        raise MigrationFileError(path, "its operations are no plain list; add the new ones by hand")
    inner = "\n".join(lines)
    if not node.elts:
        return _replaced(source, node, f"[\n{inner}\n    ]")
    end = _offset(source, node.elts[-1].end_lineno or 0, node.elts[-1].end_col_offset or 0)
    rest = source[end:].lstrip()
    rest = rest[1:] if rest.startswith(",") else rest
    closing = "\n    " + rest.lstrip() if rest.lstrip().startswith("]") else rest
    return f"{source[:end]},\n{inner}{closing}"


def _value_of(path: str, source: str, name: str) -> ast.expr:
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            for one in node.body:
                targets = one.targets if isinstance(one, ast.Assign) else []
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    assert isinstance(one, ast.Assign)
                    return one.value
    raise MigrationFileError(path, f"its class Migration has no line '{name} = ...' that could be changed")


def _replaced(source: str, node: ast.expr, text: str) -> str:
    start = _offset(source, node.lineno, node.col_offset)
    end = _offset(source, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return source[:start] + text + source[end:]


def _offset(source: str, line: int, column: int) -> int:
    """Give the place of a line (from 1) and a column in bytes, in characters."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())
