"""Outlines: what a piece of Python does, without comments, formatting and docstrings. Pure; alike in every Python."""

import ast
from collections.abc import Container
from typing import Final, cast

__all__ = ["outline"]

_DOCUMENTED: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def outline(node: object, left_out: Container[int] = ()) -> object:
    """Give the outline of a tree, of which ``repr`` may be taken.

    Args:
        node: The tree, or a part of it.
        left_out: Parts that do not count, by ``id``.
    """
    # Not ast.dump or ast.unparse: what they leave out, and how they quote, changes with Python.
    if isinstance(node, list):
        return [outline(one, left_out) for one in cast("list[object]", node) if id(one) not in left_out]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if value is not None and name not in ("ctx", "kind")}
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    outlined = {name: outline(value, left_out) for name, value in fields.items()}
    return type(node).__name__, [(name, value) for name, value in outlined.items() if value != []]
