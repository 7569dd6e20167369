"""Edits and outlines of the source of a migration file. Pure.

When taking back stops, the message asks for a function in a file that was applied long ago. So options that only taking
back uses do not count in the checksum of the file.
"""

import ast
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from redis_models.errors import MigrationFileError

__all__ = ["appended", "nodes_of_reverse", "outline", "star_imports", "with_attribute", "with_reasons"]


def with_attribute(path: str, source: str, name: str, value: str) -> str:
    """Return the source with another value of an attribute of the class ``Migration``.

    Args:
        path: The file, for errors.
        source: Its text.
        name: The attribute.
        value: Python code of the value.

    Raises:
        MigrationFileError: The class does not assign it.
    """
    return _replaced(source, _value_of(path, source, name), value)


def with_reasons(path: str, source: str, value: str) -> str:
    """Return the source with other reasons (``allow``), which follow the versions if there were none.

    Raises:
        MigrationFileError: It does not set versions.
    """
    try:
        return with_attribute(path, source, "allow", value)
    except MigrationFileError:
        node = _value_of(path, source, "versions")
    end = _offset(source, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return f"{source[:end]}\n    allow = {value}{source[end:]}"


def appended(path: str, source: str, lines: Sequence[str], versions: Mapping[str, int]) -> str:
    """Return the source with more operations at the end of its list, and other versions.

    Raises:
        MigrationFileError: Its ``operations`` or ``versions`` are not literals.
    """
    source = with_attribute(path, source, "versions", repr(dict(sorted(versions.items()))).replace("'", '"'))
    node = _value_of(path, source, "operations")
    if not isinstance(node, ast.List):
        raise MigrationFileError(path, "its operations are not a plain list; add the new ones by hand")
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
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    assert isinstance(statement, ast.Assign)
                    return statement.value
    raise MigrationFileError(path, f"its class Migration does not have a line '{name} = ...' that can be changed")


def _replaced(source: str, node: ast.expr, text: str) -> str:
    start = _offset(source, node.lineno, node.col_offset)
    end = _offset(source, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return source[:start] + text + source[end:]


def _offset(source: str, line: int, column: int) -> int:
    """Return the index in characters of a line (from 1) and a column in bytes."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


_TYPES: Final = (("old", 2), ("new", 3))  # arguments of AlterField, with their indexes

_CONVERT: Final = 5  # arguments of AlterField, of which the last is convert

# Options by operation; all other operations have only the first.
_USUAL: Final = frozenset(["back"])

_OPTIONS: Final = {"SplitField": _USUAL | {"merge"}, "MergeFields": _USUAL | {"split"}}


def nodes_of_reverse(tree: ast.Module) -> list[ast.AST]:
    """Return the options of operations that only the reverse uses, and the code that only these options use."""
    calls = [call for node in tree.body for call in _calls_in(node)]
    whole = [call for call in calls if _is_reverse_only(call)]
    options = [*whole, *(keyword for call in calls for keyword in call.keywords if _is_reverse_option(call, keyword))]
    left_out: list[ast.AST] = list(options)
    used = set(_names_in(options, ()))
    while True:
        known = {id(node) for node in left_out}
        rest = [node for node in tree.body if id(node) not in known]
        alone = [node for node in rest if _is_for(node, used, rest, known)]
        if not alone:
            return left_out
        left_out += alone
        used |= set(_names_in(alone, ()))


def star_imports(tree: ast.Module) -> Iterator[str]:
    """Return the modules of ``from module import *``; their names may be used anywhere, so they are never omitted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{'.' * node.level}{node.module or ''}"


def _calls_in(node: ast.stmt) -> Iterator[ast.Call]:
    if isinstance(node, ast.ClassDef) and node.name == "Migration":
        yield from (child for child in ast.walk(node) if isinstance(child, ast.Call))


def _is_reverse_only(call: ast.Call) -> bool:
    """Whether a call is an ``AlterField`` with equal types, where only ``back`` does something."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    old, new = (named.get(name) or (call.args[place] if len(call.args) > place else None) for name, place in _TYPES)
    is_alike = isinstance(old, ast.Constant) and isinstance(new, ast.Constant) and old.value == new.value
    return _name_of(call) == "AlterField" and is_alike and "convert" not in named and len(call.args) < _CONVERT


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_reverse_option(call: ast.Call, keyword: ast.keyword) -> bool:
    return keyword.arg in _OPTIONS.get(_name_of(call), _USUAL)


def _is_for(node: ast.stmt, used: set[str], rest: Iterable[ast.stmt], known: set[int]) -> bool:
    """Whether a statement binds names that only omitted code uses, or defines an unused function."""
    bound = set(_bound_by(node))
    others = [other for other in rest if other is not node]
    is_candidate = bool(bound) and (bound <= used or isinstance(node, ast.FunctionDef))
    return is_candidate and not bound & set(_names_in(others, known))


def _bound_by(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) if not node.decorator_list:
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case _:
            pass


def _names_in(nodes: Iterable[ast.AST], left_out: Iterable[int]) -> Iterator[str]:
    """Return the names that nodes use, ignoring omitted ones."""
    skipped, pending = set(left_out), list(nodes)
    while pending:
        node = pending.pop()
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Name):
            yield node.id
        pending += ast.iter_child_nodes(node)


_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def outline(node: object, left_out: Container[int] = ()) -> object:
    """Return the outline of a syntax tree, as values with a stable ``repr``.

    Args:
        node: The tree, or a part of it.
        left_out: Omitted parts, by ``id``.
    """
    # Not ast.dump or ast.unparse: their output depends on the version of Python.
    if isinstance(node, list):
        return [outline(child, left_out) for child in cast("list[object]", node) if id(child) not in left_out]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None and name not in ("ctx", "kind")}
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    outlined = {name: outline(value, left_out) for name, value in fields.items()}
    return type(node).__name__, [(name, value) for name, value in outlined.items() if value != []]
