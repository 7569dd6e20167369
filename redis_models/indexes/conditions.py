"""The conditions and orders of a query: what ``where()`` and ``order_by()`` take, as a tree of values. Pure.

``Order.number >= 18`` is a ``Comparison``, because ``Order.number`` is a ``Reference`` on the class. The tree says what
is asked, not how it is found: ``planner`` makes ranges of it, ``matcher`` judges instances by it.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, Literal, NoReturn, TypeVar, cast, overload

from pydantic import BaseModel
from typing_extensions import TypeIs

from ..encoding.annotations import without_none
from ..errors import QueryError
from ..mapping.fields import storage_of

__all__ = [
    "AllOf",
    "AnyOf",
    "Comparison",
    "Condition",
    "Not",
    "Operator",
    "Order",
    "Reference",
    "all_of",
    "asc",
    "comparisons_of",
    "desc",
    "on",
    "order_of",
]

T = TypeVar("T")
E = TypeVar("E")

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "startswith", "contains"]
_ORDERING: Final = ("<", "<=", ">", ">=")
_SHOWN: Final = 20  # values of one_of that a text quotes
_NO_TRUTH: Final = (
    "a condition has no truth value of its own; write 'a & b' for 'a and b', 'a | b' for 'a or b', '~a' for 'not a',"
    " (1 < X.f) & (X.f < 9) for '1 < X.f < 9', and on(X.f).one_of([...]) for 'X.f in [...]'"
)


class Condition:
    """What records a query finds. Made by comparing a field of a model class; combined with ``&``, ``|`` and ``~``."""

    __slots__ = ()

    def __and__(self, other: "Condition | bool") -> "Condition":
        return AllOf((*_members(self, AllOf), *_members(_condition(other), AllOf)))

    def __or__(self, other: "Condition | bool") -> "Condition":
        return AnyOf((*_members(self, AnyOf), *_members(_condition(other), AnyOf)))

    def __rand__(self, other: "Condition | bool") -> "Condition":
        return _condition(other) & self

    def __ror__(self, other: "Condition | bool") -> "Condition":
        return _condition(other) | self

    def __invert__(self) -> "Condition":
        return self.condition if isinstance(self, Not) else Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self}: {_NO_TRUTH}")


@dataclass(frozen=True)
class Comparison(Condition):
    """A field compared with a value.

    Attributes:
        field: The stored field.
        operator: How; ``in`` has a tuple of values.
        value: With what. A value of the field's type, once the condition was ``resolved``.
        model: The class that the field was written with, or None.
        folds_case: Whether letters A to Z of the field equal a to z.
    """

    field: str
    operator: Operator
    value: object
    model: type[BaseModel] | None = dataclasses.field(default=None, compare=False)
    folds_case: bool = dataclasses.field(default=False, compare=False)

    def __str__(self) -> str:
        name = self.field if self.model is None else f"{self.model.__name__}.{self.field}"
        if self.operator == "in":
            values = cast("tuple[object, ...]", self.value)
            shown = ", ".join(f"{_spelled(value):.60}" for value in values[:_SHOWN])
            return f"on({name}).one_of([{shown}{', ...' if len(values) > _SHOWN else ''}])"
        if self.operator in ("startswith", "contains"):
            return f"on({name}).{self.operator}({_spelled(self.value):.200})"
        if self.value is None and self.operator == "==":
            return f"on({name}).is_none()"
        return f"{name} {self.operator} {_spelled(self.value):.200}"


@dataclass(frozen=True)
class AllOf(Condition):
    """All of some conditions; without any, every record."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return " & ".join(map(_bracketed, self.conditions)) if len(self.conditions) != 1 else str(self.conditions[0])


@dataclass(frozen=True)
class AnyOf(Condition):
    """At least one of some conditions; without any, no record."""

    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return " | ".join(map(_bracketed, self.conditions)) if len(self.conditions) != 1 else str(self.conditions[0])


@dataclass(frozen=True)
class Not(Condition):
    """The opposite of a condition: ``~(X.f < 5)`` also finds None, which ``X.f >= 5`` does not."""

    condition: Condition

    def __str__(self) -> str:
        return f"~{_bracketed(self.condition)}"


