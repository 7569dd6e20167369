"""What a query does, told without doing it: which indexes it reads, how many members they have, what is filtered."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from ..client.commands import RoundTrips, check
from ..indexes.conditions import Condition
from ..indexes.matcher import masked
from ..indexes.plan import Choices, KeyScan, Plan, Scan
from ..mapping.mapper import Mapper
from .advice import text_of_query
from .knowledge import Knowledge

__all__ = ["Candidate", "Explanation", "explanation_of"]


@dataclass(frozen=True)
class Candidate:
    """One way to find records by an index.

    Attributes:
        index: Name of the index; "primary key" where the condition names keys.
        fields: The fields that the index is made of.
        conditions: What its ranges say: conditions as text. None of them: every record.
        filtered: What each record is judged by, as text.
        ranges: How many ranges are read.
        count: How many members they have now, those of records that are gone included.
        is_ordered: Whether its members come in the wanted order.
        is_chosen: Whether the query reads it.
    """

    index: str
    fields: tuple[str, ...]
    conditions: tuple[str, ...]
    filtered: tuple[str, ...]
    ranges: int
    count: int
    is_ordered: bool
    is_chosen: bool

    def __str__(self) -> str:
        what = " & ".join(self.conditions) if self.conditions else "every record"
        name = self.index if self.index == "primary key" else f"index {self.index} ({', '.join(self.fields)})"
        ranges = f", {self.ranges} ranges" if self.ranges != 1 else ""
        text = f"{name}: {what}; {self.count:,} {'member' if self.count == 1 else 'members'}{ranges}"
        return text + (f"; then filtered by {' & '.join(self.filtered)}" if self.filtered else "")


@dataclass(frozen=True)
class Explanation:
    """How a query is answered.

    Attributes:
        query: The conditions and the order, as text.
        candidates: Every way to find the records, and which of them are chosen: one for each branch of ``|``.
        reads_table: Whether every record of the table is read.
        sorts: Whether results are sorted in memory.
        others: How many records have a value without an entry; each is looked at.
        states: The state of each index of the table.
    """

    query: str
    candidates: tuple[Candidate, ...]
    reads_table: bool
    sorts: bool
    others: int
    states: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        chosen = [one for one in self.candidates if one.is_chosen]
        rest = [one for one in self.candidates if not one.is_chosen]
        lines = [self.query or "all records"]
        if self.reads_table:
            lines.append("  reads every record of the table")
        lines += [f"  reads {one}" for one in chosen]
        lines += [f"  not {one}" for one in rest]
        if self.sorts:
            lines.append("  sorts the results in memory")
        if self.others:
            noun = "record" if self.others == 1 else "records"
            lines.append(f"  reads {self.others:,} {noun} with a value that has no entry")
        lines += [f"  index {name} is {state}" for name, state in self.states if state != "ready"]
        return "\n".join(lines)


def explanation_of(
    mapper: Mapper[Any], knowledge: Knowledge, choices: Choices, counts: Iterable[int], plan: Plan
) -> RoundTrips[Explanation]:
    """Tell how a query is answered.

    Args:
        mapper: The model.
        knowledge: What is known of the table's indexes.
        choices: Every way to find the records.
        counts: How many members each of ``choices.scans`` has.
        plan: What was chosen.
    """
    chosen = {id(scan) for scan in plan.scans or ()}
    candidates: list[Candidate] = []
    for scan, count in zip(choices.scans, counts, strict=True):
        if isinstance(scan, KeyScan):
            filtered = _texts(mapper, (scan.condition,))
            candidates.append(
                Candidate("primary key", (mapper.primary_key,), (), filtered, 1, count, False, id(scan) in chosen)
            )
        else:
            candidates.append(_candidate(mapper, scan, count, id(scan) in chosen))
    [others] = check((yield [("ZCARD", mapper.keys.others)]))
    states = tuple(sorted((name, state.partition(" ")[0]) for name, state in knowledge.states.items()))
    query = text_of_query(mapper, choices.condition, choices.orders)
    return Explanation(query, tuple(candidates), plan.scans is None, not plan.is_sorted, cast(int, others), states)


def _candidate(mapper: Mapper[Any], scan: Scan, count: int, is_chosen: bool) -> Candidate:
    return Candidate(
        scan.target.name,
        tuple(part.field for part in scan.target.parts),
        _texts(mapper, scan.served),
        _texts(mapper, scan.left),
        len(scan.ranges),
        count,
        scan.order_start is not None,
        is_chosen,
    )


def _texts(mapper: Mapper[Any], conditions: Iterable[Condition]) -> tuple[str, ...]:
    return tuple(str(masked(one, mapper)) for one in conditions)
