"""What a query does, told without doing it; and which index to declare for one that none serves."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

from ..client.commands import RoundTrips, check
from ..errors import NoIndexError, QueryError
from ..indexes.conditions import AnyOf, Comparison, Condition, Order
from ..indexes.entries import part_of
from ..indexes.matcher import masked
from ..indexes.plan import EVERYTHING, MOST_BRANCHES, MOST_RANGES, Choices, KeyScan, Plan, Scan
from ..indexes.scans import conjuncts
from ..mapping.mapper import Mapper
from .knowledge import Knowledge

__all__ = ["Candidate", "Explanation", "explanation_of", "no_index_error", "text_of_query"]

_SERVED: Final = ("==", "in", "<", "<=", ">", ">=", "startswith")


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


def no_index_error(mapper: Mapper[Any], choices: Choices, indexed: Collection[str], *, allow_scan: bool) -> QueryError:
    """Give the error of a query that no index serves; it names the line that declares one, if there is such an index.

    Args:
        mapper: The model.
        choices: What the query asks for.
        indexed: The fields that begin an index.
        allow_scan: Whether the query may read every record.
    """
    model, shown = mapper.model.__name__, text_of_query(mapper, choices.condition, choices.orders)
    if mapper.hooks:
        return QueryError(
            f"{model}: it overrides {' and '.join(mapper.hooks)}, so no index serves {shown}; read every record with"
            " allow_scan=True"
        )
    line = _line(mapper, choices, indexed)
    if allow_scan:
        cure = f"declare {line}" if line else "leave out the order"
        return QueryError(f"{model}: pages need an index in their order, and none serves {shown}; {cure}")
    if line is None:
        return QueryError(
            f"{model}: no index can serve {shown}; add a condition with ==, <, >, startswith or one_of, of at most"
            f" {MOST_RANGES} values and {MOST_BRANCHES} alternatives, or read every record with allow_scan=True"
        )
    return NoIndexError(model, shown, line)


def text_of_query(mapper: Mapper[Any], condition: Condition, orders: Sequence[Order] = ()) -> str:
    """Give the condition and the order of a query as people write them; "" for all records. Secrets are asterisks."""
    parts = [] if condition == EVERYTHING else [str(masked(condition, mapper))]
    if orders:
        parts.append(f"order_by({', '.join(map(str, orders))})")
    return ", ".join(parts)


def _line(mapper: Mapper[Any], choices: Choices, indexed: Collection[str]) -> str | None:
    if choices.branches is None and not choices.is_everything:
        name = _field_to_index(mapper, choices.condition, indexed)
        return _field_line(mapper, name) if name else None
    # The condition has an index, and the order has not.
    if len({order.is_descending for order in choices.orders}) > 1:
        return None
    wanted = [order.field for order in choices.orders]
    fixed = [
        one.field
        for one in conjuncts(choices.condition)
        if isinstance(one, Comparison) and one.operator == "==" and one.field not in wanted
    ]
    fields = tuple(dict.fromkeys((*fixed[:3], *wanted)))
    if fields == (mapper.primary_key,) or len(fields) > 4:
        return None
    return _field_line(mapper, fields[0]) if len(fields) == 1 else f"'indexes = [{fields!r}]' in its Meta"


def _field_to_index(mapper: Mapper[Any], condition: Condition, indexed: Collection[str]) -> str | None:
    """Give the field whose index would serve what of a condition is not served; None if none would, "" if all is."""
    if isinstance(condition, AnyOf):
        names = [_field_to_index(mapper, member, indexed) for member in condition.conditions]
        return None if None in names else next((name for name in names if name), "")
    comparisons = [one for one in conjuncts(condition) if isinstance(one, Comparison) and one.operator in _SERVED]
    if any(one.field in indexed for one in comparisons):
        return ""
    for one in comparisons:
        if _is_indexable(mapper, one.field):
            return one.field
    for member in conjuncts(condition):
        if isinstance(member, AnyOf) and (name := _field_to_index(mapper, member, indexed)) is not None:
            return name
    return None


def _is_indexable(mapper: Mapper[Any], name: str) -> bool:
    field = mapper.field(name)
    if field.source is not None or name == mapper.primary_key:
        return False
    try:
        part_of(name, field.codec)
    except TypeError:
        return False
    return True


def _field_line(mapper: Mapper[Any], name: str) -> str:
    info = mapper.model.__pydantic_fields__[name]
    default = ""
    if info.default_factory is not None:
        default = f"default_factory={getattr(info.default_factory, '__name__', '...')}, "
    elif not info.is_required():
        value: object = info.default
        default = f"default={value if hasattr(value, 'name') and hasattr(value, 'value') else repr(value)}, "
    return f"'{name}: {_annotation(info.annotation)} = Field({default}index=True)'"


def _annotation(annotation: object) -> str:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return " | ".join(map(_annotation, get_args(annotation)))
    if annotation in (None, NoneType):
        return "None"
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, get_args(annotation)))}]"
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