class Reference(Generic[T]):
    """A field of a model class, to be compared: what ``Order.number`` is at run time, and ``on(Order.number)``.

    Attributes:
        model: The class.
        name: The field.
    """

    __slots__ = ("model", "name")

    def __init__(self, model: type[BaseModel], name: str) -> None:
        self.model, self.name = model, name

    def __repr__(self) -> str:
        return f"{self.model.__name__}.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Reference, (self.model, self.name)

    __hash__ = object.__hash__

    def __eq__(self, other: T | None) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point of it
        return self._compared("==", other)

    def __ne__(self, other: T | None) -> Condition:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # likewise
        return self._compared("!=", other)

    def __lt__(self, other: T) -> Condition:
        return self._compared("<", other)

    def __le__(self, other: T) -> Condition:
        return self._compared("<=", other)

    def __gt__(self, other: T) -> Condition:
        return self._compared(">", other)

    def __ge__(self, other: T) -> Condition:
        return self._compared(">=", other)

    def one_of(self, values: Iterable[T | None]) -> Condition:
        """Find records whose value is one of these; None may be among them."""
        if isinstance(values, (str, bytes)):
            raise TypeError(
                f"{self!r}: one_of() takes a list of values, not {values!r:.60}; write one_of([{values!r:.60}])"
            )
        return self._compared("in", tuple(values))

    def between(self, first: T, last: T) -> Condition:
        """Find records whose value lies between two, both included."""
        return (self >= first) & (self <= last)

    def is_none(self) -> Condition:
        """Find records whose value is None."""
        return self._compared("==", None)

    def startswith(self, prefix: str) -> Condition:
        """Find records whose text begins with ``prefix``."""
        if not isinstance(cast(object, prefix), str):
            raise TypeError(f"{self!r}: startswith() takes text, not {prefix!r:.60}")
        return self._compared("startswith", prefix)

    @overload
    def contains(self: "Reference[str]", value: str) -> Condition: ...
    @overload
    def contains(self: "Reference[list[E]]", value: E) -> Condition: ...
    @overload
    def contains(self: "Reference[set[E]]", value: E) -> Condition: ...
    @overload
    def contains(self: "Reference[frozenset[E]]", value: E) -> Condition: ...
    @overload
    def contains(self: "Reference[tuple[E, ...]]", value: E) -> Condition: ...
    def contains(self: "Reference[Any]", value: object) -> Condition:
        """Find records whose list or set has ``value`` in it, or whose text has it as a part."""
        return self._compared("contains", value)

    def _compared(self, operator: Operator, value: object) -> Condition:
        if isinstance(value, (Reference, Condition)):
            raise TypeError(f"{self!r} {operator} {value}: a field is compared with a value, not with another field")
        if value is None and operator in _ORDERING:
            raise TypeError(f"{self!r} {operator} None: None has no order; write on({self!r}).is_none()")
        storage = storage_of(self.model.__pydantic_fields__[self.name])
        return Comparison(self.name, operator, value, self.model, storage.nocase)

    # A field of type bool is a condition by itself, to checkers too: ``where(Order.is_paid & (Order.number > 5))``.
    def __and__(self, other: "Condition | bool") -> Condition:
        return _condition(self) & other

    def __or__(self, other: "Condition | bool") -> Condition:
        return _condition(self) | other

    def __rand__(self, other: "Condition | bool") -> Condition:
        return _condition(other) & _condition(self)

    def __ror__(self, other: "Condition | bool") -> Condition:
        return _condition(other) | _condition(self)

    def __invert__(self) -> Condition:
        return ~_condition(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} is a field of a model class, and has no truth value; {_NO_TRUTH}")


@overload
def on(model: type[BaseModel], name: str, /) -> Reference[Any]: ...
@overload
def on(field: T | None, /) -> Reference[T]: ...
def on(field: object, name: str | None = None, /) -> Reference[Any]:
    """Give the typed reference of a field, for what ``Order.number >= 5`` cannot say.

    It has ``startswith``, ``one_of``, ``between``, ``is_none`` and ``contains``, and compares fields that may be None::

        on(Order.email).startswith("a")
        on(Order.discount) >= 5
        on(Order, "count") > 3  # a field with the name of a verb

    Args:
        field: A field of a model class, such as ``Order.email``; or the class, with the field's name.
        name: The field's name.

    Raises:
        TypeError: It is not a field of a model class.
        QueryError: The class has no such field.
    """
    if _is_reference(field) and name is None:
        return field
    if not (isinstance(field, type) and issubclass(field, BaseModel)) or name is None:
        raise TypeError(
            f"on() takes a field of a model class, such as on(Order.email), not {field!r:.60}; write the class, not an"
            " instance, and on(Order, 'count') for a field with the name of a method"
        )
    if name not in field.__pydantic_fields__:
        raise QueryError(f"{field.__name__} has no field {name!r}; it has {', '.join(field.__pydantic_fields__)}")
    return Reference(field, name)


