"""Hiding: which keys of stored objects a new type of their field has no place for. Pure.

They stay in the document as long as nobody writes it, but the application does not see them, and drops them when it
saves. What ``RemoveField`` takes away by name is not looked at here.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ..schema.type_compatibility import members_of
from ..schema.type_tree import Atom, Container, Object, Tree, choice_of

__all__ = ["ANY_OTHER", "hidden_keys"]

ANY_OTHER: Final = "keys that the new type does not name"
_ARRAYS: Final = ("deque", "frozenset", "list", "set", "tuple")


def hidden_keys(old: Tree, new: Tree) -> tuple[str, ...]:
    """Name the keys that an object of ``old`` may have and none of ``new`` has, sorted.

    Returns:
        Names of keys, wherever the objects are; ``ANY_OTHER`` for a dict that becomes an object.
    """
    return tuple(sorted(set(_hidden(members_of(old), members_of(new)))))


def _hidden(old: Sequence[Tree], new: Sequence[Tree]) -> Iterable[str]:
    if any(isinstance(one, Atom) and not _is_plain(one) for one in new):
        return  # Any, or a type of the application: it may hold whatever there is
    yield from _of_objects(old, new)
    for kinds in (_ARRAYS, ("dict",)):
        before, after = _items(old, kinds), _items(new, kinds)
        if before and after:
            yield from _hidden(members_of(choice_of(before)), members_of(choice_of(after)))


def _of_objects(old: Sequence[Tree], new: Sequence[Tree]) -> Iterable[str]:
    before, after = _objects(old), _objects(new)
    if not after or _items(new, ("dict",)):
        return  # nothing that takes an object for another, or something that takes them all
    known = {key.name for one in after for key in one.keys}
    yield from (key.name for one in before for key in one.keys if key.name not in known)
    if _items(old, ("dict",)):
        yield ANY_OTHER
    for name in known:
        was = [key.tree for one in before for key in one.keys if key.name == name]
        becomes = [key.tree for one in after for key in one.keys if key.name == name]
        if was:
            yield from _hidden(members_of(choice_of(was)), members_of(choice_of(becomes)))


def _objects(members: Sequence[Tree]) -> list[Object]:
    return [one for one in members if isinstance(one, Object)]


def _items(members: Sequence[Tree], kinds: Sequence[str]) -> list[Tree]:
    """Give what the containers of some kinds hold: the values of dicts."""
    found = [one for one in members if isinstance(one, Container) and one.kind in kinds]
    return [item for one in found for item in (one.items[1:] if one.kind == "dict" else one.items)]


def _is_plain(one: Atom) -> bool:
    return not one.text.startswith(("Alias(", "Any", "Custom(", "Json", "Ref("))
