"""Compatibility of types: whether values of one type are stored in the same way as another. Pure.

- A *note* changes nothing that is stored: an enum gets another member or renames one, an enum becomes a Literal of its
  values, a nested field gets a default, members of a union that look different in JSON change places. It makes no
  migration; the next one that is made anyway takes it along.
- A *widening* leaves all stored bytes as they are, but new values may be unreadable for old code: a type is made
  optional, a union gets a member that looks like no other, a nested object gets a field with a default. It raises the
  version, and no more.
- Anything else converts.

Members of a union that are objects are told apart by a key that is a Literal of one value in each.
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
    return tuple(one for one in members_of(tree) if one != NONE)


def members_of(tree: Tree) -> tuple[Tree, ...]:
    """Return the members of a union; a type that is not a union is one member."""
    return tree.members if isinstance(tree, Choice) else (tree,)


def gets_zone(old: Tree, new: Tree) -> bool:
    """Whether the only change is that datetimes get a time zone, also in containers."""
    one, other = without_none(old), without_none(new)
    if len(one) != 1 or len(other) != 1 or (NONE in members_of(old)) != (NONE in members_of(new)):
        return False
    match one[0], other[0]:
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
    """Whether both are plain text, or both JSON; plain text that may be None stores the word None differently."""
    before, after = codec_of(old), codec_of(new)
    return before.kind == after.kind and (before.kind != "str" or before.is_optional == after.is_optional)


_Rule = Callable[[Tree, Tree], bool]


def _reads(old: Tree, new: Tree, rule: _Rule) -> bool:
    """Whether each member of one type fits one of another type, by a rule for members that differ."""
    before, after = members_of(old), members_of(new)
    if rule is _is_noted and len(before) != len(after) and stored_values(old) is None:
        return False
    held, known = stored_values(old), stored_values(new)
    if held is not None and known is not None:
        return _holds_all(known, held) and (rule is _is_widened or (NONE in before) == (NONE in after))
    if not _is_told_apart(before, after):
        return False
    return all(any(one == other or rule(one, other) for other in after) for one in before)


# The kind of JSON of each type; other types may have any kind.
_LOOKS: Final[Mapping[str, str]] = {
    **{one: one for one in ("bool", "float", "int")},  # pydantic tells 5 from 5.0
    **dict.fromkeys(("Decimal", "Fraction", "Path", "SecretBytes", "SecretStr", "UUID", "ZoneInfo", "complex"), "text"),
    **dict.fromkeys(("date", "datetime", "datetime[aware]", "datetime[naive]", "str", "time", "timedelta"), "text"),
    **dict.fromkeys(("bytes", "bytes[hex]", "bytes[utf8]"), "text"),
    **{f"IPv{version}{kind}": "text" for version in (4, 6) for kind in ("Address", "Interface", "Network")},
}
_ALL_LOOKS: Final = frozenset([*_LOOKS.values(), "array", "dict"])


def _is_told_apart(before: Sequence[Tree], after: Sequence[Tree]) -> bool:
    """Whether the members of a union that look alike in JSON are those that there were, in the same order.

    Otherwise pydantic may read as one what was written as another: a date as text. Objects are told apart by their
    keys, as far as they are.
    """
    return all(
        len(alike := [one for one in after if look in _looks_of(one)]) < 2
        or alike == [one for one in before if look in _looks_of(one)]
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
            return frozenset(kinds[type(one)] for one in stored_values(tree) or () if one is not None)
        case Object():
            return frozenset(["object"])
        case _:
            return _ALL_LOOKS


def _holds_all(values: Sequence[Literal], others: Sequence[Literal]) -> bool:
    known = [(type(one), one) for one in values]
    return all((type(one), one) in known for one in others)


def _is_noted(old: Tree, new: Tree) -> bool:
    match old, new:
        case Object(), Object():
            names = [one.name for one in old.keys] == [one.name for one in new.keys]
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
            known = {one.name: one for one in old.keys}
            return (
                old.label == new.label
                and known.keys() <= {one.name for one in new.keys}
                and all(
                    (known[one.name].is_required >= one.is_required)
                    and _reads(known[one.name].tree, one.tree, _is_widened)
                    if one.name in known
                    else not one.is_required
                    for one in new.keys
                )
            )
        case _:
            return _is_inside(old, new, _is_widened)


def _is_inside(old: Tree, new: Tree, rule: _Rule) -> bool:
    """Compare what two containers of one kind hold, or the values of two enums."""
    match old, new:
        case Container(), Container():
            return _is_one_kind(old, new) and all(
                _reads(one, other, rule) for one, other in zip(old.items, new.items, strict=True)
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
    objects = [one for one in members if isinstance(one, Object)]
    if len(objects) != len(members) or not objects:
        return None
    for key in objects[0].keys:
        tags = [_tag(one, key.name) for one in objects]
        if None not in tags and len(set(map(repr, tags))) == len(tags):
            return key.name
    return None


def variants_of(tag: str, members: Sequence[Tree]) -> Mapping[str | int | float | None, Object]:
    """Return the objects of a union by their tag."""
    return {plain_value(_tag(one, tag)): one for one in members if isinstance(one, Object)}


def _tag(one: Object, name: str) -> Literal:
    tree = next((key.tree for key in one.keys if key.name == name), None)
    return tree.values[0] if isinstance(tree, LiteralTree) and len(tree.values) == 1 else None
