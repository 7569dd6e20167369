"""Values that the application can no longer see after a migration: keys of stored objects, and extra fields. Pure.

Keys stay in the document until it is next written. The application does not see them, and drops them when it saves.
Fields and keys that ``RemoveField`` names are not included.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ..edits.extra_fields import extras_of
from ..operations import AddField, AlterExtras, Operation, RenameField
from ..schema.snapshot import Snapshot
from ..schema.type_compatibility import members_of
from ..schema.type_tree import Atom, Container, Object, Tree, choice_of

__all__ = ["ANY_OTHER", "hidden_extras", "hidden_keys"]

ANY_OTHER: Final = "keys that the new type does not name"
_ARRAYS: Final = ("deque", "frozenset", "list", "set", "tuple")


def hidden_keys(old: Tree, new: Tree) -> tuple[str, ...]:
    """Return the names of keys that objects of ``old`` may have and objects of ``new`` cannot have, sorted.

    Returns:
        Names of keys of objects at any depth; ``ANY_OTHER`` for a dict that becomes an object.
    """
    return tuple(sorted(set(_hidden(members_of(old), members_of(new)))))


def _hidden(old: Sequence[Tree], new: Sequence[Tree]) -> Iterable[str]:
    if any(isinstance(member, Atom) and not _is_plain(member) for member in new):
        return  # Any, or a type of the application: it may hold every key
    yield from _of_objects(old, new)
    for kinds in (_ARRAYS, ("dict",)):
        before, after = _items(old, kinds), _items(new, kinds)
        if before and after:
            yield from _hidden(members_of(choice_of(before)), members_of(choice_of(after)))


def _of_objects(old: Sequence[Tree], new: Sequence[Tree]) -> Iterable[str]:
    before, after = _objects(old), _objects(new)
    if not after or _items(new, ("dict",)):
        return  # no object in the new type, or a dict that accepts all keys
    known = {key.name for object in after for key in object.keys}
    yield from (key.name for object in before for key in object.keys if key.name not in known)
    if _items(old, ("dict",)):
        yield ANY_OTHER
    for name in known:
        old_types = [key.tree for object in before for key in object.keys if key.name == name]
        new_types = [key.tree for object in after for key in object.keys if key.name == name]
        if old_types:
            yield from _hidden(members_of(choice_of(old_types)), members_of(choice_of(new_types)))


def _objects(members: Sequence[Tree]) -> list[Object]:
    return [member for member in members if isinstance(member, Object)]


def _items(members: Sequence[Tree], kinds: Sequence[str]) -> list[Tree]:
    """Return the types of the items of some containers; of dicts, those of the values."""
    containers = [member for member in members if isinstance(member, Container) and member.kind in kinds]
    return [item for each in containers for item in (each.items[1:] if each.kind == "dict" else each.items)]


def _is_plain(atom: Atom) -> bool:
    return not atom.text.startswith(("Alias(", "Any", "Custom(", "Json", "Ref("))


Records = Mapping[str, Mapping[str, bytes]]


def hidden_extras(name: str, before: Snapshot, operations: Sequence[Operation], records: Records) -> Iterator[str]:
    """Yield a line for each kind of extra fields that a migration would hide although no operation names them.

    Args:
        name: Name of the model in ``before``.
        before: The schemas before the migration.
        operations: The operations of the migration.
        records: Sampled records of the model, by their keys.
    """
    model, taken = before.model(name), set[str]()
    known = {key: extras_of(model, record) for key, record in records.items()}
    for operation in operations:
        new = _new_name(operation, name)
        if new is None:
            continue
        taken.add(new)
        holders = [key for key, extras in known.items() if new in extras]
        is_named = isinstance(operation, AddField) and (operation.extra is not None or callable(operation.fill))
        if holders and not is_named:
            what = f"extra field {new!r}, and {operation.describe()!r} takes over its name"
            yield _line(len(holders), len(records), name, what)
    if any(isinstance(other, AlterExtras) and not other.allowed and other.model == name for other in operations):
        holders = [key for key, extras in known.items() if set(extras) - taken]
        if holders:
            names = sorted({extra for extras in known.values() for extra in extras if extra not in taken})
            yield _line(len(holders), len(records), name, f"extra fields ({', '.join(names[:5])})")


def _new_name(operation: Operation, model: str) -> str | None:
    match operation:
        case AddField(owner, new) | RenameField(owner, _, new) if owner == model and "." not in new:
            return new
        case _:
            return None


def _line(count: int, of: int, model: str, what: str) -> str:
    hold = "holds" if count == 1 else "hold"
    return f"{count:,} of {of:,} sampled records of {model} {hold} the {what}"
