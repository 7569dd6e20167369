"""What only the way back uses, in the source of a migration: it may be mended in a file that is applied. Pure.

A way back that stops names a function to be given; its file was applied long ago, and what it did stays as it was.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["nodes_of_way_back", "star_imports"]

_TYPES: Final = (("old", 2), ("new", 3))  # of AlterField, with their places among its arguments
_CONVERT: Final = 5  # arguments of AlterField, of which the last is convert
# Options by operation; any other operation has only the first.
_USUAL: Final = frozenset(["back"])
_OPTIONS: Final = {"SplitField": _USUAL | {"merge"}, "MergeFields": _USUAL | {"split"}}


def nodes_of_way_back(tree: ast.Module) -> list[ast.AST]:
    """Give the options of operations that only the way back uses, and what stands in the file for these alone."""
    calls = [call for node in tree.body for call in _calls_in(node)]
    whole = [call for call in calls if _is_way_back_only(call)]
    options = [*whole, *(keyword for call in calls for keyword in call.keywords if _is_one(call, keyword))]
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
    """Give the modules of ``from module import *``: what it brings may be used by anything, so that it is never left
    out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(one.name == "*" for one in node.names):
            yield f"{'.' * node.level}{node.module or ''}"


def _calls_in(node: ast.stmt) -> Iterator[ast.Call]:
    if isinstance(node, ast.ClassDef) and node.name == "Migration":
        yield from (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _is_way_back_only(call: ast.Call) -> bool:
    """Whether a call is an ``AlterField`` between a type and itself, which only its ``back`` says something about."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    old, new = (named.get(name) or (call.args[place] if len(call.args) > place else None) for name, place in _TYPES)
    is_alike = isinstance(old, ast.Constant) and isinstance(new, ast.Constant) and old.value == new.value
    return _name_of(call) == "AlterField" and is_alike and "convert" not in named and len(call.args) < _CONVERT


def _name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_one(call: ast.Call, keyword: ast.keyword) -> bool:
    return keyword.arg in _OPTIONS.get(_name_of(call), _USUAL)


def _is_for(node: ast.stmt, used: set[str], rest: Iterable[ast.stmt], known: set[int]) -> bool:
    """Whether a statement binds names that what is left out uses, and nothing else does; or a function nobody uses."""
    bound = set(_bound_by(node))
    others = [one for one in rest if one is not node]
    is_candidate = bool(bound) and (bound <= used or isinstance(node, ast.FunctionDef))
    return is_candidate and not bound & set(_names_in(others, known))


def _bound_by(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) if not node.decorator_list:
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (one.asname or one.name.partition(".")[0] for one in names)
        case ast.Assign(targets=targets):
            yield from (one.id for one in targets if isinstance(one, ast.Name))
        case _:
            pass


def _names_in(nodes: Iterable[ast.AST], left_out: Iterable[int]) -> Iterator[str]:
    """Give the names that nodes use, without looking into those that are left out."""
    skipped, pending = set(left_out), list(nodes)
    while pending:
        node = pending.pop()
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Name):
            yield node.id
        pending += ast.iter_child_nodes(node)
