"""Advice: which index to declare for a query that none serves."""

from collections.abc import Collection, Iterable, Sequence
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..errors import NoIndexError, QueryError
from ..indexes.conditions import AllOf, AnyOf, Comparison, Condition, Order
from ..indexes.entries import part_of
from ..indexes.matcher import masked
from ..indexes.plan import EVERYTHING, MOST_BRANCHES, MOST_RANGES, Choices
from ..mapping.mapper import Mapper

__all__ = ["no_index_error", "text_of_query"]

_SERVED: Final = ("==", "in", "<", "<=", ">", ">=", "startswith")


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
    if line is None:
        return QueryError(
            f"{model}: no index can serve {shown}; add a condition with ==, <, >, startswith or one_of, of at most"
            f" {MOST_RANGES} values and {MOST_BRANCHES} alternatives, or read every record with allow_scan=True"
        )
    if allow_scan:
        return QueryError(f"{model}: pages need an index in their order, and none serves {shown}; declare {line}")
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
        for one in _conjuncts(choices.condition)
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
    comparisons = [one for one in _conjuncts(condition) if isinstance(one, Comparison) and one.operator in _SERVED]
    if any(one.field in indexed for one in comparisons):
        return ""
    for one in comparisons:
        if _is_indexable(mapper, one.field):
            return one.field
    for member in _conjuncts(condition):
        if isinstance(member, AnyOf) and (name := _field_to_index(mapper, member, indexed)) is not None:
            return name
    return None


def _conjuncts(condition: Condition) -> Iterable[Condition]:
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


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
