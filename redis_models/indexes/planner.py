"""From the condition and order of a query to ranges of the members of indexes. Pure.

A condition is taken apart into branches of ``|``. Each branch is read by one index, whose leading parts it fixes with
``==`` or ``one_of``, then bounds with one range or walks in the order that is wanted. What ranges do not say is left
over, and every record is judged by it. Several indexes may serve: ``choices_of`` gives them all, the caller counts
their members, and ``decide`` takes the cheapest.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any, Final, NamedTuple, cast

from ..mapping.mapper import Mapper
from .conditions import AllOf, AnyOf, Comparison, Condition, Not, Order
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

__all__ = [
    "EVERYTHING",
    "MOST_BRANCHES",
    "MOST_RANGES",
    "Choices",
    "KeyScan",
    "Plan",
    "Range",
    "Scan",
    "UsableIndex",
    "choices_of",
    "decide",
    "simplified",
    "usable_indexes",
]

MOST_RANGES: Final = 100  # of one index for one branch
MOST_BRANCHES: Final = 8  # of ``|``, each with its own index
EVERYTHING: Final = AllOf(())  # the condition that every record meets
_TEXT_KINDS: Final = frozenset({"str", "jstr"})
_NUMBER_KINDS: Final = frozenset({"int", "jint"})
_BOUNDS: Final = ("<", "<=", ">", ">=")
# Their NaN lies in an index like any value, and equals nothing.
_KINDS_WITH_NAN: Final = frozenset({"float", "decimal"})


class UsableIndex(NamedTuple):
    """An index as this code reads it.

    Attributes:
        name: Its name.
        parts: What it is made of in records of this code's version, with the kinds of this code's types.
        is_unique: Whether each entry is of one record at most.
    """

    name: str
    parts: tuple[Part, ...]
    is_unique: bool


class Range(NamedTuple):
    """Members of an index that lie together.

    Attributes:
        first: Where it begins; included.
        end: Where it ends; excluded.
        skip: How many bytes to leave out of its members for their order to be the wanted one.
        rank: Ranges of a lower rank are read first, whatever their members.
    """

    first: bytes
    end: bytes
    skip: int = 0
    rank: int = 0


class Scan(NamedTuple):
    """How one index finds the records of one branch.

    Attributes:
        target: The index.
        ranges: Its ranges, in ascending order within a rank.
        served: What the ranges were made of.
        left: What they do not say in full, so that each record is judged by it.
        condition: The branch: all that its records meet.
        order_start: How many parts to leave out of members for their order to be the one that is wanted; None where no
            such order is in the index.
        is_descending: Whether the index is read from its end.
        most: How many records it finds at most, or None.
    """

    target: UsableIndex
    ranges: tuple[Range, ...]
    served: tuple[Condition, ...]
    left: tuple[Condition, ...]
    condition: Condition
    order_start: int | None
    is_descending: bool = False
    most: int | None = None

    @property
    def order_parts(self) -> tuple[Part, ...]:
        """The parts that members are sorted by."""
        return self.target.parts[self.order_start or 0 :]


class KeyScan(NamedTuple):
    """The records of one branch, which names their primary keys.

    Attributes:
        values: The primary keys.
        condition: The branch.
    """

    values: tuple[object, ...]
    condition: Condition


AnyScan = Scan | KeyScan


class Choices(NamedTuple):
    """Every way to find the records of a query by indexes.

    Attributes:
        condition: The condition.
        orders: The order that is wanted.
        branches: For each branch of ``|`` the scans that find its records; None where one of them has none.
        walks: Scans of whole indexes in the wanted order, which find every record.
        is_served: Whether indexes serve the condition, or none is needed: then whole indexes may be read.
    """

    condition: Condition
    orders: tuple[Order, ...]
    branches: tuple[tuple[AnyScan, ...], ...] | None
    walks: tuple[Scan, ...]
    is_served: bool

    @property
    def scans(self) -> tuple[AnyScan, ...]:
        """All scans, in one line; ``decide`` takes their counts in this order."""
        return (*(scan for branch in self.branches or () for scan in branch), *self.walks)

    @property
    def is_everything(self) -> bool:
        """Whether every record is wanted."""
        return self.condition == EVERYTHING


class Plan(NamedTuple):
    """How a query is answered.

    Attributes:
        condition: What every record of the answer meets.
        orders: The order that is wanted.
        scans: One for each branch of ``|``; None to read the whole table.
        is_sorted: Whether what is read comes in the wanted order; otherwise it is sorted in memory.
    """

    condition: Condition
    orders: tuple[Order, ...]
    scans: tuple[AnyScan, ...] | None
    is_sorted: bool

    @property
    def is_descending(self) -> bool:
        """Whether indexes are read from their end."""
        return any(isinstance(scan, Scan) and scan.is_descending for scan in self.scans or ())


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


def simplified(condition: Condition, *, is_negated: bool = False) -> Condition:
    """Give a condition in which ``~`` stands before comparisons only, and no ``&`` or ``|`` stands within its own."""
    if isinstance(condition, Not):
        return simplified(condition.condition, is_negated=not is_negated)
    if not isinstance(condition, (AllOf, AnyOf)):
        return Not(condition) if is_negated else condition
    kind = AllOf if isinstance(condition, AllOf) is not is_negated else AnyOf
    members: list[Condition] = []
    for one in condition.conditions:
        member = simplified(one, is_negated=is_negated)
        members += member.conditions if isinstance(member, kind) else (member,)
    return members[0] if len(members) == 1 else kind(tuple(members))


def choices_of(
    mapper: Mapper[Any], indexes: Sequence[UsableIndex], condition: Condition, orders: Sequence[Order]
) -> Choices:
    """Give every way to find the records of a condition.

    Args:
        mapper: The model.
        indexes: Those that may be read.
        condition: What is wanted; its values are of the fields' types.
        orders: How it is to be sorted.
    """
    wanted, condition = tuple(orders), simplified(condition)
    planner = _Planner(mapper, indexes, wanted)
    everything = isinstance(condition, AllOf) and not condition.conditions
    branches = None if everything else planner.branches(condition)
    walks = planner.walks(condition) if wanted else ()
    if branches is not None:
        branches = tuple(map(_worthwhile, branches))
        if walks and _in_order([[(1, scan) for scan in branch] for branch in branches]):
            walks = ()  # which find more, in the same order
    return Choices(condition, wanted, branches, walks, everything or branches is not None)


def decide(choices: Choices, counts: Sequence[int] | None, limit: int | None, *, in_order: bool = False) -> Plan | None:
    """Take the cheapest of some choices.

    Args:
        choices: The choices.
        counts: How many members each of ``choices.scans`` has; None takes the first ones.
        limit: How many records are wanted, or None.
        in_order: Whether results must come out in their order, record by record, because they are not all kept.

    Returns:
        The plan; None where no index serves the condition, or the order.
    """
    if not choices.orders and choices.branches is not None and len(choices.branches) == 1 == len(choices.branches[0]):
        return Plan(choices.condition, (), choices.branches[0], True)
    sizes = [1] * len(choices.scans) if counts is None else list(counts)
    plans = list(_plans(choices, sizes, limit))
    fit = [(cost, place, plan) for place, (cost, plan) in enumerate(plans) if plan.is_sorted or not in_order]
    return min(fit, key=lambda one: one[:2])[2] if fit else None


def _plans(choices: Choices, sizes: Sequence[int], limit: int | None) -> "list[tuple[float, Plan]]":
    """Give plans with the number of members that each is expected to read."""
    found: list[tuple[float, Plan]] = []
    places = iter(sizes)
    sized = [[(next(places), scan) for scan in branch] for branch in choices.branches or ()]
    walks = [(next(places), scan) for scan in choices.walks]
    fewest = sum(min(size for size, _ in branch) for branch in sized) if sized else None
    if choices.branches is not None:
        sorting = [min(branch, key=lambda one: one[0]) for branch in sized]
        sorted_ones = _in_order(sized)
        if sorted_ones is not None:
            found.append(_plan(choices, sorted_ones, limit if choices.orders else None, fewest, is_sorted=True))
        if choices.orders and _may_sort(choices, sorting):
            found.append(_plan(choices, sorting, None, fewest, is_sorted=False))
        if not choices.orders and sorted_ones is None:
            found.append(_plan(choices, sorting, None, fewest, is_sorted=True))
    if choices.orders and choices.is_served:
        found += [_plan(choices, [walk], limit, fewest, is_sorted=True) for walk in walks]
    return found


def _plan(
    choices: Choices,
    scans: "Sequence[tuple[int, AnyScan]]",
    limit: int | None,
    fewest: int | None,
    *,
    is_sorted: bool,
) -> tuple[float, Plan]:
    size = sum(size for size, _ in scans)
    # Of those that are read, about as many are wanted as the best index says there are.
    share = 1.0 if fewest is None else max(fewest, 1) / max(size, 1)
    cost = float(size) if limit is None else min(float(size), limit / share)
    chosen = tuple(scan for _, scan in scans)
    return cost, Plan(choices.condition, choices.orders, chosen, is_sorted)


def _in_order(sized: "Sequence[Sequence[tuple[int, AnyScan]]]") -> "list[tuple[int, AnyScan]] | None":
    """Give the smallest scan of each branch that has the wanted order, if all are sorted by the same parts."""
    ordered = [
        [(size, scan) for size, scan in branch if isinstance(scan, Scan) and scan.order_start is not None]
        for branch in sized
    ]
    shared = set.intersection(*({_fields(scan) for _, scan in branch} for branch in ordered)) if ordered else set()
    best: list[tuple[int, AnyScan]] | None = None
    for fields in sorted(shared, key=lambda one: (len(one), one)):
        chosen = [
            min((one for one in branch if _fields(one[1]) == fields), key=lambda one: one[0]) for branch in ordered
        ]
        if best is None or sum(size for size, _ in chosen) < sum(size for size, _ in best):
            best = [*chosen]
    return best


def _may_sort(choices: Choices, scans: "Sequence[tuple[int, AnyScan]]") -> bool:
    """Whether results may be sorted in memory: the order is in some index, or there are few of them."""
    if choices.walks or any(isinstance(scan, Scan) and scan.order_start is not None for scan in choices.scans):
        return True
    return all(isinstance(scan, KeyScan) or scan.most is not None for _, scan in scans)


def _fields(scan: Scan) -> tuple[tuple[str, bool], ...]:
    return tuple((part.field, part.folds_case) for part in scan.order_parts)


def _worthwhile(branch: "Sequence[AnyScan]") -> "tuple[AnyScan, ...]":
    """Leave out scans that another one of the branch beats whatever the counts."""
    if len(branch) == 1:
        return tuple(branch)
    kept: list[AnyScan] = []
    # Of those that beat each other the last one stays: that with the fewest parts.
    candidates = sorted(branch, key=lambda scan: -len(scan.target.parts) if isinstance(scan, Scan) else 0)
    for place, scan in enumerate(candidates):
        if not any(_beats(rival, scan) for rival in (*kept, *candidates[place + 1 :])):
            kept.append(scan)
    return tuple(kept)


def _beats(rival: AnyScan, scan: AnyScan) -> bool:
    if isinstance(scan, KeyScan):
        return False
    if isinstance(rival, KeyScan) or (rival.most is not None and scan.most is None):
        return True
    if rival.order_start is None and scan.order_start is not None:
        return False
    return len(rival.served) >= len(scan.served) and all(one in rival.served for one in scan.served)


class _Planner:
    """What the scans of one query are made with."""

    __slots__ = ("indexes", "mapper", "orders")

    def __init__(self, mapper: Mapper[Any], indexes: Sequence[UsableIndex], orders: tuple[Order, ...]) -> None:
        self.mapper, self.indexes, self.orders = mapper, indexes, orders

    def branches(self, condition: Condition) -> "tuple[tuple[AnyScan, ...], ...] | None":
        """Give the scans of each branch; None where one of them has none."""
        if isinstance(condition, AnyOf):
            return self._spread((), condition)
        return self._branches(_conjuncts(condition), _conjuncts(condition))

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
            inner = _conjuncts(option)
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
        start, spans = (0, [(first, end)]) if not self.orders else self._ordered(index, fixed, (first, end))
        prefixes = [(beginning(entries), len(beginning(entries[:start])) if start else 0) for entries in chosen]
        made = [
            Range(prefix + low, prefix + high, skip, rank)
            for rank, (low, high) in enumerate(spans)
            for prefix, skip in prefixes
            if low < high
        ]
        is_hit = index.is_unique and is_whole and all(NONE not in one.entries for one in fixed)
        return Scan(
            index,
            tuple(made),
            tuple(served),
            tuple([one for one in _conjuncts(condition) if id(one) not in exact]),
            condition,
            start,
            bool(self.orders) and start is not None and any(order.is_descending for order in self.orders),
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

    def _ordered(
        self, index: UsableIndex, fixed: "Sequence[_Fixed]", bound: tuple[bytes, bytes]
    ) -> "tuple[int | None, list[tuple[bytes, bytes]]]":
        """Give from which part on the members of an index are sorted as is wanted, and the ranges of each rank."""
        single = [one for one in fixed if len(one.entries) == 1 and one.is_exact]
        settled = {part.field for part, one in zip(index.parts, fixed, strict=False) if one in single}
        wanted = [order for order in self.orders if order.field not in settled]
        if len({order.is_descending for order in wanted}) > 1:
            return None, [bound]
        leading = next((place for place, one in enumerate(fixed) if one not in single), len(fixed))
        for start in dict.fromkeys((len(fixed), leading)):
            parts = index.parts[start : start + len(wanted)]
            if len(parts) < len(wanted) or any(
                part.field != order.field or part.folds_case != order.folds_case
                for part, order in zip(parts, wanted, strict=True)
            ):
                continue
            apart = [order for part, order in zip(parts, wanted, strict=True) if _sets_none_apart(part, order)]
            if not apart:
                return start, [bound]
            if apart == wanted[:1] and start == len(fixed):
                none, rest = (NONE + b"\0", successor(NONE + b"\0")), (successor(NONE), b"\xff")
                spans = [_common(bound, one) for one in ((none, rest) if apart[0].is_none_first else (rest, none))]
                return start, spans
        return None, [bound]

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


def _conjuncts(condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


def _sets_none_apart(part: Part, order: Order) -> bool:
    """Whether records with None are wanted elsewhere than they are in the index, where None is the smallest."""
    return part.is_optional and order.is_none_first is order.is_descending


def _common(one: tuple[bytes, bytes], other: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return max(one[0], other[0]), min(one[1], other[1])


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
