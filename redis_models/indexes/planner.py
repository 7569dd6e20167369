"""From the condition and order of a query to its plan. Pure.

What ranges of indexes do not say is left over, and every record is judged by it. Several indexes may serve:
``choices_of`` gives them all, the caller counts their members, and ``decide`` takes the cheapest.
"""

from collections.abc import Sequence
from typing import Any

from ..mapping.mapper import Mapper
from .conditions import AllOf, AnyOf, Condition, Not, Order
from .plan import AnyScan, Choices, KeyScan, Plan, Scan, UsableIndex
from .scans import Scanner

__all__ = ["choices_of", "decide", "simplified"]


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
    scanner = Scanner(mapper, indexes, wanted)
    everything = isinstance(condition, AllOf) and not condition.conditions
    branches = None if everything else scanner.branches(condition)
    walks = scanner.walks(condition) if wanted else ()
    if branches is not None:
        branches = tuple(map(_worthwhile, branches))
        if walks and _in_order([[(1, scan) for scan in branch] for branch in branches], wanted):
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
        sorted_ones = _in_order(sized, choices.orders)
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


def _in_order(
    sized: "Sequence[Sequence[tuple[int, AnyScan]]]", orders: Sequence[Order]
) -> "list[tuple[int, AnyScan]] | None":
    """Give the smallest scan of each branch that has the wanted order, if all are sorted by the same parts."""
    ordered = [
        [(size, scan) for size, scan in branch if isinstance(scan, Scan) and scan.order_start is not None]
        for branch in sized
    ]
    if not ordered:
        return None
    shared = {_fields(scan) for _, scan in ordered[0]}
    for branch in ordered[1:]:
        shared &= {_fields(scan) for _, scan in branch}
    if len(ordered) > 1:  # a field that has one value in each branch is not left out
        wanted = tuple((order.field, order.folds_case) for order in orders)
        shared = {fields for fields in shared if fields[: len(wanted)] == wanted}
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
