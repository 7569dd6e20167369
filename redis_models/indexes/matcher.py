"""What a condition means for instances: its values validated, records judged by it, and sorted. Pure.

No index has the last word: every record that an index names is read, and judged here. So a stale entry, and whatever
an entry cannot tell (all of a long text), never gives a wrong record.
"""

import dataclasses
import enum
import operator
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast, get_args, get_origin

from pydantic import BaseModel

from ..encoding.annotations import without_none
from ..encoding.codec import codec_for
from ..encoding.secrets import MASK
from ..errors import QueryError
from ..mapping.fields import storage_of
from ..mapping.mapper import Mapper
from ..mapping.stored_field import StoredField
from .conditions import AllOf, AnyOf, Comparison, Condition, Not, Order
from .entries import LONGEST_TEXT, part_of

__all__ = ["judge", "masked", "matches", "resolved", "resolved_order", "sort_key"]

_Test = Callable[[BaseModel], bool]
_LISTS: Final = (list, tuple, set, frozenset, deque)
_BEGINNING: Final = datetime.min  # that times are counted from


class _Instant(NamedTuple):
    """A datetime: those with a zone as their time in UTC, and never equal to one without."""

    has_zone: bool
    since: timedelta


class _Descending:
    """A key that sorts the other way round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.key == other.key

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.key < self.key)

    __hash__ = None  # type: ignore[assignment]  # only made to be compared


def resolved(condition: Condition, mapper: Mapper[Any]) -> Condition:
    """Give a condition whose values are of the types of their fields.

    Raises:
        EncodeError: A value cannot be one of its field.
        QueryError: A field is another model's, is not stored, or cannot be compared in this way.
    """
    if isinstance(condition, Comparison):
        field = _field(condition, mapper)
        return dataclasses.replace(
            condition, value=_value(condition, field, mapper), folds_case=_folds_case(mapper, field.name)
        )
    if isinstance(condition, Not):
        return Not(resolved(condition.condition, mapper))
    assert isinstance(condition, (AllOf, AnyOf)), condition
    return type(condition)(tuple(resolved(member, mapper) for member in condition.conditions))


def resolved_order(order: Order, mapper: Mapper[Any]) -> Order:
    """Give an order whose field can be sorted by.

    Raises:
        QueryError: Its field is another model's, is not stored, or of a type that has no order.
    """
    field = _field(order, mapper)
    try:
        part_of(field.name, field.codec)
    except TypeError as exc:
        raise QueryError(f"{order}: {exc}") from exc
    return dataclasses.replace(order, folds_case=_folds_case(mapper, field.name))


def masked(condition: Condition, mapper: Mapper[Any]) -> Condition:
    """Give a condition that may be shown: asterisks stand for values of fields that are secret."""
    if isinstance(condition, Comparison):
        if condition.value is None or not mapper.conceals(condition.field):
            return condition
        return dataclasses.replace(condition, value=(MASK,) if condition.operator == "in" else MASK)
    if isinstance(condition, Not):
        return Not(masked(condition.condition, mapper))
    assert isinstance(condition, (AllOf, AnyOf)), condition
    return type(condition)(tuple(masked(member, mapper) for member in condition.conditions))


def matches(condition: Condition, instance: BaseModel) -> bool:
    """Tell whether a record meets a ``resolved`` condition; for many records, see ``judge``."""
    return judge(condition)(instance)


def judge(condition: Condition) -> Callable[[BaseModel], bool]:
    """Give the function that tells which records meet a ``resolved`` condition.

    None equals None, and has no order; nor has NaN, which equals nothing. A datetime with a zone neither equals nor
    orders with one without. Enums count by their values.
    """
    if isinstance(condition, Comparison):
        return _judge_one(condition)
    if isinstance(condition, Not):
        inner = judge(condition.condition)
        return lambda instance: not inner(instance)
    assert isinstance(condition, (AllOf, AnyOf)), condition
    tests = tuple(map(judge, condition.conditions))
    if isinstance(condition, AllOf):
        return lambda instance: all(test(instance) for test in tests)
    return lambda instance: any(test(instance) for test in tests)


def sort_key(orders: Sequence[Order], mapper: Mapper[Any]) -> Callable[[BaseModel], tuple[Any, ...]]:
    """Give the key that sorts records as an index does: by the orders, then by primary key.

    Primary keys go in the direction of the last order. As in an index, texts that differ only after their first 256
    bytes are equal.
    """
    is_descending = bool(orders) and orders[-1].is_descending
    parts = tuple(map(_sorter, orders))

    def key_of(instance: BaseModel) -> tuple[Any, ...]:
        key = mapper.key_of(vars(instance)[mapper.primary_key])
        return (*(part(instance) for part in parts), _Descending(key) if is_descending else key)

    return key_of


def _field(place: Comparison | Order, mapper: Mapper[Any]) -> StoredField:
    model = mapper.model
    if place.model is not None and not issubclass(model, place.model):
        raise QueryError(f"{place}: the query is of {model.__name__}; write {model.__name__}.{place.field}")
    if place.field not in mapper.names:
        raise QueryError(
            f"{place}: {model.__name__} has no stored field {place.field!r}; it has {', '.join(mapper.names)}"
        )
    return mapper.field(place.field)


def _folds_case(mapper: Mapper[Any], name: str) -> bool:
    return storage_of(mapper.model.__pydantic_fields__[name]).nocase


def _value(comparison: Comparison, field: StoredField, mapper: Mapper[Any]) -> object:
    """Give the value of a comparison as one that the field can have."""
    value = comparison.value
    if comparison.operator == "startswith":
        if not _is_text(field):
            raise QueryError(f"{comparison}: the field is not text; compare it, or use between()")
        return _text(value)
    if comparison.operator == "contains":
        return _member(comparison, field, mapper)
    if comparison.operator == "in":
        return tuple(_validated(one, field, mapper) for one in cast("Iterable[object]", value))
    return _validated(value, field, mapper)


def _validated(value: object, field: StoredField, mapper: Mapper[Any]) -> object:
    if value is None and field.codec.is_optional:
        return None
    try:
        return _made(value, field)
    except (ValueError, TypeError) as exc:
        error = mapper.encode_error(field.name, value, exc)
    raise error  # outside of the except clause, whose exception may quote a secret


def _made(value: object, field: StoredField) -> object:
    try:
        return field.codec.validate(value)
    except ValueError:
        # Bounds are for what is stored: one may ask beyond Annotated[int, Ge(0)] | None, and for an infinite Decimal.
        annotation = without_none(field.codec.annotation)[0]
        if cast(object, type(value)) is annotation:
            return value
        if value is None or annotation is field.codec.annotation:
            raise
        return codec_for(annotation).validate(value)


def _member(comparison: Comparison, field: StoredField, mapper: Mapper[Any]) -> object:
    """Give what ``contains`` looks for as a member of the field's list, or as text."""
    annotation = without_none(field.codec.annotation)[0]
    if _is_text(field):
        return _text(comparison.value)
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if origin not in _LISTS:
        raise QueryError(f"{comparison}: the field is neither a list or set, nor text; compare it")
    if not arguments or (origin is tuple and arguments[1:] != (...,)):
        return comparison.value
    return _validated(comparison.value, StoredField(field.name, codec_for(arguments[0])), mapper)


