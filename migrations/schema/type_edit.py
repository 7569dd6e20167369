"""Edits of canonical type text: they change one key in every object to which a path leads. Pure.

A *path* is a list of keys that leads to a key of an object. It passes through optional values, unions, items of lists,
sets and tuples, and values of dicts, without naming them: ``("price",)`` in ``list[Object(price=int)]``.

``type_text`` numbers the labels of recursive types in the order of their first references. After an edit, a text may
have a label twice, or lack the first one; then the labels are numbered again.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from redis_models.errors import SchemaError

from .type_parser import CallNode, ConstantNode, Node, parse_text, parts_of
from .type_tree import Choice, Container, Key, Object, Tree, choice_of, parse, parse_key

__all__ = [
    "key_at",
    "numbered",
    "objects_at",
    "renumbered",
    "with_key",
    "with_renamed_key",
    "with_retyped_key",
    "without_key",
]


@dataclass
class _Label:
    """A label of a recursive type and its places in the text. It grows while the text is read."""

    name: str
    number: int | None = None
    places: list[Node] = field(default_factory=list[Node])


def numbered(text: str) -> str:
    """Return ``text`` with its labels numbered from ``T1``; each ``Ref`` keeps its target."""
    places = [
        (position.start, position.end, label.number)
        for label in _labels_of(text)
        if label.number
        for position in label.places
    ]
    parts, done = list[str](), 0
    for start, end, number in sorted(places):
        parts += [text[done:start], f"'T{number}'"]
        done = end
    return "".join([*parts, text[done:]])


def renumbered(text: str, before: str) -> str:
    """Return ``text``, renumbered if the change from ``before`` added, duplicated or removed a label.

    Otherwise it stays: a generic class counts its arguments first, so the numbers need not begin at one.
    """
    labels, old = ([label.name for label in _labels_of(each)] for each in (text, before))
    return text if sorted(labels) == sorted(old) else numbered(text)


def _labels_of(text: str) -> list[_Label]:
    if "Ref(" not in text:  # a fast path for nearly all texts
        return []
    found: list[_Label] = []
    count = 0
    for label, is_reference in _mentions(parse_text(text), {}):
        if not is_reference:
            found.append(label)
        elif label.number is None:
            label.number = count = count + 1
    return found


def _mentions(node: Node, known: Mapping[str, _Label]) -> Iterator[tuple[_Label, bool]]:
    """Return labels and references in the order of the text."""
    if not node.has_reference:
        return
    match node:
        case CallNode(name="Ref", items=(ConstantNode(value=str(name)) as place,)) if name in known:
            known[name].places.append(place)
            yield known[name], True
        case CallNode(name="Object" | "Alias", items=(ConstantNode(value=str(name)) as place, *_)):
            label = _Label(name, places=[place])
            yield label, False
            # If two have the same label, a reference means the inner one.
            yield from _mentions_in(node, {**known, name: label})
        case _:
            yield from _mentions_in(node, known)


def _mentions_in(node: Node, known: Mapping[str, _Label]) -> Iterator[tuple[_Label, bool]]:
    for part in parts_of(node):
        yield from _mentions(part, known)


def key_at(type: str, path: Sequence[str]) -> list[Key]:
    """Return the keys to which a path leads: several in a union of objects, none if there is no such key."""
    return [key for object in objects_at(type, path[:-1]) if (key := object.key(path[-1])) is not None]


def objects_at(type: str, path: Sequence[str]) -> list[Object]:
    """Return the objects to which a path leads; the empty path leads to the objects of the type itself."""
    objects = list(_objects(parse(type)))
    for name in path:
        objects = [inner for object in objects if (key := object.key(name)) is not None for inner in _objects(key.tree)]
    return objects


def with_key(type: str, path: Sequence[str], new_type: str, is_required: bool = True) -> str:
    """Return ``type`` with another key in every object to which ``path[:-1]`` leads.

    Args:
        type: Canonical text.
        path: Keys that lead to the new one; the last is its name.
        new_type: Its type, which may be ``NotRequired[...]``.
        is_required: False also for a key that may be absent.

    Raises:
        SchemaError: There is no object, it is recursive, or it has the key already.
    """
    key = parse_key(path[-1], new_type)
    key = replace(key, is_required=key.is_required and is_required)

    def add(object: Object) -> Object:
        if object.key(key.name) is not None:
            raise SchemaError(f"{_shown(path)}: {object} already has a key {key.name!r}")
        return replace(object, keys=(*object.keys, key))

    return _edited(type, path, add)


def without_key(type: str, path: Sequence[str]) -> str:
    """Return ``type`` without the key to which ``path`` leads, in every object that has it.

    Raises:
        SchemaError: There is no such key, or its object is recursive.
    """
    return _with_changed(type, path, lambda key: None)


def with_renamed_key(type: str, path: Sequence[str], new_name: str) -> str:
    """Return ``type`` with the key to which ``path`` leads renamed, in every object that has it.

    Raises:
        SchemaError: There is no such key, its object is recursive, or it already has the new name.
    """
    return _with_changed(type, path, lambda key: replace(key, name=new_name))


def with_retyped_key(type: str, path: Sequence[str], old_type: str, new_type: str) -> str:
    """Return ``type`` with another type of the key to which ``path`` leads.

    Args:
        type: Canonical text.
        path: Keys that lead to it.
        old_type: Its type before; in a union, only objects whose key has exactly this type change. It has
            ``NotRequired[...]`` if the key may be absent (``Key.text``).
        new_type: Its type afterwards, in the same form.

    Raises:
        SchemaError: There is no such key of that type, or its object is recursive.
    """
    new = parse_key(path[-1], new_type)
    changed = _with_changed(type, path, lambda key: new if key.text == old_type else key)
    if not any(key.text == old_type for key in key_at(type, path)):
        found = ", ".join(sorted({key.text for key in key_at(type, path)}))
        raise SchemaError(f"{_shown(path)}: it is {found!r} here, not {old_type!r}; correct the file")
    return changed


def _with_changed(type: str, path: Sequence[str], change: Callable[[Key], Key | None]) -> str:
    name = path[-1]
    if not key_at(type, path):
        raise SchemaError(f"{_shown(path)}: there is no such key in {type}")

    def edit(object: Object) -> Object:
        key = object.key(name)
        changed = None if key is None else change(key)
        if changed is not None and changed.name != name and object.key(changed.name) is not None:
            raise SchemaError(f"{_shown(path)}: {object} already has a key {changed.name!r}")
        return object.with_key(name, changed)

    return _edited(type, path, edit)


def _edited(type: str, path: Sequence[str], edit: Callable[[Object], Object]) -> str:
    tree = parse(type)
    for name in reversed(path[:-1]):
        edit = functools.partial(_inside, name, edit)
    if not objects_at(type, path[:-1]):
        raise SchemaError(f"{_shown(path)}: the path does not lead to an object in {type}")
    return renumbered(str(_mapped(tree, edit, path)), type)


def _inside(name: str, edit: Callable[[Object], Object], object: Object) -> Object:
    """Edit the objects in one key of an object."""
    keys = (replace(key, tree=_mapped(key.tree, edit, (name,))) if key.name == name else key for key in object.keys)
    return replace(object, keys=tuple(keys))


def _mapped(tree: Tree, edit: Callable[[Object], Object], path: Sequence[str]) -> Tree:
    """Edit the next objects inside of ``tree``."""
    match tree:
        case Object(label=None):
            return edit(tree)
        case Object():
            raise SchemaError(
                f"{_shown(path)}: {tree.label} contains itself, so the path is ambiguous;"
                " use AlterField(..., convert=...) on the whole field"
            )
        case Choice():
            return choice_of(_mapped(member, edit, path) for member in tree.members)
        case Container(kind="dict"):
            return replace(tree, items=(tree.items[0], _mapped(tree.items[1], edit, path)))
        case Container():
            return replace(tree, items=tuple(_mapped(item, edit, path) for item in tree.items))
        case _:
            return tree


def _objects(tree: Tree) -> Iterator[Object]:
    """Yield the next objects inside of ``tree``."""
    match tree:
        case Object():
            yield tree
        case Choice():
            for member in tree.members:
                yield from _objects(member)
        case Container():
            for item in tree.items[1:] if tree.kind == "dict" else tree.items:
                yield from _objects(item)
        case _:
            pass


def _shown(path: Sequence[str]) -> str:
    return ".".join(path)