@dataclass(frozen=True)
class Order:
    """One field that a query is sorted by.

    Attributes:
        field: The stored field.
        is_descending: Whether the largest come first.
        nulls: Where None goes: "first" or "last". Without it, None is the smallest.
        model: The class that the field was written with, or None.
        folds_case: Whether letters A to Z of the field equal a to z.
    """

    field: str
    is_descending: bool = False
    nulls: Literal["first", "last"] | None = None
    model: type[BaseModel] | None = dataclasses.field(default=None, compare=False)
    folds_case: bool = dataclasses.field(default=False, compare=False)

    @property
    def is_none_first(self) -> bool:
        """Whether records with None come before all others."""
        return self.nulls == "first" or (self.nulls is None and not self.is_descending)

    def __str__(self) -> str:
        name = self.field if self.model is None else f"{self.model.__name__}.{self.field}"
        nulls = "" if self.nulls is None else f", nulls={self.nulls!r}"
        return f"{'desc' if self.is_descending else 'asc'}({name}{nulls})"


def asc(field: object, *, nulls: Literal["first", "last"] | None = None) -> Order:
    """Sort by a field, the smallest first.

    Args:
        field: A field of a model class, such as ``Order.created`` or ``on(Order, "count")``.
        nulls: Where None goes; first unless said otherwise.
    """
    return _order("asc", field, False, nulls)


def desc(field: object, *, nulls: Literal["first", "last"] | None = None) -> Order:
    """Sort by a field, the largest first.

    Args:
        field: A field of a model class, such as ``Order.created`` or ``on(Order, "count")``.
        nulls: Where None goes; last unless said otherwise.
    """
    return _order("desc", field, True, nulls)


def order_of(field: object) -> Order:
    """Give what ``order_by`` takes as an order: itself, or ascending by a field.

    Raises:
        TypeError: It is neither an order nor a field of a model class.
    """
    return field if isinstance(field, Order) else _order("order_by", field, False, None)


def all_of(conditions: Iterable[object]) -> Condition:
    """Give the one condition that the arguments of ``where()`` are.

    Raises:
        TypeError: One of them is not a condition; a bool was made by comparing an instance.
    """
    members = tuple(member for one in conditions for member in _members(_condition(one), AllOf))
    return members[0] if len(members) == 1 else AllOf(members)


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """Give every comparison in a condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, (AllOf, AnyOf)):
        for member in condition.conditions:
            yield from comparisons_of(member)
    elif isinstance(condition, Not):
        yield from comparisons_of(condition.condition)


def _order(verb: str, field: object, is_descending: bool, nulls: Literal["first", "last"] | None) -> Order:
    if not _is_reference(field):
        raise TypeError(
            f"{verb}() takes a field of a model class, such as {verb}(Order.created), not {field!r:.60}; write"
            " on(Order, 'count') for a field with the name of a method"
        )
    if nulls not in (None, "first", "last"):
        raise TypeError(f"{verb}({field!r}): nulls must be 'first' or 'last', not {nulls!r}")
    storage = storage_of(field.model.__pydantic_fields__[field.name])
    return Order(field.name, is_descending, nulls, field.model, storage.nocase)


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        return value
    if _is_reference(value):
        if without_none(value.model.__pydantic_fields__[value.name].annotation)[0] is bool:
            return value == True  # noqa: E712
        raise TypeError(f"{value!r} is a field, not a condition; compare it with a value")
    if isinstance(value, bool):
        raise TypeError(
            f"{value} is not a condition; write the class on the left, as in Order.number >= 18: comparing an instance"
            " gives True or False"
        )
    raise TypeError(f"{value!r:.60} is not a condition; write one such as Order.number >= 18")


def _is_reference(value: object) -> TypeIs[Reference[Any]]:
    return isinstance(value, Reference)


def _members(condition: Condition, kind: type[AllOf] | type[AnyOf]) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, kind) else (condition,)


def _spelled(value: object) -> str:
    """Give a value as code writes it."""
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def _bracketed(condition: Condition) -> str:
    text = str(condition)
    is_call = isinstance(condition, Comparison) and text.endswith(")") and text.startswith("on(")
    return text if is_call or isinstance(condition, Not) else f"({text})"