def _is_text(field: StoredField) -> bool:
    """Whether values of a field are text, or enums and literals of text."""
    try:
        return part_of(field.name, field.codec).kind in ("str", "jstr")
    except TypeError:
        return False


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {value!r:.60}")
    return value


def _judge_one(comparison: Comparison) -> _Test:
    name, folds_case = comparison.field, comparison.folds_case
    if comparison.operator == "in":
        values = cast("tuple[object, ...]", comparison.value)
        is_one = _membership([_comparable(value, folds_case) for value in values])
        return lambda instance: is_one(_comparable(vars(instance).get(name), folds_case))
    compare, wanted = _COMPARERS[comparison.operator], _comparable(comparison.value, folds_case)
    return lambda instance: compare(_comparable(vars(instance).get(name), folds_case), wanted)


def _membership(values: list[object]) -> Callable[[object], bool]:
    """Give the test whether a value equals one of some."""

    def is_one(value: object) -> bool:
        return any(_is_equal(value, wanted) for wanted in values)

    try:
        members = frozenset(value for value in values if value == value)  # not NaN, which a set finds by identity
    except (TypeError, ArithmeticError):
        return is_one

    def is_member(value: object) -> bool:
        try:
            return value in members
        except TypeError:  # unhashable
            return is_one(value)

    return is_member


def _comparable(value: object, folds_case: bool) -> object:
    """Give what stands for a value in comparisons."""
    value = _plain(value)
    if isinstance(value, datetime):
        return _instant(value)
    return _folded(value) if folds_case and isinstance(value, str) else value


def _plain(value: object) -> object:
    return cast(object, value.value) if isinstance(value, enum.Enum) else value


def _instant(value: datetime) -> _Instant:
    # Not by astimezone(): UTC has no such year for the first and the last hours of all.
    since, offset = value.replace(tzinfo=None) - _BEGINNING, value.utcoffset()
    return _Instant(False, since) if offset is None else _Instant(True, since - offset)


def _folded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").lower()  # bytes fold A to Z only, and sort as code points do


def _is_equal(value: object, wanted: object) -> bool:
    try:
        return bool(value == wanted)
    except ArithmeticError:  # a signalling NaN
        return False


def _is_ordered(compare: Callable[[Any, Any], object]) -> Callable[[Any, Any], bool]:
    def test(value: Any, wanted: Any) -> bool:
        if value is None or wanted is None:
            return False
        if isinstance(value, _Instant) and isinstance(wanted, _Instant) and value.has_zone is not wanted.has_zone:
            return False
        try:
            return bool(compare(value, wanted))
        except (TypeError, ArithmeticError):  # of types without an order; NaN of Decimal
            return False

    return test


def _begins(value: object, prefix: Any) -> bool:
    return isinstance(value, (str, bytes)) and value.startswith(prefix)


def _contains(value: object, wanted: Any) -> bool:
    if isinstance(value, _LISTS):
        return any(_is_equal(_comparable(member, False), wanted) for member in cast("list[object]", value))
    return isinstance(value, (str, bytes)) and wanted in value


def _sorter(order: Order) -> Callable[[BaseModel], tuple[Any, ...]]:
    none_rank = 0 if order.is_none_first else 2

    def key_of(instance: BaseModel) -> tuple[Any, ...]:
        value = _comparable(vars(instance).get(order.field), order.folds_case)
        if value is None:
            return (none_rank,)
        key = _sortable(value)
        return (1, _Descending(key) if order.is_descending else key)

    return key_of


def _sortable(value: Any) -> tuple[Any, ...]:
    """Give a value as its entry sorts: NaN behind all numbers, text by its first bytes."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return (0, value[:LONGEST_TEXT])
    is_nan = value.is_nan() if isinstance(value, Decimal) else value != value
    return (1, 0) if is_nan else (0, value)


_COMPARERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": _is_equal,
    "!=": lambda value, wanted: not _is_equal(value, wanted),
    "<": _is_ordered(operator.lt),
    "<=": _is_ordered(operator.le),
    ">": _is_ordered(operator.gt),
    ">=": _is_ordered(operator.ge),
    "startswith": _begins,
    "contains": _contains,
}
