"""How indexes serve a condition: the ranges of their members that it leaves, in which order they come, and what the
ranges do not say. Pure.

A condition is taken apart into branches of ``|``. Each branch is read by one index, whose leading parts it fixes with
``==`` or ``one_of``; the next part is bounded by one range, or read in the order that is wanted.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Final, NamedTuple, cast

from ..mapping.mapper import Mapper
from .conditions import AllOf, AnyOf, Comparison, Condition, Order
from .definitions import Definitions, Part
from .entries import (
    LONGEST_TEXT,
    NONE,
    Entry,
    Operator,
    beginning,
    beginning_of_text,
    bounds,
    entry_of,
    part_of,
    successor,
)
from .plan import MOST_BRANCHES, MOST_RANGES, AnyScan, KeyScan, Range, Scan, UsableIndex

__all__ = ["Scanner", "conjuncts", "usable_indexes"]

_TEXT_KINDS: Final = frozenset({"str", "jstr"})
_NUMBER_KINDS: Final = frozenset({"int", "jint"})
_BOUNDS: Final = ("<", "<=", ">", ">=")
# Their NaN lies in an index like any value, and equals nothing.
_KINDS_WITH_NAN: Final = frozenset({"float", "decimal"})


def usable_indexes(mapper: Mapper[Any], definitions: Definitions) -> tuple[UsableIndex, ...]:
    """Give the indexes that this code can read: their values are of the types that its model has.

    Hooks of a model may store anything, so that nothing is known of what their bytes mean.
    """
    if mapper.hooks:
        return ()
    found: list[UsableIndex] = []
    for index in definitions.indexes:
        shape = index.parts_at(mapper.version)
        parts = [_own_part(mapper, part) for part in shape or ()]
        if shape is not None and None not in parts:
            found.append(UsableIndex(index.name, tuple(part for part in parts if part is not None), index.is_unique))
    return tuple(found)


class Scanner:
    """What the scans of one query are made with."""

    __slots__ = ("indexes", "mapper", "orders")

    def __init__(self, mapper: Mapper[Any], indexes: Sequence[UsableIndex], orders: tuple[Order, ...]) -> None:
        self.mapper, self.indexes, self.orders = mapper, indexes, orders

    def branches(self, condition: Condition) -> "tuple[tuple[AnyScan, ...], ...] | None":
        """Give the scans of each branch; None where one of them has none."""
        if isinstance(condition, AnyOf):
            return self._spread((), condition)
        return self._branches(conjuncts(condition), conjuncts(condition))

    def _branches(
        self, members: tuple[Condition, ...], inner: tuple[Condition, ...]
    ) -> "tuple[tuple[AnyScan, ...], ...] | None":
        """Give the scans of each branch of all of ``members``, if need be by taking apart the ``|`` among ``inner``."""
        if scans := self._scans(members):
            return (scans,)
        for member in inner:
            if isinstance(member, AnyOf):
                found = self._spread(tuple(one for one in members if one is not member), member)
                if found is not None:
                    return found
        return None

    def _spread(self, rest: tuple[Condition, ...], options: AnyOf) -> "tuple[tuple[AnyScan, ...], ...] | None":
        """Give the scans of each option, together with what all of them have in common.

        What they have in common has no index, so each option must have one of its own.
        """
        found: list[tuple[AnyScan, ...]] = []
        for option in options.conditions:
            inner = conjuncts(option)
            branches = self._branches((*rest, *inner), inner)
            if branches is None or len(found) + len(branches) > MOST_BRANCHES:
                return None
            found += branches
        return tuple(found)

    def walks(self, condition: Condition) -> tuple[Scan, ...]:
        """Give scans of whole indexes in the wanted order."""
        first = self.orders[0].field
        scans = [self._scan(index, (), condition) for index in self.indexes if index.parts[0].field == first]
        ordered = [scan for scan in scans if scan.order_start is not None]
        # Those with more parts than the order sort records that are equal by it by these, not by their primary keys.
        fewest = min((len(scan.target.parts) for scan in ordered), default=0)
        return tuple(scan for scan in ordered if len(scan.target.parts) == fewest)[:1]

    def _scans(self, members: tuple[Condition, ...]) -> "tuple[AnyScan, ...]":
        condition = members[0] if len(members) == 1 else AllOf(members)
        comparisons = [member for member in members if isinstance(member, Comparison)]
        for one in comparisons:
            if one.field == self.mapper.primary_key and one.operator in ("==", "in"):
                values = cast("tuple[object, ...]", one.value) if one.operator == "in" else (one.value,)
                return (KeyScan(values, condition),)
        fields = {one.field for one in comparisons}
        found = [self._scan(one, comparisons, condition) for one in self.indexes if one.parts[0].field in fields]
        return tuple(scan for scan in found if scan.served)

    def _scan(self, index: UsableIndex, comparisons: Sequence[Comparison], condition: Condition) -> Scan:
        """Give how an index serves some comparisons, if need be by a range of everything."""
        fixed: list[_Fixed] = []
        ranges = 1
        for part in index.parts:
            found = self._fixed(part, comparisons, MOST_RANGES // max(ranges, 1))
            if found is None:
                break
            fixed.append(found)
            ranges *= len(found.entries)
        chosen = list(product(*(one.entries for one in fixed)))
        served: list[Condition] = [one.comparison for one in fixed]
        exact = {id(one.comparison) for one in fixed if one.is_exact}
        first, end = b"", b"\xff"
        is_whole = len(fixed) == len(index.parts)
        if not is_whole:
            first, end, bounding = self._bounds(index.parts[len(fixed)], comparisons)
            served += [one.comparison for one in bounding]
            exact |= {id(one.comparison) for one in bounding if one.is_exact}
        order = _AS_IT_LIES if not self.orders else self._ordered(index, fixed)
        start, made = order.start, list[Range]()
        for entries in chosen:
            prefix, skip = beginning(entries), len(beginning(entries[:start])) if start else 0
            for rank, (low, high) in enumerate(order.spans):
                low, high = max(first, low), min(end, high)
                if low < high:
                    made.append(Range(prefix + low, prefix + high, skip, order.rank_of(entries, rank)))
        made.sort(key=lambda one: one.rank)
        is_hit = index.is_unique and is_whole and all(NONE not in one.entries for one in fixed)
        return Scan(
            index,
            tuple(made),
            tuple(served),
            tuple([one for one in conjuncts(condition) if id(one) not in exact]),
            condition,
            start,
            order.is_descending,
            len(made) if is_hit else None,
        )

    def _fixed(self, part: Part, comparisons: Sequence[Comparison], most: int) -> "_Fixed | None":
        """Give the entries that a part may have, if a comparison names them."""
        for operator in ("==", "in"):
            for one in comparisons:
                if one.field != part.field or one.operator != operator or one.folds_case != part.folds_case:
                    continue
                values = cast("tuple[object, ...]", one.value) if operator == "in" else (one.value,)
                entries = [entry for value in values if (entry := self._entry(part, value)) is not None]
                texts = sorted({entry.text for entry in entries})
                if len(entries) == len(values) and len(texts) <= most:
                    is_cut = any(_may_be_cut(part, entry) for entry in entries)
                    is_exact = not is_cut and (
                        part.kind not in _KINDS_WITH_NAN or all(value == value for value in values)
                    )
                    return _Fixed(one, tuple(texts), is_exact)
        return None

    def _bounds(self, part: Part, comparisons: Sequence[Comparison]) -> "tuple[bytes, bytes, list[_Fixed]]":
        """Give the range that comparisons leave of one part, and those comparisons."""
        first, end = b"", b"\xff"
        used: list[_Fixed] = []
        for one in comparisons:
            if one.field != part.field or one.folds_case != part.folds_case:
                continue
            if one.operator == "startswith" and part.kind in _TEXT_KINDS:
                text = beginning_of_text(part, cast(str, one.value))
                low, high = text, successor(text)
                is_exact = not _may_be_cut(part, Entry(text))
            elif one.operator in _BOUNDS and (entry := self._entry(part, one.value)) is not None:
                low, high = bounds(part, cast(Operator, one.operator), entry)
                is_exact = not _may_be_cut(part, entry) and part.kind not in _KINDS_WITH_NAN
            else:
                continue
            first, end = max(first, low), min(end, high)
            used.append(_Fixed(one, (), is_exact))
        return first, end, used

    def _ordered(self, index: UsableIndex, fixed: "Sequence[_Fixed]") -> "_Arrangement":
        """Give how the members of an index are sorted as is wanted."""
        single = {part.field for part, one in zip(index.parts, fixed, strict=False) if one.has_one_value}
        # Fields of one value do not sort the records of this branch, but they do beside those of another one.
        for orders in (self.orders, tuple(order for order in self.orders if order.field not in single)):
            for start in range(len(fixed), -1, -1):
                found = _arrangement(index.parts[start : start + len(orders)], orders, start, len(fixed))
                if found is not None:
                    return found if orders else found._replace(is_descending=self.orders[-1].is_descending)
        return _UNSORTED

    def _entry(self, part: Part, value: object) -> Entry | None:
        try:
            return entry_of(part, self.mapper.field(part.field).codec, value)
        except (ValueError, TypeError):
            return None


class _Fixed(NamedTuple):
    """What a comparison says of a part.

    Attributes:
        comparison: The comparison.
        entries: The entries that the part may have, where it names them.
        is_exact: Whether every record with such an entry meets the comparison.
    """

    comparison: Comparison
    entries: tuple[bytes, ...]
    is_exact: bool

    @property
    def has_one_value(self) -> bool:
        """Whether all records with these entries have the same value."""
        return len(self.entries) == 1 and self.is_exact


class _Arrangement(NamedTuple):
    """How the members of an index are sorted.

    Attributes:
        start: How many parts to leave out for the wanted order; None where the index does not have it.
        is_descending: Whether the index is read from its end.
        spans: The ranges of the first part that is not fixed, one a rank.
        none_rank: Rank of ranges whose part at ``start`` is fixed to None, where None is apart; 1 or 0, and the others
            have the other one. None where it is not.
    """

    start: int | None
    is_descending: bool = False
    spans: tuple[tuple[bytes, bytes], ...] = ((b"", b"\xff"),)
    none_rank: int | None = None

    def rank_of(self, entries: Sequence[bytes], rank: int) -> int:
        """Give the rank of a range, by the entries of its fixed parts and the rank of its span."""
        if self.none_rank is None or self.start is None:
            return rank
        return self.none_rank if entries[self.start] == NONE else 1 - self.none_rank


_AS_IT_LIES: Final = _Arrangement(0)
_UNSORTED: Final = _Arrangement(None)


def _arrangement(parts: Sequence[Part], orders: Sequence[Order], start: int, fixed: int) -> _Arrangement | None:
    """Give how the parts of an index from ``start`` on have an order; None if they do not."""
    if len(parts) < len(orders) or len({order.is_descending for order in orders}) > 1:
        return None
    pairs = list(zip(parts, orders, strict=True))
    if any(part.field != order.field or part.folds_case != order.folds_case for part, order in pairs):
        return None
    is_descending = bool(orders) and orders[0].is_descending
    apart = [place for place, (part, order) in enumerate(pairs) if _sets_none_apart(part, order)]
    if not apart:
        return _Arrangement(start, is_descending)
    if apart != [0]:
        return None
    is_first = orders[0].is_none_first
    if start < fixed:
        return _Arrangement(start, is_descending, none_rank=0 if is_first else 1)
    none, rest = (NONE + b"\0", successor(NONE + b"\0")), (successor(NONE), b"\xff")
    return _Arrangement(start, is_descending, (none, rest) if is_first else (rest, none))


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """Give the conditions that all must be met."""
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


def _sets_none_apart(part: Part, order: Order) -> bool:
    """Whether records with None are wanted elsewhere than they are in the index, where None is the smallest."""
    return part.is_optional and order.is_none_first is order.is_descending


def _may_be_cut(part: Part, entry: Entry) -> bool:
    """Whether longer texts than this have the same entry."""
    if part.kind not in _TEXT_KINDS or len(entry.text) <= LONGEST_TEXT:
        return False
    return entry.is_cut or bounds(part, ">", entry)[0] == beginning([entry.text])


def _own_part(mapper: Mapper[Any], part: Part) -> Part | None:
    """Give a part with the kind that this code's type has; None where its values would have other entries."""
    if part.field not in mapper.names:
        return None
    field = mapper.field(part.field)
    if field.source is not None:
        return None
    try:
        own = part_of(part.field, field.codec, folds_case=part.folds_case)
    except TypeError:
        return None
    same = own.kind == part.kind or any({own.kind, part.kind} <= kinds for kinds in (_TEXT_KINDS, _NUMBER_KINDS))
    return own if same else None
