"""Compatibility of types: whether values of one type are stored in the same way as another. Pure.

- A *storage-neutral* change does not change what is stored: an enum gets another member or renames one, an enum becomes
  a Literal of its values, a nested field gets a default, members of a union that look different in JSON change places.
  It does not need a migration; the next migration includes it.
- A *widening* does not change stored bytes, but old code may not read new values: a type becomes optional, a union gets
  a member that looks different from all others in JSON, a nested object gets a field with a default. It only raises the
  version.
- Any other change is a conversion.

Objects in a union are distinguished by a key that is a Literal of one value in each.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from redis_models.errors import SchemaError

from .snapshot import Literal
from .type_resolver import codec_of
from .type_tree import NONE, Atom, Choice, Container, EnumTree, LiteralTree, Object, Tree, parse, stored_values

__all__ = [
    "gets_zone",
    "is_storage_neutral",
    "is_widening",
    "members_of",
    "plain_value",
    "tag_of",
    "variants_of",
    "without_none",
]

_NAIVE: Final = ("datetime", "datetime[naive]")


@lru_cache(maxsize=4096)
def is_storage_neutral(old: str, new: str) -> bool:
    """Whether the change from ``old`` to ``new`` does not need a migration."""
    return _is_stored_alike(old, new) and _reads(parse(old), parse(new), _is_noted)


@lru_cache(maxsize=4096)
def is_widening(old: str, new: str) -> bool:
    """Whether ``new`` reads every stored value of ``old`` unchanged, also if no migration is needed."""
    return _is_stored_alike(old, new) and _reads(parse(old), parse(new), _is_widened)


def without_none(tree: Tree) -> tuple[Tree, ...]:
    """Return the members of a type without None; a type that is not a union is one member."""
    return tuple(member for member in members_of(tree) if member != NONE)


def members_of(tree: Tree) -> tuple[Tree, ...]:
    """Return the members of a union; a type that is not a union is one member."""
    return tree.members if isinstance(tree, Choice) else (tree,)


def gets_zone(old: Tree, new: Tree) -> bool:
    """Whether the only change is that datetimes get a time zone, also in containers."""
    old_members, new_members = without_none(old), without_none(new)
    if len(old_members) != 1 or len(new_members) != 1 or (NONE in members_of(old)) != (NONE in members_of(new)):
        return False
    match old_members[0], new_members[0]:
        case Atom(was), Atom("datetime[aware]"):
            return was in _NAIVE
        case Container() as before, Container() as after if _is_one_kind(before, after):
            pairs = [*zip(before.items, after.items, strict=True)]
            is_kept = before.kind != "dict" or before.items[0] == after.items[0]
            differing = [pair for pair in pairs if pair[0] != pair[1]]
            return is_kept and bool(differing) and all(gets_zone(*pair) for pair in differing)
        case _:
            return False


def _is_one_kind(old: Container, new: Container) -> bool:
    return (old.kind, old.is_variadic, len(old.items)) == (new.kind, new.is_variadic, len(new.items))


def _is_stored_alike(old: str, new: str) -> bool:
    """Whether both are plain text, or both JSON; optional plain text stores the word None differently."""
    before, after = codec_of(old), codec_of(new)
    return before.kind == after.kind and (before.kind != "str" or before.is_optional == after.is_optional)


_Rule = Callable[[Tree, Tree], bool]


def _reads(old: Tree, new: Tree, rule: _Rule) -> bool:
    """Whether each member of one type fits one of another type, by a rule for members that differ."""
    before, after = members_of(old), members_of(new)
    if rule is _is_noted and len(before) != len(after) and stored_values(old) is None:
        return False
    old_values, new_values = stored_values(old), stored_values(new)
    if old_values is not None and new_values is not None:
        return _holds_all(new_values, old_values) and (rule is _is_widened or (NONE in before) == (NONE in after))
    if not _is_told_apart(before, after):
        return False
    return all(
        any(old_member == new_member or rule(old_member, new_member) for new_member in after) for old_member in before
    )


# The kind of JSON of each type; other types may have any kind.
_LOOKS: Final[Mapping[str, str]] = {
    **{name: name for name in ("bool", "float", "int")},  # pydantic tells 5 from 5.0
    **dict.fromkeys(("Decimal", "Fraction", "Path", "SecretBytes", "SecretStr", "UUID", "ZoneInfo", "complex"), "text"),
    **dict.fromkeys(("date", "datetime", "datetime[aware]", "datetime[naive]", "str", "time", "timedelta"), "text"),
    **dict.fromkeys(("bytes", "bytes[hex]", "bytes[utf8]"), "text"),
    **{f"IPv{version}{kind}": "text" for version in (4, 6) for kind in ("Address", "Interface", "Network")},
}
_ALL_LOOKS: Final = frozenset([*_LOOKS.values(), "array", "dict"])


def _is_told_apart(before: Sequence[Tree], after: Sequence[Tree]) -> bool:
    """Whether the members of a union that look alike in JSON are the same as before, in the same order.

    Otherwise pydantic may read a value as another member: a date as text. Objects are distinguished by their keys, if
    these differ.
    """
    return all(
        len(alike := [member for member in after if look in _looks_of(member)]) < 2
        or alike == [member for member in before if look in _looks_of(member)]
        for look in _ALL_LOOKS
    )


def _looks_of(tree: Tree) -> frozenset[str]:
    match tree:
        case Atom("None"):
            return frozenset()
        case Atom(text):
            return frozenset([_LOOKS[text]]) if text in _LOOKS else _ALL_LOOKS
        case Container():
            return frozenset(["dict" if tree.kind == "dict" else "array"])
        case EnumTree() | LiteralTree():
            kinds = {str: "text", bool: "bool", int: "int", float: "float", list: "array", dict: "dict"}
            return frozenset(kinds[type(value)] for value in stored_values(tree) or () if value is not None)
        case Object():
            return frozenset(["object"])
        case _:
            return _ALL_LOOKS


def _holds_all(values: Sequence[Literal], others: Sequence[Literal]) -> bool:
    known = [(type(value), value) for value in values]
    return all((type(value), value) in known for value in others)


def _is_noted(old: Tree, new: Tree) -> bool:
    match old, new:
        case Object(), Object():
            names = [key.name for key in old.keys] == [key.name for key in new.keys]
            return (
                names
                and old.label == new.label
                and all(
                    (before.is_required >= after.is_required) and _reads(before.tree, after.tree, _is_noted)
                    for before, after in zip(old.keys, new.keys, strict=True)
                )
            )
        case _:
            return _is_inside(old, new, _is_noted)


def _is_widened(old: Tree, new: Tree) -> bool:
    match old, new:
        case Object(), Object():
            known = {key.name: key for key in old.keys}
            return (
                old.label == new.label
                and known.keys() <= {key.name for key in new.keys}
                and all(
                    (known[key.name].is_required >= key.is_required)
                    and _reads(known[key.name].tree, key.tree, _is_widened)
                    if key.name in known
                    else not key.is_required
                    for key in new.keys
                )
            )
        case _:
            return _is_inside(old, new, _is_widened)


def _is_inside(old: Tree, new: Tree, rule: _Rule) -> bool:
    """Compare the item types of two containers of one kind, or the values of two enums."""
    match old, new:
        case Container(), Container():
            return _is_one_kind(old, new) and all(
                _reads(old_item, new_item, rule) for old_item, new_item in zip(old.items, new.items, strict=True)
            )
        case (EnumTree() | LiteralTree(), EnumTree() | LiteralTree()):
            return _holds_all(stored_values(new) or (), stored_values(old) or ())
        case _:
            return False


def plain_value(value: Literal) -> str | int | float | None:
    """Return a stored value of an enum or a Literal that can be mapped.

    Raises:
        SchemaError: The value is a list or an object.
    """
    if isinstance(value, (list, dict)):
        raise SchemaError(f"{value!r}: a value that is a list or an object cannot be mapped; use --compute")
    return value


def tag_of(members: Sequence[Tree]) -> str | None:
    """Return the key that holds the tag of the objects of a union, if there is one."""
    objects = [member for member in members if isinstance(member, Object)]
    if len(objects) != len(members) or not objects:
        return None
    for key in objects[0].keys:
        tags = [_tag(object, key.name) for object in objects]
        if None not in tags and len(set(map(repr, tags))) == len(tags):
            return key.name
    return None


def variants_of(tag: str, members: Sequence[Tree]) -> Mapping[str | int | float | None, Object]:
    """Return the objects of a union by their tag."""
    return {plain_value(_tag(member, tag)): member for member in members if isinstance(member, Object)}


def _tag(object: Object, name: str) -> Literal:
    tree = next((key.tree for key in object.keys if key.name == name), None)
    return tree.values[0] if isinstance(tree, LiteralTree) and len(tree.values) == 1 else None
