"""Replaces values of enums and literals at any depth of a type. Pure.

The types before and afterwards are compared place by place, so that a value is replaced where its enum lost it, and
stays where another enum still has it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from redis_models.errors import SchemaError

from ..schema.historical_values import HistoricalObject, document_of
from ..schema.snapshot import Literal
from ..schema.type_edit import numbered
from ..schema.type_resolver import codec_of
from ..schema.type_tree import NONE, Choice, Container, Object, Tree, choice_of, parse, stored_values
from .nested_paths import as_key, plain

__all__ = ["EnumPlace", "enum_places", "mapped_between"]

_ARRAYS: Final = ("list", "set", "frozenset", "deque", "tuple")
_SETS: Final = (set, frozenset)
_Mapping = Mapping[tuple[type, object], Literal]


@dataclass(frozen=True)
class EnumPlace:
    """A place in a type that holds values of enums or literals.

    Attributes:
        old_values: Values that it allowed.
        new_values: Values that it allows now.
        others: Other types that it allows now; None if there are none.
    """

    old_values: tuple[Literal, ...]
    new_values: tuple[Literal, ...]
    others: Tree | None

    def loses(self, value: Literal) -> bool:
        """Whether a value is no longer allowed."""
        return _has(self.old_values, value) and not _has(self.new_values, value) and not self._reads(value)

    @property
    def lost(self) -> list[Literal]:
        """Values that are no longer allowed."""
        return [value for value in self.old_values if self.loses(value)]

    def _reads(self, value: Literal) -> bool:
        if self.others is None:
            return False
        try:
            codec_of(f"list[{self.others}]").validate_jsonable([value])
        except (ValueError, TypeError):
            return False
        return True


def enum_places(old: Tree, new: Tree) -> Iterator[EnumPlace]:
    """Return the places of enums in a type, also in containers, keys and objects."""
    place = _place_of(old, new)
    if place.old_values:
        yield place
    for old_part, new_part in _pairs_of(old, new):
        for part, partner in _parts(old_part, new_part):
            yield from enum_places(part, partner)


def mapped_between(old: str, new: str, mapping: _Mapping) -> Callable[[object], object] | None:
    """Return the function that maps values of one type to another; None if no enum in it has a mapped value.

    Args:
        old, new: Canonical texts.
        mapping: New value by kind and old value.
    """
    places = list(enum_places(parse(old), parse(new)))
    if not any(_has(place.old_values, cast(Literal, value)) for place in places for _, value in mapping):
        return None
    lost = frozenset(
        (type(value), value) for place in places for value in place.lost if not isinstance(value, (list, dict))
    )
    return _ValueMapper(mapping, lost).start(parse(old), parse(new))


def _has(values: Iterable[Literal], value: Literal) -> bool:
    return any(type(value) is type(other) and value == other for other in values)


def _members(tree: Tree) -> tuple[Tree, ...]:
    return tree.members if isinstance(tree, Choice) else (tree,)


def _place_of(old: Tree, new: Tree) -> EnumPlace:
    old_values, new_values = (
        tuple(value for member in _members(tree) if member != NONE for value in stored_values(member) or ())
        for tree in (old, new)
    )
    others = [member for member in _members(new) if stored_values(member) is None]
    return EnumPlace(old_values, new_values, choice_of(others) if others else None)


def _pairs_of(old: Tree, new: Tree) -> Iterator[tuple[Container | Object, Container | Object]]:
    """Pair containers and objects of two types, member by member."""
    for member in _members(old):
        partner = _partner(member, _members(new))
        if isinstance(member, (Container, Object)) and partner is not None:
            yield member, partner


def _partner(member: Tree, candidates: Sequence[Tree]) -> Container | Object | None:
    match member:
        case Container():
            alike = [
                candidate
                for candidate in candidates
                if isinstance(candidate, Container) and _is_alike(member, candidate)
            ]
            return next(
                (candidate for candidate in alike if candidate.kind == member.kind), alike[0] if alike else None
            )
        case Object():
            objects = [candidate for candidate in candidates if isinstance(candidate, Object)]
            names = {key.name for key in member.keys}
            same = [other for other in objects if {key.name for key in other.keys} == names]
            return same[0] if same else objects[0] if len(objects) == 1 else None
        case _:
            return None


def _is_alike(old: Container, new: Container) -> bool:
    is_array = old.kind in _ARRAYS and new.kind in _ARRAYS
    return (old.kind == new.kind or is_array) and len(old.items) == len(new.items)


def _parts(old: Container | Object, new: Container | Object) -> Iterator[tuple[Tree, Tree]]:
    if isinstance(old, Container) and isinstance(new, Container):
        yield from zip(old.items, new.items, strict=True)
    elif isinstance(old, Object) and isinstance(new, Object):
        for key in old.keys:
            if (partner := new.key(key.name)) is not None:
                yield key.tree, partner.tree


@dataclass(frozen=True)
class _ValueMapper:
    """A traversal of values of one type.

    Attributes:
        mapping: New value by kind and old value.
        lost: Values that an enum lost; one stays where another enum still has it.
    """

    mapping: _Mapping
    lost: frozenset[tuple[type, object]]

    def start(self, old: Tree, new: Tree) -> Callable[[object], object]:
        return lambda value: self._mapped(old, new, value)

    def _mapped(self, old: Tree, new: Tree, value: object) -> object:
        """Return a value with replaced values in it, or the value itself if there are none."""
        if isinstance(value, dict):
            return self._mapped_dict(old, new, cast("Mapping[object, object]", value))
        if isinstance(value, (list, tuple, deque, *_SETS)):
            return self._mapped_items(old, new, cast("Iterable[object]", value))
        if isinstance(value, HistoricalObject):
            return self._mapped_object(old, new, value)
        return self._mapped_leaf(_place_of(old, new), value)

    def _mapped_leaf(self, place: EnumPlace, value: object) -> object:
        stored = cast(Literal, plain(value))
        if isinstance(stored, (list, dict)) or not _has(place.old_values, stored):
            return value
        kind = type(stored), stored
        is_meant = place.loses(stored) or kind not in self.lost
        return self.mapping[kind] if is_meant and kind in self.mapping else value

    def _mapped_dict(self, old: Tree, new: Tree, value: Mapping[object, object]) -> object:
        for old_part, new_part in _pairs_of(old, new):
            if isinstance(old_part, Container) and isinstance(new_part, Container) and old_part.kind == "dict":
                (key, item), (new_key, new_item) = old_part.items, new_part.items
                keys = [self._mapped(key, new_key, each) for each in value]
                items = [self._mapped(item, new_item, each) for each in value.values()]
                if _is_same(keys, value) and _is_same(items, value.values()):
                    return value
                made = dict(zip(map(as_key, keys), map(plain, items), strict=True))
                if len(made) < len(value):
                    raise ValueError("two of its keys become the same key")
                return made
        return value

    def _mapped_items(self, old: Tree, new: Tree, value: Iterable[object]) -> object:
        for old_part, new_part in _pairs_of(old, new):
            if (
                isinstance(old_part, Container)
                and isinstance(new_part, Container)
                and old_part.kind in _ARRAYS
                and old_part.items
            ):
                items = list(value)
                is_fixed = old_part.kind == "tuple" and not old_part.is_variadic
                if is_fixed and len(items) != len(old_part.items):
                    continue
                trees = (
                    [*zip(old_part.items, new_part.items, strict=True)]
                    if is_fixed
                    else [(old_part.items[0], new_part.items[0])] * len(items)
                )
                made = [self._mapped(before, after, item) for (before, after), item in zip(trees, items, strict=True)]
                return value if _is_same(made, items) else [plain(item) for item in made]
        return value

    def _mapped_object(self, old: Tree, new: Tree, value: HistoricalObject) -> object:
        pairs = [(old_part, new_part) for old_part, new_part in _pairs_of(old, new) if isinstance(old_part, Object)]
        known = [pair for pair in pairs if _is_of(pair[0], value)] or pairs
        if len(known) != 1:
            return value
        old_part, new_part = known[0]
        document = document_of(value)
        made = dict(document)
        for key in old_part.keys:
            partner = new_part.key(key.name) if isinstance(new_part, Object) else None
            if key.name in document and partner is not None:
                made[key.name] = self._mapped(key.tree, partner.tree, document[key.name])
        return (
            value if _is_same(made.values(), document.values()) else {name: plain(item) for name, item in made.items()}
        )


def _is_same(made: Iterable[object], items: Iterable[object]) -> bool:
    return all(result is item for result, item in zip(made, items, strict=True))


def _is_of(tree: Tree, value: HistoricalObject) -> bool:
    try:
        return numbered(str(parse(value.__type_text__))) == numbered(str(tree))
    except SchemaError:
        return False  # a recursive type
