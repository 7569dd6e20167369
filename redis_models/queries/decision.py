"""Decision: which indexes answer a query, or why none does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..client.commands import Command, Reply, RoundTrips, check
from ..errors import IndexNotReadyError, QueryError
from ..indexes.conditions import Condition, Order
from ..indexes.declarations import definitions_of
from ..indexes.plan import EVERYTHING, Choices, KeyScan, Plan, Scan
from ..indexes.planner import choices_of, decide
from ..indexes.scans import usable_indexes
from ..mapping.mapper import Mapper
from ..records.build_indexes import is_usable
from .cursor import Cursor
from .explanation import Explanation, explanation_of, no_index_error
from .knowledge import Knowledge, is_still, learn

__all__ = ["Decision", "Request", "state_of"]


@dataclass(frozen=True)
class Request:
    """What a query asks for.

    Attributes:
        condition: The condition, ``resolved``.
        orders: The order of results, likewise.
        limit: How many to give at most, or None.
        allow_scan: Whether to read every record where no index serves.
    """

    condition: Condition = EVERYTHING
    orders: tuple[Order, ...] = ()
    limit: int | None = None
    allow_scan: bool = False


class Decision:
    """Decides how one query is answered.

    Args:
        mapper: The model.
        request: What is asked for.
        in_order: Whether results are given as they are met, so that they must come in their order.
        cursor: The place to begin behind, in the indexes that it names; None to choose.

    Attributes:
        is_damaged: Whether an index was found damaged, so that none is read.
    """

    def __init__(
        self, mapper: Mapper[Any], request: Request, *, in_order: bool = False, cursor: Cursor | None = None
    ) -> None:
        self._mapper, self._request, self._in_order, self._cursor = mapper, request, in_order, cursor
        self.is_damaged = False

    def plan(self, knowledge: Knowledge) -> RoundTrips[Plan | None]:
        """Give how the query is answered; None if what is known is not so any more.

        Raises:
            QueryError: Nothing answers it; the subclasses say why.
            CursorError: The cursor is of other indexes, or of another query.
        """
        choices = self._choices(knowledge)
        plan = self._plan(choices, None)
        is_other = self._cursor is not None and self._cursor.digest != knowledge.definitions.digest
        if (plan is None or is_other) and not knowledge.is_fresh:
            return None
        if self._cursor is not None:
            self._cursor.check_digest(knowledge.definitions.digest)
            self._cursor.check(plan)
        if plan is not None and plan.scans is not None and _is_open(choices):
            question, *replies = yield [knowledge.question, *_count_commands(self._mapper, choices)]
            if not is_still(knowledge, question):
                return None
            plan = self._plan(choices, _counts(choices, check(replies)))
        if plan is None:
            raise self._refusal(choices, knowledge)
        return plan

    def size(self) -> RoundTrips[int]:
        """Give how many members the plan names, and how many records have values without an entry."""
        choices, counts, plan = yield from self._counted((yield from learn(self._mapper)))
        keys = self._mapper.keys
        if plan.scans is None:
            return cast(int, check((yield [("ZCARD", keys.index)]))[0])
        # As the same objects: two scans of one branch may be equal.
        sizes = {id(scan): count for scan, count in zip(choices.scans, counts, strict=True)}
        others = cast(int, check((yield [("ZCARD", keys.others)]))[0])
        return others + sum(sizes[id(scan)] for scan in plan.scans)

    def explain(self) -> RoundTrips[Explanation]:
        """Tell how the query is answered."""
        knowledge = yield from learn(self._mapper)
        choices, counts, plan = yield from self._counted(knowledge)
        return (yield from explanation_of(self._mapper, knowledge, choices, counts, plan))

    def _counted(self, knowledge: Knowledge) -> RoundTrips[tuple[Choices, list[int], Plan]]:
        """Give the choices, the members that each of their scans has, and the plan."""
        choices = self._choices(knowledge)
        if self._plan(choices, None) is None:
            raise self._refusal(choices, knowledge)
        commands = _count_commands(self._mapper, choices)
        counts = _counts(choices, check((yield commands)) if commands else ())
        plan = self._plan(choices, counts)
        assert plan is not None  # counts decide which, not whether
        return choices, counts, plan

    def _choices(self, knowledge: Knowledge) -> Choices:
        choices = choices_of(self._mapper, knowledge.ready, self._request.condition, self._request.orders)
        return choices if self._cursor is None else self._cursor.narrowed(choices)

    def _plan(self, choices: Choices, counts: Sequence[int] | None) -> Plan | None:
        if not self.is_damaged:
            plan = decide(choices, counts, self._request.limit, in_order=self._in_order)
            if plan is not None:
                return plan
        if choices.is_everything and not choices.orders:
            return Plan(choices.condition, (), None, True)
        if not self._request.allow_scan:
            return None
        if choices.walks and not self.is_damaged:  # every record, but in the wanted order
            return Plan(choices.condition, choices.orders, choices.walks, True)
        if self._in_order and choices.orders:
            return None
        return Plan(choices.condition, choices.orders, None, not choices.orders)

    def _refusal(self, choices: Choices, knowledge: Knowledge) -> QueryError:
        """Give the error of a query that no ready index serves."""
        mapper, request = self._mapper, self._request
        declared = usable_indexes(mapper, definitions_of(mapper))
        for indexes in (knowledge.defined, (*knowledge.defined, *declared)):
            wanted = decide(
                choices_of(mapper, indexes, request.condition, request.orders), None, None, in_order=self._in_order
            )
            for scan in wanted.scans or () if wanted is not None else ():
                if isinstance(scan, Scan) and scan.target not in knowledge.ready:
                    name = scan.target.name
                    return IndexNotReadyError(mapper.model.__name__, name, state_of(knowledge, name))
        indexed = {index.parts[0].field for index in knowledge.ready}
        return no_index_error(mapper, choices, indexed, allow_scan=request.allow_scan)


def _count_commands(mapper: Mapper[Any], choices: Choices) -> list[Command]:
    scans = [(mapper.keys.field_index(scan.target.name), scan) for scan in choices.scans if isinstance(scan, Scan)]
    return [("ZLEXCOUNT", key, b"[" + one.first, b"(" + one.end) for key, scan in scans for one in scan.ranges]


def _counts(choices: Choices, replies: Sequence[Reply]) -> list[int]:
    found = iter(replies)
    return [
        len(scan.values) if isinstance(scan, KeyScan) else sum(cast(int, next(found)) for _ in scan.ranges)
        for scan in choices.scans
    ]


def _is_open(choices: Choices) -> bool:
    """Whether the choice depends on how many members there are."""
    branches = choices.branches or ()
    if any(len(branch) > 1 for branch in branches):
        return True
    is_ordered = all(isinstance(scan, Scan) and scan.order_start is not None for branch in branches for scan in branch)
    return bool(choices.walks) and bool(branches) and not is_ordered


def state_of(knowledge: Knowledge, name: str) -> str:
    """Give the state of an index that cannot be used, in words."""
    if is_usable(knowledge.states.get(name)):
        return "built for other versions of the model"
    return knowledge.states.get(name, "missing").partition(" ")[0]
