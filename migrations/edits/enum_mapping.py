"""Replaces values of enums and literals at all their places in a type. Pure.

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
        held: Values that it allowed.
        known: Values that it allows now.
        others: Other types that it allows now; None if there are none.
    """

    held: tuple[Literal, ...]
    known: tuple[Literal, ...]
    others: Tree | None

    def loses(self, value: Literal) -> bool:
        """Whether a value is no longer allowed."""
        return _has(self.held, value) and not _has(self.known, value) and not self._reads(value)

    @property
    def lost(self) -> list[Literal]:
        """Values that are no longer allowed."""
        return [value for value in self.held if self.loses(value)]

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
    if place.held:
        yield place
    for one, other in _pairs_of(old, new):
        for part, partner in _parts(one, other):
            yield from enum_places(part, partner)


def mapped_between(old: str, new: str, mapping: _Mapping) -> Callable[[object], object] | None:
    """Return the function that maps values of one type to another; None if no enum in it has a mapped value.

    Args:
        old, new: Canonical texts.
        mapping: New value by kind and old value.
    """
    places = list(enum_places(parse(old), parse(new)))
    if not any(_has(place.held, cast(Literal, value)) for place in places for _, value in mapping):
        return None
    lost = frozenset(
        (type(value), value) for place in places for value in place.lost if not isinstance(value, (list, dict))
    )
    return _Walk(mapping, lost).start(parse(old), parse(new))


def _has(values: Iterable[Literal], one: Literal) -> bool:
    return any(type(one) is type(other) and one == other for other in values)


def _members(tree: Tree) -> tuple[Tree, ...]:
    return tree.members if isinstance(tree, Choice) else (tree,)


def _place_of(old: Tree, new: Tree) -> EnumPlace:
    held, known = (
        tuple(value for one in _members(tree) if one != NONE for value in stored_values(one) or ())
        for tree in (old, new)
    )
    others = [one for one in _members(new) if stored_values(one) is None]
    return EnumPlace(held, known, choice_of(others) if others else None)


def _pairs_of(old: Tree, new: Tree) -> Iterator[tuple[Container | Object, Container | Object]]:
    """Pair containers and objects of two types, member by member."""
    for one in _members(old):
        partner = _partner(one, _members(new))
        if isinstance(one, (Container, Object)) and partner is not None:
            yield one, partner


def _partner(one: Tree, candidates: Sequence[Tree]) -> Container | Object | None:
    match one:
        case Container():
            alike = [other for other in candidates if isinstance(other, Container) and _is_alike(one, other)]
            return next((other for other in alike if other.kind == one.kind), alike[0] if alike else None)
        case Object():
            objects = [other for other in candidates if isinstance(other, Object)]
            names = {key.name for key in one.keys}
            same = [other for other in objects if {key.name for key in other.keys} == names]
            return same[0] if same else objects[0] if len(objects) == 1 else None
        case _:
            return None


def _is_alike(one: Container, other: Container) -> bool:
    is_array = one.kind in _ARRAYS and other.kind in _ARRAYS
    return (one.kind == other.kind or is_array) and len(one.items) == len(other.items)


def _parts(one: Container | Object, other: Container | Object) -> Iterator[tuple[Tree, Tree]]:
    if isinstance(one, Container) and isinstance(other, Container):
        yield from zip(one.items, other.items, strict=True)
    elif isinstance(one, Object) and isinstance(other, Object):
        for key in one.keys:
            if (partner := other.key(key.name)) is not None:
                yield key.tree, partner.tree


@dataclass(frozen=True)
class _Walk:
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
        if isinstance(stored, (list, dict)) or not _has(place.held, stored):
            return value
        kind = type(stored), stored
        is_meant = place.loses(stored) or kind not in self.lost
        return self.mapping[kind] if is_meant and kind in self.mapping else value

    def _mapped_dict(self, old: Tree, new: Tree, value: Mapping[object, object]) -> object:
        for one, other in _pairs_of(old, new):
            if isinstance(one, Container) and isinstance(other, Container) and one.kind == "dict":
                (key, item), (new_key, new_item) = one.items, other.items
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
        for one, other in _pairs_of(old, new):
            if isinstance(one, Container) and isinstance(other, Container) and one.kind in _ARRAYS and one.items:
                items = list(value)
                is_fixed = one.kind == "tuple" and not one.is_variadic
                if is_fixed and len(items) != len(one.items):
                    continue
                trees = (
                    [*zip(one.items, other.items, strict=True)]
                    if is_fixed
                    else [(one.items[0], other.items[0])] * len(items)
                )
                made = [self._mapped(before, after, item) for (before, after), item in zip(trees, items, strict=True)]
                return value if _is_same(made, items) else [plain(item) for item in made]
        return value

    def _mapped_object(self, old: Tree, new: Tree, value: HistoricalObject) -> object:
        pairs = [(one, other) for one, other in _pairs_of(old, new) if isinstance(one, Object)]
        known = [pair for pair in pairs if _is_of(pair[0], value)] or pairs
        if len(known) != 1:
            return value
        one, other = known[0]
        document = document_of(value)
        made = dict(document)
        for key in one.keys:
            partner = other.key(key.name) if isinstance(other, Object) else None
            if key.name in document and partner is not None:
                made[key.name] = self._mapped(key.tree, partner.tree, document[key.name])
        return (
            value if _is_same(made.values(), document.values()) else {name: plain(item) for name, item in made.items()}
        )


def _is_same(made: Iterable[object], items: Iterable[object]) -> bool:
    return all(one is other for one, other in zip(made, items, strict=True))


def _is_of(tree: Tree, value: HistoricalObject) -> bool:
    try:
        return numbered(str(parse(value.__type_text__))) == numbered(str(tree))
    except SchemaError:
        return False  # a recursive type
