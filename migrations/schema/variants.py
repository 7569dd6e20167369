"""Variants: the objects of a union, told apart by a key that is a Literal of one value in each. Pure."""

from collections.abc import Mapping, Sequence

from redis_models.errors import SchemaError

from .snapshot import Literal
from .type_tree import LiteralTree, Object, Tree

__all__ = ["plain_value", "tag_of", "variants_of"]


def plain_value(value: Literal) -> str | int | float | None:
    """Give a stored value of an enum or a Literal, which is never a list or an object where it can be named.

    Raises:
        SchemaError: It is one all the same.
    """
    if isinstance(value, (list, dict)):
        raise SchemaError(f"{value!r}: a value that is a list or an object cannot be mapped; use --compute")
    return value


def tag_of(members: Sequence[Tree]) -> str | None:
    """Name the key by whose value several objects of a union are told apart, if there is one."""
    objects = [one for one in members if isinstance(one, Object)]
    if len(objects) != len(members) or not objects:
        return None
    for key in objects[0].keys:
        tags = [_tag(one, key.name) for one in objects]
        if None not in tags and len(set(map(repr, tags))) == len(tags):
            return key.name
    return None


def variants_of(tag: str, members: Sequence[Tree]) -> Mapping[str | int | float | None, Object]:
    """Give the objects of a union by the value of the key that tells them apart."""
    return {plain_value(_tag(one, tag)): one for one in members if isinstance(one, Object)}


def _tag(one: Object, name: str) -> Literal:
    tree = next((key.tree for key in one.keys if key.name == name), None)
    return tree.values[0] if isinstance(tree, LiteralTree) and len(tree.values) == 1 else None
